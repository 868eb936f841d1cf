"""The card of a link, from the page that it leads to through the whole pipeline to what a stranger sees of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from postprober.domain.card import CardChoice
from postprober.domain.delivery import DeliveryState, Proof
from postprober.domain.platform import Platform
from postprober.pipeline.publishing.publish import publish
from postprober.probe import link_card
from postprober.services.accounts.accounts import add_by_token
from postprober.services.media import media
from postprober.services.posts import cards, delivery_actions, drafts, posts
from postprober.storage import attempts, deliveries, evidence_log
from postprober.storage.records import Delivery
from tests.installed import Installation
from tests.people import acting
from tests.pipeline.test_on_the_sandbox import context, drive
from tests.websites import Site, og, png, website

S = DeliveryState
SENT = ("bluesky", "linkedin")
READS = {"linkedin": {"scopes": ["openid", "profile", "w_member_social", "r_member_social"]}}


@pytest.fixture
def site() -> Iterator[Site]:
    with website() as made:
        yield made


@pytest.fixture
def story(site: Site) -> str:
    """A link to a page with everything."""
    picture = site.picture("/story.png")
    return site.html("/story", og(title="A story &amp; more", description="About Zürich 世界", image=picture))


def planned(inst: Installation, platform: str, text: str, **wish: Any) -> tuple[str, Delivery]:
    """What the sandbox calls the account, and the delivery. A person has approved it: the review doubts links into this machine."""
    made, actor = inst.made(platform, **READS.get(platform, {})), acting(inst.core, inst.owner)
    data = made["typed"] or {key: made[key] for key in ("access_token", "refresh_token", "expires_at")}
    account = add_by_token(inst.core, actor, Platform(platform), data, name=made["name"])
    draft = drafts.save(inst.core, actor, posts.NewPost((text,), (account.id,), **wish))
    post = drafts.submit(inst.core, actor, draft.id, approved=True)
    with inst.core.db.read() as conn:
        return made["name"], deliveries.of_post(conn, post.id)[0]


def now(inst: Installation, delivery: Delivery) -> Delivery:
    with inst.core.db.read() as conn:
        return deliveries.get(conn, delivery.id)


def truth(inst: Installation, platform: str, text: str) -> list[dict[str, Any]]:
    return [one for one in inst.sandbox.control.posts(platform) if one["text"] == text]


def differences(inst: Installation, delivery: Delivery) -> list[str]:
    with inst.core.db.read() as conn:
        rows = [row for row in evidence_log.of_delivery(conn, delivery.id) if row.kind == "proof"]
    return list(rows[-1].body["differences"])


@pytest.mark.parametrize("platform", SENT)
def test_the_card_is_sent_with_its_picture_and_a_stranger_sees_it(
    installation: Installation, story: str, platform: str
) -> None:
    text = f"Read this: {story}"
    _, delivery = planned(installation, platform, text)
    drive(context(installation), [delivery.id])
    (post,) = truth(installation, platform, text)
    assert post["card"]["uri"] == story and post["card"]["title"] == "A story & more"
    assert post["card"]["description"] == "About Zürich 世界" and post["card"]["sha256"]
    end = now(installation, delivery)
    assert (end.state, end.proof) == (S.VERIFIED, Proof.MATCHES), differences(installation, delivery)


@pytest.mark.parametrize("platform", SENT)
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("card_dropped", ["The link card is missing."]),
        ("card_without_picture", ["The picture of the link card is missing."]),
    ],
)
def test_a_card_that_the_platform_lost_is_found(
    installation: Installation, story: str, platform: str, fault: str, said: list[str]
) -> None:
    text = f"Lost there: {story} {fault}"
    name, delivery = planned(installation, platform, text)
    installation.sandbox.control.fault(platform, fault, account=name)
    drive(context(installation), [delivery.id])
    end = now(installation, delivery)
    assert (end.state, end.proof) == (S.VERIFIED, Proof.PUBLIC)
    assert differences(installation, delivery) == said


@pytest.mark.parametrize("platform", SENT)
@pytest.mark.parametrize("fault", ["cut_after_accept", "error_before_accept", "late_create", "error_after_accept"])
def test_every_try_sends_the_same_card_though_the_page_has_changed(
    installation: Installation, site: Site, story: str, platform: str, fault: str
) -> None:
    text = f"Again: {story} {fault}"
    name, delivery = planned(installation, platform, text)
    fixed = delivery.parts[0].card
    params = {"seconds": 0.2} if fault == "late_create" else {}
    installation.sandbox.control.fault(platform, fault, account=name, params=params)
    site.html("/story", og(title="Quite another story"))
    drive(context(installation), [delivery.id])
    if now(installation, delivery).state is S.HELD:  # it is never sent again by itself there
        delivery_actions.send_held(installation.core, acting(installation.core, installation.owner), delivery.id)
        drive(context(installation), [delivery.id])
    end = now(installation, delivery)
    assert (end.state, end.proof) == (S.VERIFIED, Proof.MATCHES)
    (post,) = truth(installation, platform, text)
    assert post["card"]["title"] == "A story & more"
    with installation.core.db.read() as conn:
        tries = [one for one in attempts.of_delivery(conn, delivery.id) if one.act == "publish"]
    assert fixed is not None and {one.payload_hash for one in tries} == {tries[0].payload_hash}
    assert all(one.intent["card"] == fixed.to_json() for one in tries)
    if fault == "error_before_accept":
        assert len(tries) == 2, "the control: it was tried twice"


@pytest.mark.parametrize("platform", SENT)
def test_a_picture_that_is_lost_before_the_send_takes_no_post_with_it(
    installation: Installation, story: str, platform: str
) -> None:
    text = f"Restored without the folder: {story}"
    _, delivery = planned(installation, platform, text)
    for file in (installation.core.settings.data_dir / "cards").iterdir():
        file.unlink()
    drive(context(installation), [delivery.id])
    (post,) = truth(installation, platform, text)
    assert post["card"]["title"] == "A story & more" and not post["card"].get("sha256")
    end = now(installation, delivery)
    assert (end.state, end.proof) == (S.VERIFIED, Proof.MATCHES), differences(installation, delivery)
    with installation.core.db.read() as conn:
        (sent,) = [one for one in attempts.of_delivery(conn, delivery.id) if one.act == "publish"]
    assert sent.intent["card"]["picture"] is None


def test_a_page_whose_picture_is_lost_is_read_again(installation: Installation, site: Site, story: str) -> None:
    planned(installation, "bluesky", f"Once: {story}")
    (file,) = (installation.core.settings.data_dir / "cards").iterdir()
    file.unlink()
    planned(installation, "bluesky", f"Twice: {story}")
    assert file.is_file() and site.asked["/story"] == 2


class Killed(BaseException):
    """The worker ends here."""


@pytest.mark.parametrize("platform", SENT)
@pytest.mark.parametrize("where", ["intent_committed", "request_sent", "reply_body"])
def test_a_worker_that_is_killed_leaves_the_same_card_for_the_next(
    installation: Installation, site: Site, story: str, platform: str, where: str
) -> None:
    text = f"Killed at {where}: {story}"
    _, delivery = planned(installation, platform, text)
    site.html("/story", og(title="Quite another story"))

    def kill(name: str) -> None:
        if name == where:
            raise Killed

    with pytest.raises(Killed):
        publish(replace(context(installation), checkpoint=kill), delivery.id)
    drive(context(installation), [delivery.id])
    if now(installation, delivery).state is S.HELD:
        delivery_actions.send_held(installation.core, acting(installation.core, installation.owner), delivery.id)
        drive(context(installation), [delivery.id])
    assert now(installation, delivery).proof is Proof.MATCHES
    (post,) = truth(installation, platform, text)
    assert post["card"]["title"] == "A story & more" and post["card"]["sha256"]


@pytest.mark.parametrize("platform", SENT)
def test_the_authors_own_words_go_out_with_the_pages_picture(
    installation: Installation, story: str, platform: str
) -> None:
    text = f"In my words: {story}"
    _, delivery = planned(installation, platform, text, card=CardChoice(title="My title", description="My words"))
    drive(context(installation), [delivery.id])
    (post,) = truth(installation, platform, text)
    assert post["card"] | {"sha256": ""} == {
        "uri": story,
        "title": "My title",
        "description": "My words",
        "sha256": "",
    }
    assert post["card"]["sha256"] and now(installation, delivery).proof is Proof.MATCHES


@pytest.mark.parametrize("platform", SENT)
def test_a_dropped_card_is_not_sent_and_its_page_not_read(
    installation: Installation, site: Site, story: str, platform: str
) -> None:
    text = f"Without: {story}"
    _, delivery = planned(installation, platform, text, card=CardChoice(drop=True))
    drive(context(installation), [delivery.id])
    (post,) = truth(installation, platform, text)
    assert post["card"] is None and not site.asked
    assert now(installation, delivery).proof is Proof.MATCHES


def test_words_about_another_link_are_not_put_on_this_one(installation: Installation, story: str) -> None:
    choice = CardChoice(title="Of another page", url="https://www.iana.org/other")
    _, delivery = planned(installation, "bluesky", f"Changed my mind: {story}", card=choice)
    assert delivery.parts[0].card is not None and delivery.parts[0].card.title == "A story & more"


@pytest.mark.parametrize("platform", SENT)
def test_a_page_that_never_answers_holds_nothing_up(
    installation: Installation, site: Site, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes without a card, and its author is told so in one sentence."""
    monkeypatch.setattr(cards, "WAIT", 0.3)

    def never(_request: object) -> None:
        site.over.wait(30)

    site.pages["/never"] = never
    text = f"Anyway: {site.url}/never"
    began = time.monotonic()
    _, delivery = planned(installation, platform, text)
    assert time.monotonic() - began < 3
    card = delivery.parts[0].card
    assert card is not None and card.problem == "No link card: 127.0.0.1 did not answer in time."
    drive(context(installation), [delivery.id])
    (post,) = truth(installation, platform, text)
    assert post["card"] is None and now(installation, delivery).proof is Proof.MATCHES


def test_a_server_that_does_not_answer_is_waited_for_once(
    installation: Installation, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many of its pages are linked to, as an import may."""
    monkeypatch.setattr(link_card.read, "__kwdefaults__", {**link_card.read.__kwdefaults__, "seconds": 0.3})
    for number in range(4):
        site.pages[f"/{number}"] = lambda _request: site.over.wait(30)
        _, delivery = planned(installation, "bluesky", f"Page {number}: {site.url}/{number}")
        card = delivery.parts[0].card
        assert card is not None and card.problem == "No link card: 127.0.0.1 did not answer in time."
    assert site.connections == 1


def test_media_take_the_place_of_the_card(installation: Installation, site: Site, story: str) -> None:
    actor = acting(installation.core, installation.owner)
    picture = media.add_bytes(installation.core, actor, "own.png", png(64, 64), "Mine")
    _, delivery = planned(installation, "bluesky", f"With a picture: {story}", media_ids=(picture,))
    assert delivery.parts[0].card is None and not site.asked
    drive(context(installation), [delivery.id])
    assert now(installation, delivery).proof is Proof.MATCHES


@pytest.mark.parametrize("platform", ["x", "mastodon", "telegram", "discord", "nostr", "wordpress"])
def test_platforms_that_read_pages_themselves_are_sent_no_card(
    installation: Installation, site: Site, story: str, platform: str
) -> None:
    _, delivery = planned(installation, platform, f"Elsewhere: {story}")
    assert delivery.parts[0].card is None and not site.asked


def test_one_page_is_read_once_a_day_for_all_posts(installation: Installation, site: Site, story: str) -> None:
    for number in range(3):
        for platform in SENT:
            planned(installation, platform, f"Number {number}: {story}")
    assert site.asked == {"/story": 1, "/story.png": 1}


def test_a_thread_has_the_card_at_its_first_part_only(installation: Installation, story: str) -> None:
    actor = acting(installation.core, installation.owner)
    account = installation.link("bluesky")
    draft = drafts.save(installation.core, actor, posts.NewPost((f"One {story}", f"Two {story}"), (account.id,)))
    post = drafts.submit(installation.core, actor, draft.id, approved=True)
    with installation.core.db.read() as conn:
        (delivery,) = deliveries.of_post(conn, post.id)
    assert [part.card is not None for part in delivery.parts] == [True, False]
    drive(context(installation), [delivery.id])
    assert now(installation, delivery).proof is Proof.MATCHES


def test_a_quote_and_a_card_go_out_together(installation: Installation, story: str) -> None:
    _, quoted = planned(installation, "bluesky", "To be quoted")
    drive(context(installation), [quoted.id])
    uri = now(installation, quoted).remote_id or ""
    text = f"Both: {story}"
    _, delivery = planned(installation, "bluesky", text, options={"bluesky": {"quote": uri}})
    drive(context(installation), [delivery.id])
    assert now(installation, delivery).proof is Proof.MATCHES, differences(installation, delivery)
    (post,) = truth(installation, "bluesky", text)
    assert post["card"]["title"] == "A story & more" and post["card"]["sha256"]


def test_what_takes_the_place_of_a_card_goes_without_one(installation: Installation, site: Site, story: str) -> None:
    poll = {"linkedin": {"poll_question": "Read it?", "poll_choices": ["Yes", "No"]}}
    _, delivery = planned(installation, "linkedin", f"A poll: {story}", options=poll)
    assert delivery.parts[0].card is None and not site.asked
    drive(context(installation), [delivery.id])
    assert now(installation, delivery).proof is Proof.MATCHES, differences(installation, delivery)
