"""A post's proof, for everybody who has the link."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from postprober.api.deps import CoreDep
from postprober.api.problems import responses
from postprober.errors import NotFound
from postprober.services.reports import proof_pages

router = APIRouter(tags=["reports"])
_PAGE = {"content": {"text/html": {"schema": {"type": "string"}}}}


@router.head("/proof/{token}", summary="Ask for the headers of a shared proof", include_in_schema=False)
@router.get(
    "/proof/{token}",
    summary="See a shared proof",
    response_class=HTMLResponse,
    responses={
        **responses(422),
        200: {**_PAGE, "description": "What was sent, when and where it was proved"},
        404: {
            "content": {**_PAGE["content"], **responses(404)[404]["content"]},
            "description": "Nothing is shared under this address, whatever the reason",
        },
    },
)
def page(token: str, core: CoreDep) -> Response:
    """A page without scripts; not for search engines, and never kept, so that what is withdrawn is gone at once."""
    from postprober.analytics import report_page  # loads the templates' engine

    try:
        html, status = report_page.proof_html(on=proof_pages.page(core, token)), 200
    except NotFound:
        html, status = report_page.proof_html(on=()), 404
    policy = (
        f"default-src 'none'; style-src '{report_page.style_hash()}'; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'none'; sandbox allow-popups allow-popups-to-escape-sandbox"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Robots-Tag": "noindex, nofollow, noarchive",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(html, status, headers)
