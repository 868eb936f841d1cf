"""Files for posts: relays keep none, so they go to a media server that speaks Blossom (BUD-01, BUD-02; nostr/facts.md, 2).

A file's address is made of its SHA-256, which is known before it is sent: a repeat puts the same file at the same address.
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from postprober.domain.addresses import split
from postprober.domain.limits import Limits
from postprober.domain.post import MediaFile
from postprober.errors import Unavailable, UnexpectedReply
from postprober.http import HttpClient, Reply
from postprober.platforms.common.media import upload
from postprober.platforms.common.replies import invisible, shape, text_at
from postprober.platforms.nostr.errors import media_refused
from postprober.platforms.nostr.event import MEDIA_AUTH, Uploaded, signed
from postprober.platforms.nostr.keys import Signer

UPLOAD_SECONDS = 300.0  # 100 MB on a slow line
AUTH_LIFE = timedelta(minutes=10)  # ours; BUD-01 asks for an end
_BLOCK = 1024 * 1024


def put(http: HttpClient, server: str, signer: Signer, file: MediaFile, limits: Limits, now: datetime) -> Uploaded:
    """Upload one file. Raises BadInput (of the file) or a PlatformError; never OutcomeUnknown, because nobody sees it yet."""
    with upload(file, limits) as ready:
        digest, size = _hash(ready.content)
        headers = {
            "Authorization": _authorization(signer, digest, now),
            "Content-Type": ready.mime,
            "X-SHA-256": digest,
        }
        url = f"{server}/upload"
        body = ready.content
        reply = invisible(lambda: http.send("PUT", url, headers=headers, content=body, timeout=UPLOAD_SECONDS))
        if not reply.ok:
            raise media_refused(reply, now)
        return Uploaded(_address(reply, digest), ready.mime, digest, size, ready.width, ready.height, file.alt)


def _address(reply: Reply, digest: str) -> str:
    """Where the server says that the file is. Raises Unavailable for another file, UnexpectedReply for no address."""
    told: Any = reply.json_or_none()
    if text_at(told, "sha256") != digest:  # a server must not change it (BUD-02); then it is not what was meant
        message = "The media server did not confirm the file; it will be uploaded again."
        raise Unavailable(message, shape(told), http_status=reply.status)
    url = text_at(told, "url")
    parts = split(url if url.isascii() and url.isprintable() and " " not in url else "")
    if parts.scheme not in ("http", "https") or not parts.hostname or len(url) > 1000:
        raise UnexpectedReply("The media server gives no address of the file.", shape(told), http_status=reply.status)
    return url


def _authorization(signer: Signer, digest: str, now: datetime) -> str:
    tags = [["t", "upload"], ["x", digest], ["expiration", str(int((now + AUTH_LIFE).timestamp()))]]
    proof = signed(signer, MEDIA_AUTH, "Upload a file", tags, now)
    return "Nostr " + base64.b64encode(json.dumps(proof).encode()).decode()


def _hash(content: bytes | BinaryIO) -> tuple[str, int]:
    """SHA-256 and bytes; a file is read a block at a time, and stands at its beginning again."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest(), len(content)
    digest, size = hashlib.sha256(), 0
    while block := content.read(_BLOCK):
        digest.update(block)
        size += len(block)
    content.seek(0)
    return digest.hexdigest(), size
