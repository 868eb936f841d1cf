"""Programs as an operator has them: a wheel, installed into an environment of its own."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INSTALL_LIMIT = 1200.0  # seconds


# The last version before an installation could be restored, upgraded with a copy, or asked for its version: 23 November 2026.
OLD = "2bc2e004891087a1c4756f6d4b63aa1703f20666"


@dataclass(frozen=True)
class Program:
    """`bin`: where Python and its commands are; `source`: a checkout that it runs from, None for an installed package."""

    bin: Path
    source: Path | None = None

    @property
    def python(self) -> Path:
        return self.bin / "python"

    @property
    def words(self) -> list[str]:
        """What begins a command of it."""
        return [str(self.python), "-m", "postprober"] if self.source else [str(self.bin / "postprober")]

    def serve(self, name: str) -> list[str]:
        """What runs the process `name` alone."""
        if self.source is None:
            return [*self.words, "serve", name]
        worker = ["-m", "dramatiq", "postprober.worker", "--processes", "1", "--threads", "6", "--skip-logging"]
        alone = {"scheduler": ["scheduler.py"], "sidecar": ["-m", "postprober.api"], "worker": worker}
        return [str(self.python), *alone[name]]

    def folder(self, usual: Path) -> Path:
        """Where its commands are run."""
        return self.source or usual

    def version(self) -> str:
        """What it says of itself; versions from before there was `--version` are asked of the package."""
        asked = [self.python, "-c", "import postprober; print(postprober.__version__)"]
        return subprocess.run(
            asked, capture_output=True, text=True, check=True, cwd=self.folder(self.bin)
        ).stdout.strip()


def checkout(folder: Path, commit: str = OLD) -> Program:
    """An earlier version of this repository, as people had it who ran a checkout. Raises subprocess.CalledProcessError."""
    source, archive = folder / "source", folder / "source.tar"
    folder.mkdir(parents=True)
    _run("git", "-C", ROOT, "archive", "--output", archive, commit)
    with tarfile.open(archive) as opened:
        opened.extractall(source, filter="data")
    _run(sys.executable, "-m", "venv", folder / "venv")
    made = Program(folder / "venv" / "bin", source)
    _run(
        made.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", source / "requirements.txt"
    )
    return made


def install(folder: Path) -> Program:
    """Build a wheel of this checkout and install it with everything at the versions that it was tested with. Raises
    subprocess.CalledProcessError."""
    folder.mkdir(parents=True)
    _run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    (wheel,) = folder.glob("postprober-*.whl")
    _run(sys.executable, "-m", "venv", folder / "venv")
    made = Program(folder / "venv" / "bin")
    _run(
        made.python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--constraint",
        ROOT / "requirements.txt",
        f"{wheel}[all]",
    )
    return made


def _run(*command: object) -> None:
    subprocess.run([str(one) for one in command], check=True, timeout=INSTALL_LIMIT)
