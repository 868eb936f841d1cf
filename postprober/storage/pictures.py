"""Pictures that belong to evidence: PNG files in the data folder, each named by the SHA-256 of its bytes.

The file is written first and the row that names it afterwards, so a kill in between leaves a file without a row; `sweep`
removes those. The same picture of two rows is one file.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from postprober.storage.database import Database
from postprober.storage.tables import evidence

SUFFIX = ".png"
YOUNG = timedelta(hours=1)  # a file this young may be waiting for its row
_BATCH = 500


def folder(data_dir: Path) -> Path:
    """Where the files are."""
    return data_dir / "evidence"


def keep(where: Path, png: bytes) -> str:
    """Write the picture, whole or not at all; returns its name, the SHA-256 in hexadecimal. Raises OSError."""
    digest = hashlib.sha256(png).hexdigest()
    path = where / f"{digest}{SUFFIX}"
    if path.exists():
        os.utime(path)  # young again: another row is about to name it
        return digest
    where.mkdir(parents=True, exist_ok=True)
    temporary = where / f".{digest[:16]}-{secrets.token_hex(4)}.part"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(png)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return digest


def read(where: Path, digest: str) -> bytes | None:
    """The picture, None when it is not there or is no longer what was kept."""
    try:
        png = (where / f"{digest}{SUFFIX}").read_bytes()
    except OSError:
        return None
    return png if hashlib.sha256(png).hexdigest() == digest else None


def sweep(db: Database, where: Path, now: datetime) -> int:
    """Remove files that no row names; returns how many went."""
    if not where.is_dir():
        return 0
    before = (now - YOUNG).timestamp()
    old = [file for file in where.iterdir() if file.is_file() and file.stat().st_mtime < before]
    gone = 0
    for start in range(0, len(old), _BATCH):
        some = old[start : start + _BATCH]
        with db.read() as conn:
            names = [file.stem for file in some]
            known = set(conn.execute(select(evidence.c.picture).where(evidence.c.picture.in_(names))).scalars())
        for file in some:
            if file.suffix != SUFFIX or file.stem not in known:
                file.unlink(missing_ok=True)
                gone += 1
    return gone
