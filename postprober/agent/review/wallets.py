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
# A row of these is a sentence, and no phrase of a wallet.
_OF_SENTENCES = frozenset(fold(word) for name in ("doubled", "of_sentences") for word in read(name))


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
