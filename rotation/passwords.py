"""From an account's password policy to a password."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Self

from rotation import password_rules
from rotation.password_rules import NAMED, Rules
from workspace.crypto import Secret
from workspace.errors import Invalid
from workspace.models import Account, CharacterClass

ALPHABETS: Final = {
    CharacterClass.LOWER: NAMED["lower"],
    CharacterClass.UPPER: NAMED["upper"],
    CharacterClass.DIGIT: NAMED["digit"],
    CharacterClass.SYMBOL: NAMED["special"],
}
NO_RULES: Final = Rules()
UNIFORM_DRAWS: Final = 200
NEW_DRAWS: Final = 100


@dataclass(frozen=True)
class Policy:
    """`length` characters from `classes`, at least one of each, none of `excluded`.

    `rules` say more: where they name characters, those take the place of `classes`; a `length` that they do not allow
    becomes the nearest that they do. `target` are the rules of everything on such a target, whatever the account says.
    """

    length: int
    classes: tuple[str, ...]
    excluded: str = ""
    rules: Rules = NO_RULES
    target: Rules = NO_RULES

    @classmethod
    def of(cls, account: Account, *, target_rules: str = "") -> Self:
        """Raises Invalid for rules that cannot be read."""
        return cls(
            account.password_length, tuple(account.password_classes), account.password_excluded,
            password_rules.parse(account.password_rules), password_rules.parse(target_rules),
        )  # fmt: skip

    @property
    def size(self) -> int:
        """How many characters. Raises Invalid when the account's rules and the target's leave none."""
        least = max(self.rules.minlength, self.target.minlength)
        most = min(self.rules.maxlength, self.target.maxlength)
        if least > most:
            raise Invalid("The target takes no password as long as the password rules want it.", field="password_rules")
        return min(max(self.length, least), most)

    @property
    def longest_run(self) -> int:
        """How often one character may follow itself, itself included."""
        return min(self.rules.max_consecutive, self.target.max_consecutive)

    def alphabets(self) -> list[str]:
        """The characters of each class of which one is required. Raises Invalid when nothing can fit."""
        wanted = (
            [ALPHABETS[CharacterClass(name)] for name in self.classes]
            if self.rules.allowed is None
            else list(self.rules.required)
        )
        left = [self._left(letters) for letters in (*wanted, *self.target.required)]
        if not all(left) or not self.everything():
            raise Invalid("The password policy excludes every character of a class it requires.", field="policy")
        if len(left) > self.size:
            raise Invalid("The password policy requires more classes than characters.", field="policy")
        return left

    def everything(self) -> str:
        """Every character that may occur, once each."""
        if self.rules.allowed is None:
            letters = "".join(ALPHABETS[CharacterClass(name)] for name in self.classes)
        else:
            letters = self.rules.allowed
        return self._left("".join(dict.fromkeys(letters)))

    def accepts(self, password: Secret) -> bool:
        text = password.reveal()
        return (
            len(text) == self.size
            and set(text) <= set(self.everything())
            and all(set(text) & set(letters) for letters in self.alphabets())
            and _longest_run(text) <= self.longest_run
        )

    def _left(self, letters: str) -> str:
        target = self.target.allowed
        return "".join(
            letter for letter in letters if letter not in self.excluded and (target is None or letter in target)
        )


def generate(policy: Policy) -> Secret:
    """A random password. Raises Invalid for a policy nothing fits.

    Drawn again until every class occurs, which keeps the draw uniform over all that fit; where they are rare, each
    class is given a place first.
    """
    required, everything = policy.alphabets(), policy.everything()
    for number in range(2 * UNIFORM_DRAWS):
        given = [secrets.choice(letters) for letters in required] if number >= UNIFORM_DRAWS else []
        rest = [secrets.choice(everything) for _ in range(policy.size - len(given))]
        text = "".join(_shuffled(given + rest) if given else rest)
        if policy.accepts(password := Secret(_without_runs(text, everything, policy.longest_run))):
            return password
    raise Invalid("The password policy leaves so little that no password was found.", field="policy")


def fresh(policy: Policy, earlier: Collection[Secret]) -> Secret:
    """A random password that the account never had. Raises Invalid when the policy leaves no other."""
    for _ in range(NEW_DRAWS):
        password = generate(policy)
        if password not in earlier:
            return password
    raise Invalid("The password policy leaves no password that this account has not had before.", field="policy")


def _shuffled(letters: list[str]) -> list[str]:
    return sorted(letters, key=lambda _: secrets.randbits(64))


def _without_runs(text: str, everything: str, longest: int) -> str:
    """The text with characters that follow themselves too often drawn again."""
    found = ""
    for letter in text:
        run = found[-longest:]
        if len(run) == longest and set(run) == {letter} and (others := everything.replace(letter, "")):
            letter = secrets.choice(others)
        found += letter
    return found


def _longest_run(text: str) -> int:
    longest = run = 0
    for place, letter in enumerate(text):
        run = run + 1 if place and text[place - 1] == letter else 1
        longest = max(longest, run)
    return longest
