"""What a post asks for beside its words goes out, is read back, and is a difference where it is not as it was sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from postprober.domain.delivery import DeliveryState, Proof
from postprober.errors import BadInput
from postprober.pipeline.publishing.publish import publish
from postprober.services.posts import posts
from postprober.services.posts.posts import PreflightFailed
from postprober.storage import deliveries, step_log
from postprober.storage.records import Account, Delivery
from tests.installed import Installation
from tests.people import acting
from tests.pipeline.test_on_the_sandbox import context, drive

S = DeliveryState
# platform, what is asked for, the fields of the request that carry it
ASKED: list[tuple[str, dict[str, Any], list[str]]] = [
    ("mastodon", {"content_warning": "Spoilers for the finale"}, ["spoiler_text"]),
    ("mastodon", {"audience": "unlisted"}, ["visibility"]),
    ("x", {"who_can_reply": "following", "paid_partnership": True}, ["reply_settings"]),
    ("x", {"poll_choices": ["Red", "Blue"], "poll_minutes": 30}, ["poll"]),
    ("x", {"community": "1493446837214187523"}, ["community_id"]),
    ("bluesky", {"who_can_reply": "mentioned"}, ["threadgate"]),
    ("bluesky", {"who_can_reply": "nobody", "no_quotes": True}, ["postgate"]),
    ("bluesky", {"content_label": "graphic-media", "languages": ["de", "pt-BR"]}, ["labels"]),
    ("linkedin", {"no_reshares": True}, ["isReshareDisabledByAuthor"]),
    ("linkedin", {"poll_question": "Which?", "poll_choices": ["This", "That"], "poll_days": "3"}, ["content"]),
    ("mastodon", {"poll_choices": ["Yes", "No", "Ask me later"], "poll_minutes": 60, "poll_multiple": True}, ["poll"]),
    ("mastodon", {"who_can_quote": "nobody"}, ["quote_approval_policy"]),
    ("mastodon", {"language": "zh-tw"}, ["language"]),
]


def linked(inst: Installation, platform: str) -> Account:
    """An account whose posts its owner may read, where that is a permission of its own."""
    scopes = {"scopes": ["openid", "profile", "w_member_social", "r_member_social"]} if platform == "linkedin" else {}
    return inst.link(platform, **scopes)


def plan(inst: Installation, account: Account, options: Mapping[str, Any], *texts: str) -> int:
    new = posts.NewPost(
        texts or (f"What do you think of {account.account_name}?",),
        (account.id,),
        options={account.platform.value: options},
    )
    post = posts.create(inst.core, acting(inst.core, inst.owner), new)
    with inst.core.db.read() as conn:
        return deliveries.of_post(conn, post.id)[0].id


def ended(inst: Installation, delivery_id: int) -> tuple[Delivery, dict[str, Any]]:
    """The delivery, and what its last look saw."""
    drive(context(inst), [delivery_id])
    with inst.core.db.read() as conn:
        delivery = deliveries.get(conn, delivery_id)
        rows = [row for row in step_log.of_post(conn, delivery.post_id) if row.step == "verification"]
        return delivery, rows[-1].details


@pytest.mark.parametrize(("platform", "options", "_fields"), ASKED)
def test_what_was_asked_for_is_proved(
    installation: Installation, platform: str, options: dict[str, Any], _fields: list[str]
) -> None:
    delivery, seen = ended(installation, plan(installation, linked(installation, platform), options))
    assert (delivery.state, delivery.proof, seen["differences"]) == (S.VERIFIED, Proof.MATCHES, [])
    assert not any("nobody can read" in note for note in seen["notes"]), "every part of it was read back"


@pytest.mark.parametrize(("platform", "options", "fields"), ASKED)
def test_what_a_platform_ignores_is_told(
    installation: Installation, platform: str, options: dict[str, Any], fields: list[str]
) -> None:
    """The positive control of the proof: the same post, and the platform leaves out what was asked for."""
    account = linked(installation, platform)
    installation.sandbox.control.fault(platform, "dropped_fields", params={"fields": fields})
    delivery, seen = ended(installation, plan(installation, account, options))
    assert (delivery.state, delivery.proof) == (S.VERIFIED, Proof.PUBLIC)
    assert any("is shown as" in one for one in seen["differences"]), seen


@pytest.mark.parametrize("platform", ["x", "bluesky", "mastodon"])
def test_a_quoted_post_is_proved_by_its_id(installation: Installation, platform: str) -> None:
    account = installation.link(platform)
    first, _ = ended(installation, plan(installation, account, {}, f"To be quoted, by {account.account_name}"))
    text = f"A quote by {account.account_name}"
    delivery, seen = ended(installation, plan(installation, account, {"quote": first.url}, text))
    assert (delivery.proof, seen["differences"]) == (Proof.MATCHES, [])
    (quoting,) = [one for one in installation.sandbox.control.posts(platform) if one["text"] == text]
    assert str(first.remote_id) in str(quoting["extra"])


@pytest.mark.parametrize(("platform", "field"), [("x", "quote_tweet_id"), ("mastodon", "quoted_status_id")])
def test_a_quote_that_is_left_out_is_found(installation: Installation, platform: str, field: str) -> None:
    account = installation.link(platform)
    first, _ = ended(installation, plan(installation, account, {}, f"To be quoted, by {account.account_name}"))
    installation.sandbox.control.fault(platform, "dropped_fields", params={"fields": [field]})
    delivery, seen = ended(installation, plan(installation, account, {"quote": first.url}, "A quote of it"))
    assert delivery.proof is Proof.PUBLIC
    assert any("Quote a post is shown as “none”" in one for one in seen["differences"]), seen


@pytest.mark.parametrize(
    ("state", "proof", "says"),
    [
        ("pending", Proof.MATCHES, "its author has not accepted the quote yet"),
        ("rejected", Proof.PUBLIC, "rejected, so nobody sees it"),
        ("revoked", Proof.PUBLIC, "revoked, so nobody sees it"),
    ],
)
def test_a_quote_that_its_author_has_not_accepted_is_told(
    installation: Installation, state: str, proof: Proof, says: str
) -> None:
    account = installation.link("mastodon")
    first, _ = ended(installation, plan(installation, account, {}, f"To be quoted, by {account.account_name}"))
    installation.sandbox.control.fault("mastodon", "quote_state", params={"state": state})
    delivery, seen = ended(installation, plan(installation, account, {"quote": first.url}, "May I quote this?"))
    assert (delivery.state, delivery.proof) == (S.VERIFIED, proof)
    assert any(says in one for one in [*seen["notes"], *seen["differences"]]), seen


def test_a_post_of_another_server_is_found_for_a_quote(installation: Installation) -> None:
    account = installation.link("mastodon")
    first, _ = ended(installation, plan(installation, account, {}, f"To be quoted, by {account.account_name}"))
    elsewhere = f"https://other.example/@ann/{first.remote_id}"
    delivery, seen = ended(installation, plan(installation, account, {"quote": elsewhere}, "From afar"))
    assert (delivery.proof, seen["differences"]) == (Proof.MATCHES, [])


@pytest.mark.parametrize("policy", ["nobody", "followers"])
def test_what_nobody_may_quote_is_not_quoted(installation: Installation, policy: str) -> None:
    author, account = installation.link("mastodon"), installation.link("mastodon")
    asked = {"who_can_quote": policy}
    first, _ = ended(installation, plan(installation, author, asked, f"Not for quoting, by {author.account_name}"))
    delivery_id = plan(installation, account, {"quote": first.url}, "I would like to quote")
    drive(context(installation), [delivery_id])
    with installation.core.db.read() as conn:
        delivery = deliveries.get(conn, delivery_id)
    assert delivery.state is S.FAILED and "does not let this account quote" in delivery.reason
    assert installation.sandbox.control.posts("mastodon", account.account_name) == []


@pytest.mark.parametrize("asked", [{"quote": "https://m.example/@ann/1"}, {"who_can_quote": "nobody"}])
def test_an_older_server_has_no_quotes_and_that_is_said_before(
    installation: Installation, asked: dict[str, str]
) -> None:
    control = installation.sandbox.control
    control.settings(mastodon_api_version=6)
    try:
        account = installation.link("mastodon")
        with pytest.raises(PreflightFailed, match="does not offer it to this account"):
            plan(installation, account, asked)
    finally:
        control.settings(mastodon_api_version=7)


def test_a_quote_of_nothing_sends_nothing(installation: Installation) -> None:
    account = installation.link("bluesky")
    text = f"A quote of nothing by {account.account_name}"
    gone = f"https://bsky.app/profile/{account.account_name}/post/3l6oveex3ii2l"
    delivery_id = plan(installation, account, {"quote": gone}, text)
    drive(context(installation), [delivery_id])
    with installation.core.db.read() as conn:
        delivery = deliveries.get(conn, delivery_id)
    assert delivery.state is S.FAILED and "quote is not there" in delivery.reason
    assert not [one for one in installation.sandbox.control.posts("bluesky") if one["text"] == text]


@pytest.mark.parametrize("fault", ["cut_after_accept", "error_after_accept", "malformed_2xx", "late_create"])
def test_gates_go_out_with_their_post_once_whatever_becomes_of_the_reply(
    installation: Installation, fault: str
) -> None:
    account = installation.link("bluesky")
    params = {"seconds": 0.2} if fault == "late_create" else {}
    installation.sandbox.control.fault("bluesky", fault, operation="create", params=params)
    text = f"Nobody answers {account.account_name}"
    asked = {"who_can_reply": "nobody", "no_quotes": True}
    delivery, seen = ended(installation, plan(installation, account, asked, text))
    assert (delivery.state, delivery.proof, seen["differences"]) == (S.VERIFIED, Proof.MATCHES, [])
    assert sum(one["text"] == text for one in installation.sandbox.control.posts("bluesky")) == 1


def test_a_thread_carries_the_warning_on_every_part_and_the_poll_once(installation: Installation) -> None:
    account = installation.link("mastodon")
    options = {"content_warning": "Long", "poll_choices": ["Up", "Down"]}
    texts = [f"{number} of two by {account.account_name}" for number in ("first", "second")]
    delivery, seen = ended(installation, plan(installation, account, options, *texts))
    assert (delivery.proof, seen["differences"]) == (Proof.MATCHES, [])
    found = [p for p in installation.sandbox.control.posts("mastodon", account.account_name) if p["text"] in texts]
    assert [p["extra"]["spoiler_text"] for p in found] == ["Long", "Long"]
    assert sum("poll" in p["extra"] for p in found) == 1


def test_what_only_followers_see_is_proved_by_its_owner_and_is_no_ghost(installation: Installation) -> None:
    account = installation.link("mastodon")
    delivery, seen = ended(installation, plan(installation, account, {"audience": "followers"}))
    assert (delivery.state, delivery.proof) == (S.VERIFIED, Proof.EXISTS)
    assert "followers" in seen["public_reason"]
    (post,) = installation.sandbox.control.posts("mastodon", account.account_name)
    assert post["audience"] == "restricted"


def test_a_repost_on_linkedin_names_its_parent_and_what_connections_see_is_no_ghost(installation: Installation) -> None:
    account = linked(installation, "linkedin")
    first, _ = ended(installation, plan(installation, account, {}, f"To be reposted, by {account.account_name}"))
    asked = {"reshare": first.remote_id, "audience": "connections"}
    delivery, seen = ended(installation, plan(installation, account, asked, "Worth reading"))
    assert (delivery.state, delivery.proof, seen["differences"]) == (S.VERIFIED, Proof.EXISTS, [])


def test_a_repeat_after_a_lost_reply_asks_for_the_same(installation: Installation) -> None:
    account = installation.link("mastodon")
    installation.sandbox.control.fault("mastodon", "error_before_accept", account=account.account_name)
    delivery, _ = ended(installation, plan(installation, account, {"content_warning": "Careful"}))
    assert (delivery.state, delivery.proof) == (S.VERIFIED, Proof.MATCHES)
    (post,) = installation.sandbox.control.posts("mastodon", account.account_name)
    assert post["extra"]["spoiler_text"] == "Careful"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mastodon": {"warning": "x"}}, "Mastodon has no option 'warning'; it has content_warning"),
        ({"mastodon": {"audience": "friends"}}, "is one of public, unlisted, followers"),
        ({"mastodon": {"sensitive": "perhaps"}}, "takes yes or no"),
        ({"mastodon": {"poll_minutes": 1}}, "is 1; the least is 5"),
        ({"mastodon": {"content_warning": "a\x00b"}}, "invisible control characters"),
        ({"nowhere": {"audience": "public"}}, "There is no platform called 'nowhere'"),
        ({"bluesky": {}}, "no account there is chosen"),
        ({"999": {"audience": "public"}}, "account 999, which is not chosen"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_nothing_is_written(
    installation: Installation, options: dict[str, dict[str, Any]], says: str
) -> None:
    account = installation.link("mastodon")
    before = installation.counts()
    with pytest.raises(BadInput, match=says.replace("(", r"\(")):
        posts.create(
            installation.core,
            acting(installation.core, installation.owner),
            posts.NewPost(("Fine words",), (account.id,), options=options),
        )
    assert installation.counts() == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"poll_choices": ["Only one"]}, "2 to 4 choices; this one has 1"),
        ({"poll_choices": ["Same", "Same"]}, "different from each other"),
        ({"poll_choices": ["x" * 60, "y"]}, "longest choice by 10"),
        ({"content_warning": "w" * 490}, "together they may have 500"),
    ],
)
def test_what_the_platform_would_refuse_is_said_before(
    installation: Installation, options: dict[str, Any], says: str
) -> None:
    account = installation.link("mastodon")
    with pytest.raises(PreflightFailed, match=says):
        plan(installation, account, options)


def test_an_accounts_own_option_wins_over_its_platforms(installation: Installation) -> None:
    account = installation.link("mastodon")
    new = posts.NewPost(
        (f"Two wishes of {account.account_name}",),
        (account.id,),
        options={"mastodon": {"audience": "unlisted", "sensitive": True}, str(account.id): {"audience": "public"}},
    )
    post = posts.create(installation.core, acting(installation.core, installation.owner), new)
    with installation.core.db.read() as conn:
        (delivery,) = deliveries.of_post(conn, post.id)
    assert delivery.parts[0].options == {"sensitive": True}


def test_words_in_options_are_reviewed_like_the_text(installation: Installation) -> None:
    account = installation.link("mastodon")
    new = posts.NewPost(
        (f"New photos by {account.account_name}",),
        (account.id,),
        options={"mastodon": {"content_warning": "TODO: write a warning here"}},
    )
    post = posts.create(installation.core, acting(installation.core, installation.owner), new)
    assert post.status == "review"
    assert "options for Mastodon" in str(post.ai_suggestions)


@pytest.mark.parametrize("unknown", [{"circle": "friends"}, {"audience": "friends"}])
def test_nothing_goes_out_without_what_another_version_has_asked_for(
    installation: Installation, unknown: dict[str, str]
) -> None:
    """The package of a platform went back to an earlier version, or a process of the earlier one still runs."""
    account = installation.link("mastodon")
    planned = plan(installation, account, {"content_warning": "Careful"})
    with installation.core.db.write() as conn:
        delivery = deliveries.get(conn, planned)
        (part,) = delivery.parts
        asked = replace(part, options={**part.options, **unknown})
        deliveries.touch(conn, delivery, installation.core.clock.now(), parts=(asked,))
    publish(context(installation), planned)
    with installation.core.db.read() as conn:
        delivery = deliveries.get(conn, planned)
    assert (
        delivery.state is S.WAITING and f"cannot do what the post asks for ({next(iter(unknown))})" in delivery.reason
    )
    assert installation.sandbox.control.posts("mastodon", account.account_name) == []
