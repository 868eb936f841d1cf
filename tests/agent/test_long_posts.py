"""Long posts in sixteen languages: no suggestion loses what must survive, none cuts what must stay whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postprober.domain.splitting import split_thread
from postprober.domain.text import weighted_length
from tests.agent.agent_kit import SHARES
from tests.agent.long_posts import LongPost, corpus, cut, lost, made_for, rates

POSTS = corpus()


def test_no_suggestion_for_a_long_post_loses_or_cuts_anything() -> None:
    found = rates(POSTS)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(found.kinds.items()))
    SHARES.append(f"long posts: {found.posts}, {kinds}; {len(found.lost)} losses, {len(found.cut)} cuts")
    assert (found.lost, found.cut) == ([], [])
    assert found.helped == found.long > 200, "every post that is too long gets a thread where there are threads"


def test_the_corpus_is_as_large_and_as_mixed_as_it_says() -> None:
    assert len(POSTS) >= 100 and len({post.id for post in POSTS}) == len(POSTS)
    assert {"en", "de", "fr", "es", "it", "pt", "nl", "pl", "tr", "ru", "ar", "he", "ja", "zh"} <= {
        p.language for p in POSTS
    }
    for post in POSTS:
        assert post.must_survive and all(piece in post.text for piece in post.must_survive), post.id
        assert post.no_cut_inside and all(piece in post.text for piece in post.no_cut_inside), post.id


def test_a_loss_and_a_cut_would_be_seen() -> None:
    """The control."""
    post = next(post for post in POSTS if post.id == "en-01")
    made = made_for(post)[0]
    assert lost(post, made) == cut(post, made) == []
    assert lost(post, replace(made, after=made.after[1:])) != []
    halves = tuple(
        half for text in made.after for half in (text[: text.find("Prof.") + 5], text[text.find("Prof.") + 5 :])
    )
    assert cut(post, replace(made, after=halves)) == ["Prof. Mary Whitcombe"]


def test_at_limits_that_no_platform_has_few_of_the_posts_of_somebody_else_are_cut() -> None:
    """Their `no_cut_inside` has pairs of whole sentences, too, which no limit is promised to keep together."""
    cut_ones = {
        post.id
        for post in POSTS
        if post.set == "blind"
        for limit in range(140, 420, 35)
        for parts in [split_thread(post.text, weighted_length, limit, gently=True)]
        if any(not any(piece in part for part in parts) for piece in post.no_cut_inside)
    }
    assert len(cut_ones) <= 3, cut_ones


@pytest.mark.parametrize("post", [post for post in POSTS if post.set != "blind"], ids=lambda post: post.id)
def test_however_long_a_part_may_be_nothing_that_must_stay_whole_is_cut(post: LongPost) -> None:
    for limit in range(140, 420, 35):
        parts = split_thread(post.text, weighted_length, limit, gently=True)
        assert "".join("".join(parts).split()) == "".join(post.text.split())
        assert [piece for piece in post.no_cut_inside if not any(piece in part for part in parts)] == [], limit
