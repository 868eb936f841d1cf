"""Runs a client's job step by step; a step that fails does not end the others. Runs in the clients' environment, so it knows
nothing of the program."""

import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

Step = Callable[[], Any]


def run(steps: dict[str, Step]) -> None:
    """Print each step's end as JSON. A step returns nothing; what is wrong it raises."""
    for name, step in steps.items():
        try:
            step()
        except Exception as error:  # noqa: BLE001 - whatever a client raises is a step's end
            where = traceback.extract_tb(error.__traceback__)[-1]
            told = f"{type(error).__name__}: {error} ({where.filename.rpartition('/')[2]}:{where.lineno})"
            print(json.dumps({"step": name, "ok": False, "why": told[:400]}), flush=True)
        else:
            print(json.dumps({"step": name, "ok": True}), flush=True)


def given() -> dict[str, Any]:
    """Addresses and accounts, as the caller wrote them to stdin."""
    told: dict[str, Any] = json.load(sys.stdin)
    return told


def need(truth: object, why: str = "") -> None:
    """Raises unless `truth`."""
    if not truth:
        raise AssertionError(why or "it is not so")


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082"
)
