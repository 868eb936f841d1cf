"""The package: what is in it, that the source distribution builds the same, and that it runs where nothing else is."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

import postprober
from bench.ports import free_ports
from tests.e2e.conftest import BROWSERS, FLAGS, said_up_to
from tests.e2e.conftest import kill as end

# Builds, and a start of everything.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

ROOT = Path(__file__).resolve().parents[1]


def _build(source: Path, target: Path, kind: str) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(target)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (made,) = target.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


def _content(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def test_the_wheel_has_the_whole_program_and_nothing_else(wheel: Path) -> None:
    version = postprober.__version__
    assert wheel.name == f"postprober-{version}-py3-none-any.whl"
    package = [path for path in (ROOT / "postprober").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    top = [ROOT / "app.py", ROOT / "scheduler.py", ROOT / ".streamlit" / "config.toml", *(ROOT / "pages").glob("*.py")]
    wanted = {str(path.relative_to(ROOT)): path for path in package}
    wanted |= {f"postprober/_app/{path.relative_to(ROOT)}": path for path in top}
    about = f"postprober-{version}.dist-info"
    wanted |= {f"{about}/{name}": None for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    found = _content(wheel)
    assert set(found) == set(wanted)
    for name, path in wanted.items():
        assert path is None or found[name] == hashlib.sha256(path.read_bytes()).hexdigest(), name
    for part in (
        "py.typed",
        "ui/look.css",
        "agent/lists/common.txt",
        "analytics/templates/post.html",
        "storage/migrations/script.py.mako",
        "sandbox/app.py",
        "platforms/x/facts.md",
        "_app/pages/overview.py",
        "_app/.streamlit/config.toml",
    ):
        assert f"postprober/{part}" in found


def test_the_source_distribution_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    archive = _build(ROOT, tmp_path / "source", "sdist")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    assert not {"tests", "data", ".env", ".git"} & {path.name for path in source.iterdir()}
    again = _build(source, tmp_path / "again", "wheel")
    assert again.name == wheel.name and _content(again) == _content(wheel)
    (source / "pages" / "overview.py").write_text("# changed\n")
    assert _content(_build(source, tmp_path / "changed", "wheel")) != _content(wheel)


def test_an_installed_package_shows_its_sign_in_page_where_there_is_no_checkout(wheel: Path, tmp_path: Path) -> None:
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.fail("no Chromium on this machine") if os.environ.get("CI") == "true" else pytest.skip("no Chromium")
    site, home, empty = (tmp_path / name for name in ("site", "home", "empty"))
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(install, check=True, env={**os.environ, "PIP_CONSTRAINT": ""})
    for folder in (home, empty):
        folder.mkdir()
    app, api, sandbox = free_ports(3)
    (empty / ".env").write_text(
        f"POSTPROBER_APP_PORT={app}\nPOSTPROBER_API_PORT={api}\nPOSTPROBER_SANDBOX_PORT={sandbox}\n"
    )
    clean = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    env = {**clean, "PYTHONPATH": str(site), "HOME": str(home), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, str(site / "bin" / "postprober")]
    demo = subprocess.Popen(
        [*command, "demo"], cwd=empty, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        said = said_up_to(demo, "Stop with")
        assert f"Open     http://127.0.0.1:{app}" in said, said
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{app}")
            expect(page.get_by_label("Password", exact=True)).to_be_visible(timeout=90_000)
            background = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
            assert background == "rgb(244, 247, 248)"  # of our theme, not of Streamlit's
            browser.close()
        told = subprocess.run([*command, "doctor"], cwd=empty, env=env, text=True, capture_output=True, timeout=120)
        assert told.returncode == 0, told.stdout + told.stderr
        folder = re.search(r"data folder: (\S+) has", told.stdout)
        assert folder and Path(folder[1]).is_relative_to(home)
        assert [path.name for path in empty.iterdir()] == [".env"]
    finally:
        end(demo)
        assert demo.stdout is not None
        demo.stdout.close()
