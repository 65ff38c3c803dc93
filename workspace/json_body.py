"""How the API reads JSON: as REST framework does, and nothing that no column can hold or that no parser should walk.

Apart from `workspace.api`, because REST framework's views import their default parsers while they load.
"""

import re
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final

from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import JSONParser

MAX_DEPTH: Final = 20
# PostgreSQL keeps neither U+0000 nor half of a surrogate pair.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


class StorableJSONParser(JSONParser):
    """Named by DEFAULT_PARSER_CLASSES. Raises ParseError or ValidationError, which are 400s."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            document = super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("The body is nested too deeply.") from error
        for leaf, depth in _walk(document):
            if depth > MAX_DEPTH:
                raise ParseError("The body is nested too deeply.")
            if isinstance(leaf, str) and _UNSTORABLE.search(leaf):
                raise ValidationError("A text holds U+0000 or half a surrogate pair, which cannot be stored.")
        return document


def _walk(document: Any) -> Iterator[tuple[Any, int]]:
    """Every key and value, with its depth; without recursion, for that is what is guarded against."""
    waiting = [(document, 0)]
    while waiting:
        item, depth = waiting.pop()
        yield item, depth
        parts = [*item, *item.values()] if isinstance(item, dict) else item if isinstance(item, list) else []
        waiting.extend((part, depth + 1) for part in parts)
