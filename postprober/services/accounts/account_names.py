"""How people name accounts in a table: by platform, `platform:ada`, `ada@one.example`, `#12`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from postprober.domain.platform import NAMES
from postprober.storage.records import Account

_BETWEEN = re.compile(r"[;,\n|]")
NO_ACCOUNT = "No account is named; write the name of a platform or of an account, with ; between several."


def ways(linked: Sequence[Account]) -> dict[int, str]:
    """For each account the shortest name with its platform that means this one alone, by account id."""
    found: dict[int, str] = {}
    for account in linked:
        for way in (f"{account.platform.value}:{account.account_name}", _with_server(account)):
            if way and not _BETWEEN.search(way) and meant(way, linked) == [account]:
                found[account.id] = way
                break
        else:
            found[account.id] = f"{account.platform.value}:#{account.id}"
    return found


def accounts_in(typed: str, linked: Sequence[Account]) -> tuple[list[Account], list[str]]:
    """The accounts that a cell names, with `;` or `,` between, and a sentence for each name that is not one account."""
    found: dict[int, Account] = {}
    problems: list[str] = []
    whole = typed.strip()
    names = [whole] if len(meant(whole, linked)) == 1 else [n.strip() for n in _BETWEEN.split(typed) if n.strip()]
    if not names:
        return [], [NO_ACCOUNT]
    for name in names:
        hits = meant(name, linked)
        if not hits:
            problems.append(f"There is no linked account {name!r}.")
        elif len(hits) > 1:
            told = ways(linked)
            problems.append(f"{name!r} could be several accounts; write {' or '.join(told[a.id] for a in hits)}.")
        else:
            found[hits[0].id] = hits[0]
    return list(found.values()), problems


def meant(name: str, linked: Sequence[Account]) -> list[Account]:
    """All accounts that `name` can stand for."""
    platform, colon, who = (piece.strip() for piece in name.casefold().partition(":"))
    on_platform = [a for a in linked if platform in (a.platform.value, NAMES[a.platform].casefold())]
    if on_platform and not who:
        return on_platform
    if colon and on_platform:
        return [a for a in on_platform if who in _names(a)]
    return [a for a in linked if name.casefold() in _names(a)]


def _names(account: Account) -> set[str]:
    name = account.account_name.casefold()
    full = _full_name(account).casefold()
    return {name, f"@{name}", full, f"@{full}", f"#{account.id}"}


def _with_server(account: Account) -> str:
    full = _full_name(account)
    return f"{account.platform.value}:{full}" if full != account.account_name else ""


def _full_name(account: Account) -> str:
    """With the server, where the account lives on one of many."""
    try:
        host = urlsplit(account.instance).netloc
    except ValueError:
        host = ""
    name = account.account_name.removeprefix("@")
    return f"{name}@{host}" if host and "@" not in name else account.account_name
