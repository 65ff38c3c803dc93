"""An authenticator app as people have it on their phones (pyotp), and people who set it up."""

import time
from typing import Self

import pyotp

from workspace import second_factor
from workspace.audit import Actor
from workspace.models import TotpDevice, User


class Authenticator:
    """Holds the key of one person. `codes` counts on from now, since each code fits once."""

    def __init__(self, key: str) -> None:
        self._totp = pyotp.TOTP(key.replace(" ", ""))
        self.recovery_codes: list[str] = []

    @classmethod
    def of(cls, user: User) -> Self:
        """Set up for this person through the product's own verbs."""
        app = cls(second_factor.begin(user).key.reveal())
        shown = second_factor.confirm(user, app.code(), actor=Actor.person(user))
        app.recovery_codes = [code.reveal() for code in shown]
        forget_used(user)
        return app

    def code(self, *, steps: int = 0) -> str:
        """What the app shows now, or some steps of 30 seconds away."""
        return str(self._totp.at(int(time.time()) + 30 * steps))

    def wrong(self) -> str:
        """Six digits that fit at no time near this one."""
        near = {self.code(steps=steps) for steps in range(-3, 4)}
        return next(code for code in ("000000", "111111", "222222", "333333", "444444", "555555", "666666", "777777")
                    if code not in near)  # fmt: skip


def forget_used(user: User) -> None:
    """As if time had passed: the code of now fits again, and no pause is left."""
    TotpDevice.objects.filter(user=user).update(
        last_step=-1, throttling_failure_count=0, throttling_failure_timestamp=None
    )
