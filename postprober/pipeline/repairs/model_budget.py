"""The model's daily budget, kept in the database so that every process and every restart counts together.

It is one for the installation, in equal shares: each space that asks the model may use up its own, and no other's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from postprober.clock import Clock
from postprober.storage import usage, users
from postprober.storage.database import Database

MILLION = 1_000_000


@dataclass(frozen=True)
class Budget:
    """Of one UTC day. `money` in the currency of the prices; prices for a million tokens."""

    tokens: int
    money: float
    input_price: float
    output_price: float

    def micros(self, input_tokens: int, output_tokens: int) -> int:
        """Cost in millionths: a price for a million tokens is just that many millionths for one."""
        return round(input_tokens * self.input_price + output_tokens * self.output_price)

    def share(self, spaces: int) -> tuple[int, int]:
        """(tokens, millionths) of a day for one of so many spaces."""
        return self.tokens // max(1, spaces), int(self.money * MILLION) // max(1, spaces)


def one_space(_conn: Connection) -> int:
    """Nobody shares the budget."""
    return 1


@dataclass(frozen=True)
class DbTokenBudget:
    """`agent.model_client.TokenBudget` on our database. Reservations are writes of their own: the network comes in between.
    `spaces`: how many share the budget."""

    db: Database
    clock: Clock
    budget: Budget
    spaces: Callable[[Connection], int] = one_space

    def reserve(self, purpose: str, model: str, tokens: int, space: int | None = None) -> int | None:
        now = self.clock.now()
        cost = round(tokens * max(self.budget.input_price, self.budget.output_price))
        with self.db.write() as conn:
            if space is not None:
                users.lock(conn, space)
                spent, paid = usage.today(conn, now, space)
                most, most_paid = self.budget.share(self.spaces(conn))
                if spent + tokens > most or paid + cost > most_paid:
                    return None
            spent, paid = usage.today(conn, now)
            if spent + tokens > self.budget.tokens or paid + cost > self.budget.money * MILLION:
                return None
            return usage.reserve(
                conn, purpose=purpose, model=model, tokens=tokens, cost_micros=cost, now=now, space=space
            )

    def settle(self, row: int, input_tokens: int, output_tokens: int, outcome: str) -> None:
        cost = self.budget.micros(input_tokens, output_tokens)
        with self.db.write() as conn:
            usage.settle(
                conn, row, input_tokens=input_tokens, output_tokens=output_tokens, cost_micros=cost, outcome=outcome
            )
