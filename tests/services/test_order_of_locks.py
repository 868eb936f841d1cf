"""Locks are taken in one order, the space before its posts and tokens: two people who act at once on PostgreSQL never wait for
each other in a circle."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from postprober.domain.actor import Actor
from postprober.services.core import Core
from postprober.services.posts import drafts, editing, posts, proposals
from postprober.services.posts.posts import NewPost
from postprober.storage import posts as post_storage
from postprober.storage import users
from tests.installed import Installation
from tests.people import acting


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """(transaction, what was locked), in order."""
    found: list[tuple[int, str]] = []

    def noting(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def lock(conn: Connection, of: int) -> Any:
            found.append((id(conn.get_transaction()), name))
            return real(conn, of)

        return lock

    monkeypatch.setattr(users, "lock", noting("space", users.lock))
    monkeypatch.setattr(post_storage, "lock", noting("post", post_storage.lock))
    return found


def _wish(inst: Installation, account: int, text: str) -> NewPost:
    return NewPost((text,), (account,), at=inst.core.clock.now() + timedelta(days=2))


def _submit(core: Core, owner: Actor, made: int, wish: NewPost) -> None:
    drafts.submit(core, owner, made)


def _change(core: Core, owner: Actor, made: int, wish: NewPost) -> None:
    drafts.submit(core, owner, made)
    drafts.change(core, owner, made, NewPost((*wish.parts, "and more"), wish.account_ids, at=wish.at))


def _propose(core: Core, owner: Actor, made: int, wish: NewPost) -> None:
    proposals.propose_draft(core, owner, made)


def _edit(core: Core, owner: Actor, made: int, wish: NewPost) -> None:
    drafts.submit(core, owner, made)
    editing.begin(core, owner, made, "a-key-of-a-page")


def _create(core: Core, owner: Actor, made: int, wish: NewPost) -> None:
    posts.create(core, owner, NewPost(("Another text of the same account",), wish.account_ids, at=wish.at))


@pytest.mark.parametrize("act", [_submit, _change, _propose, _edit, _create])
def test_the_space_is_locked_before_a_post(
    installation: Installation, taken: list[tuple[int, str]], act: Callable[[Core, Actor, int, NewPost], None]
) -> None:
    core, owner = installation.core, acting(installation.core, installation.owner)
    account = installation.link("x").id
    wish = _wish(installation, account, f"A text of {account}")
    made = drafts.save(core, owner, wish).id
    taken.clear()
    act(core, owner, made, wish)
    assert taken, "something was locked"
    for transaction in {number for number, _ in taken}:
        order = [name for number, name in taken if number == transaction]
        assert order[0] == "space", order
