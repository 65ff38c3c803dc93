"""What this floor answers to anybody: the public half of a key that signed a certificate."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from workspace import signing
from workspace.models import SigningKey


@require_safe
def certificate_key(request: HttpRequest, kid: str) -> HttpResponse:
    """A JSON Web Key (RFC 7517) by its thumbprint, which nobody guesses; it says nothing of whose it is."""
    key = SigningKey.objects.filter(kid=kid).first()
    if key is None:
        return JsonResponse({"detail": "No certificate was signed by such a key here."}, status=404)
    answer = JsonResponse(signing.jwk_of(key), content_type="application/jwk+json")
    answer["Cache-Control"] = "public, max-age=86400"
    return answer
