"""The documents are tested against the program: every setting, command, target and platform appears."""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path

import pytest

from postprober import platforms
from postprober.cli import account_app, app, key_app, user_app
from postprober.domain.platform import NAMES, Platform
from postprober.platforms.registry import ADAPTERS, BY_BROWSER
from postprober.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
ENV = (ROOT / ".env.example").read_text()
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_in_the_example_with_its_default(name: str) -> None:
    lines = re.findall(rf"^POSTPROBER_{name.upper()}=(.*)$", ENV, re.MULTILINE)
    assert len(lines) == 1
    default = Settings.model_fields[name].default
    assert lines[0] == str(default)


def test_the_example_has_no_setting_that_does_not_exist() -> None:
    named = {name.lower() for name in re.findall(r"^POSTPROBER_([A-Z_]+)=", ENV, re.MULTILINE)}
    assert named == set(Settings.model_fields)


def _commands() -> list[str]:
    found = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    for group, sub in (("user", user_app), ("accounts", account_app), ("keys", key_app)):
        found += [f"{group} {c.name}" for c in sub.registered_commands]
    return sorted(name.replace("_", "-") for name in found)


@pytest.mark.parametrize("name", _commands())
def test_every_command_is_in_the_readme(name: str) -> None:
    assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", README), name


def test_every_make_target_has_a_help_line_and_is_phony() -> None:
    targets = re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE)
    helped = re.findall(r"^([a-z][a-z-]*):.*## \S", MAKEFILE, re.MULTILINE)
    assert targets == helped
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert phony and set(phony[1].split()) == set(targets)
    said = subprocess.run(["make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True).stdout
    assert all(f"make {target}" in said for target in targets)


def test_every_adapter_module_is_in_the_registry() -> None:
    folder = Path(platforms.__file__).parent
    modules = {
        p.stem for p in folder.glob("*.py") if re.search(r"^class \w+Adapter\b(?!\(Protocol)", p.read_text(), re.M)
    }
    by_browser = {f"{platform.value}_browser" for platform in BY_BROWSER}
    assert modules == {platform.value for platform in Platform} | by_browser
    assert set(ADAPTERS) == set(Platform) == set(NAMES)
    for platform, adapter in ADAPTERS.items():
        assert getattr(adapter, "__module__", "").endswith(f".{platform.value}")


@pytest.mark.parametrize("path", sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")]), ids=lambda p: p.name)
def test_every_link_between_the_documents_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (path.parent / target).exists(), target


def test_the_program_that_takes_the_pictures_finds_what_it_imports() -> None:
    """It runs for minutes and seldom; what it needs of the program may have moved meanwhile."""
    found = runpy.run_path(str(ROOT / "docs" / "make_pictures.py"), run_name="imported")
    assert callable(found["main"])
