"""Only a platform's own folders name it: what is shared works for every platform, those of packages among them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from postprober.domain.platform import described
from postprober.platforms.registry import OURS

ROOT = Path(__file__).parents[1]
SHARED = ("postprober", "pages", "app.py", "scheduler.py")
READ = frozenset({".py", ".css", ".html", ".toml", ".txt", ".md", ".mako", ".json"})
FOLDERS = [ROOT / "postprober" / part / one.SPEC.platform for one in OURS for part in ("platforms", "sandbox")]
# What may name one, and why.
ALLOWED = (
    "postprober/storage/migrations/",  # they carry the data of earlier versions, in which the platforms were a fixed list
    "postprober/cli/demo.py",  # its accounts and their faults
    "postprober/platforms/registry.py",  # the list of ours
    "postprober/sandbox/registry.py",  # the list of ours
)
ALLOWED_WORDS = {
    "postprober/alerts/channels.py": r'"(?:bluesky|bsky|discord)"',  # services of Apprise, which bring messages
    "postprober/ui/components/alerts/channel_list.py": r"ntfy, Telegram, Matrix",  # services that bring messages
    "postprober/agent/review/secrets.py": r"discord\(\?:app\)\?\\\.com/api/webhooks",  # an address that must not be posted
    "postprober/extras.py": r'"nostr": \("coincurve",\)',  # the name of an extra of pyproject.toml
    "postprober/agent/review/placeholders.py": r"X",  # crosses that stand for figures, as in "XX:XX"
    "postprober/domain/entities.py": r"t\\\.co/",  # a rule of the grammar of links (docs/facts.md, 8)
    "postprober/probe/page.py": r'"twitter:description"',  # the name of a preview tag that all kinds of pages have
    "postprober/probe/link_card.py": r'"twitter:(?:title|description|image(?::src)?)"',
    "postprober/probe/public.py": r'"twitter:title"',
    "postprober/probe/browser_check.py": r'\{"x": 0, "y"',  # a corner of a picture
}


def _words() -> list[str]:
    """Patterns of keys, titles, further names and hosts."""
    found: list[str] = []
    for one in OURS:
        about = described(one.SPEC.platform)
        hosts = {urlsplit(url).hostname or "" for url in (about.api_url, about.auth_url)} - {""}
        hosts |= {".".join(host.split(".")[-2:]) for host in hosts} | {*about.shorteners, *about.media_hosts}
        found += [rf"(?i:(?<![\w.]){re.escape(host)}\b)" for host in hosts]
        for name in {about.platform, about.title, *about.aliases}:
            if len(name) > 1:
                found.append(f"(?i:{name})")
            else:  # `X`, but not in `X-Forwarded-For`, and `"x"`
                found += [rf"(?<![\w.\-\\]){name.upper()}(?![\w-])", rf"[\"']{name.lower()}[\"']"]
    return found


NAMED = re.compile("|".join(sorted(set(_words()))))


def named_in(path: str, text: str) -> Iterator[str]:
    """`path:line: the line` for each line that names a platform."""
    but = ALLOWED_WORDS.get(path)
    for number, line in enumerate(text.splitlines(), 1):
        if NAMED.search(re.sub(but, "", line) if but else line):
            yield f"{path}:{number}: {line.strip()[:120]}"


def _shared_files() -> Iterator[Path]:
    for top in SHARED:
        start = ROOT / top
        for path in [start] if start.is_file() else sorted(start.rglob("*")):
            if path.suffix in READ and "__pycache__" not in path.parts and not any(f in path.parents for f in FOLDERS):
                yield path


def test_nothing_shared_names_a_platform() -> None:
    files = [(path.relative_to(ROOT).as_posix(), path) for path in _shared_files()]
    assert len(files) > 300
    found = [
        one
        for name, path in files
        if not name.startswith(ALLOWED)
        for one in named_in(name, path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "# as Mastodon does",
        "if key == 'x':",
        "X shows it",
        "https://x.com/a",
        "on lnkd.in/a",
        "INSTAGRAM_ID",
        "a tweet on twitter",
    ],
)
def test_the_search_finds_names(line: str) -> None:
    assert list(named_in("postprober/any.py", line))


@pytest.mark.parametrize(
    "line", ["X-Forwarded-For", r"regex.findall(r'\X', text)", "max_x = 3", "a platform of its own"]
)
def test_the_search_finds_nothing_else(line: str) -> None:
    assert not list(named_in("postprober/any.py", line))
