"""What a post may ask of a platform beside its words and files: who sees it, who may answer, a warning, a poll.

Each platform's folder declares its options as one class (`Description.options`). Everything else is drawn from it: Compose,
REST, the command line and tables take what it names, preflight checks it, the delivery stores it, and the proof compares
what is shown with it. Values are JSON; an option at its default is not stored.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Self, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from postprober.domain import crops
from postprober.domain.post import PreflightNote, Violation
from postprober.domain.text import graphemes, normalise
from postprober.errors import BadInput

if TYPE_CHECKING:
    from datetime import timedelta

    from postprober.domain.limits import Limits, PollRule
    from postprober.domain.post import Draft, MediaFile

Kind = Literal["yes or no", "choice", "text", "link", "texts", "crops", "number", "minutes"]
Given = Mapping[str, Mapping[str, Any]]  # what a post asks for: platform or account id -> option -> value
NONE: Given = MappingProxyType({})
MOST_TEXTS = 20  # ours: no platform's poll or list of people is longer
_ALLOWED_CONTROLS = "\n\r\t"
_LISTS = ("texts", "crops")
_SEPARATOR = "|"  # between several texts where a value is typed as one line


class PostOptions(BaseModel):
    """The options of one platform; a platform without any uses this class itself. Every field has a default, which asks for
    nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    def problems(self, draft: Draft, limits: Limits) -> Iterator[Violation | PreflightNote]:
        """What of it the platform would refuse in this draft, or for this account; and what a person should know."""
        yield from ()

    def limits(self, usual: Limits) -> Limits:
        """What holds for a post that asks for these."""
        return usual

    def posted(self, files: tuple[MediaFile, ...]) -> tuple[MediaFile, ...]:
        """Those of the files that readers see as media of the post."""
        return files

    def shown_text(self, text: str) -> str:
        """What readers see of the text."""
        return text

    @classmethod
    def without_file(cls, stored: Mapping[str, Any], place: int) -> dict[str, Any]:
        """What is left of the wishes once the file at `place` is gone: those for later files move up with them."""
        return dict(stored)

    @property
    def lasts(self) -> timedelta | None:
        """How long the platform shows a post like this; None: until somebody removes it."""
        return None

    @property
    def is_public(self) -> bool:
        """Whether a stranger can see a post like this."""
        return True

    @property
    def may_be_hidden(self) -> bool:
        """Whether some servers show strangers no post like this, which they then tell its owner (`RemotePost.public`)."""
        return False

    @property
    def leaves_room_for_card(self) -> bool:
        """Whether the card of a link can go out beside what these ask for."""
        return True

    def title_of(self, file: MediaFile) -> str:
        """The title that is shown with a document, "" where none is."""
        return ""

    @classmethod
    def link_id(cls, link: str) -> str:
        """What of the link of a post is the same in each of its addresses."""
        return link.rstrip("/").rpartition("/")[2].partition("?")[0]

    @classmethod
    def alike(cls, name: str, sent: Any, shown: Any) -> bool:
        """Whether `shown` is what was sent for the option `name`, written as the platform writes it."""
        return False

    @classmethod
    def unread(cls, name: str, shown: Mapping[str, Any]) -> str:
        """Why the option `name` cannot be proved. `shown`: all that readers were told."""
        return "nobody can read it there, so it is not proved"

    def stored(self) -> dict[str, Any]:
        """What differs from the defaults, as JSON."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """What was stored, without what is `unreadable`."""
        left = cls.unreadable(stored)
        return cls.model_validate({name: value for name, value in stored.items() if name not in left})

    @classmethod
    def unreadable(cls, stored: Mapping[str, Any]) -> list[str]:
        """Names of what was stored and means nothing here: another version of the platform's package wrote it. Nothing may be
        sent without it, because a post that only some people should see would be seen by all."""
        try:
            cls.model_validate(dict(stored))
        except ValidationError as error:
            return sorted({str(one["loc"][0]) for one in error.errors() if one["loc"]})
        return []


class PictureOptions(PostOptions):
    """Those of every platform that takes pictures."""

    crop: tuple[str, ...] = Field(
        (),
        title="Crop",
        description="What of a picture goes out: 1: square, 1: 4:5, or 1: left,top,right,bottom from 0 to 1.",
        json_schema_extra={"option": {"kind": "crops", "each": 60, "first_only": True, "form": "crop of a picture"}},
    )

    @classmethod
    def without_file(cls, stored: Mapping[str, Any], place: int) -> dict[str, Any]:
        left = dict(stored)
        if isinstance(entries := left.get(crops.OPTION), list | tuple):
            left[crops.OPTION] = crops.without(entries, place)
        return left


def option(
    default: Any,
    title: str,
    hint: str = "",
    *,
    choices: Mapping[str, str] | None = None,
    most: int | None = None,
    each: int | None = None,
    least: int | None = None,
    kind: Kind | None = None,
    visible: bool = False,
    first_only: bool = False,
    account_decides: bool = False,
    form: str = "",
    needs: str = "",
) -> Any:
    """A field of a platform's options. `title`, `hint`: for a person; `choices`: value -> what a person reads; `most`, `least`: the largest
    and the smallest number, or the most characters of a text (of each of several: `each`); `visible`: readers see these words,
    so they are reviewed like the post's own; `first_only`: it is said once, with the first part of a thread;
    `account_decides`: an account may do it by its own settings, so that it is no difference where it was not asked for;
    `form`, `needs`: its row in the table of docs/platforms.md, and what an account or app needs for it."""
    told: Any = {
        "choices": dict(choices or {}),
        "most": most,
        "least": least,
        "each": each,
        "kind": kind,
        "visible": visible,
        "first_only": first_only,
        "account_decides": account_decides,
        "form": form,
        "needs": needs,
    }
    return Field(default, title=title, description=hint, json_schema_extra={"option": told})


@dataclass(frozen=True)
class OptionField:
    """One option as it is drawn and documented; see `option`. `default` as JSON."""

    name: str
    title: str
    hint: str
    kind: Kind
    default: Any
    choices: Mapping[str, str]
    most: int | None = None
    least: int | None = None
    each: int | None = None
    visible: bool = False
    first_only: bool = False
    account_decides: bool = False
    form: str = ""
    needs: str = ""

    def shown(self, value: Any) -> str:
        """A value in words."""
        if self.kind == "yes or no":
            return "yes" if value else "no"
        if self.kind == "minutes":
            return lasting(int(value))
        if self.kind in _LISTS:
            return ", ".join(map(str, value)) or "none"
        return self.choices.get(str(value), str(value)) or "none"


def lasting(minutes: int) -> str:
    """`1 day 2 hours`"""
    rest, told = minutes, []
    for word, size in (("day", 1440), ("hour", 60), ("minute", 1)):
        count, rest = divmod(rest, size)
        if count:
            told.append(f"{count} {word}" + ("s" if count > 1 else ""))
    return " ".join(told) or "0 minutes"


def fields_of(options: type[PostOptions]) -> tuple[OptionField, ...]:
    """The options of a platform, in their order; those that all platforms share come last."""
    found = [_field(name, info) for name, info in options.model_fields.items()]
    return tuple(sorted(found, key=lambda one: one.name in PictureOptions.model_fields))


def _field(name: str, info: FieldInfo) -> OptionField:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    told: Any = extra.get("option") or {}
    default = list(info.default) if isinstance(info.default, tuple) else info.default
    return OptionField(
        name,
        info.title or name,
        info.description or "",
        told.get("kind") or _kind(info.annotation),
        default,
        told.get("choices") or {},
        told.get("most"),
        told.get("least"),
        told.get("each"),
        bool(told.get("visible")),
        bool(told.get("first_only")),
        bool(told.get("account_decides")),
        told.get("form") or "",
        told.get("needs") or "",
    )


def _kind(annotation: Any) -> Kind:
    if annotation is bool:
        return "yes or no"
    if annotation is int:
        return "number"
    if get_origin(annotation) is tuple:
        return "texts"
    return "choice" if get_origin(annotation) is Literal else "text"


def parse(options: type[PostOptions], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What is to be stored of the values that somebody gave. Text that stands for another kind of value ("yes", "30", "a|b") is read
    as that. `where`: whose options these are, for the sentence. Raises BadInput."""
    fields = {one.name: one for one in fields_of(options)}
    for name in given:
        if name not in fields:
            raise BadInput(_unknown(name, where, fields), field="options")
    ready = {name: _as_kind(value, fields[name]) for name, value in given.items()}
    try:
        made = options.model_validate(ready)
    except ValidationError as error:
        raise BadInput(_wrong(dict(error.errors()[0]), where, fields), field="options") from None
    for name, one in fields.items():
        if problem := _unusable(getattr(made, name), one):
            raise BadInput(f"{where}: {one.title} ({name}) {problem}", field="options")
    return made.stored()


def read(options: type[PostOptions], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The same with the values that ask for nothing, where somebody gave them: they may take back what was given for the
    platform."""
    stored = parse(options, given, where)
    defaults = {one.name: one.default for one in fields_of(options)}
    return {name: stored.get(name, defaults[name]) for name in given}


def _unknown(name: str, where: str, fields: Mapping[str, OptionField]) -> str:
    if not fields:
        return f"{where} has no options; leave out {str(name)[:60]!r}."
    return f"{where} has no option {str(name)[:60]!r}; it has {', '.join(fields)}."


def _as_kind(value: Any, one: OptionField) -> Any:
    if one.kind in _LISTS and isinstance(value, str):
        return tuple(piece.strip() for piece in value.split(_SEPARATOR) if piece.strip())
    if one.kind in ("number", "minutes") and isinstance(value, float) and not value.is_integer():
        return str(value)  # said as what was given, and refused
    return value.strip() if isinstance(value, str) and one.kind != "text" else value


def _wrong(error: Mapping[str, Any], where: str, fields: Mapping[str, OptionField]) -> str:
    one = fields.get(str(error["loc"][0])) if error["loc"] else None
    if one is None:
        return f"{where}: these options cannot be read; give names and values."
    if one.kind == "choice":
        allowed = get_choices(one)
        return f"{where}: {one.title} ({one.name}) is one of {', '.join(allowed)}."
    takes = {
        "yes or no": "yes or no",
        "number": "a whole number",
        "minutes": "a whole number of minutes",
        "texts": f"texts (divided by {_SEPARATOR} on one line)",
        "crops": f"texts such as 1: square (divided by {_SEPARATOR} on one line)",
    }
    return f"{where}: {one.title} ({one.name}) takes {takes.get(one.kind, 'a text')}."


def get_choices(one: OptionField) -> list[str]:
    """The values that may be chosen; an empty one, which asks for nothing, is called none."""
    return [value or "none" for value in one.choices]


def _unusable(value: Any, one: OptionField) -> str:
    """What is wrong with a value of the right kind, "" when nothing is."""
    texts = value if isinstance(value, tuple) else (value,) if isinstance(value, str) else ()
    if any(_controls(text) for text in texts):
        return "has invisible control characters; remove them."
    if isinstance(value, tuple):
        if len(value) > (one.most or MOST_TEXTS):
            return f"has {len(value)} entries; at most {one.most or MOST_TEXTS} are allowed."
        if one.each and (longest := max(map(len, value), default=0)) > one.each:
            return f"has an entry of {longest} characters; at most {one.each} are allowed."
    elif isinstance(value, str) and one.most and len(value) > one.most:
        return f"has {len(value):,} characters; at most {one.most:,} are allowed."
    elif isinstance(value, int) and not isinstance(value, bool):
        if one.least is not None and value < one.least:
            return f"is {value:,}; the least is {one.least:,}."
        if one.most is not None and value > one.most:
            return f"is {value:,}; the most is {one.most:,}."
    return ""


def _controls(text: str) -> bool:
    return any(unicodedata.category(char) in ("Cc", "Cs") and char not in _ALLOWED_CONTROLS for char in text)


def visible_texts(options: type[PostOptions], stored: Mapping[str, Any]) -> tuple[str, ...]:
    """The words of it that readers see."""
    found: list[str] = []
    for one in fields_of(options):
        if one.visible and (value := stored.get(one.name)):
            found.extend([value] if isinstance(value, str) else value)
    return tuple(found)


def for_part(options: type[PostOptions], stored: Mapping[str, Any], index: int) -> dict[str, Any]:
    """What of it goes with the part `index` of a thread."""
    later = {one.name for one in fields_of(options) if not one.first_only}
    return {name: value for name, value in stored.items() if index == 0 or name in later}


@dataclass(frozen=True)
class AskedFor:
    """What was asked for with one part: the platform's options, and what of them is stored. `index`: of the part."""

    options: type[PostOptions] = PostOptions
    stored: Mapping[str, Any] = field(default_factory=dict)
    index: int = 0


NOTHING_ASKED = AskedFor()


def compare(asked: AskedFor, *readings: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """(differences, notes) between what was asked for and what is shown. `readings`: what each reader was told, by option; an
    earlier one wins. What was asked for and nobody can tell is a note."""
    options, stored = asked.options, asked.stored
    wanted = options.of(stored).model_dump(mode="json")
    shown = {name: value for reading in reversed(readings) for name, value in reading.items()}
    differences: list[str] = []
    notes: list[str] = []
    for one in fields_of(options):
        if (one.first_only and asked.index) or (one.account_decides and one.name not in stored):
            continue
        if one.name not in shown:
            if one.name in stored:
                notes.append(f"{one.title}: {options.unread(one.name, shown)}.")
        elif not _same(wanted[one.name], shown[one.name], one, options):
            differences.append(
                f"{one.title} is shown as {_quoted(one, shown[one.name])} and was sent as {_quoted(one, wanted[one.name])}."
            )
    return differences, notes


def _same(sent: Any, shown: Any, one: OptionField, options: type[PostOptions]) -> bool:
    if options.alike(one.name, sent, shown):
        return True
    if one.kind in _LISTS:
        return [normalise(str(text)) for text in sent] == [normalise(str(text)) for text in shown]
    if one.kind == "link":
        return options.link_id(str(sent)) == options.link_id(str(shown))
    if isinstance(sent, str):
        return normalise(sent) == normalise(str(shown))
    return bool(sent == shown)


def _quoted(one: OptionField, value: Any) -> str:
    return f"“{one.shown(value)[:80]}”"


def poll_problems(rule: PollRule, name: str, choices: tuple[str, ...], minutes: int) -> Iterator[Violation]:
    """What a platform called `name` would refuse of a poll."""
    if not rule.least_choices <= len(choices) <= rule.most_choices:
        message = f"Give the poll {rule.least_choices} to {rule.most_choices} choices; this one has {len(choices)}."
        yield Violation("poll_choices", message, max(0, len(choices) - rule.most_choices))
    if len({normalise(text) for text in choices}) < len(choices):
        yield Violation("poll_choices_alike", "Make the choices of the poll different from each other.")
    if not all(normalise(text).strip() for text in choices):
        yield Violation(
            "poll_choice_empty", "Write something into each choice of the poll, or leave the empty one out."
        )
    longest = max(map(graphemes, choices), default=0)
    if longest > rule.most_characters:
        over = longest - rule.most_characters
        message = f"Shorten the poll's longest choice by {over}: {name} allows {rule.most_characters} characters."
        yield Violation("poll_choice_too_long", message, over)
    if not rule.least_minutes <= minutes <= rule.most_minutes:
        message = f"Let the poll run for {rule.least_minutes:,} to {rule.most_minutes:,} minutes; this one runs for {minutes:,}."
        yield Violation("poll_minutes", message, max(0, minutes - rule.most_minutes))
