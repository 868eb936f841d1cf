"""Seeds the demonstration: a user, an account on each emulated platform, posts that meet faults, and what the agent does
about them, all without a model key."""

from __future__ import annotations

import io
import secrets
from datetime import timedelta

from PIL import Image, ImageDraw

from postprober.domain.actor import COMMAND_LINE, Actor
from postprober.domain.criteria import Criteria
from postprober.domain.platform import Platform, known
from postprober.sandbox.control.client import Control
from postprober.services.accounts import account_groups, accounts
from postprober.services.core import Core
from postprober.services.media import media
from postprober.services.people import permits, users
from postprober.services.posts import drafts, posts
from postprober.storage import users as user_storage

DEMO_EMAIL = "demo@postprober.example"
_DEMO_TEXT = "Hello from PostProber 👋 This post was published once and verified. https://www.iana.org/proof"
_FAULT_TEXT = (
    "This one met a fault on the way: the answer got lost, so PostProber looked before it sent anything again."
)
_DRAFT = (
    "Hi all, it has been a while. We kept building in Oslo through the winter. Do you know how long the new bridge is? "
    "It is 300 metres long. See https://www.iana.org/bridge"
)
_UNFINISHED = "Great news: {{product}} is out today. TODO: add the link."
_TWICE = "This one was refused as a duplicate, and PostProber says why and what you can do."
_SIGN_IN = "This one met a sign-in that the platform kept refusing; PostProber renewed it and sent the post."
_LONG = (
    "This one fitted when it was planned, but its server has lowered the limit since. PostProber proposes to cut it at "
    "the ends of sentences, and waits for your word, because that changes how the post looks. No word of the text is "
    "lost by it, no link and no name. The same would happen on X or Bluesky. See https://www.iana.org/thread"
)
_LOWERED = 300  # characters; Mastodon servers set their own limit (platforms/mastodon/facts.md, 3)
_SOON = timedelta(seconds=15)  # time to lower the limit between planning and publishing


def seed(core: Core) -> tuple[str, str]:
    """A user with one linked account on each platform and posts, some of which meet faults; returns e-mail and password.

    Run again it makes new posts for the same user.
    """
    password_file = core.settings.data_dir / "demo-password.txt"
    with core.db.read() as conn:
        known = user_storage.by_email(conn, DEMO_EMAIL)
    if known is None:
        password = secrets.token_urlsafe(12)
        user_id = users.create(core, email=DEMO_EMAIL, password=password, name="Demo")
        password_file.write_text(password)
        password_file.chmod(0o600)
    else:
        user_id, password = known.id, password_file.read_text().strip() if password_file.exists() else "(as before)"
    actor = permits.actor(core, user_id, COMMAND_LINE)
    ids = link_sandbox_accounts(core, actor, "demo")
    picture = media.add_bytes(core, actor, "proof.png", demo_picture(), "A green tick on a dark blue ground")
    stamp = secrets.token_hex(2)
    first = posts.NewPost((f"{_DEMO_TEXT} #{stamp}",), tuple(ids.values()), (picture,))
    control = Control(core.settings.sandbox_url)
    control.settings(max_characters=500)
    # All planned before the first post is, or some would have gone out by then and not be counted.
    control.fault("x", "cut_after_accept", account="demo", after=1)
    control.fault("x", "duplicate", account="demo", after=2)  # the first two posts on X go out
    control.fault("bluesky", "unauthorized", account="demo", times=3, after=1)
    control.fault("mastodon", "error_before_accept", account="demo", after=1)
    posts.create(core, actor, first)
    account_groups.remember(core, actor, ids.values())
    account_groups.save(core, actor, "Short posts", (ids[Platform(key)] for key in ("x", "bluesky", "mastodon")))
    both = (ids[Platform("x")], ids[Platform("mastodon")])
    posts.create(core, actor, posts.NewPost((f"{_FAULT_TEXT} #{stamp}",), both))
    _seed_agent(core, control, actor, ids, demo_picture(), stamp)
    return DEMO_EMAIL, password


def link_sandbox_accounts(core: Core, actor: Actor, name: str) -> dict[Platform, int]:
    """One account on each emulated platform; returns their ids."""
    control = Control(core.settings.sandbox_url)
    ids: dict[Platform, int] = {}
    for platform in known():
        made = control.account(platform.value, name, fresh=True)
        data = made["typed"] or {key: made[key] for key in ("access_token", "refresh_token", "expires_at")}
        ids[platform] = accounts.add_by_token(core, actor, platform, data, name=name).id
    return ids


def demo_picture() -> bytes:
    """A small picture made here, so that nothing has to be shipped: PNG, 1080 x 1080."""
    image = Image.new("RGB", (1080, 1080), "#14304f")
    draw = ImageDraw.Draw(image)
    draw.ellipse((190, 190, 890, 890), fill="#1f9d61")
    draw.line([(360, 560), (500, 700), (740, 400)], fill="white", width=70, joint="curve")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _seed_agent(
    core: Core, control: Control, actor: Actor, ids: dict[Platform, int], picture: bytes, stamp: str
) -> None:
    """Posts that show what the agent does."""
    x, bluesky, mastodon, linkedin = (ids[Platform(key)] for key in ("x", "bluesky", "mastodon", "linkedin"))
    shown = media.add_bytes(core, actor, "green-tick-on-a-dark-blue-ground.png", picture)
    drafts.save(
        core,
        actor,
        posts.NewPost((f"{_DRAFT} #{stamp}",), (x, linkedin), (shown,), criteria=Criteria("likes", 20, 24)),
    )
    posts.create(core, actor, posts.NewPost((_UNFINISHED,), (x, mastodon)))
    posts.create(core, actor, posts.NewPost((f"{_TWICE} #{stamp}",), (x,)))
    posts.create(core, actor, posts.NewPost((f"{_SIGN_IN} #{stamp}",), (bluesky,)))
    posts.create(core, actor, posts.NewPost((f"{_LONG} #{stamp}",), (mastodon,), at=core.clock.now() + _SOON))
    control.settings(max_characters=_LOWERED)
