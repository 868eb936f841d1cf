"""Where things are on Instagram's web pages: every selector, path and sentence that the adapter by browser relies on.

Instagram documents none of it, and changes it without a word; there is no contract to cite. What stands here is what
public automation code of many authors agrees on (English interface). When a page does not look like this, the adapter
stops before anything is published. Pages are driven through Playwright's `Page`, which `postprober.browser` hands in.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from postprober.domain.addresses import split
from postprober.domain.remote import Ref, RemoteMedia, RemotePost
from postprober.errors import ReconnectNeeded, Throttled, Unavailable, UnexpectedReply
from postprober.platforms.common.replies import parse_time

NEW_POST = "nav svg[aria-label='New post'], svg[aria-label='New post']"
OWN_PROFILE = "a:has(img[alt$=\"'s profile picture\"]):has-text('Profile')"
DIALOG = "[role=dialog]"
FILE_INPUT = f"{DIALOG} input[type=file]"
CAPTION = f"{DIALOG} [aria-label='Write a caption...']"
TYPED = "field => field.value ?? field.innerText"  # what stands in the caption, a text area or an editor
ALT_TEXT = f"{DIALOG} input[placeholder='Write alt text...'], {DIALOG} textarea[placeholder='Write alt text...']"
NEXT, SHARE, ACCESSIBILITY = "Next", "Share", "Accessibility"  # names of buttons
SHARED = f"{DIALOG} :text('Your post has been shared.'):visible"
NOT_SHARED = f"{DIALOG} :text('could not be shared'):visible, {DIALOG} :text('Something went wrong'):visible"
ASKED = "form:has(input[name=password]), form:has(input[name=security_code])"  # the page wants the person
SHARE_CALL = "/api/v1/media/configure/"  # what the page calls when Share is clicked
GRID_LINK = "main a[href*='/p/']"
PINNED = "svg[aria-label='Pinned post icon']"
POST_COUNT = re.compile(r"([\d.,]+)\s+posts?\b")
POST_CAPTION = "main article h1"
POST_AUTHOR = "main article a[href]"  # the first link of a post leads to its author
POST_TIME = "main article time[datetime]"
POST_PICTURE = "main article img[alt]"
POST_LIKES = re.compile(r"([\d.,]+)\s+likes?\b")
GONE = ':text("Sorry, this page isn\'t available.")'
LOGIN_FORM = "input[name=username]:near(input[name=password]), form:has(input[name=password])"
SESSION_COOKIE, USER_COOKIE = "sessionid", "ds_user_id"

# Pages on which only a person may act, by their path and by what they say.
STOP_PATHS = (
    "/accounts/login",
    "/accounts/suspended",
    "/accounts/disabled",
    "/challenge",
    "/checkpoint",
    "/auth_platform",
)
STOP_WORDS = re.compile(
    r"help us confirm|confirm it'?s you|unusual login|suspicious (?:login|activity)|automated behaviou?r|"
    r"enter the (?:security )?code|account has been (?:disabled|suspended)",
    re.IGNORECASE,
)
STOPPED = (
    "Instagram asks for something that only you may answer (signing in, or confirming that it is you); open Instagram in "
    "your own browser, settle it there, then import the session again."
)
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
CODE_LENGTH = 11  # characters of a public post's code: 64 bits
WAIT = 8_000  # milliseconds for one thing to appear on a page that is there


def open_page(page: Any, url: str) -> int:
    """Open `url` and see that it is a page for a signed-in person; returns its HTTP status.

    Raises ReconnectNeeded on any page that asks the person something, Throttled, or Unavailable (5xx).
    """
    reply = page.goto(url, wait_until="domcontentloaded")
    status = int(reply.status) if reply is not None else 0
    if status == 429:
        raise Throttled("Instagram asks to wait.", http_status=429)
    if status >= 500:
        raise Unavailable("Instagram has a fault at the moment; nothing was published.", http_status=status)
    stop_at_checks(page)
    return status


def stop_at_checks(page: Any) -> None:
    """Raises ReconnectNeeded on a page that asks the person to sign in or to prove who they are. Nothing is clicked."""
    path = split(page.url).path
    if any(stop in path for stop in STOP_PATHS) or page.locator(LOGIN_FORM).count():
        raise ReconnectNeeded(STOPPED, path)
    main = page.locator("main").first
    said = main.inner_text(timeout=WAIT) if main.count() else ""
    if not page.locator(NEW_POST).count() and (found := STOP_WORDS.search(said)):
        raise ReconnectNeeded(STOPPED, found[0])


def own_name(page: Any) -> str:
    """The signed-in person's user name, from the navigation. Raises UnexpectedReply."""
    link = page.locator(OWN_PROFILE)
    link.first.wait_for(timeout=WAIT)
    name = str(link.first.get_attribute("href") or "").strip("/").rpartition("/")[2]
    if not name:
        raise UnexpectedReply("Instagram's page does not say who is signed in; it may have changed.")
    return name


def grid(page: Any) -> tuple[list[tuple[str, bool]], int | None]:
    """A profile's newest posts as (code, pinned), in the order shown, and how many posts there are in all (None: the
    page does not say)."""
    count = POST_COUNT.search(page.locator("main").first.inner_text(timeout=WAIT))
    found: list[tuple[str, bool]] = []
    for link in page.locator(GRID_LINK).all():
        code = code_of(str(link.get_attribute("href") or ""))
        if code and code not in {known for known, _ in found}:
            found.append((code, bool(link.locator(PINNED).count())))
    return found, _number(count[1]) if count else None


def code_of(link: str) -> str:
    """The code of a post in its address, "" when there is none."""
    match = re.search(r"/p/([\w-]+)", link)
    return match[1] if match else ""


def id_of(code: str) -> str:
    """The post's number, which its code writes in base 64 (public clients of the app agree on that; the API's own
    links use the same codes). Codes of private posts are longer and stay as they are."""
    if not 0 < len(code) <= CODE_LENGTH:
        return code
    number = 0
    for letter in code:
        number = number * 64 + _ALPHABET.index(letter)
    return str(number)


def code_for(remote_id: str) -> str:
    """The inverse of `id_of`."""
    if not remote_id.isdecimal() or len(remote_id) > 20:
        return remote_id
    number, code = int(remote_id), ""
    while number:
        number, digit = divmod(number, 64)
        code = _ALPHABET[digit] + code
    return code


def is_gone(page: Any, status: int) -> bool:
    """Whether the page says that there is no such post."""
    return status == 404 or bool(page.locator(GONE).count())


def read_post(page: Any, code: str, permalink: str) -> RemotePost:
    """The post on the open page. Raises UnexpectedReply when the page is of another form."""
    times = page.locator(POST_TIME)
    times.first.wait_for(timeout=WAIT)
    made: datetime | None = parse_time(times.first.get_attribute("datetime"))
    if made is None:
        raise UnexpectedReply("Instagram's page of the post has another form than we know.")
    caption = page.locator(POST_CAPTION)
    text = str(caption.first.inner_text(timeout=WAIT)) if caption.count() else ""
    pictures = [str(one.get_attribute("alt") or "") for one in page.locator(POST_PICTURE).all()]
    media = tuple(RemoteMedia("image", alt) for alt in pictures) or None
    author = (
        str(page.locator(POST_AUTHOR).first.get_attribute("href", timeout=WAIT) or "").strip("/").rpartition("/")[2]
    )
    return RemotePost(Ref(id_of(code), permalink), text, made, author_name=author, media=media)


def likes(page: Any) -> int | None:
    found = POST_LIKES.search(page.locator("main").first.inner_text(timeout=WAIT))
    return _number(found[1]) if found else None


def _number(text: str) -> int | None:
    digits = text.replace(",", "").replace(".", "")
    return int(digits) if digits.isdecimal() else None
