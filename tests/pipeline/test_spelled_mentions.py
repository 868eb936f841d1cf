"""`@[Name](urn)` is a mention on LinkedIn and a plain name elsewhere: counted, sent, shown and proved so."""

from __future__ import annotations

import pytest

from postprober.domain.delivery import DeliveryState, Proof
from postprober.domain.mentions import as_names, of_others, spelled
from postprober.domain.platform import Platform
from postprober.domain.post import Draft, Part
from postprober.domain.preflight import check
from postprober.platforms.linkedin.text import escape_little, unescape_little
from postprober.platforms.registry import LIMITS
from postprober.services.posts import posts
from postprober.services.posts.posts import PreflightFailed
from postprober.storage import deliveries
from tests.installed import Installation
from tests.people import acting
from tests.pipeline.test_options import ended, linked

LINKEDIN = Platform("linkedin")
PAGE, PERSON = "@[Acme (Europe) *]{}".format("(urn:li:organization:2414183)"), "@[Ada L.](urn:li:person:a_B-9)"
TEXT = f"Thanks {PAGE} and {PERSON}! #news (all) @[here]"


def test_a_mention_is_sent_with_its_name_escaped_and_read_as_it_was_typed() -> None:
    sent = escape_little(TEXT)
    assert r"@[Acme \(Europe\) \*](urn:li:organization:2414183)" in sent and "@[Ada L.](urn:li:person:a_B-9)" in sent
    assert r"\@\[here\]" in sent and "#news" in sent
    assert unescape_little(sent) == TEXT
    assert as_names(TEXT) == "Thanks Acme (Europe) * and Ada L.! #news (all) @[here]"
    assert [one.target for one in spelled(TEXT, LINKEDIN)] == ["urn:li:organization:2414183", "urn:li:person:a_B-9"]
    assert (
        spelled(TEXT, Platform("x")) == []
        and len(of_others(TEXT, Platform("x"))) == 2 == len(of_others(TEXT, LINKEDIN)) + 2
    )
    assert as_names(TEXT, but=LINKEDIN) == TEXT


def test_a_mention_counts_as_its_name() -> None:
    limits = LIMITS[LINKEDIN]
    assert limits.length("@[Ada](urn:li:person:abc) x") == limits.length("Ada x") == 5
    whole = "@[Ada](urn:li:person:abc)" + "x" * 2997
    assert check(Draft((Part(whole),)), limits).ok
    (over,) = check(Draft((Part(whole + "x"),)), limits).violations
    assert (over.code, over.over) == ("text_too_long", 1)


@pytest.mark.parametrize(
    "wrong",
    [
        "@[Acme](urn:li:company:5)",
        "@[Acme](2414183)",
        "@[Acme](urn:li:organization:acme)",
        "@[Acme]()",
        "@[](urn:li:organization:5)",
        "@[Acme](https://www.linkedin.com/company/acme)",
    ],
)
def test_a_mention_of_nobody_is_said_in_one_sentence(wrong: str) -> None:
    (found,) = check(Draft((Part(f"Thanks {wrong}"),)), LIMITS[LINKEDIN]).violations
    assert found.code == "mention_unreadable" and "urn:li:organization:123" in found.message
    assert check(Draft((Part(f"Thanks {wrong}"),)), LIMITS[Platform("mastodon")]).ok


def test_it_is_proved_by_whom_it_leads_to(installation: Installation) -> None:
    account = linked(installation, "linkedin")
    text = f"{TEXT} {account.account_name}"
    delivery, seen = ended(installation, planned(installation, account.id, text))
    assert (delivery.state, delivery.proof, seen["differences"]) == (DeliveryState.VERIFIED, Proof.MATCHES, [])
    (post,) = installation.sandbox.control.posts("linkedin", account.account_name)
    assert post["text"] == as_names(text), "readers see the names"
    assert "(urn:li:person:a_B-9)" in post["extra"]["body"]["commentary"]


def test_a_mention_that_linkedin_makes_a_plain_name_is_a_difference(installation: Installation) -> None:
    account = linked(installation, "linkedin")
    installation.sandbox.control.fault("linkedin", "mention_dropped", account=account.account_name)
    delivery, seen = ended(installation, planned(installation, account.id, f"{TEXT} {account.account_name}"))
    assert delivery.proof is Proof.PUBLIC
    assert seen["differences"] == ["Acme (Europe) * is not mentioned there.", "Ada L. is not mentioned there."]


@pytest.mark.parametrize("fault", ["cut_after_accept", "late_create"])
def test_it_is_found_again_by_its_words(installation: Installation, fault: str) -> None:
    account = linked(installation, "linkedin")
    params = {"seconds": 0.2} if fault == "late_create" else {}
    installation.sandbox.control.fault("linkedin", fault, operation="create", params=params)
    delivery, seen = ended(installation, planned(installation, account.id, f"{TEXT} {account.account_name}"))
    assert (delivery.state, seen["differences"]) == (DeliveryState.VERIFIED, [])
    assert len(installation.sandbox.control.posts("linkedin", account.account_name)) == 1


@pytest.mark.parametrize("platform", ["bluesky", "mastodon"])
def test_elsewhere_it_is_a_plain_name_and_the_checks_say_so(installation: Installation, platform: str) -> None:
    account = installation.link(platform)
    text = f"Thanks {PERSON} {account.account_name}"
    new = posts.NewPost((text,), (account.id,))
    checked = posts.check(installation.core, acting(installation.core, installation.owner), new)[account.id]
    (note,) = [one for one in checked.notes if one.code == "mention_as_name"]
    assert "Ada L." in note.message and "LinkedIn" in note.message
    assert checked.length == LIMITS[account.platform].length(as_names(text))
    delivery, seen = ended(installation, planned(installation, account.id, text))
    assert (delivery.proof, seen["differences"]) == (Proof.MATCHES, [])
    assert sum(one["text"] == as_names(text) for one in installation.sandbox.control.posts(platform)) == 1


def test_a_wrong_mention_queues_nothing(installation: Installation) -> None:
    account = linked(installation, "linkedin")
    before = installation.counts()
    with pytest.raises(PreflightFailed, match="Write the mention of 'Acme'"):
        planned(installation, account.id, "Thanks @[Acme](urn:li:company:5)")
    assert installation.counts() == before


def planned(inst: Installation, account_id: int, text: str) -> int:
    post = posts.create(inst.core, acting(inst.core, inst.owner), posts.NewPost((text,), (account_id,)))
    with inst.core.db.read() as conn:
        return deliveries.of_post(conn, post.id)[0].id
