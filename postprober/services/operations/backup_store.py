"""What lies in a folder of backups: files by their bytes, open or sealed, and the notes of each backup."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from postprober.errors import ConfigurationError, VaultError
from postprober.security.sealed_files import FileKeys

FILES, SEALED_FILES = "files", "sealed"
SEALED = ".sealed"  # behind the name of a sealed file
_BLOCK = 1 << 20
_NAME = re.compile(r"[0-9a-f]{64}")  # SHA-256, or an HMAC with it
_SCRATCH = ".backup-"  # in the data folder: what is not sealed yet, or not any more


@dataclass
class Store:
    """Files of all backups of a set, each once. Open ones are named by the SHA-256 of their bytes; sealed ones by a name that only
    who has the key can work out, because a known file would be known by its SHA-256."""

    target: Path
    keys: FileKeys | None = None
    fresh: int = 0
    copied: int = 0

    @property
    def root(self) -> Path:
        return self.target / (SEALED_FILES if self.keys else FILES)

    def names(self, sha256: str) -> list[str]:
        """Under which the file may lie; the first is where it is put."""
        return self.keys.names(sha256) if self.keys else [sha256]

    def _path(self, name: str) -> Path:
        return self.root / name[:2] / name

    def has(self, sha256: str, size: int) -> bool:
        """Whether a file of this size is there under the present key (one under an older key would go with that key); what is in it,
        `restore --check` reads. A sealed one is larger than what it holds."""
        return self._is_there(self._path(self.names(sha256)[0]), size)

    def _is_there(self, place: Path, size: int) -> bool:
        with suppress(OSError):
            told = place.stat()  # a link to a device, say, is no file of ours
            return stat.S_ISREG(told.st_mode) and (told.st_size > size if self.keys else told.st_size == size)
        return False

    def keep(self, source: Path) -> tuple[str, int]:
        """Copy the file unless its bytes are there; their SHA-256 and number. Raises OSError, or ConfigurationError where the disk gives
        back something else."""
        sha256, size = digest(source), source.stat().st_size
        place = self._path(self.names(sha256)[0])
        if self.has(sha256, size):
            return sha256, size
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_name(f".{place.name}.part")
        put(source, fresh, self.keys)
        if _digest_of(blocks(fresh, self.keys)) != sha256:
            fresh.unlink()
            raise ConfigurationError(f"{source} changed while it was copied, or the disk of the backup is not sound.")
        fresh.replace(place)
        self.fresh, self.copied = self.fresh + 1, self.copied + size
        return sha256, size

    def bring_back(self, sha256: str, size: int, place: Path) -> bool:
        """Write the file to `place`; whether the set has it, as it was. Raises ConfigurationError where it cannot be written."""
        found = next((one for name in self.names(sha256) if self._is_there(one := self._path(name), size)), None)
        if found is None:
            return False
        fresh = place.with_name(f".{place.name}.part")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            fresh.unlink(missing_ok=True)
            write_out(blocks(found, self.keys), fresh)
            if digest(fresh) != sha256:
                fresh.unlink()
                return False
            fresh.replace(place)
        except VaultError:
            fresh.unlink(missing_ok=True)
            return False
        except OSError as error:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
            if _is_unreadable(found):
                return False
            told = f"{place} cannot be written ({error.strerror or error}); mend that, then restore again"
            raise ConfigurationError(f"{told}. The database was not changed.") from None
        return True

    def sweep(self, named: Iterable[str]) -> None:
        """Delete every file but these (SHA-256)."""
        keep = {name for sha256 in named for name in self.names(sha256)}
        for file in self.root.glob("??/*"):
            if file.name not in keep and is_stored_name(file.name) and file.name.startswith(file.parent.name):
                with suppress(OSError):
                    file.unlink()


def is_stored_name(name: str) -> bool:
    """Whether a file may be one of a store by its name; others in the folder are somebody else's."""
    return _NAME.fullmatch(name) is not None


def _is_unreadable(path: Path) -> bool:
    try:
        digest(path)
    except OSError:
        return True
    return False


def put(source: Path, target: Path, keys: FileKeys | None) -> None:
    """A copy of the file that is on the disk when this returns, sealed if there are keys."""
    if keys is None:
        shutil.copyfile(source, target)
    else:
        with source.open("rb") as plain, target.open("wb") as sealed:
            keys.seal(plain, sealed, "file")
    flush(target)


def blocks(path: Path, keys: FileKeys | None) -> Iterator[bytes]:
    """What the file has, or what is sealed in it. Raises VaultError."""
    with path.open("rb") as stream:
        if keys is not None:
            yield from keys.open(stream, "file")
            return
        while block := stream.read(_BLOCK):
            yield block


def write_out(content: Iterable[bytes], place: Path) -> None:
    with place.open("wb") as stream:
        stream.writelines(content)


def digest(path: Path, keys: FileKeys | None = None) -> str:
    """SHA-256 of a file, or of what is sealed in it. Raises VaultError."""
    return _digest_of(blocks(path, keys))


def _digest_of(content: Iterable[bytes]) -> str:
    told = hashlib.sha256()
    for block in content:
        told.update(block)
    return told.hexdigest()


def write_note(path: Path, content: bytes, keys: FileKeys | None) -> None:
    """A small file that is there whole or not at all, sealed if there are keys."""
    fresh = path.with_name(f".{path.name}.part")
    with fresh.open("wb") as stream:
        if keys is None:
            stream.write(content)
        else:
            keys.seal(io.BytesIO(content), stream, "manifest")
    flush(fresh)
    fresh.replace(path)


def read_note(path: Path, keys: FileKeys | None) -> bytes:
    """Raises VaultError."""
    if keys is None:
        return path.read_bytes()
    with path.open("rb") as stream:
        return b"".join(keys.open(stream, "manifest"))


def flush(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


@contextmanager
def scratch(data_dir: Path) -> Iterator[Path]:
    """A folder for what must not lie open beside sealed backups, gone afterwards. What a killed process left goes first."""
    data_dir.mkdir(parents=True, exist_ok=True)
    for left in data_dir.glob(f"{_SCRATCH}*"):
        with suppress(OSError), (left / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises OSError while its process lives
            shutil.rmtree(left)
    folder = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=data_dir))
    try:
        with (folder / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
