"""What people do, how often, and when; drawn from one seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

SEED = 20261123
THINK = 20.0  # seconds between two things that one person does, on average
POSTS_AN_HOUR = 12.0  # of one person; 1,000 people write more than the 10,000 an hour that are asked for
AT_ONCE = 0.15  # share of posts without a time; the others are for the hour that follows
PICTURES = 0.05  # share of posts with a picture
SOONEST = 60.0  # seconds ahead, for posts with a time
HOUR = 3600.0
SIGN_INS = 100
ROOMS = 3  # newest posts of a person that each of their connections follows
# What people look at, by weight: mostly their posts, and how one of them stands.
LOOKS = {"posts": 35, "monitoring": 35, "alerts": 12, "me": 7, "accounts": 5, "health": 4, "analytics": 2}


@dataclass(frozen=True)
class Load:
    """`sign_ins`: so many people sign in with their password; the others did so yesterday and still have a refresh token.
    A password costs 0.1 to 0.5 s by design (Argon2id), so 10,000 of them would be half an hour that measures nothing else.
    `posts`: of one person in an hour. `sockets`: WebSocket connections of all together; people have several (tabs, a phone) until `many` are open."""

    users: int
    seconds: float
    seed: int = SEED
    many: int = 5000
    each: int = 5
    think: float = THINK
    sign_ins: int = SIGN_INS
    posts: float = POSTS_AN_HOUR

    @property
    def sockets(self) -> int:
        return min(self.each * self.users, max(self.many, self.users))


def pause(rng: random.Random, mean: float) -> float:
    """Seconds until the next act: log-normal, as think times are (half of them below 0.6 of the mean, few very long)."""
    return min(10 * mean, rng.lognormvariate(0.0, 1.0) * mean / 1.6487)  # e^0.5 is the mean of lognormal(0, 1)


def writes(rng: random.Random, load: Load) -> bool:
    """Whether the next act is a post."""
    return rng.random() < load.posts * load.think / HOUR


def look(rng: random.Random) -> str:
    """What is looked at next."""
    return rng.choices(list(LOOKS), list(LOOKS.values()))[0]


def when(rng: random.Random, now: datetime) -> datetime | None:
    """When the next post shall go out; None: at once."""
    if rng.random() < AT_ONCE:
        return None
    return now + timedelta(seconds=rng.uniform(SOONEST, HOUR))


def written_before(rng: random.Random, load: Load, start: datetime) -> list[datetime]:
    """Due times, within the measured time, of what one person has written in the hour before it. Without these the
    first hour would have nothing to send."""
    expected = load.posts * (1 - AT_ONCE) * load.seconds / HOUR
    count = int(expected) + (rng.random() < expected % 1)
    return [start + timedelta(seconds=rng.uniform(0, load.seconds)) for _ in range(count)]
