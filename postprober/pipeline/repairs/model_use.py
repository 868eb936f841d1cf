"""Which spaces have agreed that their texts may be sent to the language model.

An agreement is an owner's, about one model at one server: where the operator sets up another, it is asked for anew. The
emulated model of sandbox mode needs none, because nothing leaves this machine; a space may turn that off, too.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from postprober.storage import preferences, users
from postprober.storage.database import Database

_NAME = "model:use"  # in preferences, of the space

OFF = (
    "The language model is off for your space, so the built-in rules answered. An owner can turn it on under Settings."
)
CHANGED = (
    "Another language model was set up since an owner agreed, so the built-in rules answered. "
    "An owner can agree again under Settings."
)
NO_SPACE = "The language model was not asked, because no space has agreed to it."


@dataclass(frozen=True)
class Agreement:
    """An owner's word about the model. `by`: the person's id; `at`: ISO 8601 in UTC; `model` and `server`: of the notice that
    they read."""

    on: bool
    pictures: bool
    by: int
    at: str
    model: str
    server: str

    @classmethod
    def from_json(cls, data: Any) -> Agreement | None:
        """None when nothing was chosen."""
        known = data if isinstance(data, dict) else {}
        return cls(**{name: known[name] for name in cls.__dataclass_fields__}) if known else None


@dataclass(frozen=True)
class DbModelUse:
    """`agent.language_model.ModelUse` on our database. `here`: the model is the sandbox's own."""

    db: Database
    model: str
    server: str
    here: bool = False

    def refusal(self, space: int | None) -> str:
        if space is None:
            return NO_SPACE
        with self.db.read() as conn:
            chosen = self.chosen(conn, space)
        if chosen is None:
            return "" if self.here else OFF
        if not chosen.on:
            return OFF
        return "" if self.is_about(chosen) else CHANGED

    def pictures(self, space: int | None) -> bool:
        if space is None:
            return False
        with self.db.read() as conn:
            chosen = self.chosen(conn, space)
        return self.here if chosen is None else chosen.on and chosen.pictures and self.is_about(chosen)

    def is_about(self, chosen: Agreement) -> bool:
        """Whether it was chosen about the model that is set up now."""
        return self.here or (chosen.model, chosen.server) == (self.model, self.server)

    def chosen(self, conn: Connection, space: int) -> Agreement | None:
        """What the space has chosen; None when nobody was asked yet."""
        return Agreement.from_json(preferences.get(conn, space, _NAME))

    def choose(self, conn: Connection, space: int, choice: Agreement) -> None:
        """Note an owner's word."""
        preferences.put(conn, space, _NAME, asdict(choice))

    def spaces(self, conn: Connection) -> int:
        """How many spaces may ask, and so share the budget."""
        known = {space: Agreement.from_json(value) for space, value in preferences.everybodys(conn, _NAME).items()}
        return sum(
            self.here if (chosen := known.get(owner.space)) is None else chosen.on and self.is_about(chosen)
            for owner in users.owners(conn)
        )
