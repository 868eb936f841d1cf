"""Starts the video helper for one video: a process of its own with little priority, bounded in memory and time, which takes
nobody with it when a hostile file breaks the decoder. It inherits no settings, so no secrets either."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from postprober import extras, places
from postprober.domain.target import VideoTarget
from postprober.errors import HERE, BadInput, Unavailable
from postprober.platforms.common.picture_process import BEGUN, FAULTS, KEPT

PROBE_SECONDS = 60.0  # a file of 512 MB is read in a few
LEAST_SECONDS, SECONDS_PER_SECOND = 600.0, 30.0  # for converting: a slow machine takes ten times as long as it plays
MOST_SECONDS = 4 * 3600.0
_LOOK = 0.1  # seconds between two looks whether it has to be ended
_TOLD = 2000  # bytes of what the helper said on stderr
Tell = Callable[[float], bool]  # is told the part that is done, 0 to 1; False: stop


class Stopped(Exception):
    """The conversion was given up because this program ends, or because somebody else has it."""


def probe(path: str) -> dict[str, Any]:
    """What the helper finds in the video or animation at `path` (`video_helper.probe`); `{"no": why}` for what is none.
    Raises BadInput when it broke the helper or took too long, Unavailable when something else did."""
    return _run({"task": "probe", "path": str(Path(path).absolute())}, PROBE_SECONDS, lambda _: True)


def encode(
    path: str, target: VideoTarget, made: str, tell: Tell, ended: threading.Event | None = None
) -> dict[str, Any]:
    """Convert the video or animation at `path` to `target`, as the new file `made`; what `probe` says of that. Raises
    BadInput when it cannot be converted, Unavailable when the machine could not, Stopped when `tell` says so or `ended` is set."""
    order = {"task": "encode", "path": str(Path(path).absolute()), "made": made, "target": target.to_json()}
    seconds = min(LEAST_SECONDS + SECONDS_PER_SECOND * target.seconds, MOST_SECONDS)
    return _run(order, seconds, tell, ended)


def _run(order: dict[str, Any], seconds: float, tell: Tell, ended: threading.Event | None = None) -> dict[str, Any]:
    extras.need("video")
    env = {name: os.environ[name] for name in KEPT if name in os.environ} | {"PYTHONPATH": str(places.import_root())}
    try:
        process = subprocess.Popen(  # nosec B603 # our own module, and no shell
            [sys.executable, "-P", "-m", "postprober.platforms.common.video_helper"],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise _not_now(type(error).__name__) from None
    with process:
        return _Talk(process, time.monotonic() + seconds, tell, ended or threading.Event()).answer(order)


class _Talk:
    """One order and what comes back."""

    def __init__(self, process: subprocess.Popen[str], end: float, tell: Tell, ended: threading.Event) -> None:
        self._process, self._end, self._tell, self._ended = process, end, tell, ended
        self._late = self._stopped = False
        self._errors = ""
        self._gone = threading.Event()

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """The last line of the helper as JSON; lines before it are what is done."""
        watch = threading.Thread(target=self._watch, name="video-helper", daemon=True)
        listen = threading.Thread(target=self._listen, name="video-helper-errors", daemon=True)
        watch.start()
        listen.start()
        begun, last = False, ""
        try:
            begun, last = self._talk(order)
        except OSError:  # it ended before it had read its order
            pass
        except BaseException:
            self._process.kill()
            raise
        finally:
            self._process.wait()
            self._gone.set()
            watch.join()
            listen.join()
        if self._stopped:
            raise Stopped
        return self._verdict(begun, last)

    def _talk(self, order: dict[str, Any]) -> tuple[bool, str]:
        into, out = self._process.stdin, self._process.stdout
        assert into is not None  # noqa: S101 - it is a pipe
        assert out is not None  # noqa: S101 - it is a pipe
        into.write(json.dumps(order))
        into.close()
        begun, last = False, ""
        for line in out:
            if not begun:
                begun = line == BEGUN.decode()
            elif line.startswith("done "):
                if not self._tell(float(line[5:])):
                    self._stopped = True
                    self._process.kill()
            else:
                last = line
        return begun, last

    def _verdict(self, begun: bool, last: str) -> dict[str, Any]:
        code = self._process.returncode
        if self._late:
            raise BadInput("The video takes too long to read or convert; export it as MP4 with H.264.", field="media")
        if not begun or (code < 0 and -code not in FAULTS):
            raise _not_now(f"ended with {code}: {self._errors}")
        try:
            told: dict[str, Any] = json.loads(last)
        except ValueError:
            raise BadInput(
                "The video cannot be decoded; export it as MP4 with H.264.", detail=self._errors, field="media"
            ) from None
        if problem := told.get("error"):
            raise BadInput(problem, detail=told.get("detail", ""), field="media")
        return told

    def _watch(self) -> None:
        while not self._gone.wait(_LOOK):
            self._stopped = self._stopped or self._ended.is_set()
            self._late = time.monotonic() > self._end
            if self._stopped or self._late:
                self._process.kill()
                return

    def _listen(self) -> None:
        """Read to the end, so that the helper never waits for us; the end of it says most."""
        errors = self._process.stderr
        assert errors is not None  # noqa: S101 - it is a pipe
        for line in errors:
            self._errors = (self._errors + line)[-_TOLD:]
        self._errors = self._errors.strip().rpartition("\n")[2][:200]


def _not_now(detail: str) -> Unavailable:
    return Unavailable("The video could not be prepared. Try again later.", detail, code=HERE)
