"""How each form of docs/platforms.md goes out: what is asked for, with which files, and what the platform can be told to lose."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from postprober.domain.delivery import DeliveryState, Proof
from tests.domain.test_subtitles import SRT
from tests.platforms.document_kit import pdf
from tests.platforms.video_kit import make

PERSON = "@xfriend"  # an account on the sandbox
EARLIER = "{an earlier post}"  # in options: stands for its link


@dataclass(frozen=True)
class Recipe:
    """One post. `files`: kinds, in order; `texts`: the parts; `account`: how the account is made; `lost`: the fields that the
    platform leaves out in the control, `instead`: those that it changes, at the operation `at`, after `after` others; none: nobody can read the form, and the note
    with the proof has `untold` in it, or it is about what the platform does (`proof`). `card`: the text has a link with a card."""

    options: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    account: Mapping[str, Any] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    instead: Mapping[str, Any] = field(default_factory=dict)
    at: str = "create"
    after: int = 0
    fault: str = "dropped_fields"
    proof: Proof = Proof.MATCHES
    untold: str = ""
    card: bool = False
    # Where nothing can be left out unnoticed, because it would be another post: how the control ends.
    ends: DeliveryState = DeliveryState.VERIFIED


def photo(folder: Path, number: int, size: tuple[int, int] = (640, 640)) -> Path:
    path = folder / f"photo{number}.jpg"
    Image.new("RGB", size, (20 * number % 255, 120, 60)).save(path, "JPEG")
    return path


def tall(folder: Path, number: int) -> Path:
    return photo(folder, number, (540, 960))


def moving(folder: Path, number: int) -> Path:
    """An animated GIF of three seconds."""
    frames = [Image.new("RGB", (320, 320), (40 * n, 90, 200)) for n in range(6)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=600, loop=0)
    path = folder / f"moving{number}.gif"
    path.write_bytes(out.getvalue())
    return path


def film(folder: Path, number: int) -> Path:
    """A video that every platform takes as it is."""
    return make(folder / f"film{number}.mp4", size=(640, 360), seconds=3.5, rate=30, audio=("aac",), bits=400_000)


def subtitles(folder: Path, number: int) -> Path:
    path = folder / f"talk{number}.de.srt"
    path.write_bytes(SRT)
    return path


def document(folder: Path, number: int) -> Path:
    path = folder / f"document{number}.pdf"
    path.write_bytes(pdf())
    return path


KINDS = {"document": document, "subtitles": subtitles, "photo": photo, "tall": tall, "gif": moving, "video": film}
R = Recipe
_PHOTOS = {count: ("photo",) * count for count in (1, 4, 10, 20)}
_LONG = "A long text that no ordinary account may write. " * 20
_MEMBER = {"scopes": ["openid", "profile", "w_member_social", "r_member_social"]}


def _pictures(*counts: int, **lost: Any) -> dict[str, Recipe]:
    names = {1: "1 picture", 4: "4 pictures", 10: "10 pictures", 20: "20 pictures"}
    return {names[count]: R(files=_PHOTOS[count], **lost) for count in counts}


_X = {
    "text": R(lost=("text",), files=("photo",)),
    "long text": R(texts=(_LONG,), account={"premium": True}, lost=("text",), files=("photo",)),
    "thread": R(texts=("The first part", "The second part"), lost=("reply",), after=1),
    **_pictures(1, 4, lost=("media",)),
    "moving GIF": R(files=("gif",), lost=("media",)),
    "video": R(files=("video",), lost=("media",)),
    "community": R({"community": "1493446837214187523"}, lost=("community_id",)),
    "mark: made with AI": R({"made_with_ai": True}, ("photo",), untold="Made with AI: nobody can read it"),
    "mark: paid partnership": R({"paid_partnership": True}, lost=("paid_partnership",)),
    "place": R({"place": "01a9a39529b27f36"}, lost=("geo",)),
    "tags in pictures": R({"tagged": [PERSON]}, ("photo",), untold="Tag people: nobody can read it"),
    "poll": R({"poll_choices": ["Red", "Blue"], "poll_minutes": 30}, lost=("poll",)),
    "quote": R({"quote": EARLIER}, lost=("quote_tweet_id",)),
    "who can reply": R({"who_can_reply": "following"}, lost=("reply_settings",)),
}
_LINKEDIN = {
    "text": R(account=_MEMBER, instead={"commentary": "Other words"}),
    **_pictures(1, 4, 10, 20, account=_MEMBER, lost=("content",)),
    "moving GIF": R(files=("gif",), account=_MEMBER, lost=("content",)),
    "video": R(files=("video",), account=_MEMBER, lost=("content",)),
    "document": R(files=("document",), account=_MEMBER, lost=("content",)),
    "mention by id": R(
        texts=("Thanks to @[Ann Smith](urn:li:person:abc123)",), account=_MEMBER, instead={"commentary": "Thanks"}
    ),
    "mention found by name": R(
        texts=("Thanks to @[Our company](urn:li:organization:2414183)",),
        account=_MEMBER,
        instead={"commentary": "Thanks"},
    ),
    "link card": R(card=True, account=_MEMBER, fault="card_dropped"),
    "audience": R(
        {"audience": "connections"}, account=_MEMBER, instead={"visibility": "LOGGED_IN"}, proof=Proof.EXISTS
    ),
    "poll": R(
        {"poll_question": "Which?", "poll_choices": ["This", "That"], "poll_days": "3"},
        account=_MEMBER,
        lost=("content",),
    ),
    "quote": R({"reshare": EARLIER}, account=_MEMBER, lost=("reshareContext",)),
    "who can repost": R({"no_reshares": True}, account=_MEMBER, lost=("isReshareDisabledByAuthor",)),
}
_INSTAGRAM = {
    **_pictures(1, 4, 10, lost=("caption",), at="container"),
    "pictures and videos together": R(files=("photo", "video", "photo"), lost=("caption",), at="container"),
    "moving GIF": R(files=("gif",), lost=("caption",), at="container"),
    "video": R(files=("video",), lost=("caption",), at="container"),
    "Reel outside of the feed": R({"reel_in_feed": False}, ("video",), lost=("share_to_feed",), at="container"),
    "collaborators": R({"collaborators": ["ann.smith"]}, ("photo",), untold="Collaborators: nobody can read it"),
    "cover": R({"cover_at_ms": 1500}, ("video",), untold="Reel: cover (milliseconds): nobody can read it"),
    "cover picture": R({"cover_picture": True}, ("video", "tall"), untold="use the picture as cover: nobody can read"),
    "mark: made with AI": R({"made_with_ai": True}, ("photo",), untold="Made with AI: nobody can read it"),
    "place": R({"place": "106078429431815"}, ("photo",), untold="Place: nobody can read it"),
    "story": R({"story": True}, ("photo",), lost=("media_type",), at="container", proof=Proof.EXISTS),
    "tags in pictures": R(
        {"tagged": ["ann.smith 0.5 0.25", "2: bo 0 1"]}, ("photo", "photo"), untold="tells no program whom a post tags"
    ),
}
_MASTODON = {
    "text": R(lost=("status",), files=("photo",)),
    "thread": R(texts=("The first part", "The second part"), lost=("in_reply_to_id",), after=1),
    **_pictures(1, 4, lost=("media_ids",)),
    "moving GIF": R(files=("gif",), lost=("media_ids",)),
    "video": R(files=("video",), lost=("media_ids",)),
    "audience": R({"audience": "unlisted"}, lost=("visibility",)),
    "content warning": R({"content_warning": "Spoilers for the finale"}, lost=("spoiler_text",)),
    "language with region": R({"language": "zh-TW"}, lost=("language",)),
    "poll": R({"poll_choices": ["Yes", "No"], "poll_minutes": 60}, lost=("poll",)),
    "quote": R({"quote": EARLIER}, lost=("quoted_status_id",)),
    "sensitive media": R({"sensitive": True}, ("photo",), lost=("sensitive",)),
    "who can quote": R({"who_can_quote": "nobody"}, lost=("quote_approval_policy",)),
}
_BLUESKY = {
    "text": R(instead={"text": "Other words"}),
    "thread": R(texts=("The first part", "The second part"), lost=("reply",), after=1),
    **_pictures(1, 4, 10, lost=("embed",)),
    "moving GIF": R(files=("gif",), lost=("embed",)),
    "video": R(files=("video",), lost=("embed",)),
    "subtitles": R(files=("video", "subtitles"), fault="captions_dropped"),
    "link card": R(card=True, fault="card_dropped"),
    "content warning": R({"content_label": "graphic-media"}, lost=("labels",)),
    "quote": R({"quote": EARLIER}, lost=("embed",)),
    "several languages": R({"languages": ["de", "pt-BR"]}, lost=("langs",)),
    "who can quote": R({"no_quotes": True}, lost=("postgate",)),
    "who can reply": R({"who_can_reply": "mentioned"}, lost=("threadgate",)),
}
_DISCORD = {
    "text": R(instead={"content": "Other words"}, proof=Proof.EXISTS),
    "thread": R(texts=("The first part", "The second part"), lost=("message_reference",), after=1, proof=Proof.EXISTS),
    **_pictures(1, 4, 10, lost=("attachments",), proof=Proof.EXISTS),
    "moving GIF": R(files=("gif",), lost=("attachments",), proof=Proof.EXISTS),
    "video": R(files=("video",), lost=("attachments",), proof=Proof.EXISTS),
    "forum post": R(
        {"title": "A question"},
        account={"scopes": ["webhook.incoming", "forum"]},
        untold="Title of a forum post: nobody can read it",
        proof=Proof.EXISTS,
    ),
    "poll": R(
        {"poll_question": "Which?", "poll_choices": ["This", "That"], "poll_hours": 2, "poll_multiple": True},
        lost=("poll",),
        proof=Proof.EXISTS,
    ),
    "sensitive media": R({"sensitive": True}, ("photo",), instead={"attachments": [{"id": "0"}]}, proof=Proof.EXISTS),
    "without notifications": R({"silent": True}, lost=("flags",), proof=Proof.EXISTS),
}
_GONE = {"ends": DeliveryState.GHOST}
_NOSTR = {
    "text": R(instead={"content": "Other words"}, **_GONE),
    "thread": R(texts=("The first part", "The second part"), lost=("e",), after=1, **_GONE),
    **_pictures(1, 4, lost=("imeta",), **_GONE),
    "pictures and videos together": R(files=("photo", "video"), lost=("imeta",), **_GONE),
    "moving GIF": R(files=("gif",), lost=("imeta",), **_GONE),
    "video": R(files=("video",), lost=("imeta",), **_GONE),
    "content warning": R({"content_warning": "Spoilers for the finale"}, lost=("content-warning",), **_GONE),
    "sensitive media": R({"sensitive": True}, ("photo",), lost=("content-warning",), **_GONE),
}
_OTHER_WORDS = {"content": "<p>Other words</p>"}
_WORDPRESS = {
    "text": R(instead=_OTHER_WORDS, at="container"),
    **_pictures(1, 4, 10, 20, instead=_OTHER_WORDS, at="container"),
    "moving GIF": R(files=("gif",), instead=_OTHER_WORDS, at="container"),
    "video": R(files=("video",), instead=_OTHER_WORDS, at="container"),
    "title": R({"title": "The headline"}, lost=("title",), at="container"),
    "excerpt": R({"excerpt": "In short"}, lost=("excerpt",), at="container"),
    "categories": R({"categories": ["News"]}, lost=("categories",), at="container"),
    "tags": R({"tags": ["one", "two"]}, lost=("tags",), at="container"),
    "featured picture": R({"featured": True}, ("photo",), lost=("featured_media",), at="container"),
    "address of one's own": R({"slug": "an-address"}, lost=("slug",)),
    "who can reply": R({"comments": "closed"}, lost=("comment_status",), at="container"),
    "post format": R({"post_format": "aside"}, lost=("format",), at="container"),
}
_ALL = {"crop of a picture": R({"crop": ["1: square"]}, ("tall",), untold="Crop: nobody can read it")}
RECIPES: dict[str, dict[str, Recipe]] = {
    "x": _X | _ALL,
    "linkedin": _LINKEDIN | {name: replace(one, account=_MEMBER) for name, one in _ALL.items()},
    "instagram": _INSTAGRAM | _ALL,
    "mastodon": _MASTODON | _ALL,
    "bluesky": _BLUESKY | _ALL,
    "discord": _DISCORD | {name: replace(one, proof=Proof.EXISTS) for name, one in _ALL.items()},
    "nostr": _NOSTR | _ALL,
    "wordpress": _WORDPRESS | _ALL,
}
