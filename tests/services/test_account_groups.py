"""Groups of accounts: of a space, under names, with accounts that are linked."""

from __future__ import annotations

import pytest

from postprober.errors import BadInput, NotFound
from postprober.services.accounts import account_groups, accounts
from tests.installed import Installation
from tests.people import acting


def test_a_group_has_its_accounts_in_order_and_a_name_is_one_name_in_any_letters(installation: Installation) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    first, second = installation.link("x").id, installation.link("mastodon").id
    account_groups.save(core, actor, "  Our   Brand ", [second, first, second])
    (group,) = account_groups.listing(core, actor)
    assert (group.name, group.account_ids) == ("Our Brand", (second, first))
    account_groups.save(core, actor, "OUR BRAND", [first])
    account_groups.save(core, actor, "all of us", [first, second])
    assert [(one.name, one.account_ids) for one in account_groups.listing(core, actor)] == [
        ("all of us", (first, second)),
        ("OUR BRAND", (first,)),
    ]
    account_groups.remove(core, actor, "Our brand")
    assert [one.name for one in account_groups.listing(core, actor)] == ["all of us"]
    with pytest.raises(NotFound, match="There is no group of accounts “Our brand”"):
        account_groups.remove(core, actor, "Our brand")


def test_letters_that_look_the_same_are_one_name(installation: Installation) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    account = installation.link("x").id
    for name in ("Caf\u00e9", "Cafe\u0301", "CAFE\u0301"):
        account_groups.save(core, actor, name, [account])
    (group,) = account_groups.listing(core, actor)
    assert group.name == "CAF\u00c9"
    account_groups.remove(core, actor, "cafe\u0301")
    assert account_groups.listing(core, actor) == []


def test_a_disconnected_account_leaves_its_groups_and_comes_back_with_them(installation: Installation) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    stays, goes = installation.link("x"), installation.link("mastodon")
    account_groups.save(core, actor, "Both", [stays.id, goes.id])
    account_groups.remember(core, actor, [goes.id])
    accounts.remove(core, actor, goes.id)
    assert [one.account_ids for one in account_groups.listing(core, actor)] == [(stays.id,)]
    assert account_groups.last_choice(core, actor) == (stays.id,), "the only one that is left"
    with pytest.raises(BadInput, match="not linked"):
        account_groups.save(core, actor, "Both", [stays.id, goes.id])


def test_groups_belong_to_the_space_and_choices_to_the_person(installation: Installation) -> None:
    core, owner, stranger = installation.core, installation.owner, installation.stranger
    mine = [installation.link("x").id, installation.link("mastodon").id]
    account_groups.save(core, acting(core, owner), "Ours", mine)
    account_groups.remember(core, acting(core, owner), mine[:1])
    assert account_groups.listing(core, acting(core, stranger)) == []
    assert account_groups.last_choice(core, acting(core, stranger)) == ()
    with pytest.raises(BadInput, match="not linked"):
        account_groups.save(core, acting(core, stranger), "Theirs", mine)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "a name of at most 60"),
        ("x" * 61, "a name of at most 60"),
        ("a/b", "no slash"),
        ("a\x07b", "no control"),
        (" .. ", "not dots alone"),
        (".", "not dots alone"),
    ],
)
def test_a_name_that_cannot_be_is_refused_in_one_sentence(installation: Installation, name: str, says: str) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    account, before = installation.link("x").id, installation.counts()
    with pytest.raises(BadInput, match=says):
        account_groups.save(core, actor, name, [account])
    assert installation.counts() == before


def test_there_is_an_end_to_the_number_of_groups_and_old_ones_can_still_be_changed(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    monkeypatch.setattr(account_groups, "MOST", 2)
    account = installation.link("x").id
    for name in ("a", "b"):
        account_groups.save(core, actor, name, [account])
    with pytest.raises(BadInput, match="There are 2 groups already"):
        account_groups.save(core, actor, "c", [account])
    account_groups.save(core, actor, "B", [account])
