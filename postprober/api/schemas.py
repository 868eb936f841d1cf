"""What goes in: request bodies, checked in form here and in meaning by the services."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from fastapi import Header, Path
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetPydanticSchema,
    WithJsonSchema,
    model_validator,
)

from postprober.domain.card import MAX_DESCRIPTION, MAX_TITLE, MAX_URL, CardChoice
from postprober.domain.criteria import LONGEST_HOURS, MOST, Criteria
from postprober.domain.platform import Platform, known
from postprober.domain.post import LANGUAGE, MAX_LANGUAGE
from postprober.domain.text import has_half_character
from postprober.services.media.media import MAX_ALT
from postprober.services.posts.delivery_actions import MAX_LINK
from postprober.services.posts.posts import MAX_PARTS, NewPost

MAX_ID = 2**53 - 1  # the largest integer that every JSON reader keeps exact (RFC 8259, 6)
MAX_TEXT = 100_000  # characters of one part; far over every platform's limit, which preflight tells exactly
MAX_LATE = 366 * 2 * 24 * 60  # minutes; nothing is planned further ahead (services.times.FARTHEST)


def _storable(text: str) -> str:
    """PostgreSQL stores neither NUL nor half a character pair."""
    if "\0" in text or has_half_character(text):
        raise ValueError("Remove the characters that are no text (NUL, or half of a surrogate pair).")
    return text


def _written(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("Write the time as text, like 2026-03-02T09:00:00+01:00.")
    return value


def _platform(text: str) -> Platform:
    if text not in known():
        raise ValueError(f"There is no platform called {text!r}; choose one of {', '.join(known())}.")
    return Platform(text)


PlatformKey = Annotated[
    Platform,
    GetPydanticSchema(lambda _source, handler: handler(str)),
    AfterValidator(_platform),
    WithJsonSchema({"type": "string", "enum": list(known()), "title": "Platform"}),
]
Text = Annotated[str, AfterValidator(_storable)]
Part = Annotated[Text, Field(max_length=MAX_TEXT)]
Parts = Annotated[list[Part], Field(min_length=1, max_length=MAX_PARTS)]
Key = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,14}$")]  # an account id, which JSON has as text where it names
Id = Annotated[int, Field(strict=True, ge=1, le=MAX_ID)]
PathId = Annotated[int, Path(ge=1, le=MAX_ID)]
Moment = Annotated[AwareDatetime, BeforeValidator(_written)]
Language = Annotated[
    str, Field(max_length=MAX_LANGUAGE, pattern=LANGUAGE, description="BCP 47 tag such as `en` or `pt-BR`")
]


class Body(BaseModel):
    """Unknown fields are refused: a misspelt one would be silently left out of what goes public."""

    model_config = ConfigDict(extra="forbid")


class CriteriaBody(Body):
    """So many of one count, in all accounts together, within so many hours of publishing."""

    metric: Literal["likes", "reposts", "replies", "quotes", "bookmarks", "views"] = Field(examples=["likes"])
    target: int = Field(strict=True, ge=1, le=MOST, examples=[20])
    hours: int = Field(strict=True, ge=1, le=LONGEST_HOURS, examples=[24])


OptionValue = Annotated[Text, Field(max_length=5000)] | bool | int | Annotated[list[Text], Field(max_length=100)]
OptionsBody = dict[
    Annotated[str, Field(pattern=r"^[a-z0-9_]{1,50}$")],
    Annotated[dict[Annotated[str, Field(pattern=r"^[a-z_]{1,60}$")], OptionValue], Field(max_length=100)],
]


class CardBody(Body):
    """The card of the post's first link, on platforms to which it is sent."""

    drop: bool = Field(False, strict=True, description="Send no card", examples=[False])
    title: Annotated[Text, Field(max_length=MAX_TITLE)] = Field(
        "", description="Instead of the page's own title", examples=["PostProber 2 is out"]
    )
    description: Annotated[Text, Field(max_length=MAX_DESCRIPTION)] = Field(
        "", description="Instead of the page's own description", examples=[""]
    )
    url: Annotated[Text, Field(max_length=MAX_URL)] = Field(
        "", description="The link that title and description are about; empty for whichever comes first", examples=[""]
    )


class PostBody(Body):
    """A post as it shall be."""

    content: Part | Parts = Field(
        description="The text; a list of texts makes a thread", examples=["Hello from PostProber"]
    )
    account_ids: list[Id] = Field([], max_length=100, description="Where it shall go", examples=[[1]])
    media_ids: list[Id] = Field([], max_length=20, description="Files of the first part, in order", examples=[[]])
    scheduled_at: Moment | None = Field(
        None,
        description="When, with its offset; leave it out for as soon as it is submitted",
        examples=["2027-03-02T09:00:00+01:00"],
    )
    variants: dict[Key, Parts] = Field(
        {},
        max_length=100,
        description="Own texts of single accounts: account id to the texts of all parts",
        examples=[{}],
    )
    language: Language = Field("", examples=["en"])
    card: CardBody | None = Field(None, description="What becomes of the card of its link")
    late_minutes: Annotated[int, Field(strict=True, ge=1, le=MAX_LATE)] | None = Field(
        None, description="How late it may still go out without asking a person", examples=[30]
    )

    criteria: CriteriaBody | None = Field(None, description="When the post counts as a success")
    options: OptionsBody = Field(
        {},
        max_length=100,
        description="What single platforms shall do beside the words: platform or account id to its options (`GET "
        "/api/accounts/{id}/limits` lists them)",
        examples=[{}],
    )

    @model_validator(mode="after")
    def _only_named_accounts(self) -> Self:
        """A variant that nobody gets is a slip."""
        extra = {int(account) for account in self.variants} - set(self.account_ids)
        if extra:
            raise ValueError(f"variants names account {min(extra)}, which is not in account_ids.")
        return self

    def wish(self) -> NewPost:
        """The same for the services."""
        return NewPost(
            parts=(self.content,) if isinstance(self.content, str) else tuple(self.content),
            account_ids=tuple(self.account_ids),
            media_ids=tuple(self.media_ids),
            at=self.scheduled_at,
            variants={int(account): tuple(texts) for account, texts in self.variants.items()},
            language=self.language,
            late_minutes=self.late_minutes,
            criteria=Criteria(**self.criteria.model_dump()) if self.criteria else None,
            options={target: dict(values) for target, values in self.options.items()},
            card=CardChoice(**self.card.model_dump()) if self.card else CardChoice(),
        )


ClientKey = Annotated[
    str,
    Field(
        max_length=200,
        pattern=r"^[\x21-\x7e]*$",
        description="Your own name for the post: there is never a second one with it, however long ago it was sent",
        examples=["release-v1.4"],
    ),
]


class ProposalBody(PostBody):
    """A post for a person to decide about."""

    key: ClientKey = ""


class NewPostBody(PostBody):
    """A new post; a draft unless it is submitted at once."""

    key: ClientKey = ""
    submit: bool = Field(False, strict=True, description="Check it and plan it now", examples=[False])


FieldName = Annotated[str, Field(min_length=1, max_length=40, pattern="^[a-z_]+$")]
FieldText = Annotated[Text, Field(max_length=1000)]


class GroupBody(Body):
    """The accounts of a group, in this order."""

    account_ids: Annotated[list[Id], Field(min_length=1, max_length=500)] = Field(examples=[[3, 5]])


class ConnectBody(Body):
    """Which account to link. With an app password, or a token of one's own, it is linked at once; the others answer with a
    consent page."""

    platform: PlatformKey = Field(examples=[known()[0]])
    instance: Annotated[Text, Field(max_length=255)] = Field(
        "",
        description="The account's server, on platforms where accounts have one; a handle where the server is found by it",
        examples=["https://social.example"],
    )
    identifier: Annotated[Text, Field(max_length=255)] = Field(
        "", description="Handle or e-mail address, where one signs in with an app password"
    )
    password: Annotated[Text, Field(max_length=255)] = Field(
        "", description="The app password, where one signs in with it", repr=False
    )
    fields: Annotated[dict[FieldName, FieldText], Field(max_length=10)] = Field(
        {},
        repr=False,
        examples=[{}],
        description="What the platform asks for by name, where a token of one's own is handed over with what belongs to it; "
        "`postprober platforms` lists the names",
    )


class PageBody(Body):
    """Which page: its id as the list of pages tells it."""

    remote_id: Annotated[Text, Field(min_length=1, max_length=255)] = Field(examples=["urn:li:organization:2414183"])


class AccountBody(Body):
    """An account's settings as they shall be."""

    label: Annotated[Text, Field(max_length=100)] = Field("", description="Display name", examples=["Our news"])
    language: Language = Field("", examples=["en"])
    repair_words: bool = Field(
        False, strict=True, description="Repairs that change words need no click on this account", examples=[False]
    )


class AdoptBody(Body):
    """Where a held delivery is."""

    link: Annotated[Text, Field(min_length=1, max_length=MAX_LINK)] = Field(
        description="The post's link on the platform, or its id there", examples=["https://social.example/@news/1842"]
    )


class CancelBody(Body):
    """What a person knows when cancelling."""

    not_there: bool = Field(
        False, strict=True, description="You have looked on the platform, and it is not there", examples=[False]
    )


class ApprovedBody(Body):
    """A person's approval of words that the review holds."""

    approved: Annotated[Text, Field(max_length=64)] = Field(
        "",
        description="The `digest` of the problem review-needed: a person approves exactly those words",
        examples=[""],
    )


class RewriteBody(ApprovedBody):
    """Other words for a failed delivery."""

    texts: list[Annotated[Text, Field(max_length=MAX_TEXT)]] = Field(
        min_length=1,
        max_length=MAX_PARTS,
        description="Every part; those that are published stay as they are",
        examples=[["Our spring notes are out."]],
    )


class AgainBody(ApprovedBody):
    """A second publication of a post that nobody can see."""

    risk_accepted: bool = Field(
        False, strict=True, description="You know that both posts may become visible", examples=[True]
    )


Alt = Annotated[Text, Field(max_length=MAX_ALT)]
__all__ = [
    "AccountBody",
    "AdoptBody",
    "AgainBody",
    "Alt",
    "ApprovedBody",
    "Body",
    "CancelBody",
    "ConnectBody",
    "Id",
    "NewPostBody",
    "PathId",
    "PostBody",
    "ProposalBody",
    "RewriteBody",
]


_ETAG = re.compile(r'"(\d{1,9})"')  # strong ones only: weak ones never match If-Match (RFC 9110, 13.1.1)
IfMatch = Annotated[
    str | None, Header(max_length=200, description="The ETag of the version that you have read", examples=['"1"'])
]


def versions_of(if_match: str | None) -> frozenset[int] | None:
    """The versions that `If-Match` allows; None: any."""
    if if_match is None or if_match.strip() == "*":
        return None
    return frozenset(int(number) for number in _ETAG.findall(re.sub(r'W/"[^"]*"', "", if_match)))
