"""What this floor adds to the JSON API: the offboarding preview, for Owners."""

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from rotation import offboarding
from workspace import people
from workspace.api import PrivateView
from workspace.errors import NotFound, Refused


class OffboardingPreview(PrivateView):
    """GET: what would happen if a person of the caller's workspace left now. Owners only; changes nothing."""

    def get(self, request: Request, user_id: UUID) -> Response:
        caller = self.person
        if caller.workspace is None:
            raise NotFound("Platform staff look at previews in the console.")
        if not caller.is_owner:
            raise Refused("Only Owners of the workspace may see what a departure would do.")
        return Response(offboarding.preview(people.find(caller.workspace, user_id)).record())
