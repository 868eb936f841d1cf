"""The model's daily budget, kept in the database so that every process and every restart counts together."""

from __future__ import annotations

from dataclasses import dataclass

from postprober.clock import Clock
from postprober.storage import usage
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


@dataclass(frozen=True)
class DbTokenBudget:
    """`agent.model_client.TokenBudget` on our database. Reservations are writes of their own: the network comes in between."""

    db: Database
    clock: Clock
    budget: Budget

    def reserve(self, purpose: str, model: str, tokens: int) -> int | None:
        now = self.clock.now()
        cost = round(tokens * max(self.budget.input_price, self.budget.output_price))
        with self.db.write() as conn:
            spent, paid = usage.today(conn, now)
            if spent + tokens > self.budget.tokens or paid + cost > self.budget.money * MILLION:
                return None
            return usage.reserve(conn, purpose=purpose, model=model, tokens=tokens, cost_micros=cost, now=now)

    def settle(self, row: int, input_tokens: int, output_tokens: int, outcome: str) -> None:
        cost = self.budget.micros(input_tokens, output_tokens)
        with self.db.write() as conn:
            usage.settle(
                conn, row, input_tokens=input_tokens, output_tokens=output_tokens, cost_micros=cost, outcome=outcome
            )
