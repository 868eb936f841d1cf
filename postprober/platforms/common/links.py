"""From the link of a post that a person pastes to the platform's own id. Pure; the link itself is never opened.

What is taken out of a link goes into the path of a request later, so only the exact form of an id passes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from postprober.errors import BadInput

MAX_LINK = 5500  # characters; the longest that we make ourselves names ten servers where the post is
NUMBER = re.compile(r"[0-9]{1,25}")


@dataclass(frozen=True)
class PastedLink:
    """`text`: what a person pasted; `parts`: the pieces of its path, none where it is a bare id. `account_id`, `handle`: the
    account that the post has to be on."""

    text: str
    parts: tuple[str, ...]
    account_id: str
    handle: str

    @classmethod
    def read(cls, text: str, *, account_id: str, handle: str) -> PastedLink:
        """Raises BadInput for what is too long to be a link."""
        text = text.strip()
        if len(text) > MAX_LINK:
            raise BadInput("This is too long for the link of a post.", field="link")
        try:
            parts = [unquote(piece) for piece in urlsplit(text).path.split("/") if piece] if "://" in text[:8] else []
        except ValueError:  # brackets that are no address
            parts = []
        return cls(text, tuple(parts), account_id, handle)

    def after(self, word: str) -> str:
        """The piece of the path behind `word`, "" without one."""
        return self.parts[self.parts.index(word) + 1] if word in self.parts[:-1] else ""


def matching(pattern: re.Pattern[str], text: str) -> str:
    """`text` if all of it is what `pattern` says, else ""."""
    return text if pattern.fullmatch(text) else ""
