"""`attributes` and `excludedAttributes`: which parts of a resource the client wants (RFC 7644 section 3.9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from scim.errors import InvalidValue
from scim.grammar import parse_path

_ALWAYS: Final = {"id", "schemas"}


@dataclass(frozen=True)
class Projection:
    """Lower-case attribute keys ("members", "name.givenname", "urn:…:user"). Both empty: everything."""

    only: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()

    @classmethod
    def asked(cls, given: Mapping[str, Any]) -> "Projection":
        """From the two query parameters, or the two lists of a SearchRequest. Raises InvalidPath."""
        return cls(_keys(given.get("attributes")), _keys(given.get("excludedAttributes")))

    def __bool__(self) -> bool:
        return bool(self.only or self.without)

    def wants(self, name: str) -> bool:
        """Whether a top-level attribute is to be answered, or may be left unread."""
        key = name.lower()
        if key in _ALWAYS:
            return True
        if self.only:
            return any(wanted == key or wanted.startswith((f"{key}.", f"{key}:")) for wanted in self.only)
        return key not in self.without

    def looks_into(self, name: str) -> bool:
        """Whether only some sub-attributes of an attribute are asked for."""
        return any(key.startswith((f"{name.lower()}.", f"{name.lower()}:")) for key in self.only | self.without)

    def of(self, document: dict[str, Any]) -> dict[str, Any]:
        """The document with what was asked for, and with id and schemas always."""
        if not self:
            return document
        kept = {name: value for name, value in document.items() if self.wants(name)}
        return {name: value if name in _ALWAYS else self._inside(name, value) for name, value in kept.items()}

    def _inside(self, name: str, value: Any) -> Any:
        """Only the wanted sub-attributes of a complex attribute, or all but the unwanted ones."""
        key = name.lower()
        if isinstance(value, list):
            return [self._inside(name, item) for item in value]
        if not isinstance(value, dict) or key in self.only:
            return value
        separator = ":" if key.startswith("urn:") else "."
        if self.only:
            return {sub: part for sub, part in value.items() if f"{key}{separator}{sub.lower()}" in self.only}
        return {sub: part for sub, part in value.items() if f"{key}{separator}{sub.lower()}" not in self.without}


def _keys(names: Any) -> frozenset[str]:
    parts = names.split(",") if isinstance(names, str) else [] if names is None else names
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise InvalidValue("attributes and excludedAttributes take a list of attribute names.")
    return frozenset(_key(part.strip()) for part in parts if part.strip())


def _key(name: str) -> str:
    """A name as `AttributePath.key` has it, except that a whole extension's URN stands for itself."""
    is_extension = name.lower().startswith("urn:") and "core:2.0" not in name.lower()
    return name.lower() if is_extension else parse_path(name).attribute.key
