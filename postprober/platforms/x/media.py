"""Uploads to X: pictures in one request, GIFs and videos in pieces, alternative texts. x/facts.md, 2 and 3."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from postprober.clock import Clock
from postprober.domain.post import MediaFile, MediaKind
from postprober.domain.remote import Progress, ProgressState
from postprober.errors import PostRejected, UnexpectedReply
from postprober.http import HttpClient, Reply
from postprober.platforms.common.adapter import READY
from postprober.platforms.common.errors import RequestKind
from postprober.platforms.common.media import fit_image
from postprober.platforms.common.replies import (
    MAX_WAIT,
    count_at,
    dig,
    invisible,
    is_number,
    list_at,
    require_object,
    shape,
    text_at,
)
from postprober.platforms.x.errors import refused
from postprober.platforms.x.limits import LIMITS

CHUNK = 4 * 1024 * 1024  # bytes; X takes segments 0 to 999 (x/facts.md, 2), so 512 MB need at least 0.5 MB each
UPLOAD_TIMEOUT = 120.0  # seconds for one piece
POLL_SECONDS = 5.0  # when X does not say check_after_secs
_CATEGORIES = {MediaKind.GIF: "tweet_gif", MediaKind.VIDEO: "tweet_video"}


@dataclass(frozen=True)
class Uploads:
    """The media of one part on its way. Nothing here is visible, so unknown outcomes are Unavailable."""

    http: HttpClient
    api_url: str
    headers: Mapping[str, str]
    clock: Clock

    def stage(self, files: tuple[MediaFile, ...]) -> dict[str, object]:
        """Upload `files` in order: `{"media_ids": [...], "processing": [ids that X still works on]}`."""
        ids: list[str] = []
        processing: list[str] = []
        for file in files:
            body = self._image(file) if file.kind is MediaKind.IMAGE else self._in_pieces(file)
            media_id = text_at(body, "data", "id")
            if not is_number(media_id):
                raise UnexpectedReply("X took the file without giving it an id.", shape(body))
            if file.alt and file.kind is not MediaKind.VIDEO:  # descriptions are for pictures and GIFs (x/facts.md, 2)
                self._describe(media_id, file.alt)
            ids.append(media_id)
            if dig(body, "data", "processing_info") is not None:
                processing.append(media_id)
        return {"media_ids": ids, "processing": processing} if ids else {}

    def progress(self, staged: Mapping[str, object]) -> Progress:
        """READY when X has finished with every file; the first one that has not decides otherwise."""
        for media_id in list_at(dict(staged), "processing"):
            answer = self._status(str(media_id))
            if answer.state is not ProgressState.READY:
                return answer
        return READY

    def _status(self, media_id: str) -> Progress:
        params = {"command": "STATUS", "media_id": media_id}
        reply = self.http.read("GET", f"{self.api_url}/2/media/upload", headers=self.headers, params=params)
        if reply.status in (400, 404):  # the upload is unknown or has expired (expires_after_secs)
            return Progress(ProgressState.GONE, reason="X no longer has the uploaded file")
        info = dig(self._object(reply, RequestKind.READ), "data", "processing_info")
        state = text_at(info, "state")
        if info is None or state == "succeeded":
            return READY
        if state == "failed":
            reason = text_at(info, "error", "message") or "X could not process the file"
            return Progress(ProgressState.FAILED, reason=reason)
        wait = min(float(count_at(info, "check_after_secs") or POLL_SECONDS), MAX_WAIT.total_seconds())
        return Progress(ProgressState.PROCESSING, wait)

    def _image(self, file: MediaFile) -> dict[str, object]:
        fitted = fit_image(file.path, LIMITS.images, file.crop)
        url = f"{self.api_url}/2/media/upload"
        files = {"media": ("image", fitted.data, fitted.mime)}
        data = {"media_category": "tweet_image"}
        return self._post(
            lambda: self.http.send("POST", url, headers=self.headers, data=data, files=files, timeout=UPLOAD_TIMEOUT)
        )

    def _in_pieces(self, file: MediaFile) -> dict[str, object]:
        """Initialize, append each piece, finalize."""
        start = {"media_type": file.mime, "total_bytes": file.size, "media_category": _CATEGORIES[file.kind]}
        url = f"{self.api_url}/2/media/upload"
        body = self._post(lambda: self.http.send("POST", f"{url}/initialize", headers=self.headers, json=start))
        media_id = text_at(body, "data", "id")
        for index, piece in enumerate(_pieces(file.path)):
            self._append(f"{url}/{media_id}/append", index, piece)
        return self._post(lambda: self.http.send("POST", f"{url}/{media_id}/finalize", headers=self.headers))

    def _append(self, url: str, index: int, piece: bytes) -> None:
        files = {"media": ("piece", piece, "application/octet-stream")}
        data = {"segment_index": str(index)}
        reply = invisible(
            lambda: self.http.send("POST", url, headers=self.headers, data=data, files=files, timeout=UPLOAD_TIMEOUT)
        )
        if not reply.ok:
            raise refused(reply, RequestKind.STAGE, self.clock.now())

    def _describe(self, media_id: str, alt: str) -> None:
        body = {"id": media_id, "metadata": {"alt_text": {"text": alt}}}
        url = f"{self.api_url}/2/media/metadata"
        answer = self._post(lambda: self.http.send("POST", url, headers=self.headers, json=body))
        if dig(answer, "data") is None:
            raise PostRejected("X did not take the description of a picture; shorten or remove it.", shape(answer))

    def _post(self, act: Callable[[], Reply]) -> dict[str, object]:
        return self._object(invisible(act), RequestKind.STAGE)

    def _object(self, reply: Reply, act: RequestKind) -> dict[str, object]:
        if not reply.ok:
            raise refused(reply, act, self.clock.now())
        return require_object(reply)


def _pieces(path: str) -> Iterator[bytes]:
    with Path(path).open("rb") as stream:
        while piece := stream.read(CHUNK):
            yield piece
