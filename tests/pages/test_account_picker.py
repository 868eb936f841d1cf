"""Choosing the accounts of a post: none by itself, the last ones again, all, and groups."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from postprober.domain.platform import Platform
from postprober.services.accounts import account_groups, accounts
from postprober.services.posts import posts
from tests.pages.conftest import House, everything
from tests.people import acting

Show = Callable[[str], AppTest]


@pytest.fixture
def owner(house: House) -> House:
    house.sign_in()
    return house


def _three(owner: House) -> tuple[int, int, int]:
    x, mastodon, bluesky = (owner.account(Platform(name)) for name in ("x", "mastodon", "bluesky"))
    return x, mastodon, bluesky


def _press(app: AppTest, label: str) -> AppTest:
    next(one for one in app.button if one.label == label).click()
    return app.run()


def _chosen(app: AppTest) -> list[int]:
    return list(app.pills[0].value)


def test_nobody_publishes_to_several_accounts_by_not_looking(owner: House, show: Show) -> None:
    _three(owner)
    app = show("compose")
    app.text_area[0].set_value("For whom?").run()
    assert _chosen(app) == [] and "Choose at least one account." in everything(app)
    assert next(b for b in app.button if b.label == "Publish now").disabled


def test_the_only_account_needs_no_choice(owner: House, show: Show) -> None:
    only = owner.account(Platform("x"))
    assert _chosen(show("compose")) == [only]


def test_the_next_post_begins_with_the_accounts_of_the_last_one(owner: House, show: Show) -> None:
    x, mastodon, _ = _three(owner)
    app = show("compose")
    app.text_area[0].set_value("The first")
    app.pills[0].set_value([mastodon, x]).run()
    app = _press(_press(app, "Publish now"), "Write another post")
    assert app.text_area[0].value == "" and sorted(_chosen(app)) == sorted([x, mastodon])
    accounts.remove(owner.core, acting(owner.core, owner.owner), mastodon)
    app = show("compose")
    assert _chosen(app) == [x], "an account that was disconnected is not chosen"


def test_all_and_none_are_one_press_each(owner: House, show: Show) -> None:
    three = _three(owner)
    app = _press(show("compose"), "All")
    assert sorted(_chosen(app)) == sorted(three)
    assert _chosen(_press(app, "None")) == []


def test_the_selected_accounts_become_a_group_that_is_chosen_with_one_press(owner: House, show: Show) -> None:
    x, mastodon, bluesky = _three(owner)
    app = show("compose")
    app.pills[0].set_value([x, bluesky]).run()
    field = next(one for one in app.text_input if "as a group" in one.label)
    field.set_value("Brand *new*")
    app = _press(app, "Save 2 accounts")
    (group,) = account_groups.listing(owner.core, acting(owner.core, owner.owner))
    assert (group.name, sorted(group.account_ids)) == ("Brand *new*", sorted([x, bluesky]))
    app = _press(app, "None")
    app.pills[0].set_value([mastodon]).run()
    app = _press(app, "Brand \\*new\\*")
    assert sorted(_chosen(app)) == sorted([x, bluesky])
    app.text_area[0].set_value("To the group").run()
    app = _press(app, "Publish now")
    (post,) = posts.listing(owner.core, acting(owner.core, owner.owner))[0]
    assert sorted(post.platforms) == ["bluesky", "x"]


def test_a_group_that_cannot_be_saved_says_why_and_a_deleted_one_is_gone(owner: House, show: Show) -> None:
    x, mastodon, _ = _three(owner)
    actor = acting(owner.core, owner.owner)
    account_groups.save(owner.core, actor, "Old", [x, mastodon])
    app = _press(show("compose"), "None")
    next(one for one in app.text_input if "as a group" in one.label).set_value("Empty")
    app = _press(app, "Save 0 accounts")
    assert "Select at least one account for the group." in app.error[0].value.replace("\\", "")
    app = _press(app, "Delete")
    assert account_groups.listing(owner.core, actor) == [] and "Old" not in [b.label for b in app.button]


def test_a_group_whose_accounts_are_gone_cannot_be_pressed(owner: House, show: Show) -> None:
    x, _, _ = _three(owner)
    actor = acting(owner.core, owner.owner)
    account_groups.save(owner.core, actor, "Gone", [x])
    accounts.remove(owner.core, actor, x)
    assert next(b for b in show("compose").button if b.label == "Gone").disabled


def test_who_may_only_look_sees_no_form_for_groups(owner: House, show: Show) -> None:
    _three(owner)
    owner.become("viewer")
    app = show("compose")
    assert not [one for one in app.text_input if "as a group" in one.label]
