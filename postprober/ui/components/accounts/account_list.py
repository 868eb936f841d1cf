"""The linked accounts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import streamlit as st

from postprober.domain.account import Credentials
from postprober.domain.health import Quota, Unit
from postprober.domain.platform import NAMES
from postprober.domain.read_budget import Outlook
from postprober.errors import PostProberError
from postprober.platforms.registry import SPECS
from postprober.services.accounts import account_status as service
from postprober.services.accounts import accounts, browser_accounts, pages
from postprober.services.accounts.account_status import AccountActivity
from postprober.storage.records import Account
from postprober.ui import acts
from postprober.ui.components.accounts import link_forms
from postprober.ui.guard import Visit
from postprober.ui.words import link, moment, plain, safe, until

WRITE = "accounts:write"
SOON = timedelta(days=7)  # an access that ends earlier and cannot renew itself is worth a warning


def draw(visit: Visit, linked: list[Account], now: datetime) -> None:
    """One card an account; `now` aware UTC."""
    known = service.of_accounts(visit.core, visit.actor)
    for account in linked:
        card = st.container(border=True, key=f"account-{account.id}")
        with card:
            traits = visit.core.adapter(
                account.platform, Credentials("", instance=account.instance, scopes=account.scopes)
            ).traits
            renews = traits.renewable(has_refresh_token=bool(account.refresh_token or account.secret))
            st.html(line_html(account, visit.user.zone, now, known.get(account.id, AccountActivity()), renews=renews))
            with st.container(horizontal=True, vertical_alignment="center"):
                _again(visit, account)
                _settings(visit, account)
                _pages(visit, account, linked)
                _remove(visit, account)


def line_html(account: Account, zone: str, now: datetime, known: AccountActivity, *, renews: bool) -> str:
    """Platform, name, state and what is known about the access; `renews`: it renews itself."""
    label, colour, words = standing(account, zone, now, renews=renews)
    name = str(account.settings.get("label") or "")
    proof = f"{safe(moment(known.proved_at, zone))} {link(known.url, 'Open ↗')}" if known.proved_at else "none yet"
    facts = (
        ("Access", safe(words)),
        ("Permissions", safe(", ".join(account.scopes)) or "not reported"),
        ("Rate limit", safe(left(account, known.quotas, zone, now))),
        *((("Reading for metrics", safe(reading(known.reading))),) if known.reading is not None else ()),
        ("Last verified", proof),
        ("In the last 24 h", f"{known.sent_today:,} published, {known.waiting:,} waiting"),
        *((("Server", safe(account.instance)),) if account.instance else ()),
    )
    cells = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts)
    return (
        f'<div class="pp-account-line"><span class="pp-platform">{NAMES[account.platform]}</span>'
        f'<span class="pp-account">{safe(browser_accounts.called(account))}{safe(f" · {name}" if name else "")}</span>'
        f'<span class="pp-state pp-{colour}">{label}</span></div><dl class="pp-facts">{cells}</dl>'
    )


def left(account: Account, quotas: tuple[Quota, ...], zone: str, now: datetime) -> str:
    """What is known about the platform's limits for us."""
    if account.throttled_until and account.throttled_until > now:
        return (
            f"Nothing can be sent until {moment(account.throttled_until, zone)} ({until(account.throttled_until, now)})"
        )
    # The first says most about the next post; the app's share of calls is another matter.
    told = [one for one in quotas if one is quotas[0] or one.unit is Unit.SHARE]
    return (
        "; ".join(_LEFT[one.unit](one, moment(one.resets_at, zone)) for one in told)
        or f"{NAMES[account.platform]} has not reported it"
    )


def reading(told: Outlook) -> str:
    """What the month's readings came to, and where they lead."""
    words = f"{told.calls:,} of {told.calls_allowed:,} calls used this month, about {told.calls_foreseen:,} expected"
    if told.money is None or told.money_allowed is None or told.money_foreseen is None:
        return words
    return f"{words}; cost {told.money:.2f} of {told.money_allowed:.2f}, about {told.money_foreseen:.2f} expected"


_LEFT: dict[Unit, Callable[[Quota, str], str]] = {
    Unit.POSTS: lambda one, _: f"{one.left:,} of {one.limit:,} posts left in 24 hours",
    Unit.SENDS: lambda one, until: f"{one.left:,} of {one.limit:,} publishing calls left until {until}",
    Unit.CALLS: lambda one, until: f"{one.left:,} of {one.limit:,} calls left until {until}",
    Unit.SHARE: lambda one, _: f"{one.left}% of hourly calls left",
}


def standing(account: Account, zone: str, now: datetime, *, renews: bool) -> tuple[str, str, str]:
    """Label, colour and one sentence."""
    if account.status == "suspended":
        return (
            "Suspended",
            "red",
            f"{account.status_reason} Then reconnect it below. Waiting posts continue automatically.",
        )
    if account.status != "ok":
        reason = account.status_reason or "The platform no longer accepts this connection."
        return "Reconnect", "red", f"{reason} Reconnect it below. Waiting posts then continue automatically."
    if account.same_as is not None:
        return (
            "Linked twice",
            "orange",
            "This account is linked twice. Disconnect one of them.",
        )
    if account.throttled_until and account.throttled_until > now:
        return "Rate limit", "orange", f"Rate limited by the platform until {moment(account.throttled_until, zone)}."
    ends = account.token_expires_at
    if ends is None:
        return "Linked", "green", "This connection does not expire."
    if renews:
        return "Linked", "green", f"The connection is renewed automatically, next before {moment(ends, zone)}."
    if ends <= now:
        return "Expired", "red", f"The connection expired on {moment(ends, zone)}. Reconnect it below."
    if ends - now < SOON:
        return "Expires soon", "orange", f"Connection expires on {moment(ends, zone)}. Reconnect it before that."
    return "Linked", "green", f"Connection expires on {moment(ends, zone)}."


def _again(visit: Visit, account: Account) -> None:
    """Reconnect: through the consent page where there is one."""
    spec = SPECS[account.platform]
    by_consent = spec.found_consent is not None and bool(account.scopes)  # an app password grants none
    if (spec.sign_in is not None and not by_consent) or spec.token is not None:
        st.caption(f"To reconnect, use the {NAMES[account.platform]} form.", width="content")
        return
    if browser_accounts.is_by_browser(account):
        st.caption("To reconnect, import the session again below.", width="content")
        return
    urgent = account.status != "ok"
    if visit.button(
        "Reconnect",
        WRITE,
        f"again-{account.id}",
        type="primary" if urgent else "tertiary",
        help="The platform asks for permission again. History and scheduled posts stay.",
    ):
        usual = visit.core.settings.platform(account.platform).api_url
        server = "" if account.instance == usual else account.instance
        link_forms.consent(visit, account.platform, account.remote_id if by_consent else server)


def _pages(visit: Visit, account: Account, linked: list[Account]) -> None:
    """The pages of a person, asked of the platform once each time that somebody wants to see them."""
    if SPECS[account.platform].pages is None or account.settings.get(accounts.LINKED_BY):
        return
    with st.popover("Pages", type="tertiary", key=f"pages-{account.id}", disabled=not visit.may(WRITE)):
        shown = f"pp-pages-{account.id}"
        if visit.button("Show my pages", WRITE, f"pages-show-{account.id}"):
            st.session_state.pop(shown, None)
            try:
                st.session_state[shown] = pages.listing(visit.core, visit.actor, account.id)
            except PostProberError as error:
                acts.refuse(error)
                return
        found: list[pages.LinkablePage] | None = st.session_state.get(shown)
        if found is None:
            st.caption("A page that you may post for is linked as an account of its own.")
            return
        if not found:
            st.caption("There is no page that you may post for.")
        there = {one.remote_id for one in linked if one.platform is account.platform}
        for page in found:
            if page.remote_id in there:
                st.text(f"{page.name}: linked")
            elif visit.button(f"Link {plain(page.name)}", WRITE, f"page-{account.id}-{page.remote_id}"):
                acts.act(
                    f"Linked. {NAMES[account.platform]}: {plain(page.name)}",
                    pages.link,
                    visit.core,
                    visit.actor,
                    account.id,
                    page.remote_id,
                )


def _settings(visit: Visit, account: Account) -> None:
    told = account.settings
    with (
        st.popover("Settings", type="tertiary", key=f"settings-{account.id}", disabled=not visit.may(WRITE)),
        st.form(f"settings-form-{account.id}", border=False),
    ):
        label = st.text_input("Display name", str(told.get("label", "")), max_chars=60)
        language = st.text_input("Default language", str(told.get("language", "")), max_chars=35, placeholder="en")
        repair = st.toggle(
            "Repairs may change words",
            bool(told.get("repair_words")),
            help="Allows shortening, splitting and removing links without asking you when a post failed.",
        )
        if st.form_submit_button("Save"):
            acts.act(
                "Saved.",
                accounts.set_up,
                visit.core,
                visit.actor,
                account.id,
                label=label,
                language=language.strip(),
                repair_words=repair,
            )


def _remove(visit: Visit, account: Account) -> None:
    with st.popover("Disconnect", type="tertiary", key=f"remove-{account.id}", disabled=not visit.may(WRITE)):
        st.text("Removes the stored tokens.\nScheduled posts are cancelled; published posts stay.")
        if visit.button("Disconnect this account", WRITE, f"remove-yes-{account.id}", type="primary"):
            name = plain(f"{NAMES[account.platform]}: {account.account_name}")
            try:
                withdrawn = accounts.remove(visit.core, visit.actor, account.id)
            except PostProberError as error:
                acts.refuse(error)
                return
            more = "" if withdrawn else " Revoke the access in the platform's own settings, too."
            st.session_state["pp_removed"] = f"{name} was disconnected.{more}"
            st.rerun()
