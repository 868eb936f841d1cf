"""The state of all networks, and the only place that changes it.

Everything lives in memory for speed and is written through to the store in the
same call. All methods run on the thread of the event loop.
"""

import dataclasses
import hashlib
import random
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from postprober.sandbox.engine.emulator import emulator, emulators
from postprober.sandbox.engine.faults import Fault, FaultPlan
from postprober.sandbox.engine.ids import IdMaker, account_id
from postprober.sandbox.engine.limits import Counter
from postprober.sandbox.engine.model import Account, Media, Post, Token
from postprober.sandbox.engine.store import Doc, WorldStore

_SETTINGS: Doc = {
    "engagement_speed": 1.0,
    "container_seconds": 0.2,
    "video_container_seconds": 2.0,
    "media_seconds": 0.2,
    "max_characters": 500,
    "flaky_public": 0.0,  # the share of what strangers ask that goes wrong, each time in another way
}
# How long a text counts as a repetition. The real windows are unknown.
DUPLICATE_SECONDS = 600.0
_SHOWN = ("kind", "alt", "sha256", "title", "pages", "tags", "captions")  # of a medium


def _usual_settings() -> Doc:
    """Each platform has further ones of its own."""
    return {**_SETTINGS, **{name: value for one in emulators().values() for name, value in one.settings.items()}}


class World:
    """`data_dir` None keeps nothing on disk. `clock` returns epoch seconds. `seed` shapes ids and engagement."""

    def __init__(
        self, data_dir: Path | None = None, *, seed: int = 7, clock: Callable[[], float] = time.time, name: str = ""
    ) -> None:
        self.store = WorldStore(data_dir / (name or "sandbox.sqlite") if data_dir else None)
        self.seed = seed
        self.clock = clock
        self.dice = random.Random(seed)
        self._forget()
        self._load()

    def _forget(self) -> None:
        self.settings: Doc = _usual_settings()
        self.accounts: dict[str, Account] = {}
        self.tokens: dict[str, Token] = {}
        self.media: dict[str, Media] = {}
        self.posts: dict[str, Post] = {}
        self.by_account: dict[str, list[Post]] = {}
        self.by_text: dict[tuple[str, str, str], list[Post]] = {}
        self.plan = FaultPlan()
        self.ids = IdMaker()
        self.requests = Counter()
        self._docs: dict[str, dict[str, Doc]] = {}

    def _load(self) -> None:
        for _, doc in self.store.load("settings"):
            self.settings.update(doc)
        self.accounts = {key: Account(**doc) for key, doc in self.store.load("account")}
        self.tokens = {key: Token(**doc) for key, doc in self.store.load("token")}
        self.media = {key: Media(**doc) for key, doc in self.store.load("media")}
        self.plan.faults = {int(key): Fault(**doc) for key, doc in self.store.load("fault")}
        for _, doc in self.store.load("post"):
            self._index(Post(**doc))
        given = [(p.platform, p.id) for p in self.posts.values()] + [(m.platform, m.id) for m in self.media.values()]
        for platform, remote_id in given:
            digits = remote_id.rpartition(":")[2]
            if digits.isdigit():
                self.ids.restore(platform, int(digits))

    def now(self) -> float:
        return self.clock()

    def reset(self) -> None:
        """Forget accounts, posts, faults, settings and the log."""
        self.store.clear()
        self._forget()

    # small documents of the platforms (apps, codes, idempotency keys …)

    def doc(self, kind: str, key: str) -> Doc | None:
        if kind not in self._docs:
            self._docs[kind] = dict(self.store.load(kind))
        return self._docs[kind].get(key)

    def docs(self, kind: str) -> list[Doc]:
        """All of a kind."""
        self.doc(kind, "")
        return list(self._docs[kind].values())

    def put_doc(self, kind: str, key: str, body: Doc) -> None:
        self.doc(kind, key)
        self._docs[kind][key] = body
        self.store.put(kind, key, body)

    def change_settings(self, changes: Doc) -> Doc:
        """Raises ValueError for a setting that does not exist."""
        unknown = sorted(set(changes) - set(_usual_settings()))
        if unknown:
            raise ValueError(f"no such setting: {', '.join(unknown)}; there are {', '.join(_usual_settings())}")
        self.settings.update(changes)
        self.store.put("settings", "all", self.settings)
        return self.settings

    # accounts and tokens

    def account(self, platform: str, name: str) -> Account | None:
        return self.accounts.get(f"{platform}|{name}")

    def account_by_id(self, platform: str, remote_id: str) -> Account | None:
        return next((a for a in self.accounts.values() if a.platform == platform and a.id == remote_id), None)

    def accounts_of(self, platform: str) -> list[Account]:
        return [a for a in self.accounts.values() if a.platform == platform]

    def add_account(self, platform: str, name: str, scopes: list[str] | None, partner: bool, password: str) -> Account:
        """Add an account without tokens. Raises ValueError for an unknown platform or an unusable name."""
        if platform not in emulators():
            raise ValueError(f"platform must be one of {', '.join(emulators())}")
        if not name or not name.isascii() or not name.replace("_", "").replace("-", "").isalnum():
            raise ValueError("name must be made of ASCII letters, digits, - and _")
        one = emulator(platform)
        account = Account(
            platform=platform,
            name=name,
            id=account_id(self.seed, platform, name),
            scopes=list(one.scopes) if scopes is None else scopes,
            created_at=self.now(),
            partner=partner,
            password=password or (_app_password() if one.app_password else None),
        )
        self.save_account(account)
        return account

    def save_account(self, account: Account) -> None:
        self.accounts[account.key] = account
        self.store.put("account", account.key, dataclasses.asdict(account))

    def save_token(self, token: Token) -> None:
        self.tokens[token.value] = token
        self.store.put("token", token.value, dataclasses.asdict(token))

    def tokens_of(self, account: Account) -> list[Token]:
        return [t for t in self.tokens.values() if t.platform == account.platform and t.account == account.name]

    def kill_chain(self, chain: str) -> None:
        """Revoke every token that grew from one consent."""
        for token in [t for t in self.tokens.values() if t.chain == chain and not t.revoked]:
            token.revoked = True
            self.save_token(token)

    # media

    def save_media(self, media: Media) -> None:
        self.media[media.key] = media
        self.store.put("media", media.key, dataclasses.asdict(media))

    def media_of(self, platform: str, media_id: str) -> Media | None:
        return self.media.get(f"{platform}|{media_id}")

    def keep_bytes(self, data: bytes, mime: str) -> str:
        """Store a file and return its SHA-256 in hexadecimal."""
        digest = hashlib.sha256(data).hexdigest()
        self.store.put_blob(digest, mime, data)
        return digest

    # posts

    def _index(self, post: Post) -> None:
        self.posts[post.key] = post
        self.by_account.setdefault(f"{post.platform}|{post.account}", []).append(post)
        self.by_text.setdefault((post.platform, post.account, post.text), []).append(post)

    def add_post(self, post: Post) -> None:
        self._index(post)
        self.save_post(post)

    def save_post(self, post: Post) -> None:
        self.store.put("post", post.key, dataclasses.asdict(post))

    def post(self, platform: str, post_id: str) -> Post | None:
        return self.posts.get(f"{platform}|{post_id}")

    def posts_of(self, platform: str, account: str, at: float) -> list[Post]:
        """Posts of an account as its owner saw them at a time, newest first."""
        posts = [p for p in self.by_account.get(f"{platform}|{account}", []) if p.seen_by_owner(at)]
        return sorted(posts, key=lambda p: p.created_at, reverse=True)

    def duplicate_of(self, platform: str, account: str, text: str, window: float = DUPLICATE_SECONDS) -> Post | None:
        """The latest landed, not deleted post of that account with that text within `window` seconds."""
        now = self.now()
        for post in reversed(self.by_text.get((platform, account, text), [])):
            if post.landed(now) and not post.deleted(now) and post.created_at > now - window and post.text == text:
                return post
        return None

    def delete_post(self, post: Post) -> None:
        if not post.deleted(self.now()):
            post.deleted_at = self.now()
            self.save_post(post)

    def suspend(self, account: Account, on: bool) -> None:
        """The platform shuts the account: strangers see neither it nor its posts, its tokens are refused. Or restores it."""
        account.suspended = on
        self.save_account(account)
        for post in self.by_account.get(f"{account.platform}|{account.name}", []):
            post.suspended = on
            self.save_post(post)

    def edit_post(self, post: Post, text: str, alt: str | None = None, media: int | None = None) -> None:
        """`alt`: of every picture from now on; `media`: how many are left."""
        post.extra.setdefault("first_text", post.text)
        if alt is not None:
            post.media = [{**item, "alt": alt} for item in post.media]
        if media is not None:
            post.media = post.media[:media]
        post.text = text
        if "record" in post.extra:
            edited = emulator(post.platform).edited
            if edited is not None:
                post.extra["record"] = edited(post.extra["record"], post)
        post.edited_at = self.now()
        self.by_text.setdefault((post.platform, post.account, text), []).append(post)
        self.save_post(post)

    # faults

    def take(self, kinds: tuple[str, ...], platform: str, account: str | None, operation: str) -> Fault | None:
        if not self.plan.faults:
            return None
        before = {fault.id: fault.seen for fault in self.plan.faults.values()}
        fault = self.plan.take(kinds, platform, account, operation)
        for changed in self.plan.faults.values():
            if changed.seen != before[changed.id]:
                self.save_fault(changed)
        return fault

    def save_fault(self, fault: Fault) -> None:
        self.store.put("fault", str(fault.id), dataclasses.asdict(fault))

    def drop_fault(self, fault_id: int) -> None:
        self.plan.faults.pop(fault_id, None)
        self.store.drop("fault", str(fault_id))


def _app_password() -> str:
    """An app password, xxxx-xxxx-xxxx-xxxx."""
    return "-".join(secrets.token_hex(2) for _ in range(4))


def truth(world: World, post: Post, base: str) -> dict[str, Any]:
    """One row of `GET /_sandbox/posts`: what really is, whatever any reply said."""
    now = world.now()
    appears = post.visible_at if post.ghost else post.created_at
    return {
        "platform": post.platform,
        "account": post.account,
        "id": post.id,
        "url": base + post.path,
        "text": post.text,
        "media": [{name: m[name] for name in _SHOWN if name in m} for m in post.media],
        "card": post.card,
        "reply_to": post.reply_to,
        "created_at": post.created_at,
        "visible": post.seen_by_public(now),
        "ghost": post.ghost,
        "visible_at": None if post.shadow else appears,
        "deleted_at": post.deleted_at if post.deleted(now) else None,
        "hidden": post.hidden(now),
        "edited": post.edited_at is not None,
        "audience": post.audience,
        "extra": post.extra,
    }
