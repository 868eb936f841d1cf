"""The parts that an installation may leave out, and the libraries that each of them needs.

A module that needs such a library is imported only after `need` has said that it is there, so that the rest starts and
works without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType

from postprober import places
from postprober.errors import NotInstalled

# Extras of pyproject.toml (without `all`), and what is imported of each; a test compares the two.
MODULES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "app": ("streamlit", "streamlit_authenticator", "altair", "pandas", "segno"),
        "postgres": ("psycopg",),
        "redis": ("redis", "dramatiq"),
        "browser": ("playwright",),
        "ai": ("openai",),
        "reports": ("altair", "vl_convert", "duckdb", "pyarrow"),
        "analytics": ("duckdb", "pyarrow"),
        "mcp": ("mcp", "mcp_types"),
        "nostr": ("coincurve",),
        "video": ("av",),
    }
)


def has(extra: str) -> bool:
    """Whether everything that `extra` (a key of MODULES) needs is installed. Nothing is imported."""
    return all(_there(name) for name in MODULES[extra])


def missing() -> tuple[str, ...]:
    """The extras that are not installed, in the order of MODULES."""
    return tuple(extra for extra in MODULES if not has(extra))


def command(*extras: str) -> str:
    """What a person types to add `extras`. A checkout is not installed as a package: pip would look for one elsewhere."""
    if places.checkout():
        return "pip install --requirement requirements.txt"
    return f"pip install 'postprober[{','.join(extras)}]'"


def sentence(extra: str) -> str:
    """What a person reads who wants something that needs `extra`."""
    return f"This needs the {extra} extra: {command(extra)}."


def need(extra: str) -> None:
    """Raises NotInstalled, with what to install, when `extra` is not there."""
    if not has(extra):
        raise NotInstalled(sentence(extra))


def _there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):  # refused by a finder, or half removed
        return False
