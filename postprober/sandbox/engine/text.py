"""Text as the platforms read it: links and graphemes."""

import re
import unicodedata

URL = re.compile(r"https?://[^\s<>\"]+(?:(?<=[^\s<>\"()])\([^\s<>\"()]*\)|[^\s<>\"'.,;:!?)\]}])")
HASHTAG = re.compile(r"(?<![\w#])#(\w+)")
MENTION = re.compile(r"(?<![\w@])@([A-Za-z0-9_][A-Za-z0-9_.]*)")


def graphemes(text: str) -> int:
    """Count user-perceived characters. Simple: joins marks, joiners, modifiers, flags and CR LF, no Hangul jamo."""
    count = 0
    joined = flag_open = False
    previous = ""
    for char in unicodedata.normalize("NFC", text):
        point = ord(char)
        flag = 0x1F1E6 <= point <= 0x1F1FF
        extends = unicodedata.category(char) in ("Mn", "Me", "Mc") or point == 0x200D or 0x1F3FB <= point <= 0x1F3FF
        extends = extends or 0xE0020 <= point <= 0xE007F or (char == "\n" and previous == "\r")
        if not (extends and previous) and not joined and not (flag and flag_open):
            count += 1
            flag_open = flag
        else:
            flag_open = False
        joined = point == 0x200D
        previous = char
    return count
