"""Uploads to LinkedIn: register, put the bytes, for videos close the upload, then wait. linkedin/facts.md, 2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from postprober.clock import Clock
from postprober.domain.addresses import split
from postprober.domain.post import MediaFile, MediaKind
from postprober.domain.remote import Progress, ProgressState
from postprober.errors import PlatformError, UnexpectedReply
from postprober.http import HttpClient, Reply
from postprober.platforms.common.adapter import READY
from postprober.platforms.common.errors import RequestKind
from postprober.platforms.common.media import fit_image
from postprober.platforms.common.replies import count_at, dig, invisible, list_at, require_object, shape, text_at
from postprober.platforms.linkedin.errors import NOT_FOUND, is_not_permitted, refused
from postprober.platforms.linkedin.limits import LIMITS

UPLOAD_TIMEOUT = 120.0  # seconds for one piece of at most 4 MB, or one picture; of a document for each block
POLL_SECONDS = 5.0  # ours; LinkedIn publishes no number; settings["poll_seconds"]
# Status of /rest/images, /rest/videos and /rest/documents.
_STATES = {
    "AVAILABLE": ProgressState.READY,
    "PROCESSING": ProgressState.PROCESSING,
    "WAITING_UPLOAD": ProgressState.PROCESSING,
    "PROCESSING_FAILED": ProgressState.FAILED,
}


@dataclass(frozen=True)
class Uploads:
    """The media of one part on its way. Nothing here is visible, so unknown outcomes are Unavailable.

    `owner`: URN of the author; `own_hosts`: hosts that may see the access token.
    """

    http: HttpClient
    api_url: str
    own_hosts: frozenset[str]
    headers: Mapping[str, str]
    owner: str
    clock: Clock
    poll_seconds: float = POLL_SECONDS

    def stage(self, files: tuple[MediaFile, ...]) -> dict[str, object]:
        """Upload `files` in order: `{"images": [{"id", "altText"}]}`, `{"video": {...}}` or `{"document": {"id"}}`; {} without
        files."""
        images: list[dict[str, str]] = []
        for file in files:
            if file.kind is MediaKind.VIDEO:
                return {"video": {"id": self._video(file), "altText": file.alt}}
            if file.kind is MediaKind.DOCUMENT:
                return {"document": {"id": self._document(file)}}
            images.append({"id": self._image(file), "altText": file.alt})
        return {"images": images} if images else {}

    def thumbnail(self, picture: MediaFile) -> dict[str, object]:
        """Upload the picture of a link card, as it is: `{"thumbnail": URN}`."""
        return {"thumbnail": self._bytes(Path(picture.path).read_bytes())}

    def progress(self, staged: Mapping[str, object]) -> Progress:
        """READY when LinkedIn has finished with every file; the first one that has not decides otherwise."""
        urns = [(text_at(image, "id"), "images") for image in list_at(dict(staged), "images")]
        if thumbnail := text_at(dict(staged), "thumbnail"):
            urns.append((thumbnail, "images"))
        if text_at(dict(staged), "video", "id"):
            urns = [(text_at(dict(staged), "video", "id"), "videos")]
        if text_at(dict(staged), "document", "id"):
            urns = [(text_at(dict(staged), "document", "id"), "documents")]
        for urn, collection in urns:
            answer = self._status(urn, collection)
            if answer.state is not ProgressState.READY:
                return answer
        return READY

    def _status(self, urn: str, collection: str) -> Progress:
        url = f"{self.api_url}/rest/{collection}/{quote(urn, safe='')}"
        reply = self.http.read("GET", url, headers=self.headers)
        if reply.status == NOT_FOUND:
            return Progress(ProgressState.GONE, reason="LinkedIn no longer has the uploaded file")
        try:
            status = text_at(self._object(reply, RequestKind.READ), "status")
        except PlatformError as error:
            if is_not_permitted(error):  # we may write but not look: the post itself will tell
                return READY
            raise
        state = _STATES.get(status)
        if state is None:
            raise UnexpectedReply(f"LinkedIn reports an unknown media status {status!r}.", reply.excerpt)
        reason = "LinkedIn could not process the file" if state is ProgressState.FAILED else ""
        return Progress(state, self.poll_seconds if state is ProgressState.PROCESSING else 0.0, reason)

    def _image(self, file: MediaFile) -> str:
        as_it_is = file.kind is MediaKind.GIF
        return self._bytes(
            Path(file.path).read_bytes() if as_it_is else fit_image(file.path, LIMITS.images, file.crop).data
        )

    def _bytes(self, data: bytes) -> str:
        value = self._action("images", "initializeUpload", {"initializeUploadRequest": {"owner": self.owner}})
        self._put(text_at(value, "value", "uploadUrl"), data)
        return _urn(value, "image")

    def _document(self, file: MediaFile) -> str:
        value = self._action("documents", "initializeUpload", {"initializeUploadRequest": {"owner": self.owner}})
        urn = _urn(value, "document")
        with Path(file.path).open("rb") as stream:  # sent a block at a time
            self._put(text_at(value, "value", "uploadUrl"), stream)
        return urn

    def _video(self, file: MediaFile) -> str:
        ask = {"owner": self.owner, "fileSizeBytes": file.size, "uploadCaptions": False, "uploadThumbnail": False}
        value = self._action("videos", "initializeUpload", {"initializeUploadRequest": ask})
        urn, etags = _urn(value, "video"), []
        with Path(file.path).open("rb") as stream:
            for piece in list_at(value, "value", "uploadInstructions"):
                first, last = count_at(piece, "firstByte") or 0, count_at(piece, "lastByte") or 0
                stream.seek(first)
                etags.append(self._put(text_at(piece, "uploadUrl"), stream.read(last - first + 1)))
        token = text_at(value, "value", "uploadToken")
        done = {"video": urn, "uploadToken": token, "uploadedPartIds": etags}
        self._action("videos", "finalizeUpload", {"finalizeUploadRequest": done})
        return urn

    def _action(self, collection: str, action: str, body: Mapping[str, object]) -> dict[str, object]:
        url, params = f"{self.api_url}/rest/{collection}", {"action": action}
        reply = invisible(lambda: self.http.send("POST", url, headers=self.headers, params=params, json=body))
        if reply.ok and not reply.body:
            return {}
        return self._object(reply, RequestKind.STAGE)

    def _put(self, url: str, data: bytes | BinaryIO) -> str:
        """Send bytes to the URL that LinkedIn named; returns the ETag. The token goes only to LinkedIn's own hosts."""
        if not url:
            raise UnexpectedReply("LinkedIn named no address for the upload.")
        host = split(url).hostname or ""
        own = host in self.own_hosts or host.endswith(".linkedin.com")
        headers = {"Authorization": self.headers["Authorization"]} if own else {}
        headers["Content-Type"] = "application/octet-stream"
        reply = invisible(lambda: self.http.send("PUT", url, headers=headers, content=data, timeout=UPLOAD_TIMEOUT))
        if not reply.ok:
            raise refused(reply, RequestKind.STAGE, self.clock.now())
        return reply.headers.get("etag", "").strip('"')

    def _object(self, reply: Reply, act: RequestKind) -> dict[str, object]:
        if not reply.ok:
            raise refused(reply, act, self.clock.now())
        return require_object(reply)


def _urn(value: object, kind: str) -> str:
    urn = dig(value, "value", kind)
    if not isinstance(urn, str) or not urn.startswith(f"urn:li:{kind}:"):
        raise UnexpectedReply(f"LinkedIn named no {kind} for the upload.", shape(value))
    return urn
