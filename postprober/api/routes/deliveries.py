"""One delivery: what happened on one account, and what a person decides about it."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request, Response

from postprober.api.auth import Caller, CallerDep, require
from postprober.api.deps import CoreDep
from postprober.api.idempotency import Once, OnceDep, StoredAnswer
from postprober.api.problems import responses
from postprober.api.schemas import AdoptBody, AgainBody, CancelBody, PathId, RewriteBody
from postprober.api.views import DeliveryDetail
from postprober.services.core import Core, Mark
from postprober.services.monitoring import ghosts, monitoring
from postprober.services.posts import delivery_actions, edit_failed

router = APIRouter(prefix="/api/deliveries", tags=["deliveries"])
_DECIDED = responses(401, 403, 404, 409, 422)


@router.get("/{delivery_id}", summary="Read a delivery", responses=responses(401, 403, 404, 422))
def read(delivery_id: PathId, core: CoreDep, caller: CallerDep) -> DeliveryDetail:
    """With every try: when, how it ended, and the request id that the platform was given."""
    require(caller, "monitoring:read")
    return _detail(core, caller, delivery_id)


@router.post(
    "/{delivery_id}/retry", summary="Try a failed delivery again", response_model=DeliveryDetail, responses=_DECIDED
)
def retry(delivery_id: PathId, core: CoreDep, caller: CallerDep, once: OnceDep) -> Response:
    """Nothing of it was published."""
    return _decide(
        core,
        caller,
        once,
        delivery_id,
        lambda mark: delivery_actions.retry_one(core, caller.actor, delivery_id, mark),
    )


@router.post("/{delivery_id}/send", summary="Send a held delivery", response_model=DeliveryDetail, responses=_DECIDED)
def send(delivery_id: PathId, core: CoreDep, caller: CallerDep, once: OnceDep) -> Response:
    """You have looked on the platform, and it is not there. PostProber cannot tell; if it is there after all, this makes
    a second post."""
    return _decide(
        core,
        caller,
        once,
        delivery_id,
        lambda mark: delivery_actions.send_held(core, caller.actor, delivery_id, mark),
    )


@router.post(
    "/{delivery_id}/look", summary="Look for a held delivery again", response_model=DeliveryDetail, responses=_DECIDED
)
def look(delivery_id: PathId, core: CoreDep, caller: CallerDep, once: OnceDep) -> Response:
    """Only where something was sent and the answer got lost. Nothing is sent by this."""
    return _decide(
        core,
        caller,
        once,
        delivery_id,
        lambda mark: delivery_actions.look_again(core, caller.actor, delivery_id, mark),
    )


@router.post(
    "/{delivery_id}/cancel",
    summary="Cancel a delivery that was not sent",
    response_model=DeliveryDetail,
    responses=_DECIDED,
)
def cancel(delivery_id: PathId, body: CancelBody, core: CoreDep, caller: CallerDep, once: OnceDep) -> Response:
    """One that may be out already is cancelled only when you say that you have looked and it is not there."""

    def work(mark: Mark) -> None:
        delivery_actions.cancel_one(core, caller.actor, delivery_id, not_there=body.not_there, mark=mark)

    return _decide(core, caller, once, delivery_id, work, body.model_dump_json())


@router.post(
    "/{delivery_id}/adopt",
    summary="Say where a held delivery is",
    responses=responses(401, 403, 404, 409, 422, 429, 502),
)
def adopt(delivery_id: PathId, body: AdoptBody, request: Request, core: CoreDep, caller: CallerDep) -> DeliveryDetail:
    """PostProber reads the post first: it must be the account's, and say what was to be sent. Doing it twice changes
    nothing more."""
    require(caller, "monitoring:write", "posts:publish")
    delivery_actions.adopt_held(core, caller.actor, delivery_id, body.link, request_id=request.state.request_id)
    return _detail(core, caller, delivery_id)


@router.post(
    "/{delivery_id}/rewrite",
    summary="Send a failed delivery with other words",
    response_model=DeliveryDetail,
    responses=_DECIDED,
)
def rewrite(delivery_id: PathId, body: RewriteBody, core: CoreDep, caller: CallerDep, once: OnceDep) -> Response:
    """Checked and reviewed like a new post. 409 `review-needed` when the review holds the words: change them, or let a
    person approve them. 409 while an earlier try may still appear."""

    def work(mark: Mark) -> None:
        edit_failed.rewrite(core, caller.actor, delivery_id, body.texts, body.approved, mark)

    return _decide(core, caller, once, delivery_id, work, body.model_dump_json())


@router.post(
    "/{delivery_id}/check", summary="Check an invisible post again", response_model=DeliveryDetail, responses=_DECIDED
)
def check(delivery_id: PathId, core: CoreDep, caller: CallerDep, once: OnceDep) -> Response:
    """Only for a `ghost`. Nothing is sent by this."""
    return _decide(
        core, caller, once, delivery_id, lambda mark: ghosts.check_again(core, caller.actor, delivery_id, mark)
    )


@router.post(
    "/{delivery_id}/acknowledge",
    summary="Acknowledge an invisible post",
    response_model=DeliveryDetail,
    responses=_DECIDED,
)
def acknowledge(delivery_id: PathId, core: CoreDep, caller: CallerDep, once: OnceDep) -> Response:
    """Only for a `ghost`. It needs nobody any more, and is still checked from time to time."""
    return _decide(
        core, caller, once, delivery_id, lambda mark: ghosts.acknowledge(core, caller.actor, delivery_id, mark)
    )


@router.post(
    "/{delivery_id}/publish-again",
    summary="Publish an invisible post again",
    response_model=DeliveryDetail,
    responses=_DECIDED,
)
def publish_again(delivery_id: PathId, body: AgainBody, core: CoreDep, caller: CallerDep, once: OnceDep) -> Response:
    """Only for a `ghost`. A new delivery of the same words; if the first post becomes visible later, both can be seen."""

    def work(mark: Mark) -> None:
        ghosts.publish_again(
            core, caller.actor, delivery_id, risk_accepted=body.risk_accepted, approved=body.approved, mark=mark
        )

    return _decide(core, caller, once, delivery_id, work, body.model_dump_json())


def _decide(
    core: Core, caller: Caller, once: Once, delivery_id: int, decide: Callable[[Mark], None], body: str = ""
) -> Response:
    require(caller, "monitoring:write", "posts:publish")

    def work(mark: Mark, made: int | None) -> StoredAnswer:
        if made is None:
            decide(mark)
        return StoredAnswer(200, _detail(core, caller, delivery_id))

    return once.answer(body, work)


def _detail(core: Core, caller: Caller, delivery_id: int) -> DeliveryDetail:
    view = monitoring.delivery_view(core, caller.actor, delivery_id)
    return DeliveryDetail.with_tries(view, monitoring.attempts_of(core, caller.actor, delivery_id))
