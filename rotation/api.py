"""What this floor adds to the JSON API, for Owners: the offboarding preview, and answers to removals of many people."""

from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from rotation.departures import offboarding, safeguard
from rotation.departures.exposures import Also
from workspace import people
from workspace.api import PrivateView
from workspace.audit import Actor
from workspace.errors import NotFound, Refused
from workspace.models import Workspace

SHOWN = 200


class OwnerView(PrivateView):
    """What the console lets Owners do, and nobody else."""

    @property
    def owned(self) -> Workspace:
        """The caller's workspace. Raises NotFound for platform staff, Refused for everybody but its Owners."""
        caller = self.person
        if caller.workspace is None:
            raise NotFound("Platform staff look at this in the console.")
        if not caller.is_owner:
            raise Refused("Only Owners of the workspace may do this.")
        return caller.workspace


class OffboardingPreview(OwnerView):
    """GET: what would happen if a person of the caller's workspace left now. Changes nothing. `also=looked_at` or
    `also=all`: with what is changed beside what the workspace's policy changes."""

    def get(self, request: Request, user_id: UUID) -> Response:
        user = people.find(self.owned, user_id)
        wanted = AlsoSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        return Response(offboarding.preview(user, also=Also(wanted.validated_data["also"])).record())


class AlsoSerializer(serializers.Serializer[None]):
    also = serializers.ChoiceField([also.value for also in Also], default=Also.NOTHING.value)


class Removals(OwnerView):
    """GET: the removals of many people, newest first; those in the state “waits” want an answer."""

    def get(self, request: Request) -> Response:
        return Response({"results": [safeguard.record(row) for row in safeguard.listed(self.owned)[:SHOWN]]})


class AnswerSerializer(serializers.Serializer[None]):
    answer = serializers.ChoiceField(("confirm", "cancel"))


class RemovalAnswer(OwnerView):
    """POST {"answer": "confirm" | "cancel"}: whether these people were meant to leave; `rotations` begin or are called
    off."""

    def post(self, request: Request, removal_id: UUID) -> Response:
        removal = safeguard.find(self.owned, removal_id)
        wanted = AnswerSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        done = safeguard.answer(removal, wanted.validated_data["answer"], actor=Actor.person(self.person))
        return Response({**safeguard.record(safeguard.listed(self.owned).get(pk=removal.pk)), "rotations": done})
