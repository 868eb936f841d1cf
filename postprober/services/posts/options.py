"""What a post asks of single platforms beside its words and files: read, and made one for each account."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from postprober.domain.options import Given, PostOptions, fields_of, parse, read
from postprober.domain.platform import NAMES, Platform, described, parse_platform
from postprober.errors import BadInput
from postprober.services.core import Core
from postprober.storage import accounts
from postprober.storage.records import Account

MOST_TYPED = 1000  # ours: more options than all platforms have together


def stored_for(account: Account, given: Given) -> dict[str, Any]:
    """What of it holds on one account: what was given for its platform, and over that what was given for itself. As it is
    stored. Raises BadInput."""
    mine = {**given.get(account.platform.value, {}), **given.get(str(account.id), {})}
    return parse(schema(account.platform), mine, NAMES[account.platform]) if mine else {}


def as_read(core: Core, space: int, given: Given, chosen: Collection[int]) -> Given:
    """The same as it is kept: each value as what it stands for, and without what asks for nothing. So whoever opens the post again
    finds no words where a choice belongs, and the same wish spelled otherwise is no other one. `chosen`: ids of the post's
    accounts; what cannot be read, or is for nobody of them, stays for `check` to refuse."""
    if not given:
        return given
    with core.db.read() as conn:
        there = {str(one.id): one.platform for one in accounts.of_user(conn, space)}
    mine = {str(one) for one in chosen} & there.keys()
    used = mine | {there[one].value for one in mine}
    found: dict[str, dict[str, Any]] = {}
    for target, values in given.items():
        try:
            platform = there[target] if target in there else parse_platform(target)
            # What asks for nothing on one account takes back what is asked for on its platform.
            kept = (read if target in there else parse)(schema(platform), values, NAMES[platform])
        except BadInput:
            kept = dict(values)
        if kept or target not in used:
            found[target] = kept
    return found


def schema(platform: Platform) -> type[PostOptions]:
    """The options that there are on a platform."""
    return described(platform).options


def check(given: Given, chosen: Iterable[Account], *, all_used: bool = False) -> None:
    """Raises BadInput unless each name and value is one that the accounts of its platform have; with `all_used` also where
    options are given that no chosen account takes."""
    there = {target: account for account in chosen for target in (account.platform.value, str(account.id))}
    for target, values in given.items():
        account = there.get(target)
        if account is None and target.isdecimal():
            raise BadInput(_nobody(target), field="options")
        platform = account.platform if account else parse_platform(target)
        if account is None and target != platform.value:  # it would be found under no account
            raise BadInput(f"Write {platform.value!r} instead of {target!r} for the options there.", field="options")
        if account is None and all_used:
            raise BadInput(_nobody(target), field="options")
        parse(schema(platform), values, NAMES[platform])


def _nobody(target: str) -> str:
    if target.isdecimal():
        return f"Options are given for account {target[:20]}, which is not chosen; choose it or leave them out."
    return f"Options are given for {NAMES[parse_platform(target)]}, and no account there is chosen; leave them out."


def of_account(given: Given, account_id: int, platform: Platform) -> dict[str, dict[str, Any]]:
    """What of it concerns one account: its own, and that of its platform."""
    mine = (platform.value, str(account_id))
    return {target: dict(values) for target, values in given.items() if target in mine}


def in_words(account: Account, given: Given) -> list[tuple[str, str]]:
    """What is asked for on an account, as (title, value) for a person."""
    try:
        stored = stored_for(account, given)
    except BadInput:  # of a platform whose package was changed meanwhile
        return [("Options", "these cannot be read by this version")]
    return [
        (one.title, one.shown(stored[one.name])) for one in fields_of(schema(account.platform)) if one.name in stored
    ]


def typed(lines: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Options as they are typed: `PLATFORM.NAME=VALUE`, or `ACCOUNT-ID.NAME=VALUE`. Raises BadInput."""
    if len(lines) > MOST_TYPED:
        raise BadInput(f"There are {len(lines):,} options; at most {MOST_TYPED:,} can be given.", field="options")
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        left, equals, value = line.partition("=")
        target, dot, name = left.strip().partition(".")
        if not (equals and dot and target and name):
            raise BadInput(
                f"{line[:60]!r} is no option; write PLATFORM.NAME=VALUE, by the names that `postprober platforms` lists.",
                field="options",
            )
        key = target if target.isdecimal() else parse_platform(target).value
        if name in found.setdefault(key, {}):
            raise BadInput(f"The option {target}.{name} is given twice.", field="options")
        found[key][name] = value
    return found


def of_row(cells: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Options out of a table's columns named `PLATFORM.NAME`; empty cells ask for nothing."""
    return typed([f"{column}={value}" for column, value in cells.items() if "." in column and value.strip()])
