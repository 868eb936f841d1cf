"""What people have to know of servers of other software (mastodon/facts.md, 10)."""

from __future__ import annotations

from postprober.platforms.common.spec import ServerNote

_READ = "source and documentation, 2026-12-01; not tried"
SERVERS = (
    ServerNote(
        "GoToSocial",
        "text, pictures with descriptions, threads, polls, warnings, deleting",
        "quotes; HTML in a text is refused before; unlisted posts have no page for strangers",
        "text, pictures and descriptions on the page; unlisted posts: their owner only",
        _READ,
    ),
    ServerNote(
        "Hollo",
        "text, pictures with descriptions, threads, polls, warnings, deleting",
        "quotes; texts are always read as Markdown",
        "all, by its open API; marks such as `*` are named as formatting",
        _READ,
    ),
    ServerNote(
        "Akkoma, Pleroma",
        "text, pictures with descriptions, threads, polls, warnings, deleting",
        "quotes; languages of other than two letters",
        "all, by its open API; a server that shows strangers nothing reads as gone",
        _READ,
    ),
    ServerNote(
        "Pixelfed",
        "pictures or a video with descriptions and a caption, warnings, deleting",
        "posts without a file, threads, polls, quotes, languages; `<` before a word is refused before",
        "caption, pictures and descriptions, by the ActivityPub object",
        _READ,
    ),
    ServerNote(
        "snac",
        "text, pictures with descriptions, threads, warnings",
        "polls, quotes, a choice of who can see it (unlisted came out public, so it is refused before), deleting by programs; its list has no pages, so a lost reply on a busy account is left to a person",
        "text, pictures and descriptions, on the page and in the ActivityPub object",
        "tried with 2.75, in every run of `make test-real`",
    ),
)
