"""A file of this machine to the server, in pieces: a connection that breaks costs the piece that was on its way (tus 1.0)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from postprober.client import calls
from postprober.client.calls import ApiRefused
from postprober.errors import BadInput, OutcomeUnknown, Unavailable
from postprober.http import HttpClient, Reply

PIECE = 8 * 1024 * 1024  # bytes of one request, which lie in memory; most proxies let as many through
TRIES = 6  # in a row without a byte more; the pauses between them are half a minute together
PAUSE = 0.5  # seconds before the second, doubled before each further one
TIMEOUT = 300.0  # seconds; after the last piece the server looks at the whole file
LIFE = 24 * 3600.0  # seconds for which the server keeps what came
_TUS = {"Tus-Resumable": "1.0.0"}

Progress = Callable[[int, int], None]  # bytes that have arrived, of how many


def nobody_looks(_arrived: int, _length: int) -> None:
    """No progress is shown."""


class UploadBook:
    """Where uploads of this machine's person go on after the program was ended: a file with their addresses, which only they
    can read. One that cannot be read or written is as good as an empty one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str) -> str:
        """The end of an upload's address, "" where none is known."""
        return str(self._read().get(key, ("", 0.0))[0])

    def put(self, key: str, secret: str) -> None:
        """Remember it, or forget it with ""."""
        known = {one: told for one, told in self._read().items() if told[1] > time.time() - LIFE and one != key}
        if secret:
            known[key] = (secret, time.time())
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
            fresh.unlink(missing_ok=True)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(known, file)
            fresh.replace(self._path)

    def _read(self) -> dict[str, tuple[str, float]]:
        try:
            told = json.loads(self._path.read_text())
            return {str(key): (str(secret), float(at)) for key, (secret, at) in told.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


@dataclass
class FileSender:
    """One file on its way. `secret`: the end of its address, "" before it is begun."""

    http: HttpClient
    base: str
    token: str
    progress: Progress = nobody_looks
    book: UploadBook | None = None
    secret: str = ""

    def send(self, path: Path, alt: str) -> str:
        """The end of the address under which the whole file came. Raises BadInput, ApiRefused or Unavailable."""
        try:
            file = path.open("rb")
        except OSError as error:
            raise BadInput(f"{path} cannot be read: {error.strerror}.", field="media") from None
        with file:
            about = os.fstat(file.fileno())
            # With the token: an upload goes to whoever began it, which another sign-in here may not be.
            told = f"{self.base} {self.token} {path.resolve()} {about.st_size} {about.st_mtime_ns} {alt}"
            key = hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()
            self.secret = self.book.get(key) if self.book else ""
            offset = self._asked() if self.secret else -1
            if offset < 0:
                self._begin(path.name, alt, about.st_size, _digest(file))
                if self.book:
                    self.book.put(key, self.secret)
                offset = 0
            try:
                self._pieces(file, offset, about.st_size)
            except ApiRefused:
                if self.book:
                    self.book.put(key, "")
                raise
            if self.book:
                self.book.put(key, "")
        return self.secret

    def _begin(self, name: str, alt: str, length: int, digest: str) -> None:
        told = {"filename": name.encode("utf-8", "replace").decode(), "alt": alt, "sha256": digest}
        metadata = ", ".join(
            f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in told.items() if value
        )
        headers = {"Authorization": f"Bearer {self.token}", "Upload-Length": str(length), "Upload-Metadata": metadata}
        reply = self._tried(
            lambda: self._http().send(
                "POST", self.base + "/api/media/resumable", headers={**_TUS, **headers}, timeout=TIMEOUT
            )
        )
        calls.answer(reply.status, reply.body)
        self.secret = reply.headers.get("location", "").rpartition("/")[2]
        if not self.secret.startswith("up_"):
            raise ApiRefused("What answers there is not PostProber's API; check the address.", reply.status)

    def _pieces(self, file: BinaryIO, offset: int, length: int) -> None:
        left, pause, resent = TRIES, PAUSE, False
        while True:
            self.progress(offset, length)
            file.seek(offset)
            piece = file.read(PIECE)
            if offset + len(piece) < length and len(piece) < PIECE:
                raise BadInput("The file became shorter while it was sent. Send it again.", field="media")
            try:
                reply = self._piece(offset, piece)
            except (Unavailable, OutcomeUnknown) as error:
                left -= 1
                if not left:
                    raise Unavailable(
                        f"The server at {self.base} did not take the whole file.", error.detail
                    ) from error
                time.sleep(pause)
                pause *= 2
                known = self._asked()
                if known < 0:
                    raise BadInput(
                        "The upload was cancelled, or its time is over. Send the file again.", field="media"
                    ) from error
                if known != offset:
                    left, pause = TRIES, PAUSE
                offset = known
                continue
            arrived = reply.headers.get("upload-offset", "")
            if reply.status == 204 and arrived.isdecimal():
                offset, left, pause = int(arrived), TRIES, PAUSE
                if offset >= length:
                    self.progress(length, length)
                    return
            elif reply.status == 409 and arrived.isdecimal() and left > 1:
                offset, left = int(arrived), left - 1
            elif reply.status == 460 and arrived.isdecimal() and not resent:
                offset, resent = int(arrived), True
            elif reply.status in (408, 409, 429, 503) and left > 1:
                left -= 1
                time.sleep(max(pause, _asked_for(reply)))
                pause *= 2
                offset = max(self._asked(), 0)
            else:
                calls.answer(reply.status, reply.body)
                raise ApiRefused(f"The server answered with status {reply.status}.", reply.status)

    def _piece(self, offset: int, piece: bytes) -> Reply:
        headers = {**_TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        url = f"{self.base}/api/media/uploads/{self.secret}"  # not `Location`: this is how we reach the server
        return self._http().send("PATCH", url, headers=headers, content=piece, timeout=TIMEOUT)

    def _asked(self) -> int:
        """How many bytes the server has; -1 where the upload is over."""
        url = f"{self.base}/api/media/uploads/{self.secret}"
        reply = self._tried(lambda: self._http().read("HEAD", url, headers=_TUS, timeout=TIMEOUT))
        arrived = reply.headers.get("upload-offset", "")
        if reply.ok and arrived.isdecimal():
            return int(arrived)
        if reply.status in (403, 404):
            return -1
        raise Unavailable(
            f"The server at {self.base} does not say how much of the file it has.", http_status=reply.status
        )

    def _tried(self, ask: Callable[[], Reply]) -> Reply:
        """Several times while nobody answers or all are busy; what begins twice is forgotten by the server."""
        pause = PAUSE
        for left in range(TRIES - 1, -1, -1):
            try:
                reply = ask()
                if reply.status not in (429, 503) or not left:
                    return reply
                pause = max(pause, _asked_for(reply))
            except (Unavailable, OutcomeUnknown) as error:
                if not left:
                    raise Unavailable(f"The server at {self.base} does not answer.", error.detail) from error
            time.sleep(pause)
            pause *= 2
        raise AssertionError("unreachable")

    def _http(self) -> HttpClient:
        return self.http.bound(secrets=[self.token, *filter(None, [self.secret])])


def _digest(file: BinaryIO) -> str:
    found = hashlib.sha256()
    while block := file.read(1024 * 1024):
        found.update(block)
    return found.hexdigest()


def _asked_for(reply: Reply) -> float:
    told = reply.headers.get("retry-after", "")
    return min(float(told), 30.0) if told.isdecimal() else 0.0


__all__ = ["Progress", "FileSender", "UploadBook"]
