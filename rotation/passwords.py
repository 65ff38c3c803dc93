"""From an account's password policy to a password."""

import secrets
import string
from dataclasses import dataclass
from typing import Final, Self

from workspace.crypto import Secret
from workspace.errors import Invalid
from workspace.models import Account, CharacterClass

# Symbols that need no quoting in shells, URLs' userinfo aside, SQL strings and configuration files.
SYMBOLS: Final = "!#%+,-./:=?@^_~"
ALPHABETS: Final = {
    CharacterClass.LOWER: string.ascii_lowercase,
    CharacterClass.UPPER: string.ascii_uppercase,
    CharacterClass.DIGIT: string.digits,
    CharacterClass.SYMBOL: SYMBOLS,
}


@dataclass(frozen=True)
class Policy:
    """`length` characters from `classes`, at least one of each, none of `excluded`."""

    length: int
    classes: tuple[str, ...]
    excluded: str = ""

    @classmethod
    def of(cls, account: Account) -> Self:
        return cls(account.password_length, tuple(account.password_classes), account.password_excluded)

    def alphabets(self) -> list[str]:
        """The characters of each class that are left. Raises Invalid when a class is empty or none is named."""
        left = [
            "".join(letter for letter in ALPHABETS[CharacterClass(name)] if letter not in self.excluded)
            for name in self.classes
        ]
        if not left or not all(left):
            raise Invalid("The password policy excludes every character of a class it requires.", field="policy")
        if len(left) > self.length:
            raise Invalid("The password policy requires more classes than characters.", field="policy")
        return left

    def accepts(self, password: Secret) -> bool:
        text = password.reveal()
        alphabets = self.alphabets()
        return (
            len(text) == self.length
            and set(text) <= set("".join(alphabets))
            and all(set(text) & set(letters) for letters in alphabets)
        )


def generate(policy: Policy) -> Secret:
    """A random password, uniform over all that fit the policy. Raises Invalid for a policy nothing fits."""
    everything = "".join(policy.alphabets())
    while True:  # drawn again until every class occurs: keeps the draw uniform
        password = Secret("".join(secrets.choice(everything) for _ in range(policy.length)))
        if policy.accepts(password):
            return password
