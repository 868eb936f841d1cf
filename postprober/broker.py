"""The queue of the scaled profile: Dramatiq on Redis. It carries ids; only the database says what is to be done.

A message that is lost, repeated or late does no harm: `deliveries.take` decides whether there is anything to do, and
the scheduler hands over again what is still due (`pipeline.dispatch`). So nothing is retried here, and messages grow
old quickly.
"""

from __future__ import annotations

from typing import Any

import redis
from dramatiq import Consumer, Message
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit, Middleware

from postprober.errors import Unavailable
from postprober.pipeline.scheduler.dispatcher import FOLLOW, PUBLISH

NAMESPACE = "postprober"
QUEUES = (PUBLISH, FOLLOW)
ACTOR = "carry"  # one for each queue, named carry_<queue>
OLDEST_MS = 60_000  # a message that waited longer was handed over again meanwhile
HEARTBEAT_MS = 10_000  # after this, what a dead worker had fetched goes back into the queue
TIMEOUT = 2.0  # seconds for a connection to Redis
IDLE_MS = 100  # between two looks at an empty queue; the library's second would make every post that late


class _Broker(RedisBroker):
    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        return super().consume(queue_name, prefetch, min(timeout, IDLE_MS))


def broker_of(url: str, *more: Middleware) -> RedisBroker:
    """The broker at `url`, with its queues declared; connects with the first message."""
    client = redis.Redis.from_url(url, socket_timeout=None, socket_connect_timeout=TIMEOUT)
    broker: RedisBroker = _Broker(  # type: ignore[no-untyped-call]
        client=client,
        middleware=[AgeLimit(max_age=OLDEST_MS), *more],
        namespace=NAMESPACE,
        heartbeat_timeout=HEARTBEAT_MS,
    )
    for queue in QUEUES:
        broker.declare_queue(queue)
    return broker


class DeliveryQueue:
    """Hands deliveries to workers. Thread safe."""

    def __init__(self, url: str) -> None:
        self._broker = broker_of(url)

    def send(self, queue: str, act: str, delivery_id: int) -> None:
        """Ask for `act` (publish, reconcile or follow) on a delivery. Raises Unavailable."""
        message: Message[Any] = Message(
            queue_name=queue, actor_name=f"{ACTOR}_{queue}", args=(act, delivery_id), kwargs={}, options={}
        )
        try:
            self._broker.enqueue(message)
        except redis.RedisError as error:
            raise Unavailable("Redis does not answer.", repr(error)[:300]) from None

    def length(self, queue: str) -> int:
        """Messages that no worker has fetched yet. Raises Unavailable."""
        try:
            return int(self._broker.client.llen(f"{NAMESPACE}:{queue}"))
        except redis.RedisError as error:
            raise Unavailable("Redis does not answer.", repr(error)[:300]) from None

    def close(self) -> None:
        self._broker.client.close()
