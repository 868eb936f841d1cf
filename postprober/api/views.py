"""What comes out: the answers' bodies. Times are ISO 8601 in UTC. Tokens and other secrets are in none of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from postprober.domain.advice import Advice
from postprober.domain.card import LinkCard
from postprober.domain.health import Quota
from postprober.domain.limits import Limits
from postprober.domain.options import fields_of
from postprober.domain.platform import described, known
from postprober.services.monitoring.details import EvidenceItem
from postprober.services.monitoring.monitoring import DeliveryView, PostView, finished
from postprober.services.monitoring.platform_status import PlatformHealth
from postprober.services.posts import drafts
from postprober.storage.conversions import ConversionRecord
from postprober.storage.records import Account, AlertRecord, Attempt, MediaRecord, Post, StepRecord

NextCursor = Field(default=None, description="Give it as `cursor` to get the next page; null on the last one")


class AccountOut(BaseModel):
    """A linked account. `status`: ok, or reconnect with the reason why it has to be linked again."""

    id: int = Field(examples=[1])
    platform: str = Field(examples=[known()[0]])
    name: str = Field(examples=["news@social.example"])
    label: str = Field(examples=["Our news"])
    language: str = Field(examples=["en"])
    repair_words: bool
    instance: str
    remote_id: str
    status: str = Field(examples=["ok"])
    status_reason: str = Field(examples=[""])
    token_expires_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, account: Account) -> Self:
        return cls(
            id=account.id,
            platform=account.platform.value,
            name=account.account_name,
            label=str(account.settings.get("label", "")),
            language=str(account.settings.get("language", "")),
            repair_words=bool(account.settings.get("repair_words", False)),
            instance=account.instance,
            remote_id=account.remote_id,
            status=account.status,
            status_reason=account.status_reason,
            token_expires_at=account.token_expires_at,
            created_at=account.created_at,
        )


class PageOut(BaseModel):
    """A page that a linked person may post for. `account_id`: of the account here, null while it is not linked."""

    remote_id: str = Field(examples=["urn:li:organization:2414183"])
    name: str = Field(examples=["Our company"])
    account_id: int | None


class MentionOut(BaseModel):
    """Who can be mentioned. `text`: what is typed into the post for it."""

    name: str = Field(examples=["Our company"])
    text: str = Field(examples=["@[Our company](urn:li:organization:2414183)"])


class MentionList(BaseModel):
    items: list[MentionOut]


class VersionOut(BaseModel):
    """What runs here. `schema_version`: of the database that the program works with."""

    version: str = Field(examples=["0.1.0"])
    schema_version: str = Field(examples=["0028"])
    mode: str = Field(examples=["live"])


class GroupOut(BaseModel):
    """A group of accounts. `account_ids`: those that are still linked."""

    name: str = Field(examples=["Brand"])
    account_ids: list[int]


class GroupList(BaseModel):
    items: list[GroupOut]


class PageList(BaseModel):
    items: list[PageOut]


class LimitOut(BaseModel):
    """What the platform said is left until `resets_at`. `counts`: posts (in 24 hours), sends (calls of the sort that
    publishes), calls, or share (percent of the app's calls in an hour)."""

    counts: str = Field(examples=["sends"])
    limit: int = Field(examples=[100])
    left: int = Field(examples=[97])
    resets_at: datetime


class ListedAccount(AccountOut):
    """`limits`: what says most about the next post comes first; empty when the platform has said nothing."""

    limits: list[LimitOut]

    @classmethod
    def known(cls, account: Account, quotas: Sequence[Quota]) -> Self:
        limits = [
            LimitOut(counts=one.unit.value, limit=one.limit, left=one.left, resets_at=one.resets_at) for one in quotas
        ]
        return cls(**AccountOut.of(account).model_dump(), limits=limits)


class OptionOut(BaseModel):
    """`kind`: what values are; `choices`: value to what a person reads; `most`, `least`: the largest and the smallest number, or the
    most characters of a text (of each of several: `each`); `visible`: readers see the words; `first_only`: it goes with the first
    part of a thread; `account_decides`: left out, the account's own settings hold; `needs`: what an app or account needs for it."""

    name: str = Field(examples=["audience"])
    title: str
    hint: str
    kind: str = Field(examples=["choice"])
    default: Any
    choices: dict[str, str]
    most: int | None
    least: int | None
    each: int | None
    visible: bool
    first_only: bool
    account_decides: bool
    needs: str


class AccountLimitsOut(BaseModel):
    """What one account may publish. `length` is counted in `unit`; links count as `url_length` where that is not null;
    `bytes`: of UTF-8. Numbers that are null have no limit."""

    account_id: int = Field(examples=[1])
    platform: str = Field(examples=[known()[0]])
    length: int = Field(examples=[500])
    length_with_media: int = Field(examples=[500])
    unit: str = Field(examples=["characters"])
    url_length: int | None = Field(examples=[23])
    bytes: int | None
    alt_length: int | None
    hashtags: int | None
    mentions: int | None
    media_required: bool
    threads: bool
    images: int = Field(description="How many in one post", examples=[4])
    image_types: list[str] = Field(examples=[["image/jpeg"]])
    image_bytes: int
    gif: bool
    video: bool
    video_seconds: float | None
    video_bytes: int | None
    document_types: list[str] = Field(description="Empty where documents are not taken", examples=[["application/pdf"]])
    document_bytes: int | None
    document_pages: int | None
    subtitles: int = Field(description="How many files of subtitles beside a video", examples=[20])
    options: list[OptionOut] = Field(description="What a post may ask for beside its words and files")

    @classmethod
    def of(cls, account: Account, limits: Limits) -> Self:
        return cls(
            account_id=account.id,
            platform=account.platform.value,
            length=limits.max_length,
            length_with_media=limits.of_part(with_media=True).max_length,
            unit=limits.unit,
            url_length=limits.url_length,
            bytes=limits.max_bytes,
            alt_length=limits.max_alt,
            hashtags=limits.max_hashtags,
            mentions=limits.max_mentions,
            media_required=limits.media_required,
            threads=limits.threads,
            images=limits.images.max_count,
            image_types=list(limits.images.mimes),
            image_bytes=limits.images.max_bytes,
            gif=limits.gif is not None,
            video=limits.video is not None,
            video_seconds=limits.video.max_seconds if limits.video else None,
            video_bytes=limits.video.max_bytes if limits.video else None,
            document_types=list(limits.document.mimes) if limits.document else [],
            document_bytes=limits.document.max_bytes if limits.document else None,
            document_pages=limits.document.max_pages if limits.document else None,
            subtitles=limits.subtitles.max_files if limits.subtitles else 0,
            options=[
                OptionOut(**asdict(one))
                for one in fields_of(described(account.platform).options)
                if one.name not in limits.lacks
            ],
        )


class AccountList(BaseModel):
    items: list[ListedAccount]


class Connected(BaseModel):
    """Either where to send the person, or the account that is linked now."""

    authorize_url: str | None = Field(default=None, examples=["https://platform.example/oauth2/authorize?…"])
    account: AccountOut | None = None


class AccountHealthOut(BaseModel):
    """Whether an account's access is accepted: well, degraded (refused once), failing (refused), unknown."""

    id: int
    name: str
    verdict: str = Field(examples=["well"])
    looked_at: datetime | None


class PlatformHealthOut(BaseModel):
    """One server. `verdict`: well, degraded, failing or unknown; `blocking`: new posts wait until it answers again, and
    `waiting` of yours do; `history`: 48 half hours, the oldest first."""

    platform: str = Field(examples=[known()[0]])
    instance: str = Field(examples=["https://social.example"])
    verdict: str = Field(examples=["well"])
    reason: str
    since: datetime | None
    checked_at: datetime | None
    blocking: bool
    waiting: int
    accounts: list[AccountHealthOut]
    history: list[str]

    @classmethod
    def of(cls, one: PlatformHealth) -> Self:
        return cls(
            platform=one.platform.value,
            instance=one.instance,
            verdict=one.verdict.value,
            reason=one.reason,
            since=one.since,
            checked_at=one.checked_at,
            blocking=one.blocking,
            waiting=one.waiting,
            accounts=[
                AccountHealthOut(id=a.id, name=a.name, verdict=a.verdict.value, looked_at=a.looked_at)
                for a in one.accounts
            ],
            history=[verdict.value for verdict in one.history],
        )


class PlatformHealthList(BaseModel):
    items: list[PlatformHealthOut]


class ReasonOut(BaseModel):
    """One thing that the rules found. `kind`: a stable key; `piece`: masked where it is secret; `part`: `text`, `part 2`,
    `account 12`, `account 12 part 2`, `alt text 1`, `link card`, or "" for the whole."""

    kind: str = Field(examples=["placeholder"])
    message: str = Field(examples=["In the text: `[link]` looks like a placeholder."])
    piece: str = Field(examples=["[link]"])
    part: str = Field(examples=["text"])


class ReviewOut(BaseModel):
    """Whether the post is fit for its accounts. Only `appropriate` lets it go on without a person. `reasons` are
    sentences; `details` the same for programs, where rules gave them. `confidence` is a model's; rules have none."""

    verdict: Literal["appropriate", "flagged", "unsure"]
    reasons: list[str]
    by: str = Field(examples=["rules"])
    confidence: float | None = None
    details: list[ReasonOut] = []


class Suggestions(BaseModel):
    """What the agent thinks of the post. `none`: nobody has been asked; `pending`: the review stands and the
    suggestions are being made; `ready`: see `items`. `by`: rules or a model; `note`: why rules answered instead."""

    status: Literal["none", "pending", "ready"]
    items: list[dict[str, Any]] = []
    review: ReviewOut | None = None
    by: str = ""
    note: str = ""
    made_at: datetime | None = None

    @classmethod
    def of(cls, stored: Any) -> Self:
        told = Advice.from_json(stored)  # what earlier versions stored is shown as today's
        if told is not None:
            return cls.model_validate(told.to_json())
        return cls.model_validate(stored) if isinstance(stored, dict) else cls(status="none")


class PostOut(BaseModel):
    """`version` grows with every edit; it is the ETag too. `content` is all parts together."""

    id: int = Field(examples=[12])
    status: str = Field(examples=["draft"])
    version: int = Field(examples=[1])
    content: str = Field(examples=["Hello from PostProber"])
    parts: list[str]
    account_ids: list[int]
    platforms: list[str] = Field(examples=[[known()[0]]])
    media_ids: list[int]
    variants: dict[int, list[str]]
    language: str
    late_minutes: int | None
    criteria: dict[str, Any] | None
    options: dict[str, dict[str, Any]] = Field({}, description="Platform or account id to what is asked for there")
    card: dict[str, Any] | None = Field(None, description="What its author chose for the card of its link")
    scheduled_at: datetime | None
    created_at: datetime
    updated_at: datetime
    posted_at: datetime | None
    proposed_by: str = Field("", description="The token or person that proposed it, if it was proposed")
    published_unasked_by: str = Field("", description="The token that published it without asking a person")
    ai_suggestions: Suggestions

    @classmethod
    def of(cls, post: Post) -> Self:
        wish = drafts.wish_of(post)
        return cls(
            id=post.id,
            status=post.status,
            version=post.version,
            content=post.content,
            parts=list(wish.parts),
            account_ids=list(wish.account_ids),
            platforms=post.platforms,
            media_ids=list(wish.media_ids),
            variants={account: list(texts) for account, texts in (wish.variants or {}).items()},
            language=wish.language,
            late_minutes=wish.late_minutes,
            criteria=wish.criteria.to_json() if wish.criteria else None,
            options={target: dict(values) for target, values in wish.options.items()},
            card=wish.card.to_json() if wish.card else None,
            scheduled_at=post.scheduled_at,
            created_at=post.created_at,
            updated_at=post.updated_at,
            posted_at=post.posted_at,
            proposed_by=str((post.options.get("proposed") or {}).get("by", "")),
            published_unasked_by=str(post.options.get("unasked", "")),
            ai_suggestions=Suggestions.of(post.ai_suggestions),
        )


class PostList(BaseModel):
    items: list[PostOut]
    next_cursor: str | None = NextCursor


class StepOut(BaseModel):
    """`status` is "" for a step that has not begun."""

    step: str = Field(examples=["verification"])
    status: str = Field(examples=["success"])
    at: datetime | None


class CardOut(BaseModel):
    """The card of a link as it is sent. `problem`: why the post goes without one; "" when it does not."""

    url: str
    title: str
    description: str
    picture: bool = Field(description="Whether it has a picture")
    problem: str = Field("", examples=["No link card: example.org did not answer in time."])

    @classmethod
    def of(cls, card: LinkCard | None) -> Self | None:
        if card is None:
            return None
        picture = card.picture is not None
        return cls(url=card.url, title=card.title, description=card.description, picture=picture, problem=card.problem)


class DeliveryOut(BaseModel):
    """The post on one account. `cause`: why it is held or waits, "" where the state says all; `explanation` is one sentence
    for a person; `counts`: newest engagement, by kind."""

    id: int
    account_id: int
    account: str
    platform: str
    state: str = Field(examples=["verified"])
    cause: str = Field("", examples=["late"])
    proof: str = Field(examples=["matches"])
    explanation: str = Field(examples=["Verified as published."])
    repair: str
    remote_id: str | None
    url: str | None
    due_at: datetime
    published_at: datetime | None
    verified_at: datetime | None
    steps: list[StepOut]
    counts: dict[str, int | None]
    card: CardOut | None = Field(None, description="The card of its link, where one is sent with it")

    @classmethod
    def of(cls, view: DeliveryView) -> Self:
        row = view.delivery
        return cls(
            id=row.id,
            account_id=row.account_id,
            account=view.account,
            platform=row.platform.value,
            state=row.state.value,
            cause=row.cause,
            proof=row.proof.value,
            explanation=view.explanation,
            repair=view.repair,
            remote_id=row.remote_id,
            url=row.url,
            due_at=row.due_at,
            published_at=row.published_at,
            verified_at=row.verified_at,
            counts=view.counts,
            steps=[StepOut(step=s.step, status=s.status, at=s.at) for s in view.steps],
            card=CardOut.of(row.parts[0].card if row.parts else None),
        )


class TryOut(BaseModel):
    """One try. `act`: publish, reconcile, …; `request_id` went to the platform as `X-Request-Id`, and stands in our
    request log where a call of the API caused the try."""

    act: str = Field(examples=["publish"])
    number: int = Field(examples=[1])
    part: int
    request_id: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str = Field(examples=["success"])
    http_status: int | None
    latency_ms: int | None
    message: str


class DeliveryDetail(DeliveryOut):
    """A delivery with every try, oldest first."""

    post_id: int = Field(examples=[12])
    tries: list[TryOut]

    @classmethod
    def with_tries(cls, view: DeliveryView, tries: Sequence[Attempt]) -> Self:
        rows = [TryOut(**{name: getattr(row, name) for name in TryOut.model_fields}) for row in tries]
        return cls(**DeliveryOut.of(view).model_dump(), post_id=view.delivery.post_id, tries=rows)


class EvidenceOut(BaseModel):
    """One piece of evidence. `sha256`: of the canonical JSON of `body`; `pictured`: GET /api/evidence/{id} has a PNG."""

    id: int
    kind: str = Field(examples=["browser"])
    at: datetime
    sha256: str
    pictured: bool
    body: dict[str, Any]

    @classmethod
    def of(cls, seen: EvidenceItem) -> Self:
        return cls(**{name: getattr(seen, name) for name in cls.model_fields})


class EvidenceList(BaseModel):
    items: list[EvidenceOut]


class MonitoringOut(BaseModel):
    """How far a post is. `finished`: nothing more happens to it by itself soon; what is live is still looked at."""

    post_id: int = Field(examples=[12])
    status: str = Field(examples=["posted"])
    posted_at: datetime | None
    finished: bool
    deliveries: list[DeliveryOut]

    @classmethod
    def of(cls, view: PostView) -> Self:
        return cls(
            post_id=view.post.id,
            status=view.post.status,
            posted_at=view.post.posted_at,
            finished=finished(view),
            deliveries=[DeliveryOut.of(item) for item in view.deliveries],
        )


class LogOut(BaseModel):
    """One row of the step log."""

    id: int
    delivery_id: int | None
    platform: str
    step: str = Field(examples=["posting"])
    status: str = Field(examples=["success"])
    timestamp: datetime
    details: dict[str, Any]
    ai_analysis: str | None

    @classmethod
    def of(cls, row: StepRecord) -> Self:
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class LogList(BaseModel):
    """Oldest first."""

    items: list[LogOut]
    next_cursor: str | None = NextCursor


class AlertOut(BaseModel):
    id: int
    type: str = Field(examples=["error"])
    message: str = Field(examples=["Our news: held, please decide."])
    post_id: int | None
    delivery_id: int | None
    is_read: bool
    kind: str = Field("other", examples=["held"])
    closed_at: datetime | None = Field(None, description="When it had recovered")
    created_at: datetime

    @classmethod
    def of(cls, row: AlertRecord) -> Self:
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class AlertList(BaseModel):
    """Newest first."""

    items: list[AlertOut]
    next_cursor: str | None = NextCursor


class ConversionOut(BaseModel):
    """What a video or animation is sent as where a platform takes it no other way: H.264 and AAC in MP4. `state`: waiting,
    working, done or failed (`message` says why); `progress`: 0 to 1; `width`, `height` in pixels."""

    state: str = Field(examples=["working"])
    progress: float = Field(examples=[0.4])
    message: str = Field(examples=[""])
    width: int
    height: int
    size: int | None = Field(description="In bytes, of what is done")

    @classmethod
    def of(cls, record: ConversionRecord) -> Self:
        return cls(
            state=record.state,
            progress=round(record.progress, 3),
            message=record.message,
            width=record.target["width"],
            height=record.target["height"],
            size=record.made["size"] if record.made else None,
        )


class MediaOut(BaseModel):
    """A stored file. `size` in bytes; `duration` in seconds and `frames` of what moves; of a video also `codec`,
    `pixel_format`, `rate` (pictures a second), `audio` (codec of its sound, "" for none) and `damage` (why it can be sent
    nowhere, "" for nothing), each null or "" where it is not known; `pages` of a document. `conversions`: only when one file is read."""

    id: int = Field(examples=[3])
    name: str = Field(examples=["cat.jpg"])
    kind: str = Field(examples=["image"])
    mime: str = Field(examples=["image/jpeg"])
    size: int
    width: int
    height: int
    duration: float | None
    sha256: str
    alt: str
    created_at: datetime
    frames: int | None
    codec: str = Field(examples=["h264"])
    pixel_format: str = Field(examples=["yuv420p"])
    rate: float | None = Field(examples=[25.0])
    audio: str | None = Field(examples=["aac"])
    damage: str | None
    pages: int | None = Field(examples=[12])
    conversions: list[ConversionOut] = []

    @classmethod
    def of(cls, record: MediaRecord, conversions: Sequence[ConversionRecord] = ()) -> Self:
        told = {name: getattr(record, name) for name in cls.model_fields if name != "conversions"}
        return cls(**told, conversions=[ConversionOut.of(one) for one in conversions])


class SignedUrl(BaseModel):
    url: str = Field(examples=["https://post.example.org/api/media/public/eyJ….jpg"])
    expires_at: datetime
