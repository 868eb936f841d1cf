"""Files in the site's library (wordpress/facts.md, 2).

A file goes out once: it is named after the delivery's mark, and what stands in the library under that name is used again, also
where the site answered 500 after it had stored the file (it could not make the smaller sizes)."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from html import escape
from urllib.parse import urlencode

from postprober.clock import Clock
from postprober.domain.account import Credentials
from postprober.domain.limits import Limits
from postprober.domain.post import MediaFile
from postprober.errors import PlatformError, Unavailable
from postprober.http import HttpClient, Reply
from postprober.platforms.common.errors import RequestKind
from postprober.platforms.common.media import upload
from postprober.platforms.common.replies import invisible, is_number, text_at
from postprober.platforms.wordpress.errors import refused
from postprober.platforms.wordpress.site import api_url, authorization, with_query
from postprober.platforms.wordpress.text import Placed

UPLOAD_SECONDS = 300.0  # ours: a large video on a slow line
STORED = "x-wp-upload-attachment-id"  # facts.md, 2: also on an answer 500
_FIELDS = "id,source_url,alt_text,mime_type"
_ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "video/mp4": "mp4"}


class Library:
    """The library of the site at `root`, as one user may use it."""

    def __init__(self, http: HttpClient, root: str, cred: Credentials, limits: Limits, clock: Clock) -> None:
        self._http = http
        self._root = root
        self._cred = cred
        self._limits = limits
        self._clock = clock

    def placed(self, files: Sequence[MediaFile], mark: str) -> list[Placed]:
        """All of them, with their descriptions, in their order."""
        return [self._place(file, f"{mark}-{number}-{_print(file)}") for number, file in enumerate(files, 1)]

    def _place(self, file: MediaFile, name: str) -> Placed:
        row = self._known(name) or self._upload(file, name)
        number, alt = text_at(row, "id"), escape(file.alt, quote=False)  # tags would be taken out of it
        if alt and text_at(row, "alt_text") != alt:
            self._send(f"wp/v2/media/{number}", {"alt_text": alt})
        kind = "video" if text_at(row, "mime_type").startswith("video/") else "image"
        return Placed(int(number), text_at(row, "source_url"), kind, file.alt)

    def _known(self, name: str) -> object | None:
        asked = urlencode({"slug": name, "context": "edit", "_fields": _FIELDS})
        reply = self._http.read("GET", with_query(api_url(self._root, "wp/v2/media"), asked), headers=self._headers())
        if not reply.ok:
            raise refused(reply, RequestKind.READ, self._clock.now())
        rows = reply.json_or_none()
        return next((row for row in rows if _is_whole(row)), None) if isinstance(rows, list) else None

    def _upload(self, file: MediaFile, name: str) -> object:
        with upload(file, self._limits) as ready:
            headers = self._headers() | {
                "Content-Type": ready.mime,
                "Content-Disposition": f'attachment; filename="{name}.{_ENDINGS.get(ready.mime, "bin")}"',
            }
            url = api_url(self._root, "wp/v2/media")
            reply = invisible(
                lambda: self._http.send("POST", url, headers=headers, content=ready.content, timeout=UPLOAD_SECONDS)
            )
        row = reply.json_or_none() if reply.ok else self._stored_after_all(reply)
        if _is_whole(row):
            return row
        if reply.ok:
            raise Unavailable("The site did not confirm the upload; it is looked for and repeated.", reply.excerpt)
        raise refused(reply, RequestKind.STAGE, self._clock.now())

    def _stored_after_all(self, reply: Reply) -> object | None:
        """A server that broke while it made the smaller sizes names the file that it has: the sizes are made in a second
        request, as the site's own editor does it."""
        number = reply.headers.get(STORED, "")
        if reply.status < 500 or not is_number(number):
            return None
        try:
            return self._send(f"wp/v2/media/{number}/post-process", {"action": "create-image-subsizes"})
        except PlatformError:
            return None  # what the first answer said is told

    def _send(self, path: str, body: dict[str, str]) -> object:
        url = api_url(self._root, path)
        reply = invisible(lambda: self._http.send("POST", url, headers=self._headers(), json=body))
        if not reply.ok:
            raise refused(reply, RequestKind.STAGE, self._clock.now())
        return reply.json_or_none()

    def _headers(self) -> dict[str, str]:
        return authorization(self._cred)


def _print(file: MediaFile) -> str:
    """What goes out of a file: another crop of it is another picture."""
    return sha256(f"{file.sha256} {file.crop}".encode()).hexdigest()[:8]


def _is_whole(row: object) -> bool:
    return is_number(text_at(row, "id")) and bool(text_at(row, "source_url"))
