"""Pages of ours on paper."""

from __future__ import annotations

from typing import Any

from postprober.errors import Unavailable
from postprober.services.core import Core

LONGEST = 60.0  # seconds; a year of posts prints in under 10 on two busy cores
_FOOTER = (
    '<div style="width:100%;padding:0 15mm;font:8px Liberation Sans,Arial,sans-serif;color:#4a5562;text-align:right">'
    'Page <span class="pageNumber"></span> of <span class="totalPages"></span></div>'
)


def trouble(core: Core) -> str:
    """Why nothing can be printed here, in one sentence; "" when it can, as far as can be told without trying."""
    return core.browser.trouble() if core.browser else "There is no browser here that could print."


def pdf(core: Core, html: str) -> bytes:
    """The page as PDF, by the shared Chromium without network and without scripts. Raises Unavailable."""
    if core.browser is None:
        raise Unavailable(trouble(core))

    def job(context: Any) -> bytes:  # of Playwright, which only `postprober.browser` knows
        page = context.new_page()
        page.set_content(html, wait_until="load")
        made: bytes = page.pdf(
            prefer_css_page_size=True,
            print_background=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=_FOOTER,
            tagged=True,
            outline=True,
        )
        return made

    return core.browser.visit(job, seconds=LONGEST, offline=True, javascript=False)
