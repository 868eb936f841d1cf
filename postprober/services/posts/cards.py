"""The cards of links: read off the way of whoever writes, chosen by the author, fixed when the post is planned.

A page is read once a day and link (`storage.link_cards`), in the background while somebody writes; planning waits a short
time for what is not known by then. Whatever its page does, the post goes out: without a card, and with a sentence that
says so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from postprober.domain.actor import Actor
from postprober.domain.addresses import split
from postprober.domain.card import CardMaker, CardPicture, LinkCard, as_chosen, first_link, one_line
from postprober.domain.limits import CardRule
from postprober.domain.platform import NAMES
from postprober.domain.post import PreflightNote
from postprober.errors import BadInput
from postprober.platforms.common.media import thumbnail as small_picture
from postprober.platforms.registry import SPECS
from postprober.probe import link_card
from postprober.probe.link_card import PageCard
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.services.posts import options
from postprober.storage import link_cards
from postprober.storage.link_cards import KnownPage
from postprober.storage.records import Account

if TYPE_CHECKING:
    from postprober.services.posts.posts import NewPost

log = logging.getLogger("postprober.cards")
NOTE = "link_card"  # code of the notes
WAIT = link_card.SECONDS + 1.0  # seconds that planning waits for all pages of a post together


@dataclass(frozen=True)
class ShownCard:
    """The card of one account's link as it stands: `url` "" where there is none; `reading`: its page has not answered yet;
    `card` None where nothing is known of it; `maker`: who makes it there."""

    url: str = ""
    maker: CardMaker = "none"
    reading: bool = False
    card: LinkCard | None = None


def maker_for(account: Account) -> CardMaker:
    return SPECS[account.platform].traits.cards


def link_for(account: Account, new: NewPost) -> str:
    """The link whose card the post has on this account, "" where it has none: media take its place."""
    if maker_for(account) == "none" or new.media_ids or not _has_room(account, new):
        return ""
    texts = new.texts_for(account.id)
    return first_link(texts[0]) if texts else ""


def _has_room(account: Account, new: NewPost) -> bool:
    """Whether what is asked of the platform leaves room for a card. What it does not take is said by the checks."""
    try:
        stored = options.stored_for(account, new.options)
    except BadInput:
        return True
    return options.schema(account.platform).of(stored).leaves_room_for_card


@permits.needs("posts:read")
def shown(core: Core, actor: Actor, new: NewPost, account: Account) -> ShownCard:
    """For a preview. What is not known yet is read in the background; never waits."""
    url, maker = link_for(account, new), maker_for(account)
    if not url:
        return ShownCard(maker=maker)
    with core.db.read() as conn:
        known = _whole(core, conn, url)
    if known is not None:
        return ShownCard(url, maker, card=_made(url, known, new, account))
    return ShownCard(url, maker, reading=_begin(core, url, account.user_id) is not None)


def thumbnail(core: Core, picture: CardPicture, side: int) -> bytes:
    """A small JPEG of a card's picture. Raises BadInput when it cannot be read, or Unavailable."""
    return small_picture(link_cards.path_of(core.settings.data_dir, picture), side)


def read_all(core: Core, new: NewPost, chosen: Iterable[Account]) -> None:
    """Know the pages of every card that is sent, or know that they cannot be read. Waits WAIT at most, so never call it in a
    transaction."""
    links = {link_for(one, new): one.user_id for one in chosen if maker_for(one) == "sent" and not new.card.drop}
    links.pop("", None)
    with core.db.read() as conn:
        missing = [url for url in sorted(links) if _whole(core, conn, url) is None]
    begun = [work for url in missing if (work := _begin(core, url, links[url])) is not None]
    if begun:
        wait(begun, timeout=WAIT)


def card_for(conn: Connection, account: Account, new: NewPost, now: datetime) -> LinkCard | None:
    """The card that goes out with the first part, fixed from what is known now; with a `problem` where there should be one.
    None where none is sent."""
    url = link_for(account, new)
    if not url or maker_for(account) != "sent" or new.card.drop:
        return None
    known = link_cards.get(conn, url, now) if new.pages is None else new.pages.get(url)
    if known is None:
        known = KnownPage(problem=f"No link card: {split(url).hostname} did not answer in time.")
    return _made(url, known, new, account)


def _whole(core: Core, conn: Connection, url: str) -> KnownPage | None:
    """What is known of the page; None also where its picture is lost, so that it is read again."""
    known = link_cards.get(conn, url, core.clock.now())
    lost = known and known.picture and not link_cards.path_of(core.settings.data_dir, known.picture).is_file()
    return None if lost else known


def pinned(core: Core, new: NewPost, chosen: Iterable[Account]) -> NewPost:
    """The post with what the pages of its cards say now, so that what is planned is what the review reads, though a page
    answers, or changes, while it does."""
    now = core.clock.now()
    links = {link_for(one, new) for one in chosen if maker_for(one) == "sent" and not new.card.drop} - {""}
    with core.db.read() as conn:
        told = ((url, link_cards.get(conn, url, now)) for url in sorted(links))
        return replace(new, pages={url: page for url, page in told if page is not None})


def words(conn: Connection, new: NewPost, chosen: Iterable[Account], now: datetime) -> tuple[str, ...]:
    """What readers see on the cards of the post, beside what its author wrote for them."""
    made = [card for one in chosen if (card := card_for(conn, one, new, now)) is not None and not card.problem]
    told = [new.card.title, new.card.description, *(text for card in made for text in (card.title, card.description))]
    return tuple(dict.fromkeys(text for text in told if text))


def lasting(card: LinkCard | None, before: LinkCard | None) -> LinkCard | None:
    """The card of a post that is edited: a page that is away by now takes away no card that was fixed when it was there."""
    if card is None or not card.problem or before is None or before.problem or before.url != card.url:
        return card
    return before


def notes_for(conn: Connection, account: Account, new: NewPost, now: datetime) -> tuple[PreflightNote, ...]:
    """What its author should know of the card before the post is planned: no reason to refuse it. What has not been read yet
    is no news."""
    url = link_for(account, new)
    if maker_for(account) != "sent":
        words = new.card.drop or new.card.title or new.card.description
        if not url or not words:
            return ()
        name = NAMES[account.platform]
        return (
            PreflightNote(NOTE, f"{name} makes the link card by itself, so your changes to it have no effect there."),
        )
    if not url or new.card.drop:
        return ()
    known = link_cards.get(conn, url, now)
    card = _made(url, known, new, account) if known is not None else None
    return (PreflightNote(NOTE, card.problem),) if card is not None and card.problem else ()


def _made(url: str, known: KnownPage, new: NewPost, account: Account) -> LinkCard:
    """What is known of a page, with the author's own words, as the platform takes it."""
    card = as_chosen(LinkCard(url, known.title, known.description, known.picture, known.problem), new.card)
    rule = SPECS[account.platform].limits.card
    return card if rule is None else _fitted(card, rule)


def _fitted(card: LinkCard, rule: CardRule) -> LinkCard:
    picture = card.picture if card.picture is not None and card.picture.size <= rule.max_bytes else None
    title, description = one_line(card.title, rule.max_title), one_line(card.description, rule.max_description)
    return replace(card, title=title, description=description, picture=picture)


def _begin(core: Core, url: str, space: int) -> Future[None] | None:
    return core.background.start(url, lambda: _read(core, url), space)


def _read(core: Core, url: str) -> None:
    """Read the page and keep what it says; nothing kept means that it is read again. A server that did not answer is left
    alone for a while, so that an import of a hundred of its pages does not wait for each."""
    server = f"server {split(url).netloc.lower()}"
    try:
        with core.db.read() as conn:
            silent = link_cards.get(conn, server, core.clock.now())
        page = PageCard(problem=silent.problem, passing=True) if silent is not None else link_card.read(core.http, url)
        picture = None
        if page.picture is not None:
            told = page.picture
            picture = link_cards.keep_picture(core.settings.data_dir, told.data, told.width, told.height)
        known = KnownPage(page.title, page.description, picture, page.problem, page.passing)
        with core.db.write() as conn:
            link_cards.put(conn, url, known, core.clock.now())
            if page.silent:
                link_cards.put(conn, server, known, core.clock.now())
    except (OSError, SQLAlchemyError) as error:
        log.warning("what a page says of itself could not be kept: %s", error)
