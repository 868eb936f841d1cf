"""Offers that platforms treat as fraud. Who warns of one makes none.

What cannot be known by a phrase is known by what stands together: who is asked for the number and the PIN of a card, and
why so quickly; coins that come back doubled; a fee in gift cards; a parcel that waits for money behind a link.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from postprober.agent.phrases import Phrases, words_of
from postprober.agent.review.reading import ReviewedText
from postprober.agent.review.sentences import sentences

_FRAUD = Phrases.listed("fraud")
_WARNING = Phrases.listed("warning")
_CONFIDENTIAL = Phrases.listed("fraud_confidential")
_ASKS = Phrases.listed("fraud_asks")
_LURES = Phrases.listed("fraud_lures")
_PARCELS = Phrases.listed("fraud_parcels")
_PAYS = Phrases.listed("fraud_pays")
_COINS = Phrases.listed("fraud_coins")
_DOUBLES = Phrases.listed("fraud_doubles")
_VOUCHERS = Phrases.listed("fraud_vouchers")
_FEES = Phrases.listed("fraud_fees")
_AMOUNT = re.compile(
    r"(?i)[£$€₺₴₪¥]\s?\d|\d\s?(?:[£$€₺₴₪¥]|eur\b|euros?\b|tl\b|zł|kr\b|руб|грн|円|元|ريال|درهم|دينار|ليرة|شيكل|ש\"ח|ש״ח|chf\b|usd\b|r\$)"
)
_STAKES = Phrases.listed("fraud_stakes")
_RISKLESS = Phrases.listed("fraud_riskless")
_CONTACTS = Phrases.listed("fraud_contacts")
_MONEY_SIGNS = r"(?:[£$€₺₴₪¥]|r\$|eur(?:os?)?|usd|dollars?|tl|lira|zł|kr|руб\w{0,5}|₽|грн|гривень|万?円|万?元|دولار|ريال|درهم|دينار|جنيه|שקל|ש\"ח|ש״ח|pounds?)"
_SUM = re.compile(
    rf"(?i)(?:[£$€₺₴₪¥]|r\$)\s?(\d[\d.,\u00a0 ]{{0,9}}\d|\d)|(\d[\d.,\u00a0 ]{{0,9}}\d|\d)\s?{_MONEY_SIGNS}(?!\w)|(\d{{1,7}})\s?(?:万?円|万?元)"
)
_TIMES = 3  # ours: nothing honest gives back three times what was put in
_LURING = 100  # ours, in any currency: less is the price of a cake
_HASTE = re.compile(
    r"(?i)(?<!\w)\d{1,2}\s?(?:h\b|hours?|min|std|stunden|heures|horas|ore\b|uur|godzin|saat|час|годин|ساعة|שעות|timmar|時間|小时|分)|за добу|за сутки|ساعات"
)
# Registries that sell names for next to nothing; who warns of a closed account has an address of his own.
_CHEAP = re.compile(
    r"(?i)https?://[^\s/]{3,80}\.(?:top|xyz|icu|click|cyou|buzz|rest|cfd|sbs|lol|tk|ml|ga|cf|gq|monster|quest|bond|vip|zip|mov|lat|pw)(?:[/?#:]|$|\s|[.,!])"
)
_SHOPPING = re.compile(r"(?i)\b(?:free|easy|\d{1,3}[- ]days?) returns\b|\breturns (?:policy|within|are free)\b")
_SEND = re.compile(
    r"(?i)\bsend (?:me|us) [^.!?\n]{0,40}(?:btc|bitcoins?|eth|usdt|crypto|gift cards?)\b"
    r"|\bsend [^.!?\n]{0,30}(?:btc|bitcoins?|eth|usdt)\b[^.!?\n]{0,60}(?:back|double|twice|return)"
    r"|\b(?:dm|send|tell|give|e-?mail|text) (?:me|us) (?:your )?(?:seed phrase|recovery phrase|password"
    r"|bank details|card details|pin)\b"
    r"|\benter your (?:card|bank) details to (?:claim|receive|unlock)\b"
    r"|\b(?:invest|pay|deposit) \D{0,3}\d[\d,.]{0,9}[^.!?\n]{0,40}\b(?:get|receive|earn|make) \D{0,3}\d[\d,.]{0,9}[^.!?\n]{0,20}\b(?:tomorrow|back|within|in \d|guaranteed|daily|a day|in return)\b"
    r"|\b(?:earn|make) [$£€]\s?\d[\d,.]{0,9}k? (?:a|per|every) (?:day|week) (?:from home|with no|without)"
    r"|\b(?:verify|confirm|unlock|restore) your (?:account|wallet|password"
    r"|bank details)\b[^\n]{0,80}(?:within \d|or it will|suspended|locked|blocked)"
    r"|\byour account (?:has been|is|will be) (?:suspended|locked|blocked)\b[^\n]{0,120}(?:click|https?://"
    r"|verify|confirm)"
    r"|\b(?:you(?:'ve| have)? (?:won|been selected))\b[^\n]{0,100}(?:click|claim|confirm|card details"
    r"|bank details|small fee|shipping fee)"
)
_MONEY = (
    r"(?:rendite|rendement|returns?|profits?|ganancias?|rentabilidad|guadagn[oi]|rendimento|lucros?|retorno"
    r"|zysk\w*|kazanç|getiri|доход\w*|прибыл\w*|прибут\w*|заробіт\w*|заработ\w*|winst|أرباح|ربح|רווח\w*|תשואה)"
)
_SURE = r"(?:garant\w*|guarantee\w*|gwarant\w*|гарант\w*|sicur[oi]|مضمون\w*|מובטח\w*)"
_GAINS = re.compile(
    rf"(?i)(?<!\w){_SURE}[^.!?\n]{{0,25}}?(?<!\w){_MONEY}(?!\w)"
    rf"|(?<!\w){_MONEY}[^.!?\n]{{0,25}}?(?<!\w){_SURE}(?!\w)"
)
_PER_DAY = re.compile(
    r"(?i)\b(?:gagne[zr]?|verdiene?n?|gana[rd]?|guadagna(?:te)?|ganhe|zarabiaj|kazan(?:ın)?"
    r"|заработай(?:те)?)\b[^.!?\n]{0,20}\d[\d.,]{0,9}\s?(?:€|\$|£|zł|tl|₺|euros?|руб\w*"
    r"|reais)[^.!?\n]{0,12}(?:par jour|am tag|pro tag|täglich|al día|al giorno|por dia|per dag|dziennie|günde"
    r"|в день)[^.!?\n]{0,60}(?:sans|ohne|sin|senza|sem|zonder|bez|без|garant|гарант)"
)


def find(reading: ReviewedText) -> Iterator[str]:
    """The pieces that are made to defraud."""
    text = reading.text
    if _SHOPPING.search(text):
        return
    warned = reading.has(_WARNING)
    if not warned:
        for start, end in reading.said(_FRAUD):
            yield text[start:end]
        for pattern in (_SEND, _GAINS, _PER_DAY):
            for match in pattern.finditer(text):
                if not reading.in_quotes(match.start()):
                    yield match[0]
        yield from _together(reading)


def _together(reading: ReviewedText) -> Iterator[str]:
    text, folded = reading.text, reading.folded
    lured, linked = reading.has(_LURES), bool(reading.links)
    coins, vouchers = reading.has(_COINS), reading.has(_VOUCHERS)
    if vouchers and reading.has(_FEES) and reading.has(_PAYS):
        start, end = next(_VOUCHERS.find(folded, reading.words))
        if not reading.in_quotes(start):
            yield text[start:end]
    asked = reading.has(_CONFIDENTIAL) or _AMOUNT.search(text)
    if linked and asked and reading.has(_PARCELS) and reading.has(_PAYS):
        start, end = next(_PARCELS.find(folded, reading.words))
        if not reading.in_quotes(start):
            yield text[start:end]
    cheap = _CHEAP.search(text)
    if cheap and (lured or reading.has(_PARCELS) or reading.has(_CONFIDENTIAL)):
        yield cheap[0]
    yield from _gains(reading)
    for start, end in sentences(text):
        said = folded[start:end]
        words = words_of(said)
        if lured and _ASKS.is_in(said, words) and not reading.in_quotes(start):
            for first, last in _CONFIDENTIAL.find(said, words):
                if not reading.in_quotes(start + first):
                    yield text[start + first : start + last]
                    break
        if coins and _DOUBLES.is_in(said, words) and not reading.in_quotes(start):
            around = folded[max(0, start - 120) : end + 120]
            if _COINS.is_in(around) and (_ASKS.is_in(around) or _PAYS.is_in(around)):
                first, last = next(_DOUBLES.find(said, words))
                yield text[start + first : start + last]


def _gains(reading: ReviewedText) -> Iterator[str]:
    """Money that comes back many times over, or that comes without a risk from somebody who is to be written to."""
    text = reading.text
    sums = [(match, _value(match)) for match in _SUM.finditer(text) if not reading.in_quotes(match.start())]
    if not sums:
        return
    riskless = any(not reading.folded.startswith((" of ", " for "), end) for _, end in reading.said(_RISKLESS))
    private = reading.has(_CONTACTS)
    if riskless and private and max(value for _, value in sums) >= _LURING:
        yield sums[0][0][0]
    elif reading.has(_STAKES) and (riskless or private or _HASTE.search(text)):
        for (first, small), (last, large) in pairwise(sums):
            near = last.start() - first.end() < 60
            if near and small and large >= _TIMES * small and _HASTE.search(text[first.start() : last.end() + 40]):
                yield text[first.start() : last.end()]
                return


def _value(match: re.Match[str]) -> float:
    """The sum as a number: a mark before three figures parts thousands."""
    digits = re.sub(r"[.,\u00a0 ](?=\d{3}(?!\d))", "", next(group for group in match.groups() if group))
    plain = digits.replace(",", ".").replace(" ", "").replace("\u00a0", "")
    if plain.count(".") > 1:
        return 0.0  # no sum that we can read
    return float(plain) * (10_000 if "万" in match[0] else 1)
