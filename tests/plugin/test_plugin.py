"""A sixth platform in a package of its own: installed with pip where PostProber is, used like any other, removed again."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from postprober.platforms.registry import OURS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PACKAGE = HERE / "noticeboard"
MOST_LINES = 300


def test_a_platform_takes_fewer_than_three_hundred_lines() -> None:
    files = [PACKAGE / "pyproject.toml", *PACKAGE.rglob("*.py")]
    lines = [line for path in files for line in path.read_text().splitlines() if line.strip()]
    assert len(lines) < MOST_LINES
    assert len(files) == 4


def test_it_works_like_any_other_and_leaves_its_posts_behind(tmp_path: Path) -> None:
    python = _venv(tmp_path / "v")
    data = tmp_path / "data"
    data.mkdir()
    pip = (str(python), "-m", "pip", "--disable-pip-version-check", "-q")
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-index", "--no-build-isolation", str(PACKAGE)], check=True, cwd=tmp_path
    )
    with_it = _pytest(python, "with_it.py", data)
    assert with_it.returncode == 0, with_it.stdout[-6000:]
    subprocess.run([*pip, "uninstall", "-y", "postprober-noticeboard"], check=True, cwd=tmp_path)
    without_it = _pytest(python, "without_it.py", data)
    assert without_it.returncode == 0, without_it.stdout[-6000:]


def test_a_package_that_is_broken_stops_nothing_and_is_named(tmp_path: Path) -> None:
    """Somebody's package cannot be loaded: every other platform works, and `doctor` says why that one does not."""
    about = tmp_path / "broken-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[postprober.platforms]\nbroken = nowhere:SPEC\ntwice = twice:SPEC\n")
    (tmp_path / "twice.py").write_text(
        "from postprober.platforms.x import SPEC as known\n"
        "import dataclasses\n"
        "SPEC = dataclasses.replace(known, about=dataclasses.replace(known.about))\n"
    )
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "from postprober.platforms.registry import BROKEN, SPECS; print(len(SPECS)); print(*BROKEN.values(), sep='\\n')",
        ],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert said[0] == str(len(OURS))
    assert "No module named 'nowhere'" in said[1] and "Two platforms are called 'x'" in said[2]


def _venv(folder: Path) -> Path:
    """A virtual environment that sees what is installed here, so that nothing has to be fetched."""
    venv.create(folder, with_pip=True, symlinks=True)
    python = folder / "bin" / "python"
    purelib = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    seen = [sysconfig.get_path("purelib"), str(ROOT)]
    (Path(purelib) / "seen.pth").write_text("\n".join(seen) + "\n")
    return python


def _pytest(python: Path, name: str, data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            python,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            "-p",
            "no:randomly",
            "-m",
            "",
            str(HERE / name),
        ],
        cwd=ROOT,
        env={**os.environ, "PLUGIN_TEST_DATA": str(data)},
        capture_output=True,
        text=True,
        check=False,
    )
