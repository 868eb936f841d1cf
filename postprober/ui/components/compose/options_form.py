"""What a post asks of each platform beside its words, drawn from what the platform's folder declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from postprober.domain.options import Kind, OptionField, fields_of, lasting
from postprober.domain.platform import NAMES, Platform, described
from postprober.services.posts.options import in_words
from postprober.storage.records import Account, MediaRecord
from postprober.ui.components.compose import crop_form
from postprober.ui.components.compose.draft import ComposerDraft
from postprober.ui.guard import Visit
from postprober.ui.words import plain

_MINUTES = (5, 15, 30, 60, 180, 360, 720, 1440, 2880, 4320, 10_080, 20_160, 43_200)  # that are offered


def draw(visit: Visit, draft: ComposerDraft, linked: list[Account], chosen: tuple[int, ...]) -> None:
    """A group for each chosen platform that has options; open where some are set."""
    there = [a for a in linked if a.id in chosen]
    pictures = crop_form.pictures(visit, draft)
    for platform in dict.fromkeys(a.platform for a in there):
        told = draft.options.get(platform.value, {})
        fields = [
            one
            for one in fields_of(described(platform).options)
            if one.kind != "crops" or pictures or told.get(one.name)
        ]
        if fields:
            apart = [a for a in there if a.platform is platform and str(a.id) in draft.options]
            _group(visit, draft, platform, fields, apart, pictures)


def _group(
    visit: Visit,
    draft: ComposerDraft,
    platform: Platform,
    fields: list[OptionField],
    apart: list[Account],
    pictures: list[tuple[int, MediaRecord]],
) -> None:
    """`apart`: accounts for which a program asked for something else than for their platform."""
    told = draft.options.get(platform.value, {})
    used = bool(apart) or any(one.name in told for one in fields)
    title = f"Options for {NAMES[platform]}"
    with st.expander(title, key=draft.name(f"options-{platform.value}"), type="compact", expanded=used):
        given: dict[str, Any] = {}
        for one in fields:
            value = told.get(one.name, one.default)
            if one.kind == "crops":
                key = draft.name(f"option-{platform.value}-{one.name}-{draft.moved}")
                given[one.name] = crop_form.draw(visit, pictures, list(value), key)
            else:
                given[one.name] = _field(draft, platform, one, value)
        for account in apart:
            _own(draft, account)
    kept = {one.name: given[one.name] for one in fields if given[one.name] != one.default}
    # A name that this page does not know (another version wrote it) stays as it is.
    kept |= {name: value for name, value in told.items() if name not in given}
    if kept:
        draft.options[platform.value] = kept
    else:
        draft.options.pop(platform.value, None)


def _own(draft: ComposerDraft, account: Account) -> None:
    """What holds on one account whatever the fields say."""
    told = "; ".join(f"{title}: {value}" for title, value in in_words(account, draft.options)) or "nothing is asked for"
    st.caption(plain(f"Only on {account.account_name}: {told}."))
    if st.button(
        f"Use these options on {plain(account.account_name)}, too", key=draft.name(f"options-own-{account.id}")
    ):
        draft.options.pop(str(account.id), None)
        st.rerun()


def _field(draft: ComposerDraft, platform: Platform, one: OptionField, value: Any) -> Any:
    key = draft.name(f"option-{platform.value}-{one.name}-{draft.moved}")
    return _WIDGETS[one.kind](one, value, {"key": key, "help": plain(one.hint) or None})


def _yes_or_no(one: OptionField, value: Any, how: Mapping[str, Any]) -> bool:
    return bool(st.checkbox(one.title, value=bool(value), **how))


def _choice(one: OptionField, value: Any, how: Mapping[str, Any]) -> str:
    names = list(one.choices)
    index = names.index(value) if value in names else 0
    chosen = st.selectbox(one.title, names, index=index, format_func=lambda name: one.choices.get(name, name), **how)
    return str(chosen)


def _text(one: OptionField, value: Any, how: Mapping[str, Any]) -> str:
    return (st.text_input(one.title, value=value, max_chars=one.most, **how) or "").strip()


def _texts(one: OptionField, value: Any, how: Mapping[str, Any]) -> list[str]:
    typed = st.text_area(f"{one.title} (one per line)", value="\n".join(value), height=100, **how) or ""
    return [line.strip() for line in typed.splitlines() if line.strip()]


def _number(one: OptionField, value: Any, how: Mapping[str, Any]) -> int:
    # What was stored by another way may lie outside; it is shown as it is, and the checks say what is wrong with it.
    least, most = min(one.least or 0, value), max(one.most or 10_000_000, value)
    return int(st.number_input(one.title, least, most, value, **how))


def _minutes(one: OptionField, value: Any, how: Mapping[str, Any]) -> int:
    offered = sorted({m for m in _MINUTES if (one.least or 0) <= m <= (one.most or m)} | {value})
    return int(st.selectbox(one.title, offered, index=offered.index(value), format_func=lasting, **how) or value)


_WIDGETS: dict[Kind, Callable[[OptionField, Any, Mapping[str, Any]], Any]] = {
    "yes or no": _yes_or_no,
    "choice": _choice,
    "text": _text,
    "link": _text,
    "texts": _texts,
    "crops": _texts,
    "number": _number,
    "minutes": _minutes,
}
