"""The two locks: production holds what the product imports and nothing else, in the very versions that are tested."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from cerby.environment import ROOT

PRODUCT = ("cerby", "scim", "rotation", "workspace")
# Tests that authors of connectors run against theirs; nothing of the product imports it.
CONTRACT = "rotation.connectors.contract"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)


def _name(text: str) -> str:
    """A distribution's name as they are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", text).lower()


def _pins(lock: str) -> dict[str, set[tuple[str, frozenset[str]]]]:
    """By distribution: the versions with their hashes; a version may differ by platform."""
    found: dict[str, set[tuple[str, frozenset[str]]]] = {}
    for name, version, rest in _PIN.findall((ROOT / lock).read_text()):
        hashes = frozenset(re.findall(r"--hash=(sha256:[0-9a-f]{64})", rest))
        found.setdefault(_name(name), set()).add((version, hashes))
    return found


PRODUCTION, EVERYTHING = _pins("requirements-production.lock"), _pins("requirements.lock")


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def _named(requirements: list[str]) -> set[str]:
    return {_name(re.split(r"[\[<>=~! ;]", each)[0]) for each in requirements}


def test_production_is_tested_in_the_very_versions_it_runs() -> None:
    assert len(PRODUCTION) > 20
    for name, pins in PRODUCTION.items():
        assert pins <= EVERYTHING[name], name


def test_every_package_of_both_locks_has_its_hashes_and_no_address() -> None:
    for lock in (PRODUCTION, EVERYTHING):
        assert all(hashes for pins in lock.values() for _, hashes in pins)
    for name in ("requirements.lock", "requirements-production.lock"):
        assert "://" not in (ROOT / name).read_text()


def test_the_locks_hold_what_the_project_names() -> None:
    project = _project()
    ours, groups = _named(project["project"]["dependencies"]), project["dependency-groups"]
    assert ours <= PRODUCTION.keys()
    assert _named([each for group in groups.values() for each in group]) <= EVERYTHING.keys()


def test_production_has_no_engines_and_no_tools() -> None:
    for group in _project()["dependency-groups"].values():
        assert not _named(group) & PRODUCTION.keys()


def test_the_product_imports_what_production_has() -> None:
    """Wherever an import stands, in a function too. The embedded engines' programs are found without an import."""
    distributions = packages_distributions()
    missing = {
        f"{path.relative_to(ROOT)}: {package}"
        for path, package in _imports()
        if not {_name(name) for name in distributions.get(package, [])} & PRODUCTION.keys()
    }
    assert missing == set()


def test_nothing_of_the_product_imports_what_is_there_for_tests() -> None:
    assert not [path for path, module in _modules() if module.startswith(CONTRACT)]


def _imports() -> Iterator[tuple[Path, str]]:
    """The packages that are neither ours nor Python's, with the file that imports them."""
    known = {*PRODUCT, *sys.stdlib_module_names}
    return ((path, top) for path, module in _modules() if (top := module.partition(".")[0]) not in known)


def _modules() -> Iterator[tuple[Path, str]]:
    """Every import of an absolute name, with the file it stands in."""
    contract = ROOT.joinpath(*CONTRACT.split("."))
    for path in [ROOT / "manage.py", *(path for top in PRODUCT for path in sorted((ROOT / top).rglob("*.py")))]:
        if contract in path.parents:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield from ((path, f"{node.module}.{alias.name}") for alias in node.names)
