"""`python -m tests.year`: exit code 0 when every chapter went well on both databases, 1 otherwise."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.scaled.house import RedisServer
from tests.scaled.postgres import PostgresServer
from tests.year.chapters import CHAPTERS
from tests.year.house import House
from tests.year.programs import Program, checkout, install

KINDS = ("sqlite", "postgresql")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.year", description=__doc__)
    parser.add_argument("--database", choices=KINDS, action="append", help="only this one")
    parser.add_argument(
        "--bin", type=Path, help="use the program installed here instead of building and installing a wheel"
    )
    parser.add_argument("--old", type=Path, help="a folder in which `programs.checkout` has made the earlier version")
    parser.add_argument(
        "--only", default="", help="only these chapters, after the first one; names with commas between"
    )
    arguments = parser.parse_args()
    wanted = [one.strip() for one in arguments.only.split(",") if one.strip()] or list(CHAPTERS)
    if unknown := set(wanted) - set(CHAPTERS):
        parser.error(f"no such chapter: {', '.join(sorted(unknown))}; there are {', '.join(CHAPTERS)}")
    bad = 0
    with tempfile.TemporaryDirectory(prefix="pp-year-", ignore_cleanup_errors=True) as name:
        begun = time.monotonic()
        program = Program(arguments.bin.absolute()) if arguments.bin else install(Path(name) / "program")
        old = Program(arguments.old / "venv" / "bin", arguments.old / "source") if arguments.old else None
        if old is None and "an upgrade and back" in wanted:
            old = checkout(Path(name) / "old")
        print(f"PostProber {program.version()} in {program.bin}, after {time.monotonic() - begun:.0f} s", flush=True)
        for kind in arguments.database or KINDS:
            bad += _year(kind, program, old, Path(name) / kind, wanted)
    print("the year went well" if not bad else f"{bad} chapters went wrong")
    return 1 if bad else 0


def _year(kind: str, program: Program, old: Program | None, folder: Path, wanted: list[str]) -> int:
    """How many chapters went wrong; none follows one that did."""
    folder.mkdir()
    postgres = PostgresServer() if kind == "postgresql" else None
    redis = RedisServer(folder) if postgres else None
    if redis:
        redis.start()
    house = House(folder / "outside", folder / "data", program, postgres, redis, old)
    try:
        for name, chapter in CHAPTERS.items():
            if name not in wanted and name != next(iter(CHAPTERS)):
                continue
            begun = time.monotonic()
            try:
                told = chapter(house)
            except Exception as error:  # noqa: BLE001 # whatever it is, the chapter went wrong
                print(f"{kind:10} {name:20} FAILED: {type(error).__name__}: {error}", flush=True)
                return 1
            print(f"{kind:10} {name:20} {told}  [{time.monotonic() - begun:.0f} s]", flush=True)
        truth = house.truth()
        print(
            f"{kind:10} in the end: {truth.verified:,} deliveries proved, {truth.waiting} wait for a person; "
            f"{truth.lost} lost, {truth.doubled} doubled, {truth.contradicted} contradicted, {truth.gone} gone",
            flush=True,
        )
        return 0
    finally:
        house.close()
        if redis:
            redis.stop()
        if postgres:
            postgres.stop()


if __name__ == "__main__":
    sys.exit(main())
