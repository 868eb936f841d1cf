"""Commands for who runs an installation: what runs, its logs, backup and restoration."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from postprober import launch, places
from postprober.cli.output import emit, say
from postprober.clock import SystemClock, utc_iso
from postprober.errors import BadInput
from postprober.processes import running
from postprober.services.operations import backup_set, restore_set
from postprober.services.operations import growth as growth_service
from postprober.services.operations.backup import backup as copy_database
from postprober.services.operations.restore import Restored
from postprober.services.operations.restore import restore as restore_file
from postprober.settings import load_settings
from postprober.wiring import build_core, close_core

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
        if not found.complete:
            say("  It is starting; the others follow.")
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


def backup(
    target: Annotated[Path, typer.Argument(help="A folder for backups, or a file that ends with .sqlite.")],
    keep: Annotated[int, typer.Option(min=0, help="So many stay in the folder; 0: all.")] = 0,
) -> None:
    """Back up while everything runs: database, media, evidence, samples, settings without secrets. What an earlier backup in the
    folder has is not copied again. A file that ends with .sqlite gets the database alone."""
    core = build_core()
    try:
        if target.suffix == ".sqlite":
            if core.settings.backup_key:
                raise BadInput(
                    "A .sqlite file would not be encrypted: give a folder, or run this with POSTPROBER_BACKUP_KEY empty."
                )
            say(f"Wrote {copy_database(core, target)}.")
            return
        made = backup_set.make(core, target, keep=keep)
    finally:
        close_core(core)
    say(
        f"Wrote {made.folder} in {made.seconds:.1f} s: the database and {made.files:,} files, {made.fresh:,} of them copied now "
        f"({made.copied / 1e6:,.1f} MB)."
    )
    if made.removed:
        say(f"Deleted {len(made.removed)} older: {', '.join(made.removed)}.")
    if backup_set.is_sealed(made.folder):
        say("It is encrypted: without POSTPROBER_BACKUP_KEY nobody can restore it, so keep that elsewhere, too.")
    say(
        "Keys are not in it: keep POSTPROBER_VAULT_KEYS and POSTPROBER_SECRET_KEY (secrets.json in sandbox mode) elsewhere."
    )


def restore(
    source: Annotated[Path, typer.Argument(help="A backup, the folder of backups (its newest), or a .sqlite file.")],
    into: Annotated[Path | None, typer.Option(help="Restore into this data folder instead.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only rehearse: say what is in it and how long it takes.")
    ] = False,
) -> None:
    """Bring back a backup. Stop PostProber first. What was published since is looked for, not sent again."""
    if check:
        _rehearse(source)
        return
    settings = load_settings(**({"data_dir": into} if into is not None else {}))
    lock = launch.FolderLock(settings.data_dir)
    lock.take()
    try:
        files: restore_set.FilesBack | None = None
        done: Restored | None
        if source.is_file():
            done = restore_file(settings, source, SystemClock().now())
        else:
            done, files = restore_set.restore_backup(settings, source, SystemClock().now())
    finally:
        lock.free()
    if files is not None:
        say(f"{files.written:,} files are back, {files.there:,} were there.")
        _say_lacking(files)
    if done is None:
        say(f"The database is filled from {restore_set.found(source)}.")
    else:
        say(f"Restored {done.path} from the copy of {done.made}.")
        if done.kept is not None:
            say(f"The database that was there is kept as {done.kept}.")
        say(
            f"{done.doubtful} posts were due and may have been published since: they are looked for on the platforms before "
            f"anything is sent. {done.planned} are scheduled for later."
        )
    say("What was written since that copy is lost. Start PostProber as usual, with the keys of that time.")


def _rehearse(source: Path) -> None:
    if source.is_file():
        raise BadInput("Only a backup in a folder can be rehearsed; give the folder.")
    sealed = backup_set.is_sealed(restore_set.found(source))
    seen = restore_set.rehearse(source, load_settings().backup_keys() if sealed else None)
    posts = ", ".join(
        f"{seen.rows[name]:,} {name}" for name in ("users", "accounts", "posts", "deliveries") if name in seen.rows
    )
    say(f"The backup of {seen.made} is sound: {posts or 'a dump of PostgreSQL'}, {seen.files.written:,} files.")
    _say_lacking(seen.files)
    say(f"It took {seen.seconds:.1f} s here.")
    if seen.files.lacking:
        raise typer.Exit(FAILED)


def _say_lacking(files: restore_set.FilesBack) -> None:
    if files.lacking:
        shown = ", ".join(files.lacking[:5])
        say(
            f"{len(files.lacking):,} files are not in the set, or not as they were: {shown}{' …' if len(files.lacking) > 5 else ''}"
        )


def growth(as_json: Json = False) -> None:
    """How large the tables and folders are, how long what is in them stays, and how large all will be in a year."""
    core = build_core()
    try:
        found = growth_service.measure(core)
    finally:
        close_core(core)
    rows = [
        {
            "name": one.name,
            "rows": one.rows,
            "bytes": one.bytes,
            "days_kept": one.days_kept,
            "bytes_a_day": None if one.per_day is None else round(one.per_day),
            "bytes_in_a_year": round(one.in_days(growth_service.YEAR)),
        }
        for one in (*found.tables, *found.folders)
    ]
    if as_json:
        emit({"bytes": found.now, "bytes_in_a_year": found.in_a_year, "free": found.free, "parts": rows})
        return
    human = growth_service.human
    say(f"{'':<18}{'rows, files':>12}{'size':>10}{'a day':>10}{'kept':>10}{'in a year':>12}")
    for one in (*found.tables, *found.folders):
        if one.bytes:
            kept = "" if one.days_kept is None else f"{one.days_kept} days"
            rate = "" if one.per_day is None else human(one.per_day)
            say(
                f"{one.name:<18}{one.rows:>12,}{human(one.bytes):>10}{rate:>10}{kept:>10}"
                f"{human(one.in_days(growth_service.YEAR)):>12}"
            )
    say(found.sentence)
    say(f"{found.deliveries:,} deliveries, {human(found.per_delivery)} of the database for each.")


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
                typer.echo(f"{mark}{_shown(line)}")
    if follow:
        pause = threading.Event()
        for line in tail(dict(zip(files, marks, strict=True)), lambda: pause.wait(POLL)):
            typer.echo(line)


def _shown(line: str) -> str:
    """A line of a log, in which strangers' words may stand: nothing of it steers the terminal."""
    return "".join(one if one.isprintable() or one == "\t" else "\N{REPLACEMENT CHARACTER}" for one in line.rstrip())


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
            yield from (f"{mark}{_shown(line)}" for line in whole)
