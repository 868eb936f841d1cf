"""A document goes out over HTTP and is proved, with its title; whatever becomes of the replies, there is one post."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from postprober.domain.delivery import DeliveryState, Proof
from postprober.domain.options import AskedFor
from postprober.domain.platform import described
from postprober.domain.remote import RemoteMedia, RemotePost
from postprober.pipeline.core.files import file_of
from postprober.probe.compare import compare
from postprober.services.media import media
from postprober.services.posts import posts
from postprober.services.posts.posts import PreflightFailed
from postprober.storage import deliveries
from tests.installed import Installation
from tests.people import acting
from tests.pipeline.test_options import ended, linked
from tests.platforms.document_kit import docx, pdf, pptx

S = DeliveryState


def planned(inst: Installation, name: str, content: bytes, options: Mapping[str, Any] | None = None) -> tuple[int, str]:
    account, actor = linked(inst, "linkedin"), acting(inst.core, inst.owner)
    media_id = media.add_bytes(inst.core, actor, name, content)
    text = f"Our document, {account.account_name}"
    asked = {"linkedin": options} if options else {}
    post = posts.create(inst.core, actor, posts.NewPost((text,), (account.id,), (media_id,), options=asked))
    with inst.core.db.read() as conn:
        return deliveries.of_post(conn, post.id)[0].id, text


def there(inst: Installation, text: str) -> list[dict[str, Any]]:
    return [one for one in inst.sandbox.control.posts("linkedin") if one["text"] == text]


@pytest.mark.parametrize(
    ("name", "content", "options", "title"),
    [
        ("plan of 2027.pdf", pdf(3), {}, "plan of 2027"),
        ("x.pdf", pdf(12), {"document_title": "Where we go (and how)"}, "Where we go (and how)"),
        ("talk.pptx", pptx(5), {}, "talk"),
        ("letter.docx", docx(), {}, "letter"),
    ],
)
def test_a_document_goes_out_with_its_title_and_is_proved(
    installation: Installation, name: str, content: bytes, options: dict[str, Any], title: str
) -> None:
    delivery_id, text = planned(installation, name, content, options)
    delivery, seen = ended(installation, delivery_id)
    assert (delivery.state, delivery.proof, seen["differences"]) == (S.VERIFIED, Proof.MATCHES, [])
    (post,) = there(installation, text)
    (shown,) = post["media"]
    assert (shown["kind"], shown["title"]) == ("document", title)


def test_a_document_that_a_platform_leaves_out_is_a_difference(installation: Installation) -> None:
    installation.sandbox.control.fault("linkedin", "dropped_fields", params={"fields": ["content"]})
    delivery_id, _ = planned(installation, "plan.pdf", pdf())
    delivery, seen = ended(installation, delivery_id)
    assert delivery.proof is Proof.PUBLIC and any("0 media are shown" in one for one in seen["differences"]), seen


def test_another_title_is_a_difference(installation: Installation) -> None:
    delivery_id, _ = planned(installation, "plan.pdf", pdf())
    delivery, _ = ended(installation, delivery_id)
    record = media.get(installation.core, acting(installation.core, installation.owner), delivery.parts[0].media[0])
    file = file_of(record, Path("/"))
    asked = AskedFor(described(delivery.platform).options)
    read = RemotePost(
        delivery.parts[0].ref or pytest.fail("it has no id"), "x", None, media=(RemoteMedia("document", title="plan"),)
    )
    assert compare("x", (file,), read, asked=asked).differences == ()
    other = replace(read, media=(RemoteMedia("document", title="another"),))
    assert "another" in compare("x", (file,), other, asked=asked).differences[0]
    picture = replace(read, media=(RemoteMedia("image"),))
    assert "was sent as document" in compare("x", (file,), picture, asked=asked).differences[0]


@pytest.mark.parametrize("fault", ["cut_after_accept", "error_after_accept", "late_create"])
def test_one_post_whatever_becomes_of_the_reply(installation: Installation, fault: str) -> None:
    params = {"seconds": 0.2} if fault == "late_create" else {}
    installation.sandbox.control.fault("linkedin", fault, operation="create", params=params)
    delivery_id, text = planned(installation, "plan.pdf", pdf())
    delivery, seen = ended(installation, delivery_id)
    assert (delivery.state, delivery.proof, seen["differences"]) == (S.VERIFIED, Proof.MATCHES, [])
    assert len(there(installation, text)) == 1


def test_a_document_is_refused_before_anything_is_queued(installation: Installation) -> None:
    inst, actor = installation, acting(installation.core, installation.owner)
    media_id = media.add_bytes(inst.core, actor, "long.pdf", pdf(301))
    before = inst.counts()
    for platform, message in (("linkedin", "Remove 1 page from the file"), ("bluesky", "not posted on Bluesky")):
        account = linked(inst, platform)
        before = inst.counts()
        with pytest.raises(PreflightFailed) as caught:
            posts.create(inst.core, actor, posts.NewPost(("too long",), (account.id,), (media_id,)))
        assert message in caught.value.message
        assert inst.counts() == before
