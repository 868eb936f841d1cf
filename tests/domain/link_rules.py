"""The rules for links of docs/facts.md, 8, as the one regular expression that they are published as: right by its looks, and
slow. What `domain/entities.py` finds is compared with it."""

from __future__ import annotations

import regex

from postprober.domain.tlds import TLDS

_LATIN = (
    "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff\u0100-\u024f\u0253\u0254\u0256\u0257\u0259\u025b\u0263\u0268\u026f"
    "\u0272\u0289\u028b\u02bb\u0300-\u036f\u1e00-\u1eff"
)
_CYRILLIC = "\u0400-\u04ff"
_DIRECTION = "\u202a-\u202e\u061c\u200e\u200f\u2066-\u2069"
_NONCHARACTERS = "\ufffe\ufeff\uffff"
_SPACES = "\u0009-\u000d\u0020\u0085\u00a0\u1680\u180e\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_PUNCTUATION = r"!'#%&\"()*+,\\\-./:;<=>?@\[\]^_{|}~$"
_HOST = rf"[^{_PUNCTUATION}{_SPACES}{_NONCHARACTERS}{_DIRECTION}]"
_SUBDOMAIN = rf"(?:{_HOST}(?:(?:[_-]|{_HOST}){{0,61}}{_HOST})?\.)"
_DOMAIN_NAME = rf"(?:{_HOST}(?:(?:-|{_HOST}){{0,61}}{_HOST})?\.)"
_TLD = r"(?:\L<tlds>(?=[^0-9a-zA-Z@+\-]|$)|xn--[\-0-9a-z]{1,59})"
_PATH = rf"[a-z{_CYRILLIC}0-9!*';:=+,.$/%#\[\]\-\u2013_~@|&{_LATIN}]"
_PARENS = rf"\((?:{_PATH}+|{_PATH}*\({_PATH}+\){_PATH}*)\)"
_PATH_END = rf"(?:[+\-a-z{_CYRILLIC}0-9=_#/{_LATIN}]|{_PARENS})"
_QUERY = r"[a-z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]"

LINK = regex.compile(
    rf"(?P<before>[^A-Za-z0-9@\uff20$#\uff03{_NONCHARACTERS}]|[{_DIRECTION}]|^)"
    rf"(?P<url>(?P<protocol>https?://)?(?P<domain>{_SUBDOMAIN}{{0,12}}{_DOMAIN_NAME}{_TLD})(?::[0-9]+)?"
    rf"(?P<path>/(?:{_PATH}*(?:{_PARENS}{_PATH}*)*{_PATH_END}|@{_PATH}+/)?)?(?:\?{_QUERY}*[a-z0-9\-_&=#/])?)",
    regex.IGNORECASE,
    tlds=sorted(TLDS),
)
