"""An offboarding's certificate in the console: as a page to print, and as a file to hand over."""

import json
from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.dateparse import parse_datetime
from django.utils.text import slugify
from unfold.enums import ActionVariant

from rotation.departures import certificate
from rotation.departures.standing import Standing
from rotation.models import Offboarding, Outcome
from workspace.admin.base import Act, ConsoleAdmin, actor, bound, button_for
from workspace.admin.forms import ActForm
from workspace.admin.parts import url
from workspace.errors import CerbyError


class CertifiedAdmin(ConsoleAdmin):
    """The two acts of a finished offboarding."""

    actions_detail: Sequence[str] = ("certificate", "certificate_file")

    def offered(self, request: HttpRequest, obj: Offboarding) -> Sequence[str]:
        return self.actions_detail if obj.completed_at else ()

    @button_for("Certificate", url_path="certificate", icon="verified", variant=ActionVariant.PRIMARY)
    def certificate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def page(obj: Offboarding, issued: dict[str, Any]) -> HttpResponse:
            document = _with_times(issued["certificate"])
            return self._page(
                request, "certificate", obj, title=f"Certificate of {obj}", certificate=document, jws=issued["jws"],
                key=issued["key"], file=url(obj, "certificate_file"), ended=_in_words(document["access_ended"]),
                standing=Standing(document["summary"]["state"]).label, outcomes=_outcomes(document["figures"]),
            )  # fmt: skip

        return self._issued(request, object_id, page)

    @button_for("Download certificate", url_path="certificate-file", icon="download")
    def certificate_file(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def file(obj: Offboarding, issued: dict[str, Any]) -> HttpResponse:
            answer = HttpResponse(json.dumps(issued, indent=2) + "\n", content_type="application/json")
            name = slugify(obj.user.user_name) or obj.pk
            answer["Content-Disposition"] = f'attachment; filename="{name}.certificate.json"'
            return answer

        return self._issued(request, object_id, file)

    def _issued(self, request: HttpRequest, object_id: str, show: Any) -> HttpResponse:
        """What `show` makes of the certificate; a page that says why where there is none yet."""
        obj = self.get_object(request, object_id)
        if obj is None:
            return self.missing(request, object_id)
        try:
            issued = certificate.issue(obj, actor=actor(request))
        except CerbyError as error:
            none = Act("Certificate", "", ActForm(bound(request)), lambda _: "", refusal=error.detail)
            return self.run(request, none, obj)
        answer: HttpResponse = show(obj, issued)
        answer["Cache-Control"] = "no-store"
        return answer


def _outcomes(figures: dict[str, Any]) -> list[tuple[str, int]]:
    """How many passwords ended in which way; the ways that there were."""
    return [(outcome.label, figures[outcome.value]) for outcome in Outcome if figures[outcome.value]]


def _in_words(ended: dict[str, Any]) -> list[tuple[str, Any]]:
    """What ended, with the document's names as words."""
    return [(name.replace("api_", "API ").replace("_", " "), value) for name, value in ended.items()]


def _with_times(value: Any, key: str = "") -> Any:
    """The document with its times as times, for the page's filters."""
    match value:
        case dict():
            return {name: _with_times(item, name) for name, item in value.items()}
        case list():
            return [_with_times(item) for item in value]
        case str() if key.endswith(("_at", "since", "until")):
            return parse_datetime(value)
    return value
