"""The standard library's HTML parser, without its assertions, and bounded on pages that are made to keep it busy."""

from __future__ import annotations

from html.parser import HTMLParser

MOST_UNENDED = 100  # ours: a page that is cut off has one; each costs a search through all the rest


class TolerantParser(HTMLParser):
    """Reads any text, given whole; what is no HTML is skipped as a comment, as browsers do.

    Python before 3.13.6 raises AssertionError on a marked section without a name, such as `<![0`. For a tag or comment
    that begins and does not end it searches the whole rest of the page, for each one again, so that a page of nothing but
    `<!--` takes minutes; after MOST_UNENDED of them the rest is left out.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._unended = 0

    def parse_html_declaration(self, i: int) -> int:
        try:
            return self._bounded(super().parse_html_declaration(i))
        except AssertionError:
            return self.parse_bogus_comment(i)

    def parse_comment(self, i: int, report: bool = True) -> int:
        return self._bounded(super().parse_comment(i, report))

    def parse_bogus_comment(self, i: int, report: bool = True) -> int:
        return self._bounded(super().parse_bogus_comment(i, report))

    def parse_pi(self, i: int) -> int:
        return self._bounded(super().parse_pi(i))

    def parse_starttag(self, i: int) -> int:
        return self._bounded(super().parse_starttag(i))

    def parse_endtag(self, i: int) -> int:
        return self._bounded(super().parse_endtag(i))

    def _bounded(self, end: int) -> int:
        """Where the parser goes on; -1: what begins here has no end."""
        if end >= 0:
            return end
        self._unended += 1
        return -1 if self._unended <= MOST_UNENDED else len(self.rawdata)
