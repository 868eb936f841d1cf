"""The words that open a wallet of coins: 12, 15, 18, 21 or 24 of them in a row (BIP-39, "Generating the mnemonic")."""

from __future__ import annotations

import re
from collections.abc import Iterator

from postprober.agent.phrases import Phrases, fold
from postprober.agent.review.reading import ReviewedText
from postprober.agent.words import read

# Their words have three to eight letters; people also number them or put commas and line breaks between.
_ROW = re.compile(
    r"(?<![\w'’-])(?:(?:\d{1,2}[.):]? ?)?[a-z]{3,8}[ ,;\n]{1,2}){11,23}(?:\d{1,2}[.):]? ?)?[a-z]{3,8}(?![\w'’-])"
)
_COUNTS = frozenset((12, 15, 18, 21, 24))
_WALLETS = Phrases.listed("wallet_words")
# Words of sentences in the languages that write with these letters: a row of such words is one, and no phrase of a wallet.
_OF_SENTENCES = frozenset(fold(word) for word in read("doubled")) | frozenset(
    "and the for with that this our are was have has not but you your from they them who when will would der die das und mit wir"
    " los las por para con que del una les des pour dans sur avec nous vous est gli per che non sono nel della alla uno com mais sem"
    " het een van voor met niet ook zijn wij bir ile ama jest nie sie den det som och att inte".split()
)


def find(reading: ReviewedText) -> Iterator[str]:
    """Each row of words that seems to open a wallet. Without a word about wallets, none of its words may be one of those
    that sentences are made of, and all must differ."""
    called = reading.has(_WALLETS)
    for match in _ROW.finditer(reading.text):
        words = re.findall("[a-z]{3,8}", match[0])
        usual = sum(word in _OF_SENTENCES for word in words)
        whole = len(words) in _COUNTS
        if (called and usual <= 1 and len(words) >= 12) or (whole and not usual and len(set(words)) == len(words)):
            yield match[0]
