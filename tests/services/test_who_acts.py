"""Every use case is told who is acting, asks once whether they may, and nobody but a door says who somebody is."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from postprober import services
from postprober.domain.access import SCOPES
from postprober.domain.actor import APP, COMMAND_LINE, Actor, Door, Via, job
from postprober.errors import Forbidden, NotFound
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.storage import users
from tests.installed import Installation
from tests.people import acting

ROOT = Path(__file__).resolve().parents[2]


def named(reason: str, text: str) -> dict[str, str]:
    """`reason` by the names in `text`: each module with a colon, then functions of it."""
    found: dict[str, str] = {}
    module = ""
    for word in text.split():
        if word.endswith(":"):
            module = word[:-1]
        else:
            found[f"{module}.{word}"] = reason
    return found


# Who may not be known yet, or who comes without an account of ours.
SIGNING_IN = "part of signing in, or of becoming somebody: there is nobody yet, or it shows at the door who it is"
BY_LINK = "whoever has the link, which says for what it is good"
PROGRAM = "the program's own work; what it does for somebody it does as an actor that it makes"
OPERATOR = "who runs the installation, at its command line"
PIECE = "a piece of a use case, called after that one has asked"
STATE = "says how the installation is, the same to everybody"
WITHOUT_ACTOR = {
    **named(
        SIGNING_IN,
        """
        people.users: create authenticate with_code issue_ticket redeem_ticket session_user sign_out
        people.sessions: log_in renew log_out by_cookie by_bearer by_upload grant_uploads by_grant alive
        people.second_factor: check
        people.api_tokens: create
        people.people: make_first may_set_up nobody_yet register registering registration_link finish_registration
        people.passwords: ask_reset owner_of reset
        people.throttle: count count_alone forgive forgive_alone
        people.permits: actor as_now need
        """,
    ),
    **named(
        BY_LINK,
        """
        notifications.channels: confirming confirm turning_off turn_off
        reports.proof_pages: page
        media.media: check_signed open_public
        media.handing_in: take_in
        media.resumable: find piece finish cancel
        posts.hooks: receive
        """,
    ),
    **named(
        PROGRAM,
        """
        notifications.channels: turn_off_links sender
        posts.advice: make_pending
        reports.report_schedule: tick
        posts.drafts: hold_for_review
        operations.scheduler_watchdog: look
        operations.backup_set: tick
        media.media: drop_unused
        people.emails: email_for
        pipeline_context: context_of
        """,
    ),
    **named(
        OPERATOR,
        """
        operations.backup: backup
        operations.backup_set: make
        operations.doctor: examine
        operations.growth: measure
        operations.surroundings: look
        operations.keys: rotate left
        people.people: setup_token
        people.passwords: link
        people.second_factor: take_off
        monitoring.measures: take take_host redis_answers
        monitoring.readiness: look
        """,
    ),
    **named(
        PIECE,
        """
        accounts.accounts: server_address current_limits
        accounts.linking: callback_url client_document
        accounts.tokens: withdraw withdraw_all withdraw_replaced withdraw_unused
        media.media: received thumbnail largest check_size check_disk make_room check_room
        media.conversions: order with_failures
        monitoring.event_feed: story_at missed check_last_id
        posts.cards: pinned read_all thumbnail
        posts.drafts: check_room back_to_draft put_in_review
        posts.options: as_read
        posts.posts: as_read plan plan_all with_handles
        posts.review_gate: advice_columns
        reports.printing: pdf
        """,
    ),
    **named(
        STATE,
        """
        accounts.browser_accounts: trouble
        monitoring.monitoring: heartbeat_age
        operations.retention: get
        reports.printing: trouble
        """,
    ),
}

OWN = "the person's own sign-ins, password, second factor, tokens or name, which every role has"
RUNS = "asks whether the space, or the installation, is theirs to run, which no scope says"
WITHOUT_SCOPE = {
    **named(
        OWN,
        """
        people.api_tokens: listing remove
        people.passwords: change
        people.people: change_profile
        people.second_factor: enrol enable disable renew_codes codes_left confirm
        people.signins: listing end end_others
        accounts.linking: result_for_app result_from_app
        """,
    ),
    **named(
        RUNS,
        """
        people.people: listing invite set_role set_active take_off_second_factor remove new_link
        operations.retention: may_put put
        operations.model_use: put
        posts.advice: wait_for_model
        """,
    ),
    **named(
        PIECE,
        """
        media.media: add_file add_bytes
        posts.gate: passed
        posts.posts: known_by once
        posts.review_gate: judged held_back waits_for_model wait_for_model first_word
        """,
    ),
    "accounts.linking.finish": "asks once it knows that it is this person's linking",
    "media.media.discard": "takes back what the same person has just brought, also when they may no longer bring any",
    "monitoring.event_feed.missed_alerts": "pages that are read later; the WebSocket asks when somebody joins",
}

# Where somebody comes in: here, and nowhere else, it is said who they are.
DOORS = {
    "postprober/ui/guard.py",
    "postprober/services/people/sessions.py",
    "postprober/cli/main.py",
    "postprober/cli/demo.py",
    "postprober/services/posts/advice.py",
    "postprober/services/posts/hooks.py",
    "postprober/cli/agents.py",
    "postprober/services/reports/report_schedule.py",
    "bench/acting.py",
}
SELF = "postprober/services/people/permits.py"


def use_cases() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Public functions of the services that are given the installation, by name."""
    for found in pkgutil.walk_packages(services.__path__, "postprober.services."):
        module = importlib.import_module(found.name)
        for name, one in vars(module).items():
            ours = inspect.isfunction(one) and one.__module__ == found.name and not name.startswith("_")
            if ours and next(iter(inspect.signature(one).parameters), "") == "core":
                yield f"{found.name.removeprefix('postprober.services.')}.{name}", one


def unlike(all_: dict[str, Callable[..., Any]]) -> list[str]:
    """Use cases that do not begin with `core: Core, actor: Actor`, or say `user_id`."""
    wrong = []
    for name, one in all_.items():
        given = list(inspect.signature(one).parameters.values())
        begins = [(p.name, str(p.annotation).removesuffix(" | None")) for p in given[:2]]
        if name not in WITHOUT_ACTOR and begins != [("core", "Core"), ("actor", "Actor")]:
            wrong.append(f"{name} begins with {', '.join(str(p) for p in given[:2])}")
        if any(p.name == "user_id" for p in given) and name not in ("people.passwords.link", "people.permits.actor"):
            wrong.append(f"{name} has a user_id")
    return wrong


def test_every_use_case_is_told_who_is_acting() -> None:
    assert unlike(dict(use_cases())) == []


def test_control_a_use_case_with_a_user_id_is_found() -> None:
    def cancel(core: Core, user_id: int) -> None: ...

    assert len(unlike({"posts.new.cancel": cancel})) == 2


def test_every_use_case_asks_for_a_scope_or_says_why_not() -> None:
    unasked = {name for name, one in use_cases() if name not in WITHOUT_ACTOR and not hasattr(one, "scope")}
    assert unasked == set(WITHOUT_SCOPE)
    assert {one.scope for _, one in use_cases() if hasattr(one, "scope")} <= SCOPES


def test_the_exceptions_are_all_there() -> None:
    assert set(WITHOUT_ACTOR) <= {name for name, _ in use_cases()}


def makers(text: str) -> list[str]:
    """Calls in a source that say who somebody is."""
    named = {"Actor", "permits.actor", "permits.of_user", "permits.Actor", "actor.Actor"}
    calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return [call for call in calls if call in named]


def test_only_the_doors_say_who_somebody_is() -> None:
    sources = [path for folder in ("postprober", "pages", "bench") for path in (ROOT / folder).rglob("*.py")]
    found = {
        str(path.relative_to(ROOT))
        for path in [*sources, ROOT / "app.py", ROOT / "scheduler.py"]
        if makers(path.read_text())
    }
    assert found == DOORS | {SELF}


@pytest.mark.parametrize("text", ["Actor(1, 1, 'owner', 'UTC', via)", "x = permits.actor(core, 1, APP)"])
def test_control_an_actor_made_elsewhere_is_found(text: str) -> None:
    assert makers(text)


def _member(installation: Installation, role: str = "editor") -> Actor:
    """The teammate, made a member of the owner's space."""
    core = installation.core
    with core.db.write() as conn:
        users.write(
            conn, installation.teammate, core.clock.now(), owner_id=installation.owner, role=role, zone="Europe/Berlin"
        )
    return acting(core, installation.teammate)


def test_an_actor_is_the_person_and_their_space(installation: Installation) -> None:
    member = _member(installation)
    assert (member.user, member.space, member.role) == (installation.teammate, installation.owner, "editor")
    assert (member.zone, member.via, member.owns) == ("Europe/Berlin", APP, False)
    assert acting(installation.core, installation.owner).owns


def test_a_role_that_changed_since_the_door_counts_as_it_is_now(installation: Installation) -> None:
    member = _member(installation)
    assert permits.need(installation.core, member, "posts:draft").role == "editor"
    _member(installation, "viewer")
    with pytest.raises(Forbidden, match="Your role is viewer"):
        permits.need(installation.core, member, "posts:draft")
    assert permits.need(installation.core, member, "posts:read").role == "viewer"
    with installation.core.db.write() as conn:
        users.write(conn, member.user, installation.core.clock.now(), is_active=False)
    with pytest.raises(Forbidden):
        permits.need(installation.core, member, "posts:read")
    with pytest.raises(NotFound):
        permits.need(installation.core, replace(member, user=10_000), "posts:read")


def test_a_use_case_asks_once_and_what_it_calls_goes_by_that(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    real = users.get
    monkeypatch.setattr(users, "get", lambda conn, user_id: (read.append(user_id), real(conn, user_id))[1])
    seen: list[Actor] = []

    @permits.needs("posts:read")
    def inner(core: Core, actor: Actor) -> None:
        seen.append(actor)

    @permits.needs("posts:draft")
    def outer(core: Core, actor: Actor) -> None:
        inner(core, actor)
        inner(core, permits.again(actor))

    member = _member(installation)
    read.clear()
    outer(installation.core, member)
    assert read == [member.user] * 2, "once for the use case, once where it wants to know anew"
    assert [(one.user, one.space, one.zone, one.via) for one in seen] == [
        (member.user, member.space, member.zone, member.via)
    ] * 2


def test_what_a_use_case_calls_is_refused_by_the_same_role(installation: Installation) -> None:
    @permits.needs("posts:draft")
    def inner(core: Core, actor: Actor) -> None: ...

    @permits.needs("posts:read")
    def outer(core: Core, actor: Actor) -> None:
        inner(core, actor)

    viewer = _member(installation, "viewer")
    with pytest.raises(Forbidden, match="Your role is viewer"):
        outer(installation.core, viewer)


def test_the_name_in_a_history_is_the_persons_or_the_programs(installation: Installation) -> None:
    member = _member(installation)
    with installation.core.db.read() as conn:
        assert permits.name_of(conn, member) == users.get(conn, member.user).name
        assert permits.name_of(conn, replace(member, via=COMMAND_LINE)) == users.get(conn, member.user).name
        assert permits.name_of(conn, replace(member, via=job("advice"))) == "PostProber"


def test_a_way_in_says_whether_it_was_a_token() -> None:
    assert Via(Door.REST, "api_token", 3, "abcd").is_token
    assert not any(via.is_token for via in (APP, COMMAND_LINE, job("advice"), Via(Door.REST, "login", 3)))
