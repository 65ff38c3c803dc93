"""Connectors of other packages: found by their entry point, kept apart when broken, held to the same contract."""

import importlib.metadata
import logging
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cerby.environment import ROOT
from rotation import connectors
from rotation.admin.account_form import AccountForm
from rotation.connectors.base import Connector
from rotation.connectors.by_hand import ByHand
from rotation.connectors.postgres import Postgres
from rotation.connectors.registry import GROUP, Registry, unfit
from tests.companies import Company
from tests.terminal import run
from tests.waiting import PATIENCE
from workspace.errors import Invalid
from workspace.models import Account

EXAMPLE = ROOT / "docs/examples/cerby-connector-lockbox"
PREAMBLE = "from rotation.connectors.base import Capabilities, Connector, TargetSettings\n"
WHOLE = PREAMBLE + (
    "class Box(Connector):\n"
    "    key, label, capabilities, Settings = 'box', 'Box', Capabilities(), TargetSettings\n"
    "    def change(self, new, *, current, admin): ...\n"
    "    def verify(self, password): return False\n"
)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that Python looks for packages in."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def _forget_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("box", "other", "cerby_lockbox"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def install(site: Path, package: str, entries: dict[str, str], **modules: str) -> None:
    """As pip leaves a package behind: its modules, and a .dist-info with its entry points."""
    for name, text in modules.items():
        (site / f"{name}.py").write_text(text)
    metadata = site / f"{package.replace('-', '_')}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"[{GROUP}]", *(f"{name} = {value}" for name, value in entries.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")


def install_example(site: Path) -> None:
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    shutil.copytree(EXAMPLE / "cerby_lockbox", site / "cerby_lockbox")
    install(site, project["name"], project["entry-points"][GROUP])


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The product's registry as a new process makes it."""
    fresh = Registry((ByHand, Postgres))
    monkeypatch.setattr(connectors, "REGISTRY", fresh)
    monkeypatch.setattr("rotation.management.commands.connectors.REGISTRY", fresh)
    return fresh


# Found


def test_an_installed_package_adds_its_connector(site: Path, registry: Registry) -> None:
    install_example(site)
    assert [found.value for found in importlib.metadata.entry_points(group=GROUP)] == ["cerby_lockbox:Lockbox"]
    account = Account(connector="lockbox", username="app", target={"host": "box.example"})
    found = connectors.of(account, timeout=3)
    assert (type(found).__name__, found.settings.model_dump()) == ("Lockbox", {"host": "box.example", "port": 7070})
    assert ("lockbox", "Lockbox") in connectors.choices()
    assert registry.package("lockbox") == "cerby-connector-lockbox 1.0"
    with pytest.raises(Invalid, match="host"):
        connectors.of(Account(connector="lockbox", username="app", target={}), timeout=3)


def test_it_is_imported_when_it_is_asked_for_and_not_before(site: Path, registry: Registry) -> None:
    install(site, "boxes", {"box": "box:Box"}, box=WHOLE)
    assert registry["postgres"] is Postgres
    assert registry.get("telnet") is None
    assert "box" not in sys.modules
    assert registry["box"].label == "Box"
    assert "box" in sys.modules


@pytest.mark.django_db
def test_the_form_of_an_account_offers_its_settings(site: Path, registry: Registry, acme: Company) -> None:
    install_example(site)
    data = {
        "name": "Box", "username": "app", "connector": "lockbox", "lockbox__host": "box.example", "lockbox__port": 7071,
        "password_length": 32, "password_classes": ["lower"],
    }  # fmt: skip
    form = AccountForm(data, workspace=acme.workspace)
    assert form.is_valid(), form.errors
    assert form.values()["target"] == {"host": "box.example", "port": 7071}
    refused = AccountForm({**data, "lockbox__port": 0}, workspace=acme.workspace)
    assert list(refused.errors) == ["lockbox__port"]


def test_the_example_passes_the_published_contract_from_its_own_folder(site: Path) -> None:
    """As its author runs it: Cerby on the path, no database, no settings."""
    install_example(site)
    shutil.copytree(EXAMPLE / "tests", site / "tests")
    shutil.copy(EXAMPLE / "pyproject.toml", site)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CERBY_", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=site, capture_output=True, text=True,
        timeout=3 * PATIENCE, env={**clean, "PYTHONPATH": f"{ROOT}{os.pathsep}{site}"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
    assert "skipped" not in done.stdout


# Broken


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("raise RuntimeError('no such library')", "RuntimeError: no such library"),
        ("import sys; sys.exit('bye')", "SystemExit: bye"),
        ("def broken(:", "SyntaxError"),
        ("import not_there_at_all", "ModuleNotFoundError"),
        ("Other = 1", "AttributeError"),
        ("Box = 1", "no subclass"),
        (PREAMBLE + "class Box(Connector):\n    def verify(self, password): return False", "does not define change"),
        (WHOLE.replace("'box'", "'crate'"), "announced as 'box'"),
        (WHOLE.replace("'Box'", "' '"), "no label"),
        (WHOLE.replace("Capabilities()", "None"), "no capabilities"),
        (WHOLE.replace("Capabilities()", "Capabilities(self_change=True)"), "cannot verify"),
        (WHOLE.replace("= 'box', 'Box', Capabilities(), TargetSettings", "= 'box', 'Box', Capabilities(), dict"),
         "no subclass of TargetSettings"),
    ],
)  # fmt: skip
def test_a_broken_connector_is_named_and_troubles_nothing_else(
    site: Path, registry: Registry, text: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    install(site, "boxes", {"box": "box:Box"}, box=text)
    install(site, "others", {"other": "other:Box"}, other=WHOLE.replace("'box'", "'other'"))
    with caplog.at_level(logging.ERROR):
        assert {"postgres", "by_hand", "other"} == set(registry)
    assert "“box” of boxes 1.0" in caplog.text
    assert why in caplog.text
    with pytest.raises(Invalid, match=r"“box” of boxes 1\.0 cannot be used") as refusal:
        connectors.of(Account(connector="box", username="app"), timeout=1)
    assert refusal.value.field == "connector"
    assert connectors.of(Account(connector="by_hand"), timeout=1).key == "by_hand"
    assert [str(each) for each in registry.broken()] == [str(registry.why_not("box"))]


@pytest.mark.parametrize("key", ["Box", "box__one", "_box", "b" * 41, "1box"])
def test_a_key_stands_in_forms_and_columns(site: Path, registry: Registry, key: str) -> None:
    install(site, "boxes", {key: "box:Box"}, box=WHOLE.replace("'box'", repr(key)))
    assert registry.get(key) is None
    assert "lower-case letters" in registry.broken()[0].reason


# Claimed twice


def test_our_own_connectors_are_not_replaced(site: Path, registry: Registry, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever replaces one is given the passwords meant for it."""
    install(site, "boxes", {"postgres": "box:Box"}, box=WHOLE.replace("'box'", "'postgres'"))
    assert set(registry) == {"postgres", "by_hand"}
    assert registry["postgres"] is Postgres
    assert "Cerby has a connector of that key itself" in caplog.text
    assert "box" not in sys.modules


def test_a_key_that_two_packages_claim_is_nobodys(
    site: Path, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    install(site, "boxes", {"box": "box:Box"}, box=WHOLE)
    install(site, "others", {"box": "other:Box"}, other=WHOLE)
    assert "box" not in set(registry)
    assert "boxes 1.0, others 1.0" in caplog.text
    assert not {"box", "other"} & set(sys.modules)


# What people see of it


def test_the_command_lists_whose_each_connector_is(site: Path, registry: Registry) -> None:
    install_example(site)
    answer = run("connectors")
    rows = {row["key"]: row for row in answer.data["connectors"]}
    assert (answer.code, answer.data["broken"]) == (0, [])
    assert (rows["postgres"]["package"], rows["lockbox"]["package"]) == ("Cerby", "cerby-connector-lockbox 1.0")
    assert rows["lockbox"]["closes_sessions"]


def test_the_command_fails_for_a_broken_one_and_says_why(site: Path, registry: Registry) -> None:
    install(site, "boxes", {"box": "box:Box"}, box="raise ImportError('libbox.so.1')")
    answer = run("connectors")
    assert answer.code == 1
    assert "libbox.so.1" in answer.out
    assert "1 connector(s) cannot be used" in answer.said


def test_production_does_not_import_the_tests_tools() -> None:
    program = (
        "import django, sys; django.setup(); import rotation.engine, rotation.tasks, rotation.admin, cerby.urls;"
        "tools = ('pytest', '_pytest', 'rotation.connectors.contract');"
        "print([name for name in sys.modules if name.startswith(tools)])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_connector_of_ours_is_fit_to_be_one() -> None:
    kinds: dict[str, type[Connector]] = dict(connectors.REGISTRY)
    assert {key: unfit(key, kind) for key, kind in kinds.items()} == dict.fromkeys(kinds, "")
