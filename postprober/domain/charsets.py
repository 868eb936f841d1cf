"""Text out of the bytes of a page, whatever it says about them. Pure."""

from __future__ import annotations

import codecs
import re

_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.\-]{1,40})", re.IGNORECASE)
_HEADER = re.compile(r"charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.\-]{1,40})", re.IGNORECASE)
_SEARCHED = 4096  # bytes in which a page names its encoding; the standard says 1,024, pages are later
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
# The encodings of the web (https://encoding.spec.whatwg.org/#names-and-labels), by the names that pages give them. Only
# these: among Python's codecs are some that no page has, such as UTF-7, in which harmless bytes are markup.
_KNOWN = {
    **dict.fromkeys(("utf-8", "utf8", "unicode-1-1-utf-8"), "utf-8"),
    **dict.fromkeys(("iso-8859-1", "latin1", "l1", "iso8859-1", "us-ascii", "ascii", "windows-1252", "cp1252"), "cp1252"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j", "ms_kanji"), "cp932"),
    **dict.fromkeys(("gb2312", "gbk", "gb18030", "x-gbk", "gb_2312-80", "chinese"), "gb18030"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "korean", "windows-949", "ksc5601"), "cp949"),
    **dict.fromkeys(("big5", "big5-hkscs", "cn-big5", "x-x-big5"), "big5hkscs"),
    **dict.fromkeys(("koi8-r", "koi8", "koi8_r"), "koi8-r"),
    **dict.fromkeys(("windows-874", "tis-620", "iso-8859-11"), "cp874"),
    **dict.fromkeys(("utf-16", "utf-16le", "unicode"), "utf-16-le"),
    **{f"iso-8859-{n}": f"iso8859-{n}" for n in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
    **{f"windows-125{n}": f"cp125{n}" for n in (0, 1, 3, 4, 5, 6, 7, 8)},
    "iso-8859-9": "cp1254", "euc-jp": "euc_jp", "x-euc-jp": "euc_jp", "iso-2022-jp": "iso2022_jp", "koi8-u": "koi8-u",
    "utf-16be": "utf-16-be", "macintosh": "mac_roman", "x-mac-cyrillic": "mac_cyrillic",
}  # fmt: skip  # table: https://encoding.spec.whatwg.org/#names-and-labels


def text_of(data: bytes, content_type: str = "") -> str:
    """`data`, which may be cut off, as text: by its byte order mark, by the reply's `content_type`, by what the page itself
    says, else as UTF-8; the first of these that fits. Where none does, Windows-1252, in which every byte is a letter. Never
    raises."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace")
    said = [found[1] for found in (_HEADER.search(content_type),) if found]
    said += [found[1].decode("ascii") for found in (_META.search(data[:_SEARCHED]),) if found]
    for name in [*(_KNOWN.get(one.lower(), "") for one in said), "utf-8"]:
        if not name:
            continue
        try:
            return codecs.getincrementaldecoder(name)("strict").decode(data)
        except UnicodeDecodeError:
            continue
    return data.decode("cp1252", "replace")
