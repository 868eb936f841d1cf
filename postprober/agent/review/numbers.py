"""Numbers of cards, bank accounts and persons, told from those of parcels, books and parts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from postprober.agent.phrases import Phrases
from postprober.agent.review.reading import Found, ReviewedText, masked
from postprober.agent.words import read

# Not within a word: one in 1,500 commit hashes and UUIDs has such a number inside.
_DIGITS = re.compile(r"(?<![\w#/.=-])(?:\d[ -]?){12,18}\d(?![\w-])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_SORT_CODE = re.compile(r"(?i)\bsort ?code\b\D{0,10}\d{2}-\d{2}-\d{2}\b[^\n]{0,30}?\b(\d{8})\b")
_SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")  # ssa.gov: number format
_NOT_CARDS = Phrases.listed("not_cards")
_CARDS = Phrases.listed("cards")
_DONATING = Phrases.listed("donating")
# Lengths and first digits of issuers: ISO/IEC 7812; the ranges that the schemes publish.
_ISSUERS = (
    (re.compile(r"4"), (13, 16, 19)),
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),
    (re.compile(r"3[47]"), (15,)),
    (re.compile(r"30[0-5]|36|38|39"), (14,)),
    (re.compile(r"6011|64[4-9]|65"), (16, 19)),
    (re.compile(r"35(?:2[89]|[3-8])"), (16,)),
    (re.compile(r"62"), (16, 17, 18, 19)),
    (re.compile(r"50|5[6-8]|6[37]|60|81|82"), (16,)),
    (re.compile(r"9792|220[0-4]|8600|9860"), (16,)),  # Troy, Mir, Uzcard, Humo
)
_PAID = Phrases.listed("pay_words")
_TEST_TALK = Phrases.listed("test_talk")
_PUBLISHED = frozenset(read("test_cards"))
_PRINTED = re.compile(r"\d{4}([ -])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?|\d{4}([ -])\d{6}\2\d{4,5}")
# Numbers of persons with a check of their own, and what they are called, without which the shorter ones are anything.
_PRIVATE = re.compile(
    r"(?i)\b(?:my |his |her |their )?(?:private|personal|home) (?:mobile|cell|phone|number|phone number"
    r"|mobile number)\b[^\n.!?]{0,20}?"
    r"(\+?\d[\d ()/-]{6,18}\d)"
    r"|\b(?:meine |ihre |seine )?(?:private|privat) ?(?:handy|handynummer|nummer|telefonnummer"
    r"|mobilnummer)\b[^\n.!?]{0,20}?(\+?\d[\d ()/-]{6,18}\d)"
)


def find(reading: ReviewedText) -> Iterator[Found]:
    """Cards and numbers of persons are flagged; an account number is a doubt, and none where people are to pay in."""
    yield from _cards(reading)
    for match in _IBAN.finditer(reading.text):
        if _mod97(match[0]) and not reading.has(_DONATING):
            yield Found(
                "account_number", masked(match[0]), "is a bank account number (IBAN); make sure that it may be public"
            )
    for match in _SORT_CODE.finditer(reading.text):
        if not reading.has(_DONATING):
            yield Found("account_number", masked(match[1]), "is a bank account number; make sure that it may be public")
    yield from _persons(reading)
    for match in _PRIVATE.finditer(reading.text):
        yield Found(
            "contact", masked(match[1] or match[2]), "is somebody's private number; make sure that it may be public"
        )


def _cards(reading: ReviewedText) -> Iterator[Found]:
    for match in _DIGITS.finditer(reading.text):
        digits = re.sub(r"\D", "", match[0])
        if len(set(digits)) == 1 or (digits in _PUBLISHED and reading.has(_TEST_TALK)):
            continue
        issued = _issued(digits)
        called_card = reading.near(_CARDS, *match.span())
        called_other = reading.near(_NOT_CARDS, match.start(), match.end(), 45, 15)
        printed = bool(_PRINTED.fullmatch(match[0]))
        if _luhn(digits) and issued:
            paid = len(digits) >= 15 and reading.near(_PAID, *match.span())
            seems = called_card or (not called_other and (printed or paid))
        else:  # a digit is misspelt, or nobody has told us of the issuer
            seems = not called_other and (
                (called_card and (issued or printed))
                or (issued and len(digits) >= 15 and reading.near(_PAID, *match.span()))
            )
        if seems:
            yield Found("card", masked(match[0]), "looks like a card number; take it out", flagged=True)


def _issued(digits: str) -> bool:
    """Whether an issuer gives out numbers that begin so and are as long."""
    return any(first.match(digits) and len(digits) in lengths for first, lengths in _ISSUERS)


def _luhn(number: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    digits = [int(char) for char in number]
    doubled = [d * 2 - 9 if d > 4 else d * 2 for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _mod97(text: str) -> bool:
    """ISO 13616 / ISO 7064."""
    compact = text.replace(" ", "")
    if not 15 <= len(compact) <= 34:
        return False
    moved = compact[4:] + compact[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def _persons(reading: ReviewedText) -> Iterator[Found]:
    for match in _SSN.finditer(reading.text):
        if not reading.near(_NOT_CARDS, match.start(), match.end(), 45, 15):
            yield _of_person(match[0], "a social security number")
    for pattern, check, name in _NUMBERED:
        for match in pattern.finditer(reading.text):
            if check(match[1]):
                yield _of_person(match[1], name)


def _of_person(number: str, name: str) -> Found:
    return Found("national_number", masked(number), f"looks like {name}; take it out", flagged=True)


def _numbers(text: str) -> list[int]:
    return [int(char) for char in text if char.isdigit()]


def _weighted(text: str, weights: tuple[int, ...], modulus: int) -> int:
    return sum(a * b for a, b in zip(_numbers(text), weights, strict=False)) % modulus


def _pesel(text: str) -> bool:
    """gov.pl: the eleventh digit checks the others."""
    return _weighted(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1), 10) == 0


def _bsn(text: str) -> bool:
    """rvig.nl: the "elfproef"."""
    return _weighted(text, (9, 8, 7, 6, 5, 4, 3, 2, -1), 11) == 0


def _cpf(text: str) -> bool:
    """Receita Federal: two check digits."""
    digits = _numbers(text)
    if len(digits) != 11 or len(set(digits)) == 1:
        return False
    for length in (9, 10):
        rest = sum(d * w for d, w in zip(digits[:length], range(length + 1, 1, -1), strict=True)) * 10 % 11 % 10
        if rest != digits[length]:
            return False
    return True


def _dni(text: str) -> bool:
    """Ministerio del Interior: the letter follows from the number modulo 23."""
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(re.sub(r"\D", "", text)) % 23] == text[-1].upper()


def _nir(text: str) -> bool:
    """insee.fr: the last two digits are 97 minus the rest."""
    digits = re.sub(r"\D", "", text)
    return len(digits) == 15 and 97 - int(digits[:13]) % 97 == int(digits[13:])


def _tckn(text: str) -> bool:
    """nvi.gov.tr: the last two digits check the others."""
    d = _numbers(text)
    return d[0] != 0 and (sum(d[0:9:2]) * 7 - sum(d[1:8:2])) % 10 == d[9] and sum(d[:10]) % 10 == d[10]


def _any(_text: str) -> bool:
    return True


_NUMBERED: tuple[tuple[re.Pattern[str], Callable[[str], bool], str], ...] = (
    (re.compile(r"(?i)\bpesel\b\D{0,15}(\d{11})(?!\d)"), _pesel, "a PESEL number"),
    (re.compile(r"(?i)\b(?:bsn|burgerservicenummer)\b\D{0,15}(\d{9})(?!\d)"), _bsn, "a citizen service number"),
    (re.compile(r"(?<![\d.])(\d{3}\.\d{3}\.\d{3}-\d{2})(?!\d)"), _cpf, "a CPF number"),
    (re.compile(r"(?i)\b(?:dni|nif)\b\W{0,5}(\d{8}-?[A-Z])\b"), _dni, "a DNI number"),
    (
        re.compile(r"(?<!\d)([12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?\d{2} ?\d{3} ?\d{3} ?\d{2})(?!\d)"),
        _nir,
        "a social security number",
    ),
    (re.compile(r"(?i)\b(?:tc|t\.c\.|tckn|kimlik)\b[^\d\n]{0,20}(\d{11})(?!\d)"), _tckn, "an identity number"),
    (
        re.compile(r"\b([A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z])\b"),
        _any,
        "a fiscal code",
    ),
    (
        re.compile(
            r"(?i)\b(?:national insurance|NI) (?:number"
            r"|no\.?)\D{0,10}\b([A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D])\b"
        ),
        _any,
        "a national insurance number",
    ),
    (
        re.compile(
            r"(?i)\b(?:passport|reisepass|passeport|pasaporte|passaporto|paspoort|paszport)\w{0,10} ?(?:number|no\.?"
            r"|nummer|nr\.?|n°)\W{0,5}([A-Z0-9]{1,2}\d{6,8}[A-Z0-9]?)\b"
        ),
        _any,
        "a passport number",
    ),
)
