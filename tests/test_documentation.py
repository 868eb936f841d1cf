"""The documents are tested against the program: every setting, command, target and platform appears."""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path

import pytest

from bench.sizes import MOST_OF_CORE
from postprober import extras, platforms
from postprober.cli.main import account_app, app, key_app, user_app
from postprober.domain.platform import NAMES, Platform, known
from postprober.platforms.registry import SPECS
from postprober.settings import defaults

ROOT = Path(__file__).resolve().parents[1]
# In which documents and code name documents; what a program fetched or made itself is none of ours.
NAMING = sorted(
    path
    for pattern in ("*.py", "*.md", "*.toml", "*.yaml", "*.yml")
    for path in ROOT.rglob(pattern)
    if path != Path(__file__)  # below it tries names that lead nowhere
    and not any(part.startswith(".") or part in ("build", "dist") for part in path.relative_to(ROOT).parts)
)
NO_DOCUMENTS = {
    "tests/trust/test_trust_frame.py": {"t.md"},  # a page that the test writes
    "tests/test_wheel.py": {"platforms/x/facts.md"},  # its place in the package
}
A_URL = re.compile(r"https?://\S+")
A_DOCUMENT = re.compile(r"[\w./-]*\w\.md\b")
A_FACT = re.compile(r"([\w./-]*\bfacts\.md)(?:,\s+(?:# )?| )(?:section )?(\d+)((?:(?:,| and) \d+)*)")
# A document by its name in capitals and a section: what stands there cannot be opened, because it has no ending.
UNOPENABLE = re.compile(r"\b[A-Z]{5,}(?:,? section)? [1-9]\.\d{1,2}(?![\d.])")
ENV = (ROOT / ".env.example").read_text()
SIZES = (ROOT / "docs" / "sizes.md").read_text()
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("name", sorted(defaults()))
def test_every_setting_is_in_the_example_with_its_default(name: str) -> None:
    lines = re.findall(rf"^POSTPROBER_{name.upper()}=(.*)$", ENV, re.MULTILINE)
    assert len(lines) == 1
    assert lines[0] == str(defaults()[name])


def test_the_example_has_no_setting_that_does_not_exist() -> None:
    named = {name.lower() for name in re.findall(r"^POSTPROBER_([A-Z_]+)=", ENV, re.MULTILINE)}
    assert named == set(defaults())


def _commands() -> list[str]:
    found = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    for group, sub in (("user", user_app), ("accounts", account_app), ("keys", key_app)):
        found += [f"{group} {c.name}" for c in sub.registered_commands]
    return sorted(name.replace("_", "-") for name in found)


@pytest.mark.parametrize("name", _commands())
def test_every_command_is_in_the_readme(name: str) -> None:
    assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", README), name


@pytest.mark.parametrize("extra", sorted(extras.MODULES))
def test_every_extra_is_in_the_readme_and_its_size_is_told(extra: str) -> None:
    assert re.search(rf"^\| [^|]*`{extra}`[^|]* \|", README, re.MULTILINE)
    assert re.search(rf"^\| `postprober\[{extra}\]` \| \d+ \| \d+ \|$", SIZES, re.MULTILINE)


def test_the_core_is_as_small_as_it_is_meant_to_be() -> None:
    core = re.search(r"^\| `postprober` \(the core\) \| (\d+) \|", SIZES, re.MULTILINE)
    assert core and int(core[1]) < MOST_OF_CORE


def test_every_make_target_has_a_help_line_and_is_phony() -> None:
    targets = re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE)
    helped = re.findall(r"^([a-z][a-z-]*):.*## \S", MAKEFILE, re.MULTILINE)
    assert targets == helped
    phony = re.findall(r"^\.PHONY: ([a-z].+)$", MAKEFILE, re.MULTILINE)
    assert len(phony) == 1 and set(phony[0].split()) == set(targets)
    said = subprocess.run(["make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True).stdout
    assert all(f"make {target}" in said for target in targets)


def test_every_folder_of_a_platform_is_in_the_registry() -> None:
    folder = Path(platforms.__file__).parent
    has_adapter = re.compile(r"^class \w+Adapter\b(?!\(Protocol)", re.M)
    modules = {
        ".".join(p.relative_to(folder).with_suffix("").parts)
        for p in folder.rglob("*.py")
        if has_adapter.search(p.read_text())
    }
    by_browser = {f"{platform.value}.browser_adapter" for platform, spec in SPECS.items() if spec.browser}
    assert modules == {f"{platform.value}.adapter" for platform in known()} | by_browser
    assert set(SPECS) == set(known()) == set(NAMES)
    for platform, spec in SPECS.items():
        assert getattr(spec.adapter, "__module__", "").endswith(f".{platform.value}.adapter")


def test_the_picture_of_the_architecture_is_that_of_the_import_contracts() -> None:
    drawn = runpy.run_path(str(ROOT / "docs" / "make_architecture.py"))["picture"]()
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert drawn in page and page.count("```mermaid") == 1
    assert all(f"{folder}" in drawn for folder in ("pipeline", "platforms", "sandbox"))


def test_the_table_of_forms_is_what_the_platforms_declare() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_platforms.py"))
    page = (ROOT / "docs" / "platforms.md").read_text()
    drawn = made["table"]()
    assert drawn in page and made["servers"]() in page, "python docs/make_platforms.py"
    assert drawn.count("\n") > 20 and "| poll | yes |" in drawn


def test_every_file_that_the_architecture_names_is_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = re.findall(r"`((?:[\w./]+/)?\w+\.py|[\w/]+/)`", page)
    places = [ROOT, ROOT / "postprober", *(one for one in (ROOT / "postprober").rglob("*") if one.is_dir())]
    gone = [name for name in named if "NAME" not in name and not any((place / name).exists() for place in places)]
    assert len(named) > 40 and gone == []
    folders = {one.parent.name for one in (ROOT / "postprober").glob("*/__init__.py")}
    assert folders <= {name.strip("/") for name in re.findall(r"`(\w+/)`", page)}, "every folder is explained"


DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md")]


@pytest.mark.parametrize("path", sorted(DOCUMENTS), ids=lambda p: p.name)
def test_every_link_between_the_documents_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (path.parent / target).exists(), target


def test_the_program_that_takes_the_pictures_finds_what_it_imports() -> None:
    """It runs for minutes and seldom; what it needs of the program may have moved meanwhile."""
    found = runpy.run_path(str(ROOT / "docs" / "make_pictures.py"), run_name="imported")
    assert callable(found["main"])


def test_no_two_test_files_have_one_name() -> None:
    """They are modules without a package, so the second of a name could not be imported beside the first."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def _places(named_in: Path, name: str) -> list[Path]:
    """Where `name` may lie: beside the file that names it or above, up to the repository, or in docs/. `NAME` stands for
    every platform."""
    above = [folder for folder in named_in.parents if folder.is_relative_to(ROOT)]
    return [folder / name for folder in (*above, ROOT / "docs")]


def _opened(named_in: Path, name: str) -> list[Path]:
    """The documents that `name` means; empty when one of them is missing."""
    names = [name.replace("NAME", platform.value) for platform in known()] if "NAME" in name else [name]
    found = [next((place for place in _places(named_in, one) if place.is_file()), None) for one in names]
    return [] if None in found else [path for path in found if path is not None]


def _sections(facts: Path) -> set[str]:
    return set(re.findall(r"^## (\d+)\. ", facts.read_text(), re.MULTILINE))


def _broken(path: Path, text: str) -> list[str]:
    """What `text`, which lies at `path`, names and nobody with the repository can open."""
    known = NO_DOCUMENTS.get(str(path.relative_to(ROOT)), set())
    plain = A_URL.sub("", text)
    found = [name for name in A_DOCUMENT.findall(plain) if name not in known and not _opened(path, name)]
    for name, first, more in A_FACT.findall(plain):
        numbers = {first, *re.findall(r"\d+", more)}
        found += [f"{name}, {n}" for facts in _opened(path, name) for n in numbers - _sections(facts)]
    return found + UNOPENABLE.findall(plain)


def test_every_document_and_section_that_is_named_can_be_opened() -> None:
    found = {str(path.relative_to(ROOT)): _broken(path, path.read_text()) for path in NAMING}
    assert {"README.md", "pyproject.toml", "postprober/http.py", "docs/facts.md"} <= set(found)
    assert {path: names for path, names in found.items() if names} == {}


def test_a_reference_that_leads_nowhere_is_seen() -> None:
    here = ROOT / "postprober" / "platforms" / "x.py"
    right = (
        "x/facts.md, 6; platforms/x/facts.md, section 2; docs/api.md; sizes.md; NAME/facts.md, 1; https://a.b/none.md"
    )
    assert _broken(here, right) == []
    assert _broken(here, "none.md") == ["none.md"]
    assert _broken(here, "tests/x/facts.md") == ["tests/x/facts.md"]
    assert _broken(here, "x/facts.md,\n# 99") == ["x/facts.md, 99"]
    assert sorted(_broken(here, "x/facts.md, 2, 98 and 99")) == ["x/facts.md, 98", "x/facts.md, 99"]
    assert set(_broken(here, "NAME/facts.md, 99")) == {"NAME/facts.md, 99"}
    assert _broken(here, f"{'CONTRACT' + 'S'} 1.2") == [f"{'CONTRACT' + 'S'} 1.2"]


@pytest.mark.parametrize("platform", sorted(known()))
def test_every_platform_has_its_facts_in_the_same_sections(platform: Platform) -> None:
    facts = ROOT / "postprober" / "platforms" / platform.value / "facts.md"
    assert sorted(_sections(facts), key=int) == [str(number) for number in range(1, 13)]
    text = facts.read_text()
    sources = set(re.findall(r"^- ([a-z]): ", text, re.MULTILINE))
    cited = {letter for group in re.findall(r"\[([^\]]+)\]", text) for letter in re.findall(r"\b([a-z])\b", group)}
    assert "a" in sources  # so a "[a]" that is an article is no source too many
    assert cited == sources


def test_the_changes_are_headed_by_versions_newest_first_and_begin_with_updating() -> None:
    page = (ROOT / "CHANGELOG.md").read_text()
    head, *sections = re.split(r"^## ", page, flags=re.MULTILINE)
    assert sections and "**Updating**" in head
    versions = []
    for section in sections:
        title, _, text = section.partition("\n")
        assert text.lstrip().startswith("**Updating**"), title
        if title != "Not released yet":
            named = re.fullmatch(r"(\d+)\.(\d+)\.(\d+), \d{4}-\d{2}-\d{2}", title)
            assert named, title
            versions.append(tuple(map(int, named.groups())))
    assert versions == sorted(versions, reverse=True)
