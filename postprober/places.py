"""Where the program's own files and its data lie: in a checkout, or in an installed package."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path

_PACKAGE = Path(__file__).resolve().parent
_PACKED = _PACKAGE / "_app"  # pyproject.toml puts app.py, scheduler.py, pages and .streamlit there, in the wheel only

_IMAGE = ".image"  # beside app.py; deploy/Dockerfile puts it there
_UNITS = Path("/etc/systemd/system")

Way = Literal["kubernetes", "container", "systemd", "checkout", "package"]


def checkout() -> Path | None:
    """The folder of the checkout that this program runs from; None when it runs from an installed package."""
    return None if _PACKED.is_dir() else _PACKAGE.parent


def home() -> Path:
    """The folder that has app.py, scheduler.py, pages and .streamlit. Children are started in it."""
    return checkout() or _PACKED


def import_root() -> Path:
    """The folder from which `import postprober` works."""
    return _PACKAGE.parent


def data_dir() -> Path:
    """The data folder unless POSTPROBER_DATA_DIR names one: `data` in the checkout, else the platform's folder for a
    user's data (on Linux $XDG_DATA_HOME or ~/.local/share, with postprober in it)."""
    root = checkout()
    return root / "data" if root else user_data_path("postprober", appauthor=False)


def way() -> Way:
    """How this program was put here: in an image of ours, as services of systemd, as a checkout, or as an installed package."""
    if (home() / _IMAGE).exists():
        return "kubernetes" if os.environ.get("KUBERNETES_SERVICE_HOST") else "container"
    if (_UNITS / "postprober-scheduler.service").exists():
        return "systemd"
    return "checkout" if checkout() else "package"


def start_command(part: str = "") -> str:
    """What a person types to start everything, or one `part` (scheduler, sidecar, app, worker) where each has a service of its
    own."""
    commands: dict[Way, str] = {
        "kubernetes": f"kubectl rollout restart deployment/postprober-{part or 'scheduler'}",
        "container": f"docker compose up --detach {part}".rstrip(),
        "systemd": f"systemctl start {_unit(part) if part else 'postprober-scheduler postprober-api postprober-app'}",
        "checkout": "make up",
        "package": "postprober up",
    }
    return commands[way()]


def _unit(part: str) -> str:
    """By its name in deploy/systemd."""
    return {"sidecar": "postprober-api", "worker": "postprober-worker@1"}.get(part, f"postprober-{part}")
