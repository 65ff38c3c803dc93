"""The forms of console pages: plain fields in unfold's dress, and choices that never leave one workspace."""

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar, Final

from django import forms
from django.db.models import Model, QuerySet
from django.urls import reverse_lazy
from unfold.widgets import (
    UnfoldAdminAutocompleteModelChoiceFieldWidget,
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminEmailInputWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordToggleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from workspace import tenancy
from workspace.errors import CerbyError
from workspace.models import Workspace
from workspace.reauthentication import ReauthenticationForm

MAX_PASSWORD: Final = 1024


class ActForm(forms.Form):
    """What a page asks before it does something. Without fields it only asks for the click."""

    asked_as: ClassVar[dict[str, str]] = {}
    """By what a verb calls a value, the field that it was made from, where that has another name."""

    def refuse(self, error: CerbyError) -> None:
        """Show a verb's refusal beside the field it is about, in either spelling (`userName`, `user_name`)."""
        name = re.sub(r"([A-Z])", lambda match: f"_{match.group(1).lower()}", getattr(error, "field", ""))
        name = self.asked_as.get(name, name)
        self.add_error(name if name in self.fields else None, error.detail)


class TickForm(ActForm):
    """Has a field of many boxes, `ticks`, with links that tick all of them or none: `tick` of the page's address."""

    ticks: ClassVar[str] = ""

    class Media:
        js = (forms.Script("console/ticks.js", defer=True),)

    def ticked(self, label: str, choices: Sequence[tuple[str, str]], suggested: Sequence[str], tick: str) -> None:
        """Add the field: all is ticked, none, or what is suggested."""
        initial = {"all": [value for value, _ in choices], "none": []}.get(tick, suggested)
        self.fields[self.ticks] = several(label, choices, initial=initial)


class TypedForm(ActForm):
    """Asks for a name to be typed, below whatever else is asked, before something is done that is not simply undone."""

    typed = forms.CharField(max_length=254)

    def __init__(self, *args: Any, expected: str, label: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._expected = expected
        field = self.fields["typed"]
        field.label, field.help_text = label, expected
        field.widget = UnfoldAdminTextInputWidget({"autocomplete": "off", "spellcheck": "false"})
        self.order_fields([name for name in self.fields if name != "typed"])

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"].strip()
        if typed.lower() != self._expected.lower():
            raise forms.ValidationError(f"Type “{self._expected}” to confirm.")
        return typed


class ConfirmedForm(ReauthenticationForm, ActForm):
    """An act that a borrowed browser must not do: asks for the password or a code, unless that was just given.

    Made with `request=request`; with WorkspaceForm it comes first among the bases.
    """

    def proof_field(self) -> forms.CharField:
        field = super().proof_field()
        field.widget = UnfoldAdminPasswordToggleWidget({"autocomplete": "current-password", "spellcheck": "false"})
        return field


class WorkspaceForm(ActForm):
    """For something in a workspace: the visitor's own, or, where that is None (platform staff), the one they say."""

    def __init__(self, *args: Any, workspace: Workspace | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._workspace = workspace
        if workspace is None:
            self.fields["workspace"] = choice("Workspace", Workspace.objects.order_by("name"))
            self.order_fields(["workspace"])

    @property
    def chosen_workspace(self) -> Workspace:
        chosen: Workspace = self._workspace or self.cleaned_data["workspace"]
        return chosen


def text(label: str, *, required: bool = True, limit: int = 254, help_text: str = "") -> forms.CharField:
    return forms.CharField(
        label=label, required=required, max_length=limit, help_text=help_text, widget=UnfoldAdminTextInputWidget()
    )


def day(label: str, *, required: bool = True, help_text: str = "") -> forms.DateField:
    widget = UnfoldAdminTextInputWidget({"type": "date"})
    return forms.DateField(label=label, required=required, help_text=help_text, widget=widget)


def end_of(chosen: date | None, workspace: Workspace | None) -> datetime | None:
    """The end of a day, in the workspace's time zone."""
    if chosen is None:
        return None
    return datetime.combine(chosen + timedelta(days=1), time.min, tzinfo=tenancy.zone_of(workspace))


def last_day(moment: datetime | None, workspace: Workspace | None) -> date | None:
    """The day whose end a moment is: what `end_of` was made from."""
    zone = tenancy.zone_of(workspace)
    return (moment - timedelta(microseconds=1)).astimezone(zone).date() if moment else None


def lines(label: str, *, required: bool = True, limit: int, help_text: str = "") -> forms.CharField:
    """A text of several lines."""
    widget = UnfoldAdminTextareaWidget({"rows": 4, "spellcheck": "false"})
    return forms.CharField(label=label, required=required, max_length=limit, help_text=help_text, widget=widget)


def email(label: str, *, required: bool = True) -> forms.EmailField:
    return forms.EmailField(label=label, required=required, max_length=254, widget=UnfoldAdminEmailInputWidget())


def password(label: str, *, help_text: str = "") -> forms.CharField:
    """A password of a target: taken as it is, blanks at its ends included, and never sent back to the page."""
    widget = UnfoldAdminPasswordToggleWidget({"autocomplete": "new-password", "spellcheck": "false"})
    return forms.CharField(label=label, strip=False, max_length=MAX_PASSWORD, help_text=help_text, widget=widget)


def number(
    label: str, *, least: int, most: int, initial: int | None = None, required: bool = True, help_text: str = ""
) -> forms.IntegerField:
    return forms.IntegerField(
        label=label, min_value=least, max_value=most, initial=initial, required=required, help_text=help_text,
        widget=UnfoldAdminIntegerFieldWidget(),
    )  # fmt: skip


def options(label: str, choices: Any, *, initial: str = "", help_text: str = "") -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label, choices=choices, initial=initial, help_text=help_text, widget=UnfoldAdminSelectWidget()
    )


def several(label: str, choices: Any, *, initial: Any = None, help_text: str = "") -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label, choices=choices, initial=initial, help_text=help_text,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )  # fmt: skip


def switch(label: str, *, help_text: str = "") -> forms.BooleanField:
    return forms.BooleanField(label=label, required=False, help_text=help_text, widget=UnfoldBooleanSwitchWidget())


def choice(
    label: str, rows: QuerySet[Any], *, required: bool = True, help_text: str = ""
) -> "forms.ModelChoiceField[Any]":
    """One of a few rows, all listed."""
    return forms.ModelChoiceField(
        rows, label=label, required=required, help_text=help_text, empty_label="Select…",
        widget=UnfoldAdminSelectWidget(),
    )  # fmt: skip


def search(
    label: str, rows: QuerySet[Any], *, through: type[Model], field: str, required: bool = True, help_text: str = ""
) -> "forms.ModelChoiceField[Any]":
    """One of many rows, found by typing. `through.field` is the foreign key that says to the server what is sought;
    whatever it offers, only a row among `rows` is accepted."""
    widget = UnfoldAdminAutocompleteModelChoiceFieldWidget(_search_attributes(through, field))
    return forms.ModelChoiceField(rows, label=label, required=required, help_text=help_text, widget=widget)


def _search_attributes(through: type[Model], field: str) -> dict[str, Any]:
    return {
        "data-ajax--url": reverse_lazy("admin:autocomplete"),
        "data-app-label": through._meta.app_label,
        "data-model-name": through._meta.model_name,
        "data-field-name": field,
        "class": "unfold-filter-autocomplete",
    }
