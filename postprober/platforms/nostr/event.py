"""Events: what is signed and sent (NIP-01), and what a text note of kind 1 says (nostr/facts.md, 2 and 3)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from postprober.domain.remote import PartJob, Ref, RemoteMedia, RemotePost
from postprober.platforms.nostr.codes import HEX, Pointer, pointer
from postprober.platforms.nostr.keys import Signer, signed_by
from postprober.platforms.nostr.options import NostrOptions

NOTE, REPOST, REACTION, DELETION, ANY_REPOST = 1, 6, 7, 5, 16  # NIP-01, 18, 25, 09, 18
METADATA, RELAY_AUTH, MEDIA_AUTH = 0, 22242, 24242  # NIP-01, NIP-42, Blossom
MOST_TAGS = 2000  # of an event that is read; ours
_NAMED = re.compile(r"nostr:((?:npub|nprofile|note|nevent)1[02-9ac-hj-np-z]{6,1500})")  # NIP-27; bech32's signs
_TAG = re.compile(r"(?<![\w#&/])#(\w*[^\W\d_]\w*)")  # ours: NIP-24 says lower case, and nobody says what a tag may hold
_KINDS = {"image/gif": "gif", "image": "image", "video": "video"}
_SIZE = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})")

Event = dict[str, Any]
Tags = list[list[str]]


@dataclass(frozen=True)
class Uploaded:
    """A file on a media server, as its `imeta` tag tells it."""

    url: str
    mime: str
    sha256: str
    size: int
    width: int
    height: int
    alt: str = ""

    def tag(self) -> list[str]:
        """NIP-92, with the fields of NIP-94."""
        told = ["imeta", f"url {self.url}", f"m {self.mime}", f"x {self.sha256}", f"size {self.size}"]
        if self.width and self.height:
            told.append(f"dim {self.width}x{self.height}")
        return [*told, *([f"alt {' '.join(self.alt.split())}"] if self.alt.strip() else [])]


def serialised(event: Mapping[str, Any]) -> bytes:
    """What the id is the SHA-256 of (NIP-01)."""
    told = [0, event["pubkey"], event["created_at"], event["kind"], event["tags"], event["content"]]
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def signed(signer: Signer, kind: int, content: str, tags: Tags, at: datetime) -> Event:
    """An event, ready to be sent: the same bytes for the same arguments."""
    event: Event = {
        "pubkey": signer.public,
        "created_at": int(at.timestamp()),
        "kind": kind,
        "tags": tags,
        "content": content,
    }
    digest = hashlib.sha256(serialised(event)).digest()
    return {"id": digest.hex(), **event, "sig": signer.sign(digest)}


def genuine(event: object) -> bool:
    """Whether it is a whole event whose id and signature are true: a relay may say what it likes."""
    if not is_event(event) or not isinstance(event, dict):
        return False
    digest = hashlib.sha256(serialised(event)).digest()
    return digest.hex() == event["id"] and signed_by(event["pubkey"], digest, event["sig"])


def is_event(event: object) -> bool:
    """Whether it has the form of one."""
    if not isinstance(event, dict):
        return False
    tags = event.get("tags")
    return (
        all(isinstance(event.get(name), str) for name in ("id", "pubkey", "content", "sig"))
        and all(type(event.get(name)) is int for name in ("created_at", "kind"))
        and HEX.fullmatch(event["id"]) is not None
        and HEX.fullmatch(event["pubkey"]) is not None
        and isinstance(tags, list)
        and len(tags) <= MOST_TAGS
        and all(isinstance(tag, list) and tag and all(isinstance(one, str) for one in tag) for tag in tags)
    )


def named_in(text: str) -> list[Pointer]:
    """Who and what a text names by `nostr:` codes, in order, each once."""
    found = (pointer(match[1]) for match in _NAMED.finditer(text))
    return list(dict.fromkeys(one for one in found if one is not None))


def mentions_in(text: str) -> list[str]:
    """Public keys of the people whom it mentions."""
    return list(dict.fromkeys(one.value for one in named_in(text) if one.kind in ("npub", "nprofile")))


def hashtags_in(text: str) -> list[str]:
    """Its hashtags in lower case (NIP-24), each once."""
    return list(dict.fromkeys(match.lower() for match in _TAG.findall(_NAMED.sub(" ", text))))


def note(signer: Signer, job: PartJob, files: Sequence[Uploaded], relay: str) -> Event:
    """The event of one part. Everything in it is fixed by the job, so that it has the same id at every try. `relay`: where
    programs may look for what it answers."""
    text = "\n".join([*([job.text] if job.text else []), *(file.url for file in files)])
    options = NostrOptions.of(job.options)
    tags: Tags = []
    if job.handle:  # our mark: the same text twice is two posts, and it is found again after a restored database
        tags.append(["nonce", job.handle, "0"])
    tags += _thread(job, signer.public, relay)
    for one in named_in(job.text):
        if one.kind in ("note", "nevent"):
            tags.append(["q", one.value, one.relays[0] if one.relays else "", *([one.author] if one.author else [])])
    tags += [["p", public] for public in mentions_in(job.text)]
    tags += [["t", tag] for tag in hashtags_in(job.text)]
    if options.content_warning or options.sensitive:
        tags.append(["content-warning", *([options.content_warning] if options.content_warning else [])])
    tags += [file.tag() for file in files]
    return signed(signer, NOTE, text, tags, job.composed_at)


def _thread(job: PartJob, public: str, relay: str) -> Tags:
    """NIP-10, marked `e` tags: the root, and what it answers where that is another one."""
    if job.parent is None:
        return []
    root = job.root or job.parent
    tags = [["e", root.remote_id, relay, "root", public]]
    if root.remote_id != job.parent.remote_id:
        tags.append(["e", job.parent.remote_id, relay, "reply", public])
    return [*tags, ["p", public]]


def mark_of(event: Mapping[str, Any]) -> str:
    """The mark that we put into it, "" without one."""
    return _first(event, "nonce")


def answered_by(event: Mapping[str, Any]) -> str:
    """Id of the event that it answers, "" for none (NIP-10; marks, else the old order)."""
    tags = [tag for tag in event["tags"] if tag[0] == "e" and len(tag) > 1]
    marked = {tag[3]: tag[1] for tag in tags if len(tag) > 3 and tag[3]}
    if marked:
        return str(marked.get("reply") or marked.get("root") or "")
    return str(tags[-1][1]) if tags else ""


def targets(event: Mapping[str, Any], name: str = "e") -> set[str]:
    """The values of its tags `name`."""
    return {tag[1] for tag in event["tags"] if tag[0] == name and len(tag) > 1}


def _first(event: Mapping[str, Any], name: str) -> str:
    return next((tag[1] for tag in event["tags"] if tag[0] == name and len(tag) > 1), "")


def post_of(event: Mapping[str, Any], url: str) -> RemotePost:
    """A text note as a post: the addresses of its files, which stand at the end of its content, are no part of the text."""
    files = _files(event["tags"])
    lines = str(event["content"]).split("\n")
    addresses = {url for url, _ in files}
    while lines and lines[-1] in addresses:
        lines.pop()
    warning = [tag for tag in event["tags"] if tag[0] == "content-warning"]
    reason = warning[0][1] if warning and len(warning[0]) > 1 else ""
    return RemotePost(
        Ref(event["id"], url),
        "\n".join(lines),
        datetime.fromtimestamp(event["created_at"], UTC) if 0 <= event["created_at"] < 2**33 else None,
        author_id=event["pubkey"],
        media=tuple(file for _, file in files),
        reply_to=answered_by(event),
        public=True,
        options={"content_warning": reason, **({} if reason else {"sensitive": bool(warning)})},
        tells_reply=True,
    )


def _files(tags: Iterable[Sequence[str]]) -> list[tuple[str, RemoteMedia]]:
    """The files of `imeta` tags with their addresses; the same file twice has one address."""
    found: list[tuple[str, RemoteMedia]] = []
    for tag in tags:
        told = {key: value for key, _, value in (one.partition(" ") for one in tag[1:])} if tag[0] == "imeta" else {}
        mime = told.get("m", "")
        kind = _KINDS.get(mime) or _KINDS.get(mime.partition("/")[0], "")
        if told.get("url") and kind:
            size = _SIZE.fullmatch(told.get("dim", ""))
            sides = (int(size[1]), int(size[2])) if size else None
            found.append((told["url"], RemoteMedia(kind, told.get("alt", ""), size=sides)))
    return found
