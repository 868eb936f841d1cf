"""Programs as an operator has them: a wheel, installed into an environment of its own."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INSTALL_LIMIT = 1200.0  # seconds


@dataclass(frozen=True)
class Program:
    """`bin`: where its commands are; `site`: its own package there."""

    bin: Path

    @property
    def command(self) -> Path:
        return self.bin / "postprober"

    @property
    def python(self) -> Path:
        return self.bin / "python"

    def version(self) -> str:
        """What it says of itself; versions from before there was `--version` are asked of the package."""
        asked = [self.python, "-c", "import postprober; print(postprober.__version__)"]
        return subprocess.run(asked, capture_output=True, text=True, check=True, cwd=self.bin).stdout.strip()


def install(folder: Path, commit: str = "") -> Program:
    """Build a wheel of this checkout, or of an earlier `commit` of it, and install it with everything at the versions that it
    was tested with. Raises subprocess.CalledProcessError with what failed."""
    folder.mkdir(parents=True)
    source = ROOT
    if commit:
        source = folder / "source"
        archive = folder / "source.tar"
        _run("git", "-C", ROOT, "archive", "--output", archive, commit)
        with tarfile.open(archive) as opened:
            opened.extractall(source, filter="data")
    _run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source)
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
        source / "requirements.txt",
        f"{wheel}[all]",
    )
    return made


def _run(*command: object) -> None:
    subprocess.run([str(one) for one in command], check=True, timeout=INSTALL_LIMIT)
