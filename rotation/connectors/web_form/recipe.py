"""What is done on a site's pages, written down: steps, and what the site shows when it says yes or no.

A recipe is JSON, so that an Owner can write it and nobody has to trust it: it can go to addresses of the site, fill
fields, click, and wait. It runs no script.
"""

import json
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

VARIABLES: Final = ("username", "current", "new", "totp")
ACTIONS: Final = ("goto", "fill", "click", "wait_for", "expect")
MAX_STEPS: Final = 30

Text = Annotated[str, Field(min_length=1, max_length=500)]


class Part(BaseModel):
    """Base of a recipe's parts: what is not known is refused, so that a typing mistake is not silently nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Place(Part):
    """One element of a page: by its label, by its role (with its accessible name), or by a CSS selector."""

    label: Text | None = None
    role: Text | None = None
    name: Text | None = None
    css: Text | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [way for way in ("label", "role", "css") if getattr(self, way) is not None]
        if len(ways) != 1:
            raise ValueError("name one of label, role, css")
        if self.name is not None and self.role is None:
            raise ValueError("name goes with role")
        return self


class Sign(Part):
    """What a page shows: a text, an element, or an address that contains `url`. Of several, each must be there."""

    text: Text | None = None
    url: Text | None = None
    label: Text | None = None
    role: Text | None = None
    name: Text | None = None
    css: Text | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not any((self.text, self.url, self.label, self.role, self.css)):
            raise ValueError("name at least one of text, url, label, role, css")
        if self.name is not None and self.role is None:
            raise ValueError("name goes with role")
        return self


class Step(Part):
    """One thing to do: exactly one of its actions; `fill` says in `with` what is typed, variables in braces."""

    goto: Annotated[str, Field(max_length=2000, pattern=r"^(/|https?://)\S*$")] | None = None
    fill: Place | None = None
    value: Annotated[Text | None, Field(alias="with")] = None
    click: Place | None = None
    wait_for: Place | None = None
    expect: Sign | None = None

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        if sum(getattr(self, action) is not None for action in ACTIONS) != 1:
            raise ValueError(f"do one of {', '.join(ACTIONS)}")
        if (self.value is not None) != (self.fill is not None):
            raise ValueError("fill and with belong together")
        return self

    @property
    def variables(self) -> set[str]:
        """The variables it types. Braces around anything else are text."""
        return {name for name in VARIABLES if f"{{{name}}}" in (self.value or "")}


Steps = Annotated[tuple[Step, ...], Field(min_length=1, max_length=MAX_STEPS)]


class LoginPart(Part):
    """How a login is tried: what the site shows to whoever is in, and to whoever typed a wrong password."""

    steps: Steps
    accepted: Sign
    rejected: Sign
    locked: Sign | None = None
    """What it shows where it takes no password for now."""


class SecondFactorPart(Part):
    """What is done where the site asks for a code: when it shows `when`.

    To be asked for one means that the password was right; where a site `asks_everybody`, the whole login is needed to
    know, and each costs a code.
    """

    when: Sign
    steps: Steps
    rejected: Sign | None = None
    asks_everybody: bool = False


class ChangePart(Part):
    """How whoever is in changes the password. `refused`: the new one does not fit the site's policy; `rejected`: the
    present one, asked for again, is wrong."""

    steps: Steps
    accepted: Sign
    refused: Sign | None = None
    rejected: Sign | None = None


class LogoutPart(Part):
    """How whoever is in ends every session. `count` is an element that says how many ended."""

    steps: Steps
    accepted: Sign
    count: Place | None = None


class LeavePart(Part):
    """How our own session ends after each visit, so that none is left behind. Without proof: it is only tidy."""

    steps: Steps


class Recipe(Part):
    """Everything a site needs."""

    login: LoginPart
    second_factor: SecondFactorPart | None = None
    change: ChangePart
    logout_everywhere: LogoutPart | None = None
    logout: LeavePart | None = None

    @model_validator(mode="after")
    def _types_what_it_must(self) -> Self:
        typed = {part: _variables(getattr(self, part)) for part in _ORDER}
        for part, variable in (("login", "current"), ("change", "new")):
            if variable not in typed[part]:
                raise ValueError(f"{part} never types {{{variable}}}")
        for part in ("login", "second_factor", "logout_everywhere", "logout"):
            if "new" in typed[part]:
                raise ValueError(f"{part} must not type {{new}}: that is for change alone")
        return self

    @property
    def asks_for_codes(self) -> bool:
        return any("totp" in _variables(getattr(self, part)) for part in _ORDER)


_ORDER: Final = ("login", "second_factor", "change", "logout_everywhere", "logout")


def parsed(value: Any) -> Any:
    """A recipe from JSON text, or from what JSON made of it. Raises ValueError with a sentence that names the part,
    the step (counted from 1) and the field."""
    if isinstance(value, Recipe) or value is None:
        return value
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"is not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
        except RecursionError:
            raise ValueError("is not JSON that a recipe could be") from None
    try:
        return Recipe.model_validate(value)
    except ValidationError as error:
        raise ValueError("; ".join(sentence(problem) for problem in _causes(error.errors()))) from None


GivenRecipe = Annotated[Recipe | None, BeforeValidator(parsed)]


def _causes(problems: list[Any]) -> list[Any]:
    """Without those that only follow: steps of which one is wrong are counted as too few as well."""

    def follows(problem: Any) -> bool:
        place = problem["loc"]
        within = (other for other in problems if len(other["loc"]) > len(place) and other["loc"][: len(place)] == place)
        return problem["type"] == "too_short" and any(within)

    return [problem for problem in problems if not follows(problem)]


def sentence(problem: Any) -> str:
    """One of pydantic's problems for the recipe's author: "change, step 3, fill, label: Field required"."""
    words: list[str] = []
    for part in problem["loc"]:
        if isinstance(part, int):
            words.append(f"step {part + 1}")
        elif part != "steps" or words[-1:] == []:
            words.append(str(part))
    if problem["loc"][-1:] == ("steps",):
        words.append("steps")
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{', '.join(words)}: {message}" if words else message


def _variables(part: LoginPart | SecondFactorPart | ChangePart | LogoutPart | LeavePart | None) -> set[str]:
    found: set[str] = set()
    for step in part.steps if part else ():
        found |= step.variables
    return found


def as_json(recipe: Recipe) -> dict[str, Any]:
    """As the browser's process reads it."""
    return recipe.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
