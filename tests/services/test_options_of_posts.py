"""What a post asks of single platforms: kept as what it stands for, found under one name, and the same however it is spelled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from postprober.domain.actor import Actor
from postprober.domain.options import AskedFor, compare
from postprober.domain.platform import Platform, described
from postprober.domain.post import Draft, Part
from postprober.errors import BadInput
from postprober.platforms.registry import LIMITS
from postprober.services.posts import drafts, gate, options, posts, proposals, review_gate
from postprober.services.posts.posts import NewPost, PreflightFailed
from postprober.storage import deliveries
from postprober.storage.records import Account
from tests.installed import Installation
from tests.people import acting


@pytest.fixture
def account(installation: Installation) -> Account:
    return installation.link("mastodon")


@pytest.fixture
def owner(installation: Installation) -> Actor:
    return acting(installation.core, installation.owner)


def asking(account: Account, **values: Any) -> NewPost:
    return NewPost(("Fine words",), (account.id,), options={account.platform.value: values})


SPELLED = {"sensitive": "no", "audience": " unlisted", "poll_choices": "Red | Blue", "poll_minutes": "30"}
MEANT = {"audience": "unlisted", "poll_choices": ["Red", "Blue"], "poll_minutes": 30}


def test_a_draft_keeps_what_typed_values_stand_for(installation: Installation, owner: Actor, account: Account) -> None:
    """Compose shows a value as it is kept: the letters of a text would be choices, and each text a yes."""
    kept = drafts.save(installation.core, owner, asking(account, **SPELLED))
    assert drafts.wish_of(kept).options == {"mastodon": MEANT}
    changed = drafts.change(installation.core, owner, kept.id, asking(account, **{**SPELLED, "poll_minutes": 60.0}))
    assert drafts.wish_of(changed).options == {"mastodon": {**MEANT, "poll_minutes": 60}}


def test_a_planned_post_keeps_what_typed_values_stand_for(
    installation: Installation, owner: Actor, account: Account
) -> None:
    made = posts.create(installation.core, owner, asking(account, **SPELLED))
    assert drafts.wish_of(made).options == {"mastodon": MEANT}


def test_the_same_wish_spelled_otherwise_keeps_its_approval(
    installation: Installation, owner: Actor, account: Account
) -> None:
    core, plain = installation.core, NewPost(("Fine words",), (account.id,))
    said = [posts.as_read(core, owner.space, one) for one in (plain, asking(account, sensitive=False), asking(account))]
    assert {review_gate.digest(one) for one in said} == {review_gate.digest(plain)}
    meant, spelled = (posts.as_read(core, owner.space, asking(account, **one)) for one in (MEANT, SPELLED))
    assert review_gate.digest(meant) == review_gate.digest(spelled) != review_gate.digest(plain)


def test_a_proposal_spelled_otherwise_is_the_same_one(
    installation: Installation, owner: Actor, account: Account
) -> None:
    core = installation.core
    first = proposals.propose(core, owner, asking(account, **SPELLED))
    again = proposals.propose(core, owner, asking(account, **MEANT))
    assert first.is_new and not again.is_new and again.post.id == first.post.id


def test_what_asks_for_nothing_on_an_account_takes_back_what_its_platform_asks_for(
    installation: Installation, owner: Actor, account: Account
) -> None:
    asked = {"mastodon": {"audience": "followers"}, str(account.id): {"audience": "public"}}
    made = posts.create(installation.core, owner, NewPost(("Fine words",), (account.id,), options=asked))
    assert drafts.wish_of(made).options == asked
    with installation.core.db.read() as conn:
        (delivery,) = deliveries.of_post(conn, made.id)
    assert delivery.parts[0].options == {}


@pytest.mark.parametrize("target", ["Mastodon", " mastodon", "MASTODON"])
def test_options_under_another_name_of_their_platform_are_refused_and_not_left_out(
    installation: Installation, owner: Actor, account: Account, target: str
) -> None:
    """What only followers should see would go out to everybody."""
    core, before = installation.core, installation.counts()
    new = NewPost(("Fine words",), (account.id,), options={target: {"audience": "followers"}})
    for act in (drafts.save, proposals.propose, posts.create):
        with pytest.raises(BadInput, match="Write 'mastodon' instead of"):
            act(core, owner, new)
    assert installation.counts() == before


def test_words_of_one_account_take_along_only_options_of_its_own(
    installation: Installation, owner: Actor, account: Account
) -> None:
    """The package of another platform may be gone by now."""
    made = posts.create(installation.core, owner, asking(account, audience="unlisted"))
    with installation.core.db.read() as conn:
        (delivery,) = deliveries.of_post(conn, made.id)
    wish = replace(
        drafts.wish_of(made),
        options={"gone": {"a": "b"}, "mastodon": {"audience": "unlisted"}, "999": {"a": "b"}, str(account.id): {}},
    )
    alone = gate.alone(wish, delivery, ("Other words",))
    assert alone.options == {"mastodon": {"audience": "unlisted"}, str(account.id): {}}
    assert gate.passed(installation.core, owner, alone, but=(made.id,)) != []


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_choice_of_a_poll_is_said_before(
    installation: Installation, owner: Actor, account: Account, empty: str
) -> None:
    with pytest.raises(PreflightFailed, match="Write something into each choice"):
        posts.create(installation.core, owner, asking(account, poll_choices=["Red", empty]))


SHARE = "urn:li:share:7141138937766391808"
POST = "https://x.com/ann/status/1890000000000000001"


@pytest.mark.parametrize(
    ("platform", "name", "sent", "shown"),
    [
        ("linkedin", "reshare", "https://www.linkedin.com/posts/ann_words-share-7141138937766391808-xYz1", SHARE),
        ("linkedin", "reshare", f"https://www.linkedin.com/feed/update/{SHARE}/?utm_source=share", SHARE),
        ("linkedin", "reshare", f"https://www.linkedin.com/feed/update/{SHARE}?to=https://a.example/b", SHARE),
        ("x", "quote", f"{POST}/photo/1", "1890000000000000001"),
        ("x", "quote", f"{POST}?s=20&next=/home", "1890000000000000001"),
        ("x", "quote", f"{POST}#m", "1890000000000000001"),
        (
            "bluesky",
            "quote",
            "https://bsky.app/profile/ann.example/post/3l6o/",
            "at://did:plc:a/app.bsky.feed.post/3l6o",
        ),
    ],
)
def test_each_address_of_a_post_is_the_same_post(platform: str, name: str, sent: str, shown: str) -> None:
    asked = AskedFor(described(Platform(platform)).options, {name: sent})
    assert compare(asked, {name: shown}) == ([], [])
    assert len(compare(asked, {name: shown[:-1] + "9"})[0]) == 1, "the control: another post"


@pytest.mark.parametrize(
    ("platform", "values"),
    [
        ("x", {"community": "123\n"}),
        ("x", {"community": "١٢٣"}),
        ("x", {"quote": "١٢٣"}),
        ("instagram", {"place": "١٢٣"}),
        ("instagram", {"collaborators": ["ann\n"]}),
        ("linkedin", {"reshare": "urn:li:share:١٢٣"}),
        ("bluesky", {"languages": [""]}),
    ],
)
def test_what_only_looks_like_an_id_is_said_before(platform: str, values: dict[str, Any]) -> None:
    kind = options.schema(Platform(platform))
    stored = options.parse(kind, values, platform)
    assert list(kind.of(stored).problems(Draft((Part("Words"),)), LIMITS[Platform(platform)]))


@pytest.mark.parametrize("target", ["9" * 6000, "x" * 100_000])
def test_a_refusal_does_not_repeat_all_of_what_it_refuses(target: str) -> None:
    with pytest.raises(BadInput) as refused:
        options.check({target: {}}, [])
    assert len(str(refused.value)) < 300
