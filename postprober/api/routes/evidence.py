"""What was seen of a post, and the pictures of it."""

from __future__ import annotations

from fastapi import APIRouter, Response

from postprober.api.auth import CallerDep, require
from postprober.api.deps import CoreDep
from postprober.api.problems import responses
from postprober.api.schemas import PathId
from postprober.api.views import EvidenceList, EvidenceOut
from postprober.services.monitoring import details, evidence

router = APIRouter(tags=["deliveries"])


@router.get(
    "/api/deliveries/{delivery_id}/evidence",
    summary="What was seen of a delivery",
    responses=responses(401, 403, 404, 422),
)
def of_delivery(delivery_id: PathId, core: CoreDep, caller: CallerDep) -> EvidenceList:
    """Oldest first. What carries a picture has `pictured`."""
    require(caller, "monitoring:read")
    found = details.of(core, caller.actor, delivery_id).evidence
    return EvidenceList(items=[EvidenceOut.of(seen) for seen in found])


@router.get(
    "/api/evidence/{evidence_id}",
    summary="The picture of one piece of evidence",
    response_class=Response,
    responses=responses(401, 403, 404, 422) | {200: {"content": {"image/png": {}}}},
)
def picture(evidence_id: PathId, core: CoreDep, caller: CallerDep) -> Response:
    """A PNG of the page as a logged-out reader saw it; `ETag` is the SHA-256 of its bytes."""
    require(caller, "monitoring:read")
    found = evidence.picture(core, caller.actor, evidence_id)
    headers = {"ETag": f'"{found.sha256}"', "Cache-Control": "private, max-age=86400, immutable"}
    return Response(found.png, media_type="image/png", headers=headers)
