"""What the rules' suggestions do to long posts: `python -m tests.agent.long_posts` prints it for the corpus.

A post of `corpus/long.jsonl` has `must_survive` (pieces that every suggestion must still have) and `no_cut_inside` (pieces
that must stand in one part). `set`: `first` was written before the rules were changed, `second` after it, `kept` was measured
once, when they were done, `blind` was written by somebody who had not seen them.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from postprober.agent import suggest
from postprober.agent.brief import Brief, Target
from postprober.agent.rewrite import fits
from postprober.domain.advice import Suggestion
from postprober.domain.platform import known
from postprober.platforms.registry import LIMITS
from tests.agent.agent_kit import NOW, picture

CORPUS = Path(__file__).parent / "corpus" / "long.jsonl"


@dataclass(frozen=True)
class LongPost:
    """One post of the corpus."""

    id: str
    set: str
    language: str
    kind: str
    text: str
    must_survive: tuple[str, ...]
    no_cut_inside: tuple[str, ...]


@dataclass
class Rates:
    """What happened to some posts. `lost`, `cut`: one line each; `helped` of `long`: how often a way was found where a
    platform takes threads and the post is too long for it."""

    posts: int = 0
    long: int = 0
    helped: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)


def corpus() -> list[LongPost]:
    """The posts, in the order of the file."""
    rows = (json.loads(line) for line in CORPUS.read_text("utf-8").splitlines())
    return [
        LongPost(**{**row, "must_survive": tuple(row["must_survive"]), "no_cut_inside": tuple(row["no_cut_inside"])})
        for row in rows
    ]


def made_for(post: LongPost) -> list[Suggestion]:
    """What the rules suggest for the post on every platform, with a picture so that none wants one first."""
    targets = tuple(Target(None, platform, LIMITS[platform], (post.text,)) for platform in known())
    brief = Brief(targets, (picture(alt="A picture"),), NOW, "UTC", post.language)
    return [s for s in suggest.suggestions(brief) if s.after]


def squeezed(text: str) -> str:
    """`text` without blanks: where two parts meet, one may have been left out."""
    return "".join(text.split())


def lost(post: LongPost, made: Suggestion) -> list[str]:
    """The pieces that the suggestion has lost."""
    whole = squeezed("\n".join(made.after))
    return [piece for piece in post.must_survive if squeezed(piece) not in whole]


def cut(post: LongPost, made: Suggestion) -> list[str]:
    """The pieces that no single part has whole any more."""
    return [piece for piece in post.no_cut_inside if not any(piece in part for part in made.after)]


def rates(posts: list[LongPost]) -> Rates:
    """The suggestions for `posts`, counted."""
    found = Rates(len(posts))
    for post in posts:
        suggested = made_for(post)
        long = [p for p in known() if LIMITS[p].threads and not fits(post.text, LIMITS[p].of_part(with_media=True))]
        found.long += len(long)
        found.helped += sum(any(s.platform == p and s.kind == "thread" for s in suggested) for p in long)
        for made in suggested:
            found.kinds[made.kind] += 1
            told = f"{post.id} {made.platform} {made.kind}"
            found.lost += [f"{told}: {piece!r}" for piece in lost(post, made)]
            found.cut += [f"{told}: {piece!r}" for piece in cut(post, made)]
    return found


def main() -> None:
    """Print the rates of every set and language, and what was lost or cut."""
    posts = [post for post in corpus() if post.set in sys.argv[1:] or len(sys.argv) == 1]
    for name, of in (("set", lambda post: post.set), ("language", lambda post: post.language)):
        for value in dict.fromkeys(map(of, posts)):
            got = rates([post for post in posts if of(post) == value])
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(got.kinds.items()))
            print(
                f"{name} {value}: {got.posts} posts, {kinds or 'no suggestion'}; {got.helped} of {got.long} too long get a thread; {len(got.lost)} lost, {len(got.cut)} cut"
            )
    everything = rates(posts)
    print("\n".join([*everything.lost, *everything.cut][:200]))


if __name__ == "__main__":
    main()
