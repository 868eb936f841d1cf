"""Commands about the processes that `up` and `demo` have started."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from postprober import places
from postprober.cli.output import emit, say
from postprober.clock import utc_iso
from postprober.errors import BadInput
from postprober.processes import running
from postprober.settings import load_settings

FAILED = 3
POLL = 0.3  # seconds between two looks for new lines of a log
MOST_LINES = 100_000

Json = Annotated[bool, typer.Option("--json", help="JSON.")]


def status(as_json: Json = False) -> None:
    """What runs on the data folder; exit code 3 unless all of it does."""
    data_dir = load_settings().data_dir
    found = running.look(data_dir)
    if as_json:
        emit(
            {
                "data_dir": str(data_dir),
                "pid": found.pid if found else None,
                "processes": [
                    {
                        "name": one.name,
                        "pid": one.pid,
                        "since": utc_iso(one.since),
                        "starts": one.starts,
                        "alive": one.alive,
                    }
                    for one in (found.children if found else ())
                ],
            }
        )
    elif found is None:
        say(f"Nothing runs on {data_dir}. Start it with {places.start_command()}.")
    else:
        say(f"PostProber runs on {data_dir} (process {found.pid}).")
        for one in found.children:
            state = "running" if one.alive else "down, it is started again"
            again = f", started {one.starts} times" if one.starts > 1 else ""
            say(f"  {one.name:<10} {state}, process {one.pid}, since {one.since:%Y-%m-%d %H:%M:%S} UTC{again}")
        if not found.children:
            say("  It is starting.")
    raise typer.Exit(0 if found is not None and found.well else FAILED)


def stop() -> None:
    """Stop what `up` or `demo` has started on the data folder, and wait until it has."""
    data_dir = load_settings().data_dir
    try:
        pid = running.stop(data_dir)
    except TimeoutError as error:
        say(f"PostProber did not stop: {error}. Its logs are in {data_dir / 'logs'}.")
        raise typer.Exit(FAILED) from None
    except PermissionError:
        raise BadInput(f"Another user has started PostProber on {data_dir}; stop it as that user.") from None
    say(f"Nothing runs on {data_dir}." if pid is None else f"Stopped (process {pid}).")


def logs(
    name: Annotated[str, typer.Argument(help="sidecar, scheduler, app, worker or sandbox; all if left out.")] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=MOST_LINES, help="So many of the newest.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")] = False,
) -> None:
    """Print the logs of what `up` or `demo` has started."""
    folder = load_settings().data_dir / "logs"
    files = sorted(folder.glob("*.log"))
    if name:
        files = [one for one in files if one.stem == name]
    if not files:
        known = ", ".join(sorted(one.stem for one in folder.glob("*.log")))
        which = f"There is no log of “{name}”; there are logs of {known}." if known else f"There is no log in {folder}."
        raise BadInput(which, field="name")
    marks = [f"{one.stem:<10} " if len(files) > 1 else "" for one in files]
    for file, mark in zip(files, marks, strict=True):
        with file.open(errors="replace") as stream:
            for line in deque(stream, lines):
                say(f"{mark}{line.rstrip()}")
    if follow:
        pause = threading.Event()
        for line in tail(dict(zip(files, marks, strict=True)), lambda: pause.wait(POLL)):
            say(line)


def tail(files: dict[Path, str], wait: Callable[[], bool]) -> Iterator[str]:
    """New lines of these files, each behind its mark, until `wait` says that it is enough. A file that was cut, as it is
    when it is rotated, is read from its beginning."""
    places_read = {file: file.stat().st_size for file in files}
    begun: dict[Path, str] = {}
    while not wait():
        for file, mark in files.items():
            size = file.stat().st_size if file.exists() else 0
            if size < places_read[file]:
                places_read[file] = 0
            if size == places_read[file]:
                continue
            with file.open("rb") as stream:
                stream.seek(places_read[file])
                fresh = stream.read()
            places_read[file] += len(fresh)
            *whole, rest = (begun.pop(file, "") + fresh.decode(errors="replace")).split("\n")
            begun[file] = rest
            yield from (f"{mark}{line}" for line in whole)
