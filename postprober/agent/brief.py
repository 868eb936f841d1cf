"""What the agent is told about a post: facts only, no tokens, no database, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from postprober.domain.limits import Limits
from postprober.domain.options import visible_texts
from postprober.domain.platform import Platform, described
from postprober.domain.post import Draft, MediaFile, Part
from postprober.domain.preflight import check

# Violations that a person mends at the files; no text makes them better or worse.
_NOT_OF_TEXT = frozenset({"media_required"})


@dataclass(frozen=True)
class PastPost:
    """An earlier post of the account: when it went out (aware UTC) and what it had reached at 24 hours, so that old and
    young posts are compared alike."""

    published_at: datetime
    reached: int


@dataclass(frozen=True)
class Picture:
    """A file of the post, with the name that the person gave it."""

    file: MediaFile
    name: str


@dataclass(frozen=True)
class Target:
    """One account that the post is for. `texts`: of all parts, as they would go out there. `repeated`: where the same
    went out there lately, as the end of a sentence about it ("": nowhere). `intended`: what people have marked as meant on this account
    (`domain.advice.intended_as`). `options`: what is asked for there, as it is stored (`domain.options`)."""

    account_id: int | None
    platform: Platform
    limits: Limits
    texts: tuple[str, ...]
    past: tuple[PastPost, ...] = ()
    repeated: str = ""
    intended: frozenset[str] = frozenset()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def beside(self) -> tuple[str, ...]:
        """What readers see beside the texts: a warning, the choices of a poll."""
        return visible_texts(described(self.platform).options, self.options)

    def fits(self, texts: Sequence[str], files: Sequence[MediaFile], language: str = "") -> bool:
        """Whether the platform would take these texts with these files, or with what the post lacks as it is: a draft may
        get its picture later."""
        refused = self._refused(texts, files, language)
        return not refused or refused <= (self._refused(self.texts, files, language) & _NOT_OF_TEXT)

    def _refused(self, texts: Sequence[str], files: Sequence[MediaFile], language: str) -> frozenset[str]:
        parts = tuple(Part(text, tuple(files) if index == 0 else ()) for index, text in enumerate(texts))
        return frozenset(found.code for found in check(Draft(parts, language, self.options), self.limits).violations)


@dataclass(frozen=True)
class Brief:
    """`zone`: IANA time zone of the person; `now`: aware UTC; `card`: what readers see on the cards of its links, whoever wrote it."""

    targets: tuple[Target, ...]
    pictures: tuple[Picture, ...]
    now: datetime
    zone: str = "UTC"
    language: str = ""
    card: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[MediaFile, ...]:
        return tuple(picture.file for picture in self.pictures)

    @property
    def texts(self) -> tuple[str, ...]:
        """Every different text of the post, in order."""
        return tuple(dict.fromkeys(text for target in self.targets for text in target.texts))

    @property
    def beside(self) -> tuple[str, ...]:
        """Every different text that readers see beside those."""
        return tuple(dict.fromkeys(text for target in self.targets for text in target.beside))
