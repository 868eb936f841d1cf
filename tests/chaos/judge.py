"""Afterwards: everything is well again, the engine does what is left to do, and what it says is held against the truth."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import select

from postprober.domain.delivery import (
    DUE_TO_FOLLOW,
    DUE_TO_PUBLISH,
    OCCUPIES_ACCOUNT,
    TRAITS,
    DeliveryState,
    post_status,
)
from postprober.domain.held import words as held_words
from postprober.domain.post import PostStatus
from postprober.services.posts.drafts import WITHDRAWN
from postprober.storage import deliveries
from postprober.storage.records import Delivery
from postprober.storage.tables import accounts, alerts, posts, repairs
from tests.chaos.acts import Play
from tests.chaos.house import House
from tests.chaos.world import Post

S = DeliveryState
ROUNDS = 400
LOOKS = 3  # at a delivery that is held or seems gone, with everything well
_KINDS = {S.FAILED: "failed", S.HELD: "held", S.GHOST: "ghost", S.PARTIAL: "partly"}


def come_to_rest(play: Play) -> None:
    """Nothing goes wrong any more: what stood still goes on, clocks are right, and time passes until nothing moves."""
    house = play.house
    house.world.heal()
    for process in (*house.workers, house.app):
        process.clock.apart = 0.0
        process.frozen = False
        for hand in list(process.hands):
            play.finish(process, hand)
    looks: dict[int, int] = defaultdict(int)
    left = house.deliveries()
    for count in range(ROUNDS):
        moving = {delivery.id for delivery in left}
        number = count % 2
        due = [one for one in house.due(number) if one[0] in moving]
        if not due:
            house.act(number, "recover")
            house.act(number, "tend")
            due = [one for one in house.due(number) if one[0] in moving]
        for delivery, act in due:
            looks[delivery] += act != "publish"
            house.act(number, act, delivery)
        left = [d for d in house.deliveries() if not at_rest(house, d, looks[d.id])]
        if house.violations or not left:
            return
        if not due:
            house.advance(_pause(house, left))
    for one in left:
        house.wrong(f"WAITS: delivery {one.id} ({one.state.value}): for ever ({one.reason})")


def at_rest(house: House, delivery: Delivery, looks: int) -> bool:
    """Whether nothing more is to be expected of it without a person."""
    if delivery.state in DUE_TO_PUBLISH and house.account(delivery.account_id).status != "ok":
        return True  # until its account is connected again, which people are told (`_present`)
    if not TRAITS[delivery.state].at_rest:
        return False
    if delivery.next_at is None:
        return True
    if delivery.state is S.HELD:
        return looks >= LOOKS
    if delivery.state in DUE_TO_FOLLOW:
        # One look shows what was done to it since; what seems gone once is looked at again.
        return (looks >= 1 or not _touched(house, delivery)) and (delivery.absences == 0 or looks >= LOOKS)
    return True


def _touched(house: House, delivery: Delivery) -> bool:
    """Whether anything happened to its posts after they came into being."""
    return any(house.world.by_id(p.ref.remote_id).touched for p in delivery.parts if p.ref is not None)


def _pause(house: House, left: list[Delivery]) -> float:
    """Until something can happen to one of these."""
    now = house.workers[0].clock.now()
    moments = [m for d in left for m in (d.next_at, d.lease_until, house.account(d.account_id).throttled_until) if m]
    ahead = [(m - now).total_seconds() for m in moments if m > now]
    return min(ahead) + 0.01 if ahead else 15.0


def judge(play: Play) -> list[str]:
    """What is wrong; each begins with the kind of the violation."""
    house = play.house
    if house.violations:
        return list(house.violations)
    found = house.deliveries()
    for delivery in found:
        _truth(play, delivery)
    _owners(play, found)
    _present(play, found)
    return list(house.violations)


def _truth(play: Play, delivery: Delivery) -> None:
    """One visible post; verdict = truth; accepted words and cancels win."""
    house, told = play.house, f"delivery {delivery.id} ({delivery.state.value})"
    allowed = 1 + play.allowed.get(delivery.id, 0)
    for part in delivery.parts:
        own = house.world.of_key(delivery.key, part.index)
        if len(own) > allowed:
            house.wrong(f"TWICE: {told}: {len(own)} posts of part {part.index}: {', '.join(p.id for p in own)}")
        _words(play, delivery, part.index, own)
        if part.ref is not None:
            _reference(play, delivery, part.index, part.ref.remote_id)
    # Assumption 1: what was on its way for longer than LATE belies nobody who looked before. Assumption 6: nor does a post
    # that a person called another delivery's.
    elsewhere = {post for other, post in play.pointed if other != delivery.id}
    every = [
        p
        for part in delivery.parts
        for p in house.world.of_key(delivery.key, part.index)
        if not p.slow and p.id not in elsewhere
    ]
    if delivery.id in play.liberties:
        return
    if delivery.state in (S.FAILED, S.CANCELLED) and every:
        house.wrong(f"UNTRUE: {told}: post {every[0].id} is there")
    if delivery.state is S.HELD and not held_words(delivery.cause, unknown=delivery.unknown_at is not None).may_be_out:
        part_out = delivery.open_part()
        if part_out is not None and (there := [p for p in every if p.of == (delivery.key, part_out.index)]):
            house.wrong(f"UNTRUE: {told}: it is said that nothing was published, and post {there[0].id} is there")
    _shown(play, delivery)


def _shown(play: Play, delivery: Delivery) -> None:
    """What is said of posts that are out."""
    house, told = play.house, f"delivery {delivery.id} ({delivery.state.value})"
    refs = [house.world.by_id(part.ref.remote_id) for part in delivery.parts if part.ref is not None]
    lost = [p.id for p in refs if not p.visible]
    if delivery.state is S.VERIFIED and (lost or len(refs) < len(delivery.parts)):
        house.wrong(f"UNTRUE: {told}: {', '.join(lost) or 'a part'} cannot be seen")
    if delivery.state is S.GHOST and not lost:
        house.wrong(f"UNTRUE: {told}: all of it can be seen")
    if delivery.state is S.PARTIAL and not 0 < len(refs) < len(delivery.parts):
        house.wrong(f"UNTRUE: {told}: {len(refs)} of {len(delivery.parts)} parts are out")


def _words(play: Play, delivery: Delivery, part: int, own: list[Post]) -> None:
    accepted = [play.words.get(delivery.id, ()), *play.also.get(delivery.id, ())]
    right = {texts[part] for texts in accepted if part < len(texts)}
    for post in own:
        if post.text not in right:
            play.house.wrong(f"WORDS: delivery {delivery.id}: post {post.id} says {post.text}, accepted was {right}")
    stopped = play.cancelled.get(delivery.id)
    if stopped is not None and delivery.id not in play.liberties and part == 0:
        for post in own:
            if post.visible and not post.slow:
                play.house.wrong(
                    f"CANCELLED: delivery {delivery.id}: post {post.id} is there, and cancelling was accepted"
                )


def _reference(play: Play, delivery: Delivery, part: int, remote_id: str) -> None:
    """The post that it names is its own."""
    world = play.house.world
    post = next((p for p in world.posts if p.id == remote_id), None)
    if post is None:
        play.house.wrong(f"UNTRUE: delivery {delivery.id} names post {remote_id}, which never was")
    elif post.of != (delivery.key, part) and (delivery.id, remote_id) not in play.pointed:
        if post.of is None and not world.nature.names_app:
            return  # assumption 5
        if post.of and any(d.key == post.of[0] and d.id in play.liberties for d in play.house.deliveries()):
            return  # somebody said, without having looked, that the other one is not there: so it counts as this one's
        whose = f"part {post.of[1]} of {post.of[0]}" if post.of else "a person's own"
        play.house.wrong(f"NOT OURS: delivery {delivery.id} names post {remote_id} for part {part}, which is {whose}")


def _owners(play: Play, found: list[Delivery]) -> None:
    owners: dict[str, int] = {}
    for delivery in found:
        for part in delivery.parts:
            if part.ref is None:
                continue
            other = owners.setdefault(part.ref.remote_id, delivery.id)
            if other != delivery.id:
                play.house.wrong(f"SHARED: post {part.ref.remote_id} belongs to deliveries {other} and {delivery.id}")


def _taken_off(found: list[Delivery], post_id: int) -> bool:
    """Whether nothing of the post is planned any more because an edit of it waits for a person."""
    mine = [one for one in found if one.post_id == post_id]
    return all(one.state is S.CANCELLED for one in mine) and any(one.reason.startswith(WITHDRAWN) for one in mine)


def _present(play: Play, found: list[Delivery]) -> None:
    """Alerts, statuses and what occupies an account tell the present."""
    house = play.house
    with house.db.read() as conn:
        rows = [dict(row._mapping) for row in conn.execute(select(alerts))]
        of_posts = {row.id: row.status for row in conn.execute(select(posts.c.id, posts.c.status))}
        linked = [dict(row._mapping) for row in conn.execute(select(accounts))]
        states = {post_id: deliveries.states_of_post(conn, post_id) for post_id in of_posts}
    is_open: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["closed_at"] is None and row["type"] != "success" and row["subject"]:
            is_open[row["subject"]].append(row)
    for delivery in found:
        _told(play, delivery, [row["kind"] for row in is_open[f"delivery:{delivery.id}"]])
    for post_id, status in of_posts.items():
        if not states[post_id] or (right := post_status(states[post_id]).value) == status:
            continue
        if not (status == PostStatus.REVIEW and _taken_off(found, post_id)):
            house.wrong(f"STATUS: post {post_id} is called {status}, and is {right}")
    for row in linked:
        kinds = [one["kind"] for one in is_open[f"account:{row['id']}"]]
        needs = bool(row["is_active"]) and row["status"] != "ok"
        if needs != bool(kinds):
            house.wrong(
                f"ALERT: account {row['id']} is {row['status']}, active {row['is_active']}, open alerts {kinds}"
            )
    _repairs(play, rows)
    busy = {row["busy_delivery_id"]: row["id"] for row in linked if row["busy_delivery_id"] is not None}
    for delivery in found:
        occupies = delivery.state in OCCUPIES_ACCOUNT
        if occupies != (busy.get(delivery.id) == delivery.account_id):
            house.wrong(
                f"STATUS: delivery {delivery.id} is {delivery.state.value}, and account {busy.get(delivery.id)} is busy with it"
            )


def _repairs(play: Play, rows: list[dict[str, Any]]) -> None:
    """A repair waits for somebody's word exactly while they are told so."""
    with play.house.db.read() as conn:
        waits = {row[0] for row in conn.execute(select(repairs.c.delivery_id).where(repairs.c.state == "proposed"))}
    told = {row["delivery_id"] for row in rows if row["kind"] == "repair" and row["closed_at"] is None}
    for delivery in waits ^ told:
        play.house.wrong(
            f"ALERT: delivery {delivery}: a repair is {'proposed' if delivery in waits else 'over'}, and told is the other"
        )


def _told(play: Play, delivery: Delivery, kinds: list[str]) -> None:
    wanted = _KINDS.get(delivery.state)
    house, told = play.house, f"delivery {delivery.id} ({delivery.state.value})"
    if wanted is not None and delivery.acknowledged_at is None and wanted not in kinds and "drifted" not in kinds:
        house.wrong(f"ALERT: {told}: nobody is told; open are {kinds}")
    over = [kind for kind in kinds if kind not in (wanted, "drifted")]
    if over:
        house.wrong(f"ALERT: {told}: still open are {over}")
