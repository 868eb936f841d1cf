"""The standard library's HTML parser, without its assertions."""

from __future__ import annotations

from html.parser import HTMLParser


class TolerantParser(HTMLParser):
    """Reads any text; what is no HTML is skipped as a comment, as browsers do.

    Python before 3.13.6 raises AssertionError on a marked section without a name, such as `<![0`.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def parse_html_declaration(self, i: int) -> int:
        try:
            return super().parse_html_declaration(i)
        except AssertionError:
            return self.parse_bogus_comment(i)
