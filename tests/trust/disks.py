"""I11, I12: the process is killed, or its writes fail, at every k-th call on the database's files.

strace injects the fault into the calls on these files alone (`-P`), counted in each thread by itself.
"""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from postprober.settings import load_settings
from postprober.storage import users
from postprober.wiring import build_core, close_core
from tests.trust.base import Found, Turns, scratch
from tests.trust.keys import token_of
from tests.trust.scenes import template

ROOT = Path(__file__).parents[2]
CALLS = "pwrite64,write,fdatasync,fsync,ftruncate"
POSTS = 3
JOBS = 2  # processes at a time
LIMIT = 60.0  # seconds for one process
NAME = "postprober.sqlite"


@dataclass(frozen=True)
class Said:
    """What the client noted: texts by status; `ended`: the process came to its end by itself."""

    accepted: list[str]
    refused: Counter[int]
    ended: bool
    began: bool


def killed(turns: Turns) -> Found:
    with _prepared() as made:
        failures, deaths, whole = _until_untouched(made, turns, "plain")
        seen, control, _ = _until_untouched(made, Turns(min(turns.asked, 12)), "early")
    note = f"{deaths} SIGKILLs, {'until a run ended untouched' if whole else 'stopped before a run ended untouched'}"
    done = turns.asked if whole else deaths  # all there are
    return Found(failures, "says 201 and stores it afterwards", len(seen), control, note, done)


@contextmanager
def _prepared() -> Iterator[Path]:
    """A folder with a database, an owner and a token, to be copied for every run."""
    if shutil.which("strace") is None:
        raise RuntimeError("strace is not installed (Debian: apt install strace)")
    with scratch("disks") as folder:
        made = folder / "made"
        made.mkdir()
        shutil.copy(template(), made / NAME)
        core = build_core(load_settings(data_dir=made, browser="off", _env_file=None), migrate=False)
        with core.db.write() as conn:
            owner = users.add(conn, email="o@example.org", password_hash="x", now=core.clock.now(), name="Owner")
        (made / "token").write_text(token_of(core, owner))
        core.db.checkpoint_wal()
        close_core(core)
        yield made


def _until_untouched(made: Path, turns: Turns, manner: str) -> tuple[list[str], int, bool]:
    """(failures, deaths, whether a run ended untouched)."""
    failures: list[str] = []
    deaths = 0
    with ThreadPoolExecutor(JOBS) as pool:
        for numbers in turns.batches(JOBS):
            found = list(pool.map(lambda number: _killed_at(made, number + 1, manner), numbers))
            failures += [text for texts, _ in found for text in texts]
            deaths += sum(not ended for _, ended in found)
            if any(ended for _, ended in found):
                return failures, deaths, True
    return failures, deaths, False


def _killed_at(made: Path, call: int, manner: str) -> tuple[list[str], bool]:
    """(failures, whether the run came to its end by itself)."""
    folder, said = _run(made, f"kill{call}-{manner}", f"signal=SIGKILL:when={call}", manner)
    failures = [f"call {call}: {text}" for text in _missing(folder, said)]
    shutil.rmtree(folder)
    return failures, said.ended


def _run(made: Path, name: str, inject: str, manner: str) -> tuple[Path, Said]:
    folder = made.with_name(name)
    shutil.copytree(made, folder)
    files = [part for tail in ("", "-wal") for part in ("-P", str(folder / (NAME + tail)))]
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", *files, "-e", f"trace={CALLS}"] if inject else []
    trace += ["-e", f"inject={CALLS}:{inject}"] if inject else []
    command = [*trace, sys.executable, "-m", "tests.trust.one_post", str(folder), str(POSTS), manner]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=LIMIT, check=False)
    return folder, _said(done.stdout.decode())


def _said(out: str) -> Said:
    lines = [line.partition(" ") for line in out.splitlines()]
    accepted = [text for status, _, text in lines if status == "201"]
    refused = Counter(int(status) for status, _, _ in lines if status not in ("201", "0"))
    return Said(accepted, refused, any(text == "ends" for _, _, text in lines), bool(lines))


def _missing(folder: Path, said: Said) -> list[str]:
    """What was accepted and is not there, or a database that is damaged."""
    db = sqlite3.connect(folder / NAME)
    texts = {row[0] for row in db.execute("SELECT content FROM posts")}
    whole = db.execute("PRAGMA integrity_check").fetchone()[0]
    db.close()
    return [f"accepted and lost: {text}" for text in said.accepted if text not in texts] + (
        [f"damaged: {whole}"] if whole != "ok" else []
    )


# failing disks

KINDS = ("full once", "full for good", "i/o once", "i/o for good", "locked")
INJECT = {
    "full once": "error=ENOSPC:when={}",
    "full for good": "error=ENOSPC:when={}+",
    "i/o once": "error=EIO:when={}",
    "i/o for good": "error=EIO:when={}+",
}


def refused(turns: Turns) -> Found:
    failures: list[str] = []
    codes: Counter[int] = Counter()
    with _prepared() as made:
        plan = _plan()
        with ThreadPoolExecutor(JOBS) as pool:
            for numbers in turns.batches(JOBS * 4):
                chosen = list(itertools.islice(plan, len(numbers)))
                for texts, told in pool.map(lambda one: _faulty(made, one[0], one[1], "plain"), chosen):
                    failures += texts
                    codes += told
        blind = [_faulty(made, kind, 1, "blind") for kind in ("full for good", "i/o for good", "locked")]
    seen = sum(bool(texts) for texts, _ in blind)
    note = "answers: " + ", ".join(f"{count} × {code}" for code, count in sorted(codes.items()))
    return Found(failures, "takes a failed store for a good one", seen, len(blind), note)


def _plan() -> Iterator[tuple[str, int]]:
    for at in itertools.count(1):
        for kind in KINDS:
            yield kind, at


def _faulty(made: Path, kind: str, at: int, manner: str) -> tuple[list[str], Counter[int]]:
    """(failures, how often each status was answered)."""
    name = f"fault-{kind.replace(' ', '-').replace('/', '')}-{at}-{manner}"
    if kind == "locked":
        folder, said = _locked(made, name, manner)
    else:
        folder, said = _run(made, name, INJECT[kind].format(at), manner)
    codes = Counter({201: len(said.accepted), **said.refused})
    failures = [f"{kind}, call {at}: {text}" for text in _missing(folder, said)]
    failures += [f"{kind}, call {at}: answered {code}" for code in said.refused if code != 503]
    if said.began and not said.ended:
        failures.append(f"{kind}, call {at}: the process ended")
    shutil.rmtree(folder)
    return failures, codes


def _locked(made: Path, name: str, manner: str) -> tuple[Path, Said]:
    """Another process holds the write lock all the time."""
    folder = made.with_name(name)
    shutil.copytree(made, folder)
    holder = sqlite3.connect(folder / NAME, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    command = [sys.executable, "-m", "tests.trust.one_post", str(folder), str(POSTS), manner]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=LIMIT, check=False)
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    return folder, _said(done.stdout.decode())
