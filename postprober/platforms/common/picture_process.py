"""Starts the picture helper for one picture: a process of its own, which gives the memory back when it ends, and takes
nobody with it when a hostile file breaks the decoder. It inherits no settings, so no secrets either."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from postprober import places
from postprober.errors import HERE, BadInput, Unavailable

SECONDS = 120.0  # for one picture; the slowest of 64 megapixels took 11 s on a slow machine
BEGUN = b"begun\n"  # the helper's first line: from here on, how it ends tells about the picture
# Signals by which a broken decoder ends its process. Others come from outside, KILL from a machine without memory.
FAULTS = (
    signal.SIGXCPU,
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGILL,
    signal.SIGFPE,
    signal.SIGABRT,
    signal.SIGTRAP,
    signal.SIGSYS,
)
_IMAGE = "The image cannot be decoded; save it as JPEG."
_UNREADABLE = {"document": "The document is damaged, or takes too long to read; save or print it as a PDF again."}
KEPT = ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "TMPDIR")


def run(task: str, path: str, **how: Any) -> tuple[dict[str, Any], bytes]:
    """What the helper says about the picture at `path`, and the bytes that it made. `task`: check, document, fit, gif, thumbnail.
    Raises BadInput as the task itself would, and when the picture ended the helper; Unavailable when something else did,
    when it could not be started or did not end."""
    order = json.dumps({"task": task, "path": str(Path(path).absolute()), **how})
    env = {name: os.environ[name] for name in KEPT if name in os.environ} | {"PYTHONPATH": str(places.import_root())}
    try:
        done = subprocess.run(  # nosec B603 # our own module, and no shell
            [sys.executable, "-P", "-m", "postprober.platforms.common.picture_helper"],
            input=order.encode(),
            env=env,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _not_now(type(error).__name__) from None
    begun, said = done.stdout.startswith(BEGUN), done.stdout.removeprefix(BEGUN)
    head, _, data = said.partition(b"\n")
    if not begun or (done.returncode < 0 and -done.returncode not in FAULTS):
        raise _not_now(f"ended with {done.returncode}: {_last(done.stderr)}")
    if done.returncode != 0 or not head:
        raise BadInput(_UNREADABLE.get(task, _IMAGE), detail=_last(done.stderr), field="media")
    told: dict[str, Any] = json.loads(head)
    if problem := told.get("error"):
        raise BadInput(problem, detail=told["detail"], field=told["field"])
    return told, data


def _not_now(detail: str) -> Unavailable:
    return Unavailable("The picture could not be prepared. Try again later.", detail, code=HERE)


def _last(said: bytes) -> str:
    return said.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
