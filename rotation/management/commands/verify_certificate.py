"""`manage.py verify_certificate`: whether a certificate is what the workspace signed."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from rotation.departures import certificate
from workspace import signing
from workspace.commands import SupportCommand
from workspace.errors import Invalid, NotFound
from workspace.models import SigningKey


class Command(SupportCommand):
    help = (
        "Check the signature of an offboarding's certificate. With --key nothing but the two files is needed, no"
        " database and no network. Exit code 1 when the certificate was not signed by that key or was changed."
    )
    example = "ada.certificate.json --key acme.jwk.json"
    requires_system_checks: list[str] = []

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="The certificate, as it was downloaded.")
        parser.add_argument("--key", type=Path, help="The signer's public key (JWK). Unset: looked up in this Cerby.")

    def perform(self, options: dict[str, Any]) -> None:
        text = _read(options["file"])
        key = options["key"]
        jwk = _jwk(_read(key)) if key else _known_here(signing.kid_of(certificate.parse(text)["jws"]))
        document = certificate.check(text, jwk)
        self.present(
            {
                "valid": True,
                **certificate.stands(document),
                "workspace": document["workspace"]["name"],
                "person": document["person"]["userName"],
                "access_ended_at": document["access_ended_at"],
                "completed_at": document["completed_at"],
                "issued_at": document["issued_at"],
                "accounts": len(document["accounts"]),
                "key": jwk.get("kid", ""),
            }
        )


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}.") from error


def _jwk(text: str) -> signing.Jwk:
    try:
        key = json.loads(text)
    except ValueError:
        key = None
    if not isinstance(key, dict):
        raise Invalid("The key is no JSON Web Key.", field="key")
    return key


def _known_here(kid: str) -> signing.Jwk:
    key = SigningKey.objects.filter(kid=kid).first()
    if key is None:
        raise NotFound(f"No workspace of this Cerby has the key {kid}. Name the signer's public key with --key.")
    return signing.jwk_of(key)
