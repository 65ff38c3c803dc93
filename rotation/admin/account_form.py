"""The form of an account: what it is, where its login lives, and what its passwords are made of.

The settings of each connector become fields of their own, made from the connector's own model, so that nobody
writes JSON and a new connector needs nothing here.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen
from django import forms as django_forms
from pydantic.fields import FieldInfo

from rotation import connectors
from rotation.connectors.base import WrongSettings
from rotation.passwords import Policy, generate
from workspace import accounts, tenancy
from workspace.admin import forms
from workspace.errors import Invalid
from workspace.models import Account, CharacterClass, Workspace
from workspace.models.accounts import default_classes

PLAIN: Final[tuple[str, ...]] = (
    "name", "username", "connector", "is_privileged", "admin_account",
    "password_length", "password_classes", "password_excluded", "password_rules",
    "rotate_every_days", "verify_every_hours", "lockout_budget",
)  # fmt: skip

LAST: Final = PLAIN[PLAIN.index("password_length"):]


class AccountForm(forms.WorkspaceForm):
    """`groups` says which fields the page shows for which connector."""

    name = forms.text("Name", limit=120, help_text="What people call it, such as “Reporting database”.")
    username = forms.text("User name", required=False, help_text="The login on the target.")
    is_privileged = forms.switch(
        "Privileged", help_text="A departure changes the password of every privileged account."
    )
    connector = forms.options("How the password is changed", (), initial="by_hand")
    password_length = forms.number("Password length", least=8, most=128, initial=32)
    password_classes = forms.several("Characters", CharacterClass.choices, initial=default_classes)
    password_excluded = forms.text(
        "Excluded characters", required=False, limit=64, help_text="Characters that the target does not accept."
    )
    password_rules = forms.text(
        "Password rules", required=False, limit=500,
        help_text="What the target takes, in Apple's passwordrules syntax, such as “minlength: 12; required: lower;"
        " required: digit; allowed: [-_.]”. Narrows the fields above.",
    )  # fmt: skip
    rotate_every_days = forms.number(
        "Rotate every (days)", least=0, most=tenancy.LONGEST_DAYS, required=False,
        help_text="A password of that age is changed by itself, within the workspace's hours. 0: only when somebody"
        " leaves or asks. Empty: as the workspace says of privileged accounts.",
    )  # fmt: skip
    verify_every_hours = forms.number(
        "Check every (hours)", least=0, most=tenancy.LONGEST_HOURS, required=False,
        help_text="How often the stored password is tried on the target. 0: never. Empty: as the workspace says.",
    )  # fmt: skip
    lockout_budget = forms.number(
        "Failed logins running", least=accounts.LEAST_FAILED_LOGINS, most=100, required=False,
        help_text="How many Cerby may cause before it pauses for half an hour, so that the target does not lock the"
        " login. Empty: what is usual for such a target.",
    )  # fmt: skip

    def __init__(self, *args: Any, workspace: Workspace | None, account: Account | None = None, **kwargs: Any) -> None:
        super().__init__(*args, workspace=workspace, **kwargs)
        choice: Any = self.fields["connector"]
        choice.choices = connectors.choices()
        choice.widget.attrs["x-model"] = "shown"
        self._add_targets(account.target if account else {}, account.connector if account else "")
        if workspace is not None:
            self._add_admin(workspace, account)
        last = [name for name in self.fields if name in LAST]
        self.order_fields([name for name in self.fields if name not in last] + last)

    @property
    def shown(self) -> str:
        """The connector whose settings the page shows first."""
        return str(self["connector"].value())

    @property
    def groups(self) -> list[tuple[str, list[django_forms.BoundField]]]:
        """The fields in order, gathered under the connector they belong to ("" for all)."""
        found: list[tuple[str, list[django_forms.BoundField]]] = []
        for bound in self.visible_fields():
            key = bound.name.partition("__")[0] if "__" in bound.name else ""
            if not found or found[-1][0] != key:
                found.append((key, []))
            found[-1][1].append(bound)
        return found

    def values(self) -> dict[str, Any]:
        """What the account is to be, for `accounts.create` and `accounts.update`, the workspace apart."""
        values = {name: self.cleaned_data[name] for name in PLAIN if name in self.cleaned_data}
        prefix = f"{values['connector']}__"
        target = {
            name.removeprefix(prefix): value
            for name, value in self.cleaned_data.items() if name.startswith(prefix) and value not in ("", None)
        }  # fmt: skip
        values["target"] = target
        return values

    def clean(self) -> dict[str, Any]:
        """The connector's own validation comes with sentences for people."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            self._check_target()
        if not self.errors:
            self._check_policy()
        return data

    def _check_policy(self) -> None:
        """That some password fits what the account and its target ask for."""
        values = self.values()
        kind = connectors.REGISTRY[values["connector"]]
        probe = Account(**{name: values[name] for name in values if name.startswith("password_")})
        try:
            generate(Policy.of(probe, target_rules=kind.capabilities.password_rules))
        except Invalid as error:
            self.refuse(error)

    def _check_target(self) -> None:
        values = self.values()
        probe = Account(
            workspace=self.chosen_workspace, connector=values["connector"], target=values["target"],
            username=values["username"],
        )  # fmt: skip
        try:
            connectors.of(probe, timeout=1)
        except WrongSettings as error:
            for setting, words in error.problems:
                self._refuse_setting(values["connector"], setting, words)
        except Invalid as error:
            where = [f"{values['connector']}__{name}" for name in ("host", "url") if error.field == "target"]
            if found := [name for name in where if name in self.fields]:
                self.add_error(found[0], error.detail)
            else:
                self.refuse(error)

    def _refuse_setting(self, connector: str, setting: str, words: str) -> None:
        """Beside its field; beside none where it is about several, or one that the form does not have."""
        name = f"{connector}__{setting.partition('.')[0]}"
        if name in self.fields:
            self.add_error(name, f"{words[:1].upper()}{words[1:].removesuffix('.')}.")
        else:
            self.add_error(None, f"Connection settings: {setting}: {words}." if setting else f"{words}.")

    def _add_targets(self, target: Mapping[str, Any], connector: str) -> None:
        for key, kind in connectors.REGISTRY.items():
            for name, info in kind.Settings.model_fields.items():
                field = field_of(name, info)
                if key == connector and name in target:
                    field.initial = as_text(target[name])
                self.fields[f"{key}__{name}"] = field

    def _add_admin(self, workspace: Workspace, account: Account | None) -> None:
        others = Account.objects.for_workspace(workspace).filter(archived_at=None)
        if account is not None:
            others = others.exclude(pk=account.pk)
        self.fields["admin_account"] = forms.search(
            "Admin account", others, through=Account, field="admin_account", required=False,
            help_text="An account on the same target whose password may reset this one. Empty: it changes its own.",
        )  # fmt: skip


def field_of(name: str, info: FieldInfo) -> django_forms.Field:
    """A form field for one setting of a connector; what is required is the connector's to say."""
    label = info.title or name.replace("_", " ").capitalize()
    initial = None if info.is_required() else info.default
    if info.annotation is bool:
        return _with(forms.switch(label, help_text=info.description or ""), initial)
    if info.annotation is int:
        least, most = _bounds(info)
        return _with(forms.number(label, least=least, most=most, help_text=info.description or ""), initial)
    if get_origin(info.annotation) is Literal:
        choices = [(value, value) for value in get_args(info.annotation)]
        return _with(forms.options(label, choices, help_text=info.description or ""), initial)
    extra = info.json_schema_extra
    make = forms.lines if isinstance(extra, dict) and extra.get("multiline") else forms.text
    return _with(make(label, limit=_limit(info), help_text=info.description or ""), initial)


def _bounds(info: FieldInfo) -> tuple[int, int]:
    """The least and the greatest number that the connector takes."""
    least, most = 0, 2**31 - 1
    for each in info.metadata:
        match each:
            case Ge(ge=int() as bound):
                least = bound
            case Gt(gt=int() as bound):
                least = bound + 1
            case Le(le=int() as bound):
                most = bound
            case Lt(lt=int() as bound):
                most = bound - 1
    return least, most


def _limit(info: FieldInfo) -> int:
    """How long a text may be, as its connector says."""
    extra = info.json_schema_extra
    if isinstance(extra, dict) and isinstance(limit := extra.get("limit"), int):
        return limit
    return min((each.max_length for each in info.metadata if isinstance(each, MaxLen)), default=254)


def as_text(value: Any) -> Any:
    """A setting that is JSON, as it was given over the API or by a command, for the person who edits it."""
    return json.dumps(value, indent=2, ensure_ascii=False) if isinstance(value, dict | list) else value


def _with(field: django_forms.Field, initial: Any) -> django_forms.Field:
    field.initial, field.required = initial, False
    return field
