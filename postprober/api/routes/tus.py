"""Resumable uploads: the tus protocol 1.0 (https://tus.io/protocols/resumable-upload), its core and its extensions
creation, creation-with-upload, checksum, expiration and termination.

Beginning one needs a sign-in, a token, or a page's grant; after that the address is the permission, as for an announced
file (`media.py`). What came when the whole is there is asked at the same address.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
from collections.abc import AsyncIterator
from datetime import datetime
from email.utils import format_datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from postprober.api.auth import Caller, bearer_token, get_caller, require
from postprober.api.deps import CoreDep
from postprober.api.middleware import HANDED_IN
from postprober.api.problems import Busy, problem, responses
from postprober.api.routes.media import Upload
from postprober.api.slow_work import Gate
from postprober.errors import BadInput, NotSignedIn
from postprober.services.core import Core
from postprober.services.media import media, resumable
from postprober.services.media.handing_in import UNSHOWN
from postprober.services.media.resumable import InUse, Mismatch, OffsetMoved, Sending, TooMuch
from postprober.services.people import sessions
from postprober.services.people.sessions import GRANT_PREFIX

router = APIRouter(tags=["media"])
VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,checksum,expiration,termination"
ALGORITHMS = ("sha256", "sha1")  # the second because the protocol asks for it
PIECE_TYPE = "application/offset+octet-stream"
MISMATCH = 460  # the protocol's own status
IDLE = 60.0  # seconds without a byte, after which a connection is given up; what came stays
LONGEST = 900.0  # seconds of one connection; whoever has more to send goes on with another
_LONG = 15  # digits of a number that is believed to be one
_MAX_METADATA = 60_000  # characters; an alt text of 10,000 may take most of it


async def _uploader(request: Request, core: CoreDep) -> tuple[Caller, str]:
    """Who may begin an upload, and for which draft. Raises NotSignedIn or Forbidden."""
    token = bearer_token(request.headers.get("authorization", ""))
    if not token.startswith(GRANT_PREFIX):
        caller = await run_in_threadpool(get_caller, request, core, None, None)
        require(caller, "media:write")
        return caller, ""
    found = await run_in_threadpool(sessions.by_grant, core, token)
    if found is None:
        raise NotSignedIn("This page was open for too long; load it again.")
    require(found[0], "media:write")
    return found


UploaderDep = Annotated[tuple[Caller, str], Depends(_uploader)]
Resumable = Annotated[str, Header(alias="Tus-Resumable", description="Of the protocol: 1.0.0", examples=[VERSION])]
Metadata = Annotated[
    str,
    Header(
        alias="Upload-Metadata",
        max_length=_MAX_METADATA,
        description="`filename`, `alt` and `sha256` (hex, of the whole), each in Base64",
        examples=["filename Y2F0LnBuZw=="],
    ),
]
Checksum = Annotated[
    str,
    Header(
        alias="Upload-Checksum",
        max_length=200,
        description="Of this piece: sha256 or sha1, and its digest in Base64",
        examples=[""],
    ),
]
Length = Annotated[int, Header(alias="Upload-Length", ge=0, le=10**_LONG, description="Bytes of the whole")]
Offset = Annotated[int, Header(alias="Upload-Offset", ge=0, le=10**_LONG, description="Bytes that came before")]
_PIECE: dict[str, Any] = {
    "requestBody": {"required": False, "content": {PIECE_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
}


@router.options("/api/media/resumable", include_in_schema=False)
def options(core: CoreDep) -> Response:
    """What this server can do, for clients that ask first."""
    told = {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(media.largest_of_all())}
    told["Tus-Checksum-Algorithm"] = ",".join(ALGORITHMS)
    return Response(status_code=204, headers={"Tus-Resumable": VERSION, **told})


@router.post(
    "/api/media/resumable",
    status_code=201,
    summary="Begin a resumable upload",
    response_class=Response,
    responses=responses(401, 403, 408, 409, 412, 413, 422, 429, MISMATCH),
    openapi_extra=_PIECE,
)
async def begin(
    request: Request,
    core: CoreDep,
    uploader: UploaderDep,
    length: Length,
    version: Resumable = VERSION,
    metadata: Metadata = "",
    checksum: Checksum = "",
) -> Response:
    """The tus protocol's creation: `Location` is the address of this one file, to which its bytes are sent with PATCH. Room for
    all of it is kept. With a body of bytes it is the first piece, too."""
    if version != VERSION:
        return _other_version()
    caller, draft = uploader
    told = _metadata(metadata)
    name = UNSHOWN.sub("_", told.get("filename", told.get("name", ""))) or "file"
    if length > await run_in_threadpool(media.largest, core, caller.actor.space):
        return await _too_large(core, caller)
    secret, made = await run_in_threadpool(
        lambda: resumable.begin(
            core,
            caller.actor,
            name,
            length,
            told.get("alt", ""),
            sha256=_hex(told.get("sha256", "")),
            session=int(caller.session or 0),
            draft=draft,
        )
    )
    headers = {"Location": f"{core.settings.public_base}{HANDED_IN}{secret}"}
    if request.headers.get("content-type") == PIECE_TYPE:
        answer = await _take(request, core, secret, 0, checksum)
        if answer.status_code >= 300:  # the address is told in any case: it may be tried again
            answer.headers.update(headers)
            return answer
        return Response(status_code=201, headers={**_told(answer), **headers})
    return Response(status_code=201, headers={**headers, **_progress(0, made.expires_at)})


@router.head(
    "/api/media/uploads/{upload}",
    summary="Ask how much of a resumable upload has come",
    response_class=Response,
    responses=responses(403, 404, 412, 422),
)
def ask(upload: Upload, core: CoreDep, version: Resumable = VERSION) -> Response:
    """`Upload-Offset` bytes; go on from there."""
    if version != VERSION:
        return _other_version()
    _, found = resumable.find(core, upload)
    headers = _progress(found.offset, found.expires_at, found.media)
    return Response(status_code=200, headers={**headers, "Upload-Length": str(found.length)})


@router.patch(
    "/api/media/uploads/{upload}",
    status_code=204,
    summary="Send a piece of a resumable upload",
    responses=responses(403, 404, 408, 409, 412, 413, 415, 422, 429, MISMATCH),
    openapi_extra=_PIECE,
)
async def send(
    upload: Upload,
    request: Request,
    core: CoreDep,
    offset: Offset,
    version: Resumable = VERSION,
    checksum: Checksum = "",
) -> Response:
    """The bytes from `Upload-Offset` on, as many as you like. With the last one the file is looked at, and `Location` names it;
    sent again, the last piece is answered with the same file."""
    if version != VERSION:
        return _other_version()
    if request.headers.get("content-type") != PIECE_TYPE:
        return problem(415, "", "Unsupported Media Type", f"Send the piece as {PIECE_TYPE}.", _CLOSED)
    return await _take(request, core, upload, offset, checksum)


@router.delete(
    "/api/media/uploads/{upload}",
    status_code=204,
    summary="Cancel a resumable upload",
    responses=responses(403, 404, 412, 422),
)
def cancel(upload: Upload, core: CoreDep, version: Resumable = VERSION) -> Response:
    """What has come of it is dropped. A file that it has become stays."""
    if version != VERSION:
        return _other_version()
    resumable.cancel(core, upload)
    return Response(status_code=204, headers={"Tus-Resumable": VERSION})


async def _take(request: Request, core: Core, secret: str, offset: int, checksum: str) -> Response:
    """One piece, then the whole where it was the last."""
    expected = _checksum(checksum)
    caller, found = await run_in_threadpool(resumable.find, core, secret)
    if found.refused:
        raise BadInput(found.refused, field="file")
    if found.media:
        if offset != found.length:
            return _moved(found.length)
        return Response(status_code=204, headers=_progress(found.length, found.expires_at, found.media))
    said = request.headers.get("content-length", "")
    if said.isdecimal() and offset + int(said[:_LONG]) > found.length:
        return _too_much(found.length)
    gate: Gate = request.app.state.uploads
    try:
        with gate.held(caller.user.id):
            entered = resumable.piece(core, secret, found, offset)
            sent = await run_in_threadpool(entered.__enter__)
            try:
                await _stream(request, sent, expected)
                made = 0
                if sent.offset == found.length:
                    await run_in_threadpool(sent.check)
                    made = await run_in_threadpool(resumable.finish, core, caller, found, sent)
            finally:
                await run_in_threadpool(entered.__exit__, None, None, None)
    except OffsetMoved as moved:
        return _moved(moved.offset)
    except InUse as error:
        raise Busy(error.message, 2) from None
    except TooMuch:
        return _too_much(found.length)
    except Mismatch as error:
        return _mismatch(error.message, error.offset)
    except TimeoutError:
        raise HTTPException(408, "The upload took too long; go on from where it stopped.", _CLOSED) from None
    return Response(status_code=204, headers=_progress(sent.offset, found.expires_at, made))


async def _stream(request: Request, sent: Sending, expected: tuple[str, bytes] | None) -> None:
    """Socket to disk, a block at a time. What came before a cut stays, unless it was to be compared with a checksum first."""
    start, held = sent.offset, bytearray()
    digest = hashlib.new(expected[0], usedforsecurity=False) if expected else None

    async def put() -> None:
        block = bytes(held)
        held.clear()
        if digest is not None:
            digest.update(block)
        await run_in_threadpool(sent.write, block)

    try:
        async for received in _in_time(request):
            held += received
            if len(held) >= media.BLOCK:
                await put()
    except (ClientDisconnect, TimeoutError):
        if expected:
            await run_in_threadpool(sent.forget)
        else:
            await put()
        raise
    await put()
    if digest is not None and expected and not hmac.compare_digest(digest.digest(), expected[1]):
        await run_in_threadpool(sent.forget)
        raise Mismatch("This piece is not what was sent (its checksum differs). Send it again.", start)


async def _in_time(request: Request) -> AsyncIterator[bytes]:
    """The body, while it comes. Only the waiting for it has an end: a write that is given up would go on in its thread, to a
    file that somebody else may be sending by then. Raises TimeoutError or ClientDisconnect."""
    ends, blocks = asyncio.get_running_loop().time() + LONGEST, aiter(request.stream())
    while True:
        async with asyncio.timeout_at(min(ends, asyncio.get_running_loop().time() + IDLE)):
            try:
                block = await anext(blocks)
            except StopAsyncIteration:
                return
        yield block


_CLOSED = {"Connection": "close", "Tus-Resumable": VERSION}


def _progress(offset: int, expires: datetime, made: int = 0) -> dict[str, str]:
    told = {"Tus-Resumable": VERSION, "Upload-Offset": str(offset), "Cache-Control": "no-store"}
    if made:
        return told | {"Location": f"/api/media/{made}"}
    return told | {"Upload-Expires": format_datetime(expires, usegmt=True)}


def _told(answer: Response) -> dict[str, str]:
    return {name: answer.headers[name] for name in ("Tus-Resumable", "Upload-Offset") if name in answer.headers}


def _other_version() -> Response:
    text = f"This server speaks version {VERSION} of the tus protocol."
    return problem(412, "", "Precondition Failed", text, {**_CLOSED, "Tus-Version": VERSION})


def _moved(offset: int) -> Response:
    text = f"{offset:,} bytes of this file have arrived; go on from there."
    return problem(409, "conflict", "Conflict", text, {**_CLOSED, "Upload-Offset": str(offset)})


def _mismatch(text: str, offset: int) -> Response:
    return problem(MISMATCH, "checksum-mismatch", "Checksum mismatch", text, {**_CLOSED, "Upload-Offset": str(offset)})


def _too_much(length: int) -> Response:
    text = f"The upload was begun with {length:,} bytes, and more came. Begin it again with the right size."
    return problem(413, "too-large", "Too large", text, _CLOSED)


async def _too_large(core: Core, caller: Caller) -> Response:
    most = await run_in_threadpool(media.largest, core, caller.actor.space)
    text = f"The file is larger than {most // 1_000_000:,} MB, the most that your accounts take."
    return problem(413, "too-large", "Too large", text, {**_CLOSED, "Tus-Max-Size": str(most)})


def _metadata(header: str) -> dict[str, str]:
    """What the sender says of the file. Raises BadInput."""
    told: dict[str, str] = {}
    for pair in filter(None, (one.strip() for one in header.split(","))):
        key, _, value = pair.partition(" ")
        try:
            told[key] = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            raise BadInput("Write each value of Upload-Metadata in Base64 of UTF-8.", field="Upload-Metadata") from None
    return told


def _hex(digest: str) -> str:
    """Raises BadInput for what is no SHA-256."""
    if digest and (len(digest) != 64 or not all(sign in "0123456789abcdefABCDEF" for sign in digest)):
        raise BadInput("Write sha256 as 64 hexadecimal digits.", field="Upload-Metadata")
    return digest


def _checksum(header: str) -> tuple[str, bytes] | None:
    """(algorithm, digest). Raises BadInput."""
    if not header:
        return None
    name, _, value = header.strip().partition(" ")
    try:
        digest = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if name not in ALGORITHMS or len(digest) != hashlib.new(name, usedforsecurity=False).digest_size:
        text = f"Write Upload-Checksum as one of {', '.join(ALGORITHMS)}, and the digest in Base64."
        raise BadInput(text, field="Upload-Checksum")
    return name, digest
