"""`make sizes`: what an installation takes on the disk, with the extras and without, into docs/sizes.md.

Each is a fresh virtual environment with the wheel of this checkout and the versions of requirements.txt. Counted is the
whole environment on the disk, with pip and with the bytecode that pip compiles.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from postprober import extras

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "sizes.md"
MB = 2**20
MOST_OF_CORE = 250  # MB
HEAVIEST = 12
# Runs in the environment that is looked at: the size of every distribution, in bytes.
_WEIGH = """
import importlib.metadata as m, json, os
def size(path):
    try: return os.stat(path).st_blocks * 512
    except OSError: return 0
print(json.dumps({d.name.lower(): sum(size(d.locate_file(f)) for f in d.files or ()) for d in m.distributions()}))
"""
_HEAD = """# What an installation takes on the disk

Made by `make sizes`: a fresh virtual environment of Python {python} on {system}, the wheel, the versions of
`requirements.txt`. The whole environment is counted, with pip and the bytecode that pip compiles; 1 MB is 2^20 bytes.
The browser itself (Chromium) comes from the system and is not counted. The core is API, scheduler, command line and the
emulated platforms; it stays below {most} MB, or `make sizes` fails.

| installed | MB | more than the core |
|---|---|---|
"""
_FOOT = """
Most of `app` is what Streamlit asks for whether or not it is used: pyarrow, pandas, numpy and pydeck. Most of `browser` is
the Node.js inside Playwright; `reports` adds the engine that draws the charts to what `analytics` needs. About a sixth is
bytecode: `pip install --no-compile` leaves it out, and the first start is slower.
"""


def main() -> int:
    """0; 1 when the core has grown above its limit."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "wheel",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
                "--wheel-dir",
                base,
                ROOT,
            ],
            check=True,
        )
        (wheel,) = base.glob("postprober-*.whl")
        sizes: dict[str, int] = {}
        heavy: dict[str, int] = {}
        for extra in ("", *extras.MODULES, "all"):
            sizes[extra or "core"], heavy = _installed(base / f"with-{extra}", wheel, extra)
            print(f"{extra or 'core':10} {sizes[extra or 'core'] // MB:6} MB", flush=True)
    PAGE.write_text(page(sizes, heavy))
    print(f"Written into {PAGE.relative_to(ROOT)}.")
    if sizes["core"] >= MOST_OF_CORE * MB:
        print(f"The core is above {MOST_OF_CORE} MB.", file=sys.stderr)
        return 1
    return 0


def _installed(folder: Path, wheel: Path, extra: str) -> tuple[int, dict[str, int]]:
    """Bytes of the environment, and of each distribution in it; it is removed again."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    wanted = f"postprober[{extra}] @ {wheel.as_uri()}" if extra else str(wheel)
    subprocess.run(
        [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--constraint",
            ROOT / "requirements.txt",
            wanted,
        ],
        check=True,
    )
    size = sum(file.lstat().st_blocks * 512 for file in folder.rglob("*"))
    said = subprocess.run([python, "-c", _WEIGH], check=True, capture_output=True, text=True).stdout
    subprocess.run(["rm", "-rf", folder], check=True)
    return size, json.loads(said)


def page(sizes: Mapping[str, int], heavy: Mapping[str, int]) -> str:
    """docs/sizes.md. `sizes`: bytes by extra, with `core` and `all`; `heavy`: bytes by distribution, of `all`."""
    text = _HEAD.format(python=sys.version.split()[0], system=sys.platform, most=MOST_OF_CORE)
    for name, size in sizes.items():
        label = {"core": "`postprober` (the core)", "all": "`postprober[all]`"}.get(name, f"`postprober[{name}]`")
        more = "" if name == "core" else f"{(size - sizes['core']) // MB}"
        text += f"| {label} | {size // MB} | {more} |\n"
    text += "\nThe heaviest of `all`:\n\n| library | MB |\n|---|---|\n"
    for name, size in sorted(heavy.items(), key=lambda item: -item[1])[:HEAVIEST]:
        text += f"| {name} | {size // MB} |\n"
    return text + _FOOT


if __name__ == "__main__":
    sys.exit(main())
