"""Words in columns, found by their beginnings through an index: no extension of PostgreSQL is needed for it."""

import re
from typing import Any, Final

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchQuery, SearchVectorField
from django.db.models import BooleanField, Func, Q

_PUNCTUATION: Final = re.compile(r"[\x00-/:-@\[-`{-\x7f\s]+")
_MOST_WORDS: Final = 8


class Words(Func):
    """The words of columns, in lower case. Punctuation of ASCII parts words, so that parts of addresses are found."""

    template = "to_tsvector('simple', regexp_replace(%(expressions)s, '[!-/:-@[-`{-~]+', ' ', 'g'))"
    arg_joiner = " || ' ' || "
    output_field = SearchVectorField()


class _Matches(Func):
    template = "%(expressions)s"
    arg_joiner = " @@ "
    output_field = BooleanField()


def index(*columns: str, name: str, condition: Q | None = None) -> GinIndex:
    """The index for `having` of these columns."""
    return GinIndex(Words(*columns), name=name, condition=condition)


def having(text: str, *columns: str) -> Any:
    """The condition that the columns have words beginning with each word of a text; None where it has no word."""
    words = [word.lower() for word in _PUNCTUATION.split(text) if word][:_MOST_WORDS]
    if not words:
        return None
    query = " & ".join(f"'{word}':*" if len(word) > 1 else f"'{word}'" for word in words)
    return _Matches(Words(*columns), SearchQuery(query, config="simple", search_type="raw"))
