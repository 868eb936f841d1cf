"""A shared proof: what anybody with the link sees, and that nobody sees it without, or after it was withdrawn."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from postprober.domain.delivery import DeliveryState as S
from postprober.domain.delivery import Proof
from postprober.domain.drift import Watched
from postprober.errors import Conflict, NotFound
from postprober.pipeline.core import transitions
from postprober.security.tokens import sign
from postprober.services.reports import proof_pages
from postprober.storage import deliveries, evidence_log, watches
from postprober.storage.records import PartRecord
from postprober.storage.tables import deliveries as delivery_table
from postprober.storage.tables import media, posts
from postprober.storage.tables import proof_pages as table
from tests.analytics.kit import House
from tests.api.rest_kit import Rest, rest_on
from tests.installed import Installation
from tests.people import acting
from tests.services.test_report_files import parsed

NASTY = "Text <script>alert(1)</script> & ☀ {{7*7}}"
POISON = "POISON"


@pytest.fixture
def rest(installation: Installation) -> Iterator[Rest]:
    made = rest_on(installation)
    with made.client:
        yield made


@pytest.fixture
def post_id(rest: Rest) -> int:
    """A post that is live on X and failed on Mastodon; what must not be shown is poisoned."""
    house, me, now = House(rest.core.db), rest.installation.owner, rest.clock.now()
    x, masto = house.account(me, "x", f"{POISON}-account"), house.account(me, "mastodon", f"{POISON}-other")
    out = now - timedelta(hours=1)
    one = house.delivery(
        me,
        x,
        "x",
        out,
        due_at=out,
        proof="matches",
        verified_at=out,
        url="https://x.com/demo/status/1",
        reason=POISON,
        remote_id=f"{POISON}-remote",
    )
    file = house.add(
        media,
        user_id=me,
        name=f"{POISON}.png",
        kind="image",
        mime="image/png",
        size=1,
        width=1,
        height=1,
        sha256="ab" * 32,
        path=POISON,
        alt="A red bicycle",
    )
    with rest.core.db.write() as conn:
        post = deliveries.get(conn, one).post_id
        part = PartRecord(0, NASTY, media=(file,)).to_json()
        conn.execute(update(delivery_table).where(delivery_table.c.id == one).values(parts=[part]))
        evidence_log.keep(conn, one, "proof", {"owner": POISON, "differences": [POISON]}, out)
        evidence_log.keep(conn, one, "late_reply", {"reply": POISON}, out)
    house.delivery(me, masto, "mastodon", None, due_at=out, state="failed", reason=POISON)
    with rest.core.db.write() as conn:
        conn.execute(update(delivery_table).where(delivery_table.c.account_id == masto).values(post_id=post))
    return post


def share(rest: Rest, post_id: int) -> str:
    """The path of the link."""
    url: str = rest.ask("PUT", f"/api/reports/posts/{post_id}/proof").json()["url"]
    assert url.startswith(f"{rest.core.settings.public_base}/proof/")
    return url.removeprefix(rest.core.settings.public_base)


def test_it_is_off_until_the_owner_shares_it(rest: Rest, post_id: int) -> None:
    assert rest.ask("GET", f"/api/reports/posts/{post_id}/proof").json() == {"url": ""}
    path = share(rest, post_id)
    assert share(rest, post_id) == path, "the same link while it is shared"
    assert rest.ask("GET", path, "").status_code == 200


def test_it_shows_what_was_sent_and_proved_and_nothing_else(rest: Rest, post_id: int) -> None:
    html = rest.ask("GET", share(rest, post_id), "").text
    found = parsed(html)
    text = " ".join(" ".join(found.text).split())
    with rest.core.db.read() as conn:
        (proof,) = [row for row in evidence_log.of_delivery(conn, 1) if row.kind == "proof"]
    for words in (
        NASTY,
        "A red bicycle",
        "ab" * 32,
        "https://x.com/demo/status/1",
        proof.sha256,
        "the public sees exactly",
        "UTC",
    ):
        assert words in text, words
    for secret in (POISON, "owner@example.org", "Mastodon", "failed", "Failed", "account_id", "SECRET"):
        assert secret not in html, secret
    assert found.outside == [] and "<script" not in html


def test_its_headers_allow_nothing_but_its_own_style(rest: Rest, post_id: int) -> None:
    reply = rest.ask("GET", share(rest, post_id), "")
    (style,) = re.findall(r"<style>(.*?)</style>", reply.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy and f"style-src 'sha256-{digest}'" in policy and "script-src" not in policy
    assert "noindex" in reply.headers["x-robots-tag"] and reply.headers["cache-control"] == "no-store"
    assert reply.headers["referrer-policy"] == "no-referrer" and reply.headers["content-type"].startswith("text/html")
    assert "set-cookie" not in reply.headers
    assert rest.client.head(share(rest, post_id)).status_code == 200


def test_withdrawn_is_gone_at_once_and_an_old_link_stays_dead(rest: Rest, post_id: int) -> None:
    old = share(rest, post_id)
    assert rest.ask("DELETE", f"/api/reports/posts/{post_id}/proof").status_code == 204
    assert rest.ask("GET", old, "").status_code == 404
    assert rest.ask("GET", f"/api/reports/posts/{post_id}/proof").json() == {"url": ""}
    rest.clock.advance(1)
    new = share(rest, post_id)
    assert new != old and rest.ask("GET", old, "").status_code == 404 and rest.ask("GET", new, "").status_code == 200


def _claims(token: str) -> dict[str, object]:
    body = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(body + "==")))


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_whatever_is_wrong_with_a_link_it_says_the_same_nothing(rest: Rest, post_id: int) -> None:
    good = share(rest, post_id).removeprefix("/proof/")
    head, body, signature = good.split(".")
    claims, key, now = _claims(good), rest.core.settings.secret_key, rest.clock.now().timestamp()
    mine = {name: claims[name] for name in ("post", "nonce")}
    wrong = {
        "nonsense": "x",
        "too long": "x" * 5000,
        "no signature": f"{head}.{body}.",
        "cut": good[:-3],
        "unsigned": f"{_part({'alg': 'none'})}.{body}.",
        "another post": f"{head}.{_part({**claims, 'post': post_id + 1})}.{signature}",
        "another purpose": sign(key, "media", mine, now=now, lifetime=60),
        "an access token": rest.token("owner"),
        "another key": sign(SecretStr("y" * 40), "proof", mine, now=now, lifetime=60),
        "expired": sign(key, "proof", mine, now=now - 100, lifetime=60),
        "another nonce": sign(key, "proof", {**mine, "nonce": "guessed"}, now=now, lifetime=60),
        "a post that is not there": sign(key, "proof", {**mine, "post": 10**12}, now=now, lifetime=60),
    }
    replies = {name: rest.ask("GET", f"/proof/{token}", "") for name, token in wrong.items()}
    assert {name: reply.status_code for name, reply in replies.items()} == dict.fromkeys(wrong, 404)
    assert len({reply.text for reply in replies.values()}) == 1
    assert (
        len({tuple(sorted((k, v) for k, v in r.headers.items() if k != "x-request-id")) for r in replies.values()}) == 1
    )
    assert rest.ask("GET", f"/proof/{good}", "").status_code == 200, "the control"


def test_a_deleted_post_and_one_that_is_no_longer_seen_show_nothing(rest: Rest, post_id: int) -> None:
    path = share(rest, post_id)
    with rest.core.db.write() as conn:
        one = deliveries.of_post(conn, post_id)[0]
        transitions.move(conn, one, S.GHOST, reason="gone", now=rest.clock.now())
    gone = rest.ask("GET", path, "")
    assert gone.status_code == 200 and "No longer visible to the public, first seen" in gone.text
    assert "<dt>Proof then</dt>" in gone.text and "<dt>Proof</dt>" not in gone.text
    with rest.core.db.write() as conn:
        one = deliveries.of_post(conn, post_id)[0]
        transitions.move(conn, one, S.VERIFIED, reason="back", now=rest.clock.now(), proof=Proof.PUBLIC)
    assert rest.ask("GET", path, "").status_code == 200
    with rest.core.db.write() as conn:
        conn.execute(update(posts).where(posts.c.id == post_id).values(deleted_at=rest.clock.now()))
    assert rest.ask("GET", path, "").status_code == 404


def test_it_says_what_differs_since_the_proof(rest: Rest, post_id: int) -> None:
    path = share(rest, post_id)
    assert "Differs from" not in rest.ask("GET", path, "").text
    with rest.core.db.write() as conn:
        one = deliveries.of_post(conn, post_id)[0]
        watches.put(conn, one.id, Watched(base="", told="a print"), rest.clock.now())
        evidence_log.keep(conn, one.id, "drift", {"differences": ["The text differs."]}, rest.clock.now())
    told = rest.ask("GET", path, "").text
    assert "Differs from what was sent: it was changed after it was proved, first seen" in told
    assert "<dt>Proof then</dt>" in told
    with rest.core.db.write() as conn:
        watches.put(conn, one.id, Watched(base="", told=""), rest.clock.now())
    assert "Differs from" not in rest.ask("GET", path, "").text, "it is again as it was"


def test_a_post_that_nobody_ever_saw_is_not_shown(rest: Rest, post_id: int) -> None:
    path = share(rest, post_id)
    with rest.core.db.write() as conn:
        one = deliveries.of_post(conn, post_id)[0]
        transitions.move(conn, one, S.GHOST, reason="gone", now=rest.clock.now())
        conn.execute(update(delivery_table).values(verified_at=None))
    assert rest.ask("GET", path, "").status_code == 404


def test_a_link_that_is_no_address_of_the_web_is_not_offered(rest: Rest, post_id: int) -> None:
    with rest.core.db.write() as conn:
        conn.execute(update(delivery_table).values(url="javascript:alert(1)"))
    assert "javascript" not in rest.ask("GET", share(rest, post_id), "").text


def test_what_is_not_live_cannot_be_shared_and_nobody_shares_what_is_anothers(rest: Rest, post_id: int) -> None:
    core, mine = rest.core, rest.installation
    draft = rest.draft()["id"]
    with pytest.raises(Conflict, match="live"):
        proof_pages.share(core, acting(core, mine.owner), draft)
    for act in (proof_pages.share, proof_pages.withdraw, proof_pages.link):
        with pytest.raises(NotFound):
            act(core, acting(core, mine.stranger), post_id)
    with core.db.read() as conn:
        assert conn.execute(table.select()).all() == []
