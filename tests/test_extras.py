"""What an installation leaves out is said in one sentence where it is wanted, and nothing else needs it."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tomllib
import urllib.request
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from bench.ports import free_ports
from postprober import extras, places
from postprober.errors import NotInstalled
from postprober.services.people import users
from postprober.settings import load_settings
from postprober.wiring import build_core, close_core
from tests.scaled.house import wait_until

pytestmark = pytest.mark.timeout(300)  # several interpreters one after the other, on a machine that may be busy

LIMIT = 100.0  # seconds for one of them
ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HEAVY = tuple(sorted({name for names in extras.MODULES.values() for name in names} | {"numpy", "pydeck"}))
# Before anything of ours is imported: libraries that are not there cannot be found.
REFUSING = """
import sys
class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refusing())
sys.argv = ["postprober", *{argv!r}]
"""
CLI = "from postprober.cli.main import main; main()"
API = "from postprober.api.__main__ import main; main()"
LINK = """
from postprober.domain.actor import COMMAND_LINE
from postprober.domain.platform import Platform
from postprober.errors import PostProberError
from postprober.services.accounts.accounts import add_by_token
from postprober.services.people import permits
from postprober.settings import load_settings
from postprober.wiring import build_core, close_core

core = build_core(load_settings())
try:
    typed = {"access_token": "22" * 32, "relays": "/"}
    add_by_token(core, permits.actor(core, 1, COMMAND_LINE), Platform("nostr"), typed)
except PostProberError as error:
    print(error)
close_core(core)
"""
SCHEDULER = "from postprober.cli.main import run_scheduler; run_scheduler()"
# What wants each extra: the part that runs, its arguments, and the settings that make it want it.
WANTED: dict[str, tuple[str, tuple[str, ...], dict[str, str]]] = {
    "app": (
        "from postprober import launch; from postprober.settings import load_settings as l; launch.start_all(launch.Supervisor.of(l()))",
        (),
        {"API_PORT": "{taken}"},
    ),
    "postgres": (CLI, ("posts",), {"DATABASE_URL": "postgresql://127.0.0.1:1/none"}),
    "redis": (CLI, ("posts",), {"REDIS_URL": "redis://127.0.0.1:1/0"}),
    "browser": (CLI, ("doctor",), {}),
    "ai": (CLI, ("posts",), {"AI_API_KEY": "a-key-of-a-model"}),
    "reports": (CLI, ("report", "1", "--format", "html", "--out", "report.html"), {}),
    "analytics": (CLI, ("report", "1", "--format", "csv", "--out", "report.csv"), {}),
    "video": (CLI, ("doctor",), {}),
    "nostr": (LINK, (), {}),
    "mcp": (CLI, ("--server", "http://127.0.0.1:1", "mcp"), {}),
}


def _start(
    what: str, folder: Path, refused: tuple[str, ...], argv: tuple[str, ...] = (), **settings: str
) -> subprocess.Popen[str]:
    """`what` in a process of its own that cannot import `refused`."""
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "POSTPROBER_DATA_DIR": str(folder / "data"),
        "POSTPROBER_ENV_FILE": "",
        **{f"POSTPROBER_{name}": value for name, value in settings.items()},
    }
    code = REFUSING.format(names=refused, argv=list(argv)) + what
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def _said(process: subprocess.Popen[str]) -> str:
    """All of it. A process that does not end is ended, and the test fails with what it said."""
    try:
        return process.communicate(timeout=LIMIT)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail(f"it did not end in {LIMIT} s; it said: {process.communicate()[0]}")


@pytest.fixture
def someone(tmp_path: Path) -> Path:
    """A folder in which an installation has a user."""
    core = build_core(load_settings(data_dir=tmp_path / "data", _env_file=None))
    users.create(core, email="a@example.org", password="a long password", name="A")
    close_core(core)
    return tmp_path


@pytest.mark.parametrize("extra", sorted(extras.MODULES))
def test_who_wants_what_is_left_out_is_told_what_to_install(extra: str, someone: Path) -> None:
    what, argv, wanted = WANTED[extra]
    with socket.create_server(
        ("127.0.0.1", 0)
    ) as taken:  # at which a start of everything ends, right after the sentence
        settings = {name: value.format(taken=taken.getsockname()[1]) for name, value in wanted.items()}
        _compare(extra, what, argv, settings, someone)


def _compare(extra: str, what: str, argv: tuple[str, ...], settings: dict[str, str], someone: Path) -> None:
    said = _said(_start(what, someone, extras.MODULES[extra], argv, **settings))
    assert extras.sentence(extra) in said
    assert "ModuleNotFoundError" not in said
    control = _said(_start(what, someone, (), argv, **settings))
    assert control and extras.sentence(extra) not in control


def test_the_command_line_names_every_part_that_is_left_out(tmp_path: Path) -> None:
    said = _said(_start(CLI, tmp_path, HEAVY, ("doctor", "--json")))
    found = {one["name"]: one for one in json.loads(said)}
    assert found["extras"]["ok"]
    assert all(re.search(rf"\b{extra}\b", found["extras"]["message"]) for extra in extras.MODULES)
    assert found["database"]["ok"] and found["vault"]["ok"]
    control = {one["name"]: one for one in json.loads(_said(_start(CLI, tmp_path, (), ("doctor", "--json"))))}
    assert "not installed" not in control["extras"]["message"]


def test_what_the_doctor_says_is_never_read_as_markup(tmp_path: Path) -> None:
    folder = tmp_path / "[app]"
    folder.mkdir()
    assert "[app]/data has" in _said(_start(CLI, folder, (), ("doctor",)))


def test_the_sidecar_and_the_scheduler_work_without_any_extra(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    settings = {"API_PORT": str(port), "ACCOUNT_CHECK_MINUTES": "0"}
    sidecar = _start(API, tmp_path, HEAVY, **settings)
    scheduler = _start(SCHEDULER, tmp_path, HEAVY, **settings)
    try:
        wait_until(lambda: _status(f"http://127.0.0.1:{port}/readyz") == 200, 90)
        assert _status(f"http://127.0.0.1:{port}/api/openapi.json") == 200
    finally:
        for process in (scheduler, sidecar):
            process.send_signal(signal.SIGTERM)
        said = {process: _said(process) for process in (sidecar, scheduler)}
    assert (sidecar.returncode, scheduler.returncode) == (0, 0), said
    assert "Traceback" not in "".join(said.values())


def test_the_refusal_of_these_tests_refuses(tmp_path: Path) -> None:
    assert "No module named 'duckdb'" in _said(_start("import duckdb", tmp_path, ("duckdb",)))


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return int(reply.status)
    except OSError as error:
        return int(getattr(error, "code", 0))


def test_a_checkout_is_told_to_install_the_lock_and_a_package_its_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert extras.sentence("ai") == "This needs the ai extra: pip install --requirement requirements.txt."
    monkeypatch.setattr(places, "_PACKED", tmp_path)
    assert extras.sentence("ai") == "This needs the ai extra: pip install 'postprober[ai]'."
    assert extras.command("ai", "app") == "pip install 'postprober[ai,app]'"


def _requirements(names: list[str]) -> set[str]:
    """Of lines such as `psycopg[binary]>=3.3,<4`, what is installed; our own extras as they are spelt."""
    return {re.split(r"[><=;\s]", line, maxsplit=1)[0].partition("[")[0].lower() for line in names}


def test_every_extra_is_known_and_brings_what_is_imported_of_it() -> None:
    offered: dict[str, list[str]] = PROJECT["optional-dependencies"]
    assert set(offered) == {*extras.MODULES, "all"}
    everything = offered["all"][0].removeprefix("postprober[").removesuffix("]").split(",")
    assert set(everything) == set(extras.MODULES)
    for extra, modules in extras.MODULES.items():
        brought = _requirements(offered[extra])
        if "postprober" in brought:
            brought |= _requirements(offered["analytics"])
        assert all(_distribution(module) in brought for module in modules), extra


def _distribution(module: str) -> str:
    return packages_distributions()[module][0].lower().replace("_", "-")


def test_everything_that_is_imported_is_asked_for() -> None:
    """Also what another library brings today."""
    imported: set[str] = set()
    for path in (*(ROOT / "postprober").rglob("*.py"), *(ROOT / "pages").glob("*.py"), ROOT / "app.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"postprober"}
    asked = _requirements(PROJECT["dependencies"])
    for extra in extras.MODULES:
        asked |= _requirements(PROJECT["optional-dependencies"][extra])
    assert len(foreign) > 30
    assert {module for module in foreign if _distribution(module) not in asked} == set()


def test_the_lock_lies_within_the_ranges() -> None:
    from packaging.requirements import Requirement

    lines = (ROOT / "requirements.txt").read_text().splitlines()
    locked = dict(line.lower().split("==") for line in lines if "==" in line)
    asked = [Requirement(text) for text in PROJECT["dependencies"]]
    for extra in extras.MODULES:
        asked += [Requirement(text) for text in PROJECT["optional-dependencies"][extra]]
    found = {one.name: one.specifier.contains(locked[one.name]) for one in asked if one.name != "postprober"}
    assert len(found) > 30 and [name for name, within in found.items() if not within] == []


def test_need_is_one_sentence_and_silent_where_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for extra in extras.MODULES:
        extras.need(extra)
    monkeypatch.setattr(extras, "_there", lambda name: name != "playwright")
    assert extras.missing() == ("browser",)
    with pytest.raises(NotInstalled, match=r"^This needs the browser extra: [^.]+\.txt\.$"):
        extras.need("browser")
