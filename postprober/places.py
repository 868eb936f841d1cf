"""Where the program's own files and its data lie: in a checkout, or in an installed package."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_path

_PACKAGE = Path(__file__).resolve().parent
_PACKED = _PACKAGE / "_app"  # pyproject.toml puts app.py, scheduler.py, pages and .streamlit there, in the wheel only


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


def start_command() -> str:
    """What a person types to start everything."""
    return "make up" if checkout() else "postprober up"
