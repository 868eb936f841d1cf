"""Whether a space asks the language model: what its owner reads before agreeing, who agreed, and what is left of the
budget."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from postprober.agent.language_model import KEY_REFUSED
from postprober.clock import utc_iso
from postprober.domain.actor import Actor
from postprober.domain.addresses import split
from postprober.errors import BadInput, Conflict, Forbidden, NotFound
from postprober.pipeline.repairs.model_budget import MILLION, DbTokenBudget
from postprober.pipeline.repairs.model_use import Agreement, DbModelUse
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.storage import usage, users

SENT = (
    "the texts of posts, when they are reviewed and when suggestions are made",
    "the alt texts of their pictures",
    "the names of the platforms, and the language you chose",
    "for failed deliveries: the text, and what the platform answered",
)
SENT_OF_PICTURES = (
    "small copies (512 pixels, without EXIF) of pictures that have no alt text, so that it can suggest one"
)
KEPT = (
    "texts that the rules flag, above all secrets and card numbers",
    "the tokens in links (query, fragment and keys in the path)",
    "names of files",
    "names and tokens of your accounts, and who you are",
    "videos, and the pictures themselves",
)


# Outcomes of the last question that no waiting mends, as an owner is told of them.
TROUBLE = {
    "key": KEY_REFUSED,
    "quota": "The model's account has no credit left.",
    "missing": "The model's server does not know this model (POSTPROBER_AI_MODEL).",
}


@dataclass(frozen=True)
class Spent:
    """`money` in the currency of the prices that are set."""

    tokens: int
    money: float


@dataclass(frozen=True)
class ModelNotice:
    """What an owner reads first. `host`: whose server it is; `here`: it is the sandbox's, so nothing leaves this machine."""

    model: str
    server: str
    host: str
    here: bool
    sent: tuple[str, ...] = SENT
    sent_of_pictures: str = SENT_OF_PICTURES
    kept: tuple[str, ...] = KEPT


@dataclass(frozen=True)
class SpaceModel:
    """`on`: the space's posts are shown to the model; `pictures`: small copies of its pictures, too; `because`: why it is
    not asked, "" while it is. `trouble`: what the operator has to mend, "" for nothing. `agreed_by`, `agreed_at`: who chose that last, "" and None for nobody. `share`: of one day,
    for each of the spaces that ask; `renews_at`: aware UTC."""

    notice: ModelNotice
    on: bool
    pictures: bool
    because: str
    trouble: str
    agreed_by: str
    agreed_at: datetime | None
    today: Spent
    this_month: Spent
    share: Spent
    left: Spent
    renews_at: datetime


@permits.needs("posts:read")
def get(core: Core, actor: Actor) -> SpaceModel | None:
    """None where no model is set up: rules do the work, and nothing is sent."""
    parts = _parts(core)
    if parts is None:
        return None
    use, budget = parts
    now = core.clock.now().astimezone(UTC)
    refusal = use.refusal(actor.space)
    with core.db.read() as conn:
        chosen = use.chosen(conn, actor.space)
        today, month = usage.today(conn, now, actor.space), usage.this_month(conn, now, actor.space)
        of_all, last = usage.today(conn, now), usage.last_outcome(conn)
        share = budget.budget.share(use.spaces(conn))
        agreed_by = _name(conn, chosen.by) if chosen else ""
    most = budget.budget.tokens - of_all[0], int(budget.budget.money * MILLION) - of_all[1]
    left = [max(0, min(share[i] - today[i], most[i])) for i in (0, 1)]
    return SpaceModel(
        _notice(use),
        on=not refusal,
        pictures=use.pictures(actor.space),
        because=refusal,
        trouble=TROUBLE.get(last, ""),
        agreed_by=agreed_by,
        agreed_at=datetime.fromisoformat(chosen.at) if chosen else None,
        today=_spent(today),
        this_month=_spent(month),
        share=_spent(share),
        left=_spent((left[0], left[1])),
        renews_at=(now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0),
    )


def put(core: Core, actor: Actor, on: bool, pictures: bool, model: str, server: str) -> SpaceModel | None:
    """An owner's word for the space. `model` and `server`: of the notice that they read. Returns what `get` does. Raises
    Forbidden, Conflict when another model is set up by now, or BadInput when there is none to turn on."""
    who = permits.as_now(core, actor)
    if not who.owns:
        raise Forbidden("Only an owner decides whether posts are shown to the language model.")
    parts = _parts(core)
    if parts is None:
        if on:
            raise BadInput("No language model is set up, so there is nothing to turn on.", field="on")
        return None
    use, _ = parts
    if on and (model, server) != (use.model, use.server):
        raise Conflict("Another model is set up by now. Read the notice again before you agree.")
    made = Agreement(on, on and pictures, who.user, utc_iso(core.clock.now()), use.model, use.server)
    with core.db.write() as conn:
        use.choose(conn, who.space, made)
    return get(core, who)


def _parts(core: Core) -> tuple[DbModelUse, DbTokenBudget] | None:
    use = core.advisor.use
    budget = getattr(core.advisor.language_model, "token_budget", None)
    return (use, budget) if isinstance(use, DbModelUse) and isinstance(budget, DbTokenBudget) else None


def _notice(use: DbModelUse) -> ModelNotice:
    return ModelNotice(use.model, use.server, split(use.server).hostname or use.server, use.here)


def _spent(counted: tuple[int, int]) -> Spent:
    return Spent(counted[0], counted[1] / MILLION)


def _name(conn: Connection, person: int) -> str:
    try:
        return permits.called(users.get(conn, person))
    except NotFound:
        return "a person who left"
