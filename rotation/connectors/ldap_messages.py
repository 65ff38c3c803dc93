"""LDAP's messages (RFC 4511) as bytes and back. pyasn1 knows BER and the message types; what is left is in here.

Also the values of the password modify operation (RFC 3062) and of the password policy control
(draft-behera-ldap-password-policy-11), which travel inside of messages.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pyasn1.codec.ber import decoder, encoder
from pyasn1.error import PyAsn1Error
from pyasn1.type import namedtype, tag, univ
from pyasn1_modules import rfc2251

START_TLS: Final = "1.3.6.1.4.1.1466.20037"
PASSWORD_MODIFY: Final = "1.3.6.1.4.1.4203.1.11.1"  # noqa: S105  # the name of an operation
PASSWORD_POLICY: Final = "1.3.6.1.4.1.42.2.27.8.5.1"  # noqa: S105  # the name of a control
DISCONNECTION: Final = "1.3.6.1.4.1.1466.20036"
MESSAGE_LIMIT: Final = 1 << 20
"""Bytes of one message that are read; what we ask for is answered in far fewer."""

Change = tuple[Literal["add", "delete", "replace"], str, Sequence[bytes]]


class Malformed(ValueError):
    """Bytes that are no LDAP message."""


@dataclass(frozen=True)
class Reply:
    """One message of a server. `code` is None for an entry of a search."""

    number: int
    kind: str
    code: int | None = None
    text: str = ""
    name: str = ""
    """The DN of an entry, or the name of an extended response."""
    attributes: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    policy_error: int | None = None
    """What the password policy control says beside the code."""


def _context(number: int) -> tag.Tag:
    return tag.Tag(tag.tagClassContext, tag.tagFormatSimple, number)


def _optional(name: str, number: int, kind: Any) -> namedtype.OptionalNamedType:
    return namedtype.OptionalNamedType(name, kind.subtype(implicitTag=_context(number)))


_PASSWORD_MODIFY: Final = univ.Sequence(
    componentType=namedtype.NamedTypes(
        _optional("userIdentity", 0, univ.OctetString()),
        _optional("oldPasswd", 1, univ.OctetString()),
        _optional("newPasswd", 2, univ.OctetString()),
    )
)
_WARNING: Final = univ.Choice(
    componentType=namedtype.NamedTypes(
        namedtype.NamedType("timeBeforeExpiration", univ.Integer().subtype(implicitTag=_context(0))),
        namedtype.NamedType("graceAuthNsRemaining", univ.Integer().subtype(implicitTag=_context(1))),
    )
)
_POLICY_RESPONSE: Final = univ.Sequence(
    componentType=namedtype.NamedTypes(
        namedtype.OptionalNamedType("warning", _WARNING.subtype(explicitTag=_context(0))),
        _optional("error", 1, univ.Enumerated()),
    )
)


def bind(number: int, name: str, password: str) -> bytes:
    """A simple bind. It asks for the password policy's word as well; servers without one ignore that."""
    request = rfc2251.BindRequest()
    request["version"] = 3
    request["name"] = name.encode()
    request["authentication"]["simple"] = password.encode()
    return _message(number, "bindRequest", request, with_policy=True)


def unbind(number: int) -> bytes:
    return _message(number, "unbindRequest", rfc2251.UnbindRequest(""))


def start_tls(number: int) -> bytes:
    return _extended(number, START_TLS)


def password_modify(number: int, name: str, *, old: str | None, new: str) -> bytes:
    value = _PASSWORD_MODIFY.clone()
    value["userIdentity"] = name.encode()
    if old is not None:
        value["oldPasswd"] = old.encode()
    value["newPasswd"] = new.encode()
    return _extended(number, PASSWORD_MODIFY, encoder.encode(value), with_policy=True)


def modify(number: int, name: str, changes: Iterable[Change]) -> bytes:
    request = rfc2251.ModifyRequest()
    request["object"] = name.encode()
    for position, (operation, attribute, values) in enumerate(changes):
        change = request["modification"][position]
        change["operation"] = operation
        change["modification"]["type"] = attribute.encode()
        change["modification"]["vals"].extend(values)
    return _message(number, "modifyRequest", request, with_policy=True)


def search(
    number: int, base: str, *, where: Sequence[tuple[str, str]], attributes: Sequence[str], seconds: int
) -> bytes:
    """Entries below `base` in which one of the attributes has the value; without any, `base` itself."""
    request = rfc2251.SearchRequest()
    request["baseObject"] = base.encode()
    request["scope"] = "wholeSubtree" if where else "baseObject"
    request["derefAliases"] = "neverDerefAliases"
    request["sizeLimit"], request["timeLimit"], request["typesOnly"] = 2, seconds, False
    if where:
        for position, (attribute, value) in enumerate(where):
            equal = request["filter"]["or"][position]["equalityMatch"]
            equal["attributeDesc"], equal["assertionValue"] = attribute.encode(), value.encode()
    else:
        request["filter"]["present"] = b"objectClass"
    request["attributes"].extend(attribute.encode() for attribute in attributes)
    return _message(number, "searchRequest", request)


def length(data: bytes) -> int | None:
    """How many bytes the message at the beginning of `data` has; None while that cannot be said. Raises Malformed."""
    if data[:1] not in (b"", b"0"):  # every message is a SEQUENCE
        raise Malformed("no LDAP message")
    if len(data) < 2:
        return None
    first = data[1]
    total = first + 2
    if first & 0x80:
        octets = first & 0x7F
        if not 1 <= octets <= 4:
            raise Malformed("no LDAP message")
        if len(data) < 2 + octets:
            return None
        total = int.from_bytes(data[2 : 2 + octets], "big") + 2 + octets
    if total > MESSAGE_LIMIT:
        raise Malformed("an LDAP message that is too long")
    return total


def reply(data: bytes) -> Reply:
    """One whole message of a server. Raises Malformed."""
    try:
        message, _ = decoder.decode(data, asn1Spec=rfc2251.LDAPMessage())
        return _reply(message)
    except (PyAsn1Error, ValueError, TypeError, KeyError, IndexError, RecursionError):  # what pyasn1 meets in garbage
        raise Malformed("no LDAP message") from None


def _reply(message: Any) -> Reply:
    kind, body = message["protocolOp"].getName(), message["protocolOp"].getComponent()
    number = int(message["messageID"])
    if kind == "searchResEntry":
        attributes = {
            bytes(each["type"]).decode().lower(): [bytes(value) for value in each["vals"]]
            for each in body["attributes"]
        }  # fmt: skip
        return Reply(number, kind, name=bytes(body["objectName"]).decode(), attributes=attributes)
    if kind == "searchResRef":
        return Reply(number, kind)
    name = body["responseName"] if kind == "extendedResp" else None
    return Reply(
        number, kind, code=int(body["resultCode"]), text=bytes(body["errorMessage"]).decode(errors="replace"),
        name=bytes(name).decode() if name is not None and name.hasValue() else "", policy_error=_policy_error(message),
    )  # fmt: skip


def _policy_error(message: Any) -> int | None:
    for control in message["controls"] if message["controls"].hasValue() else ():
        if bytes(control["controlType"]).decode() == PASSWORD_POLICY and control["controlValue"].hasValue():
            value, _ = decoder.decode(bytes(control["controlValue"]), asn1Spec=_POLICY_RESPONSE)
            return int(value["error"]) if value["error"].hasValue() else None
    return None


def _extended(number: int, name: str, value: bytes | None = None, *, with_policy: bool = False) -> bytes:
    request = rfc2251.ExtendedRequest()
    request["requestName"] = name.encode()
    if value is not None:
        request["requestValue"] = value
    return _message(number, "extendedReq", request, with_policy=with_policy)


def _message(number: int, kind: str, request: Any, *, with_policy: bool = False) -> bytes:
    message = rfc2251.LDAPMessage()
    message["messageID"] = number
    message["protocolOp"][kind] = request
    if with_policy:
        control = rfc2251.Control()
        control["controlType"] = PASSWORD_POLICY.encode()
        message["controls"].append(control)
    encoded: bytes = encoder.encode(message)
    return encoded
