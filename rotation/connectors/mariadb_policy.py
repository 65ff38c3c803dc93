"""A server's rules for passwords, kept here: it is given hashes, which it cannot judge.

MariaDB's simple_password_check and MySQL's validate_password, from the variables they are set by. Other plugins
(cracklib, reuse) judge only what is sent as text.
"""

import string
from collections.abc import Mapping

QUERY = "SHOW VARIABLES WHERE Variable_name LIKE %s OR Variable_name LIKE %s"
NAMES = ("simple\\_password\\_check\\_%", "validate\\_password%")


def broken_rule(variables: Mapping[str, str], username: str, password: str) -> str | None:
    """The rule that a password breaks, as the end of a sentence; None for one that keeps them all."""
    known = {name.replace(".", "_"): value for name, value in variables.items()}
    if "simple_password_check_minimal_length" in known:
        return _simple(known, username, password)
    return _validate(known, username, password) if "validate_password_length" in known else None


def _simple(known: Mapping[str, str], username: str, password: str) -> str | None:
    same_case = int(known.get("simple_password_check_letters_same_case", "0"))
    least = {
        "characters": (len(password), int(known["simple_password_check_minimal_length"])),
        "digits": (_count(password, string.digits), int(known.get("simple_password_check_digits", "0"))),
        "upper-case letters": (_count(password, string.ascii_uppercase), same_case),
        "lower-case letters": (_count(password, string.ascii_lowercase), same_case),
        "other characters": (_others(password), int(known.get("simple_password_check_other_characters", "0"))),
    }
    return _short_of(least) or ("it is the user's name" if password == username else None)


def _validate(known: Mapping[str, str], username: str, password: str) -> str | None:
    least = {"characters": (len(password), int(known["validate_password_length"]))}
    if known.get("validate_password_policy", "MEDIUM") not in {"LOW", "0"}:
        mixed = int(known.get("validate_password_mixed_case_count", "1"))
        least |= {
            "digits": (_count(password, string.digits), int(known.get("validate_password_number_count", "1"))),
            "upper-case letters": (_count(password, string.ascii_uppercase), mixed),
            "lower-case letters": (_count(password, string.ascii_lowercase), mixed),
            "other characters": (_others(password), int(known.get("validate_password_special_char_count", "1"))),
        }
    names = {username.lower(), username.lower()[::-1]}
    is_name = known.get("validate_password_check_user_name", "OFF") == "ON" and password.lower() in names
    return _short_of(least) or ("it is the user's name" if is_name else None)


def _short_of(least: Mapping[str, tuple[int, int]]) -> str | None:
    return next((f"fewer than {wanted} {kind}" for kind, (found, wanted) in least.items() if found < wanted), None)


def _count(password: str, letters: str) -> int:
    return sum(letter in letters for letter in password)


def _others(password: str) -> int:
    return sum(letter not in string.ascii_letters + string.digits for letter in password)
