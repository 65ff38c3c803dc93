"""What every connector keeps, as tests: `rotation.connectors.base` put through on a real target.

Published: a package that brings a connector runs it as ours do. Subclass `ConnectorContract`, say in `able` what the
connector declares, and give a fixture `target`, a `Target`, in front of a real server:

    class TestLockbox(ConnectorContract):
        able = Lockbox.capabilities

Each test makes a login of its own. A test of something that is declared as not possible is not skipped but absent, so
that a skip always means a missing server. Nothing but tests may import this module: it needs pytest.
docs/connectors/writing.md has a worked example.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, Final, TypeVar

import pytest
from django.conf import settings

from rotation.connectors.base import Capabilities, Connector, FailureKind, Login, TargetError, validated
from rotation.connectors.contract.calls import assert_unreachable, calls_of, closed_port, collect, connector_of
from rotation.connectors.contract.proxy import Mode, Proxy
from rotation.connectors.contract.target import OpenSession, Target, random_password, until
from workspace.crypto import Secret
from workspace.errors import Invalid

if not settings.configured and "DJANGO_SETTINGS_MODULE" not in os.environ:  # in another package's test run
    settings.configure(ALLOW_LOOPBACK_TARGETS=True)

__all__ = ["ConnectorContract", "OpenSession", "Target", "random_password", "until"]

SHORT: Final = 1.0
"""Seconds for calls whose last answer is expected not to come."""
BRIEF: Final = 0.3
"""The part of it for calls that are expected to get no answer at all."""

REBINDING: Final = "rebinding.invalid"

Test = TypeVar("Test", bound=Callable[..., None])


def needs(capability: str, *, is_there: bool = True) -> Callable[[Test], Test]:
    """A test for connectors that declare this capability (a field of `Capabilities`), or for the others."""

    def mark(test: Test) -> Test:
        test.__dict__["needs"] = (capability, is_there)
        return test

    return mark


class ConnectorContract:
    """The contract. Subclasses are collected by pytest as they are."""

    able: ClassVar[Capabilities] = Capabilities(
        self_change=True, admin_reset=True, closes_sessions=True, can_verify=True
    )
    """What the connector declares, and so what is tested."""
    short: ClassVar[float] = SHORT
    """Seconds for calls whose last answer is expected not to come. More for connectors that take long to begin."""
    halfway: ClassVar[float] = SHORT
    """Seconds for a call that gets as far as the change and no further."""
    refused: ClassVar[str] = ""
    """A password that the target's policy refuses; empty for a target without one."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, test in list(vars(ConnectorContract).items()):
            capability, is_there = getattr(test, "needs", ("", True))
            able = cls.refused if capability == "refused" else getattr(cls.able, capability, True)
            if bool(able) is not is_there:
                setattr(cls, name, None)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Each test that takes `admin` is run once for everybody who may change the password."""
        if "admin" in metafunc.fixturenames:
            may = {"admin": self.able.admin_reset, "itself": self.able.self_change}
            metafunc.parametrize("admin", [who for who, can in may.items() if can], indirect=True)

    @pytest.fixture
    def old(self) -> Secret:
        return random_password()

    @pytest.fixture
    def new(self) -> Secret:
        return random_password()

    @pytest.fixture
    def username(self, target: Target, old: Secret) -> str:
        return target.make_login(old)

    @pytest.fixture
    def connector(self, target: Target, username: str) -> Connector:
        return connector_of(target, username)

    @pytest.fixture
    def proxy(self, target: Target) -> Iterator[Proxy]:
        with Proxy(target.host, target.port) as proxy:
            yield proxy

    @pytest.fixture
    def admin(self, request: pytest.FixtureRequest, target: Target) -> Login | None:
        """Who changes: another login, or, as None, the login itself."""
        return target.admin if request.param == "admin" else None

    @pytest.fixture
    def changer(self, target: Target) -> Login | None:
        """Somebody who may change the password, where a test needs no more than one."""
        return target.admin if self.able.admin_reset else None

    def test_what_is_declared_is_what_is_tested(self, connector: Connector) -> None:
        assert connector.capabilities == self.able

    def test_a_change_makes_the_new_password_the_accepted_one(
        self, target: Target, connector: Connector, old: Secret, new: Secret, admin: Login | None
    ) -> None:
        connector.change(new, current=old, admin=admin)
        assert connector.verify(new)
        assert connector.verify(old) is connector.capabilities.two_passwords
        connector.retire(old, new=new, admin=admin)
        assert connector.verify(new)
        assert not connector.verify(old)

    def test_setting_the_same_password_twice_ends_like_once(
        self, connector: Connector, old: Secret, new: Secret, admin: Login | None
    ) -> None:
        connector.change(new, current=old, admin=admin)
        connector.change(new, current=new, admin=admin)
        connector.retire(old, new=new, admin=admin)
        connector.retire(old, new=new, admin=admin)
        assert connector.verify(new)
        assert not connector.verify(old)

    @needs("admin_reset")
    def test_an_admin_resets_a_login_whose_password_nobody_knows(
        self, target: Target, connector: Connector, old: Secret, new: Secret
    ) -> None:
        connector.change(new, current=None, admin=target.admin)
        assert connector.verify(new)
        assert not connector.verify(old)

    def test_a_login_without_any_known_password_is_left_alone(
        self, connector: Connector, old: Secret, new: Secret
    ) -> None:
        with pytest.raises(TargetError) as failure:
            connector.change(new, current=None, admin=None)
        assert failure.value.kind is FailureKind.AUTHENTICATION
        assert connector.verify(old)

    @needs("self_change")
    def test_a_wrong_present_password_changes_nothing(self, connector: Connector, old: Secret, new: Secret) -> None:
        with pytest.raises(TargetError) as failure:
            connector.change(new, current=random_password(), admin=None)
        assert failure.value.kind is FailureKind.AUTHENTICATION
        assert connector.verify(old)
        assert not connector.verify(new)

    @needs("admin_reset")
    def test_a_wrong_admin_password_changes_nothing(
        self, target: Target, connector: Connector, old: Secret, new: Secret
    ) -> None:
        with pytest.raises(TargetError) as failure:
            connector.change(new, current=old, admin=Login(target.admin.username, random_password()))
        assert failure.value.kind is FailureKind.AUTHENTICATION
        assert connector.verify(old)
        assert not connector.verify(new)

    @needs("admin_reset")
    def test_a_login_that_does_not_exist_is_neither_made_nor_accepted(self, target: Target, new: Secret) -> None:
        connector = connector_of(target, "nobody_of_that_name")
        with pytest.raises(TargetError) as failure:
            connector.change(new, current=None, admin=target.admin)
        assert failure.value.kind is FailureKind.PERMISSION
        assert "nobody_of_that_name" in failure.value.detail
        assert not connector.verify(new)

    def test_a_canary_and_a_shortened_password_are_rejected(self, connector: Connector, old: Secret) -> None:
        assert not connector.verify(random_password())
        assert not connector.verify(Secret(old.reveal()[:-1]))
        assert connector.verify(old)

    @pytest.mark.parametrize("text", ["", "with\x00NUL"])
    def test_a_password_that_targets_misread_is_never_sent(
        self, connector: Connector, old: Secret, changer: Login | None, text: str
    ) -> None:
        with pytest.raises(Invalid):
            connector.verify(Secret(text))
        with pytest.raises(Invalid):
            connector.change(Secret(text), current=old, admin=changer)
        assert connector.verify(old)

    @pytest.mark.parametrize("text", ['it\'s "quoted" \\ $1 %s {} ;--', "pässwörd-日本語", "p" * 128])
    def test_any_printable_password_can_be_set(
        self, connector: Connector, old: Secret, changer: Login | None, text: str
    ) -> None:
        connector.change(Secret(text), current=old, admin=changer)
        assert connector.verify(Secret(text))

    @needs("refused")
    def test_a_password_that_the_policy_refuses_is_its_refusal(
        self, connector: Connector, old: Secret, admin: Login | None
    ) -> None:
        with pytest.raises(TargetError) as failure:
            connector.change(Secret(self.refused), current=old, admin=admin)
        assert failure.value.kind is FailureKind.POLICY
        assert self.refused not in failure.value.detail
        assert connector.verify(old)
        assert not connector.verify(Secret(self.refused))

    def test_a_closed_port_is_unreachable_and_no_wrong_password(
        self, target: Target, username: str, old: Secret, new: Secret, changer: Login | None
    ) -> None:
        with closed_port() as port:
            assert_unreachable(connector_of(target, username, port=port), old, new, changer)

    @pytest.mark.parametrize("mode", [Mode.STALL, Mode.TRICKLE, Mode.RESET])
    def test_a_target_that_does_not_answer_is_unreachable_in_time(
        self, target: Target, username: str, old: Secret, new: Secret, proxy: Proxy, changer: Login | None, mode: Mode
    ) -> None:
        proxy.treat(mode)
        connector = connector_of(target, username, port=proxy.port, timeout=self.short * BRIEF)
        assert_unreachable(connector, old, new, changer)

    def test_a_slow_network_is_only_slow(
        self, target: Target, username: str, old: Secret, new: Secret, proxy: Proxy, changer: Login | None
    ) -> None:
        proxy.treat(Mode.SLOW)
        connector = connector_of(target, username, port=proxy.port)
        connector.change(new, current=old, admin=changer)
        connector.retire(old, new=new, admin=changer)
        assert connector.verify(new)
        assert not connector.verify(old)

    def test_after_a_lost_reply_the_target_tells_that_it_was_changed(
        self, target: Target, connector: Connector, old: Secret, new: Secret, proxy: Proxy, admin: Login | None
    ) -> None:
        proxy.treat(Mode.DROP_REPLY, target.change_marker)
        behind = connector_of(target, connector.username, port=proxy.port)
        with pytest.raises(TargetError) as failure:
            behind.change(new, current=old, admin=admin)
        assert failure.value.kind is FailureKind.UNREACHABLE
        assert proxy.marked == 1
        assert until(lambda: connector.verify(new))

    @pytest.mark.timeout(1200)
    def test_a_reply_that_never_comes_ends_with_the_time_limit(
        self, target: Target, connector: Connector, old: Secret, new: Secret, proxy: Proxy, changer: Login | None
    ) -> None:
        proxy.treat(Mode.STALL_REPLY, target.change_marker)
        for patience in (1, 3, 9, 27):  # on a busy machine the time may be over before the request was sent at all
            behind = connector_of(target, connector.username, port=proxy.port, timeout=self.halfway * patience)
            with pytest.raises(TargetError) as failure:
                behind.change(new, current=old, admin=changer)
            assert failure.value.kind is FailureKind.UNREACHABLE
            if proxy.marked:
                break
        assert proxy.marked
        assert until(lambda: connector.verify(new))

    def test_after_a_lost_request_the_target_tells_that_nothing_was_changed(
        self, target: Target, connector: Connector, old: Secret, new: Secret, proxy: Proxy, admin: Login | None
    ) -> None:
        proxy.treat(Mode.DROP_REQUEST, target.change_marker)
        behind = connector_of(target, connector.username, port=proxy.port)
        with pytest.raises(TargetError) as failure:
            behind.change(new, current=old, admin=admin)
        assert failure.value.kind is FailureKind.UNREACHABLE
        assert proxy.marked == 1
        assert connector.verify(old)
        assert not connector.verify(new)

    @needs("closes_sessions")
    def test_open_sessions_are_really_cut_and_counted(
        self, target: Target, connector: Connector, username: str, old: Secret, new: Secret, admin: Login | None
    ) -> None:
        sessions = [target.open_session(username, old) for _ in range(2)]
        try:
            connector.change(new, current=old, admin=admin)
            connector.retire(old, new=new, admin=admin)
            assert all(session.is_alive() for session in sessions)
            assert connector.close_sessions(new=new, admin=admin).sessions == 2
            assert until(lambda: not any(session.is_alive() for session in sessions))
        finally:
            for session in sessions:
                session.close()

    @needs("closes_sessions")
    def test_sessions_of_other_logins_are_left_alone(
        self, target: Target, connector: Connector, old: Secret, new: Secret, admin: Login | None
    ) -> None:
        other_password = random_password()
        stranger = target.open_session(target.make_login(other_password), other_password)
        try:
            connector.change(new, current=old, admin=admin)
            # A server may take a moment to notice that the connection which made the change is gone.
            assert until(lambda: connector.close_sessions(new=new, admin=admin).sessions == 0)
            assert stranger.is_alive()
        finally:
            stranger.close()

    @needs("closes_sessions", is_there=False)
    def test_sessions_that_are_not_closed_are_named(
        self, connector: Connector, old: Secret, changer: Login | None
    ) -> None:
        closed = connector.close_sessions(new=old, admin=changer)
        assert closed.sessions == 0
        assert connector.username in " ".join(closed.follow_ups)

    def test_wrong_settings_are_named(self, target: Target) -> None:
        good = target.settings(target.host, target.port)
        for name, value in target.wrong_settings.items():
            with pytest.raises(Invalid, match=name):
                validated(target.kind, {**good, name: value})

    def test_a_forbidden_address_is_not_connected_to(
        self, target: Target, username: str, old: Secret, new: Secret, changer: Login | None
    ) -> None:
        connector = connector_of(target, username, host="169.254.169.254")
        for call in calls_of(connector, old, new, changer):
            with pytest.raises(TargetError, match=r"169\.254\.169\.254") as failure:
                call()
            assert failure.value.kind is FailureKind.PERMISSION

    def test_a_name_is_looked_up_once_and_its_address_is_kept(
        self, target: Target, username: str, old: Secret, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A name may lead elsewhere the second time it is asked for (DNS rebinding)."""
        real, asked = socket.getaddrinfo, []

        def getaddrinfo(host: Any, port: Any, *rest: Any, **options: Any) -> list[Any]:
            if host not in {REBINDING, REBINDING.encode()}:
                return list(real(host, port, *rest, **options))
            asked.append(host)
            return list(real(target.host if len(asked) == 1 else "169.254.169.254", port, *rest, **options))

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        assert connector_of(target, username, host=REBINDING).verify(old)
        assert asked == [REBINDING]

    def test_no_secret_is_in_an_error_or_a_repr(
        self, target: Target, username: str, old: Secret, new: Secret, proxy: Proxy, changer: Login | None
    ) -> None:
        texts: list[str] = []
        connector = connector_of(target, username, port=proxy.port, timeout=self.short * BRIEF)
        wrong = random_password()
        impostor = Login(changer.username, wrong) if changer else None
        for mode in (Mode.RESET, Mode.STALL, Mode.DROP_REPLY, Mode.DROP_REQUEST):
            proxy.treat(mode, target.change_marker)
            for call in calls_of(connector, old, new, changer):
                with suppress(TargetError):
                    collect(call, texts)
        proxy.treat(Mode.PASS)
        for who in (impostor, None):
            with suppress(TargetError):
                collect(partial(connector.change, new, current=wrong, admin=who), texts)
        texts += [repr(connector), str(connector), repr(vars(connector))]
        assert len(texts) > 8
        for secret in (old, new, target.admin.password, wrong):
            assert not [text for text in texts if secret.reveal() in text]

    def test_no_password_is_in_the_targets_log(
        self, target: Target, connector: Connector, old: Secret, new: Secret, changer: Login | None
    ) -> None:
        def rotate() -> None:
            connector.change(new, current=old, admin=changer)
            connector.verify(random_password())
            connector.retire(old, new=new, admin=changer)
            connector.close_sessions(new=new, admin=changer)

        log = target.recorded(rotate)
        assert target.change_marker.decode() in log  # else the log is silent and proves nothing
        assert connector.username in log
        for secret in (old, new, target.admin.password):
            assert secret.reveal() not in log
