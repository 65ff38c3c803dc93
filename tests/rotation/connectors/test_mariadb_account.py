"""What is read out of a server's own descriptions: its users, their rights, its version, its rules for passwords."""

import pytest

from rotation.connectors.mariadb_account import Method, UserAccount, Version, granted
from rotation.connectors.mariadb_policy import broken_rule

HASH = "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"
NATIVE, ED = Method("mysql_native_password", HASH), Method("ed25519", "ZIg+/=x")


@pytest.mark.parametrize(
    ("rest", "methods"),
    [
        (f" IDENTIFIED BY PASSWORD '{HASH}'", (NATIVE,)), ("", (Method("mysql_native_password"),)),
        (" REQUIRE SSL", (Method("mysql_native_password"),)),
        (f" IDENTIFIED WITH 'mysql_native_password' AS '{HASH}'", (NATIVE,)),
        (" IDENTIFIED VIA ed25519 USING 'ZIg+/=x' WITH MAX_USER_CONNECTIONS 1", (ED,)),
        (f" IDENTIFIED VIA ed25519 USING 'ZIg+/=x' OR mysql_native_password USING '{HASH}' OR unix_socket ACCOUNT LOCK",
         (ED, NATIVE, Method("unix_socket"))),
        (" IDENTIFIED VIA pam USING 'it''s OR x USING y' OR unix_socket",
         (Method("pam", "it''s OR x USING y"), Method("unix_socket"))),
        (" IDENTIFIED WITH 'caching_sha2_password' AS 0x244124 REQUIRE NONE", (Method("caching_sha2_password"),)),
        (" IDENTIFIED WITH 'caching_sha2_password' REQUIRE NONE", (Method("caching_sha2_password"),)),
        (" IDENTIFIED WITH 'caching_sha2_password' AS '$A$\\'\\\\' REQUIRE NONE",
         (Method("caching_sha2_password", "$A$\\'\\\\"),)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("who", ["`app`@`%`", "'app'@'%'", "`a``b' IDENTIFIED VIA x`@`10.0.0.%`"])
def test_how_an_account_logs_in_is_read(who: str, rest: str, methods: tuple[Method, ...]) -> None:
    assert UserAccount.parsed(f"CREATE USER {who}{rest}").methods == methods


@pytest.mark.parametrize(
    ("options", "locked", "factors"),
    [
        (" ACCOUNT LOCK", True, False), (" REQUIRE NONE ACCOUNT UNLOCK", False, False), ("", False, False),
        (" REQUIRE SUBJECT ' ACCOUNT LOCK'", False, False),
        (" AND IDENTIFIED WITH 'x' AS 'y' ACCOUNT LOCK", True, True),
    ],
)  # fmt: skip
def test_locks_and_factors_are_seen_outside_of_texts(options: str, locked: bool, factors: bool) -> None:
    found = UserAccount.parsed(f"CREATE USER `a`@`%` IDENTIFIED WITH 'x' AS 'y'{options}")
    assert (found.is_locked, found.has_factors) == (locked, factors)


@pytest.mark.parametrize("text", ["", "GRANT ALL ON *.* TO `a`@`%`", "CREATE USER a", "CREATE ROLE `a`"])
def test_what_is_no_description_of_a_user_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="CREATE USER"):
        UserAccount.parsed(text)


@pytest.mark.parametrize(
    ("text", "mariadb", "dual"),
    [
        ("10.11.19-MariaDB-0+deb12u1", True, False), ("8.0.14", False, True), ("8.0.13", False, False),
        ("9.1.0-commercial", False, True), ("5.7.44-log", False, False), ("8.0.36-28-Percona", False, True),
    ],
)  # fmt: skip
def test_servers_are_told_apart_by_their_versions(text: str, mariadb: bool, dual: bool) -> None:
    found = Version.of(text)
    assert (found.is_mariadb, found.has_dual_passwords) == (mariadb, dual)


def test_global_privileges_are_read_and_no_others() -> None:
    lines = [
        "GRANT SELECT, PROCESS ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*00'", "GRANT `role`@`%` TO `a`@`%`",
        "GRANT CONNECTION_ADMIN,SYSTEM_USER ON *.* TO `a`@`%`", "GRANT ALL PRIVILEGES ON `app`.* TO `a`@`%`",
    ]  # fmt: skip
    assert granted(lines) == {"SELECT", "PROCESS", "CONNECTION_ADMIN", "SYSTEM_USER"}


SIMPLE = {
    "simple_password_check_digits": "1", "simple_password_check_letters_same_case": "1",
    "simple_password_check_minimal_length": "8", "simple_password_check_other_characters": "1",
}  # fmt: skip
COMPONENT = {
    "validate_password.length": "8", "validate_password.mixed_case_count": "1", "validate_password.number_count": "1",
    "validate_password.special_char_count": "1", "validate_password.policy": "MEDIUM",
    "validate_password.check_user_name": "ON",
}  # fmt: skip
PLUGIN = {name.replace(".", "_"): value for name, value in COMPONENT.items()}


@pytest.mark.parametrize("rules", [SIMPLE, COMPONENT, PLUGIN])
@pytest.mark.parametrize(
    ("password", "broken"),
    [
        ("Sh0rt!", "8 characters"), ("nouppercase1!", "upper-case"), ("NOLOWERCASE1!", "lower-case"),
        ("NoDigits!!", "digits"), ("NoOthers11", "other characters"), ("Good-Pass1", None), ("Good Päss1", None),
        ("App-User-1", "user's name"),
    ],
)  # fmt: skip
def test_a_servers_rules_are_read_from_its_variables(rules: dict[str, str], password: str, broken: str | None) -> None:
    found = broken_rule(rules, "App-User-1", password)
    assert (found is None) if broken is None else (found is not None and broken in found)


def test_the_low_policy_looks_at_the_length_alone() -> None:
    assert broken_rule({**COMPONENT, "validate_password.policy": "LOW"}, "app", "aaaaaaaa") is None
    assert broken_rule({**COMPONENT, "validate_password.policy": "LOW"}, "app", "aaaaaaa")
    assert broken_rule({**COMPONENT, "validate_password.check_user_name": "OFF"}, "Good-Pass1", "Good-Pass1") is None
    assert broken_rule(COMPONENT, "1ssaP-dooG", "Good-Pass1") == "it is the user's name"


def test_a_server_without_rules_takes_every_password() -> None:
    assert broken_rule({}, "app", "x") is None
