"""Keys, tokens and passwords.

The forms of tokens are facts that the services publish; which there are was learnt from the rules of gitleaks
(github.com/gitleaks/gitleaks, config/gitleaks.toml) and of detect-secrets (github.com/Yelp/detect-secrets, plugins), the
expressions here are ours. docs.github.com "About authentication to GitHub" (prefixes of tokens); docs.aws.amazon.com IAM
"Understanding unique ID prefixes"; RFC 7468 (PEM); RFC 7519 (JWT). Every repetition is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from postprober.agent.phrases import Phrases, fold
from postprober.agent.review import wallets
from postprober.agent.review.reading import Found, ReviewedText, masked
from postprober.agent.words import read

_START = r"(?<![A-Za-z0-9_])"
_TOKENS = (
    ("a private key", r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"),
    ("an AWS access key", _START + r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("an AWS secret key", r"(?i:aws.{0,20}secret.{0,25}[=:\s\"'])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])"),
    ("a GitHub token", _START + r"(?:gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255})"),
    ("a GitLab token", _START + r"gl(?:pat|dt|ptt|rt|cbt|ft|soat|oas|agent|imt)-[A-Za-z0-9_.-]{16,100}"),
    ("a Slack token", _START + r"(?:xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-\d-[A-Za-z0-9-]{10,250})"),
    ("a Slack webhook", r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_-]{16,200}"),
    ("a Stripe key", _START + r"(?:(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{10,250}|whsec_[A-Za-z0-9+/=]{20,100})"),
    (
        "a Google key",
        _START + r"(?:AIza[A-Za-z0-9_-]{30,45}|GOCSPX-[A-Za-z0-9_-]{20,60}|ya29\.[A-Za-z0-9_-]{20,300})",
    ),
    ("an API key", _START + r"sk-(?=[A-Za-z0-9_-]{0,200}\d)[A-Za-z0-9_-]{20,250}"),
    ("a Twilio key", _START + r"(?:SK|AC)[0-9a-f]{32}(?![A-Za-z0-9])"),
    ("a SendGrid key", _START + r"SG\.[A-Za-z0-9_-]{16,40}\.[A-Za-z0-9_-]{16,70}"),
    ("a mailing service's key", _START + r"(?:key-[0-9a-f]{32}|[0-9a-f]{32}-us\d{1,2})(?![A-Za-z0-9])"),
    (
        "a package registry's token",
        _START + r"(?:npm_[A-Za-z0-9]{30,60}|pypi-[A-Za-z0-9_-]{40,250}|rubygems_[a-f0-9]{48})",
    ),
    ("a bot's token", r"(?<![\w:])\d{6,12}:A[A-Za-z0-9_-]{30,45}(?![A-Za-z0-9_-])"),
    ("a bot's token", _START + r"[MNO][A-Za-z0-9_-]{22,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,45}"),
    ("a webhook address", r"discord(?:app)?\.com/api/webhooks/\d{5,25}/[\w-]{20,120}"),
    ("a webhook address", r"[\w-]{1,60}\.webhook\.office\.com/webhookb2/[\w@/-]{20,250}"),
    ("a DigitalOcean token", _START + r"do[opr]_v1_[a-f0-9]{40,70}"),
    ("an Azure key", r"AccountKey=[A-Za-z0-9+/=]{40,120}|SharedAccessKey=[A-Za-z0-9+/=]{30,120}"),
    ("a token (JWT)", _START + r"eyJ[A-Za-z0-9_-]{8,1000}\.[A-Za-z0-9_-]{8,1000}\.[A-Za-z0-9_-]{0,1000}"),
    ("an SSH key", r"ssh-(?:rsa|ed25519|dss) AAAA[A-Za-z0-9+/=]{40,1000}"),
    (
        "an address with a password",
        r"(?i)(?<![\w+.-])[a-z][a-z0-9+.-]{1,30}://[^\s:@/?#]{0,80}:[^\s:@/?#]{1,120}@[\w\[]",
    ),
    ("a bearer token", r"(?i)\bbearer\s{1,3}(?=[\w.~+/=-]{0,200}\d)[\w.~+/=-]{16,1000}"),
    ("a Shopify token", _START + r"shp(?:at|ca|pa|ss|ua)_[a-fA-F0-9]{20,64}"),
    ("a Square token", _START + r"(?:sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{20,50}|EAAA[A-Za-z0-9_-]{50,80})"),
    ("a Heroku key", _START + r"HRKU-[A-Za-z0-9-]{30,70}"),
    ("a Hugging Face token", _START + r"(?:hf|api_org)_[A-Za-z0-9]{25,60}"),
    ("a Sentry address", r"https?://[0-9a-f]{32}(?::[0-9a-f]{32})?@[\w.-]{3,100}/\d{1,20}"),
    ("a Sentry token", _START + r"sntr(?:ys|yu)_[A-Za-z0-9+/=_-]{20,250}"),
    ("a Mapbox token", _START + r"[ps]k\.eyJ[A-Za-z0-9_-]{16,250}\.[A-Za-z0-9_-]{16,60}"),
    ("a Figma token", _START + r"fig[dour]_[A-Za-z0-9_-]{20,120}"),
    ("a Notion token", _START + r"(?:secret_[A-Za-z0-9]{32,60}|ntn_[A-Za-z0-9]{32,60})"),
    ("an Airtable token", _START + r"pat[A-Za-z0-9]{14}\.[a-f0-9]{40,70}"),
    ("a Linear key", _START + r"lin_(?:api|oauth)_[A-Za-z0-9]{30,80}"),
    ("a Postman key", _START + r"PMAK-[a-f0-9]{20,30}-[a-f0-9]{30,40}"),
    (
        "a key",
        _START
        + r"(?:dapi[a-h0-9]{32}|hv[sb]\.[\w-]{24,300}|gl(?:c|sa)_[A-Za-z0-9+/=_]{30,400}|NRAK-[A-Z0-9]{27}"
        + r"|ATATT3[A-Za-z0-9_=-]{50,300}|dckr_pat_[A-Za-z0-9_-]{20,60}|sbp_[a-f0-9]{40}|nfp_[A-Za-z0-9]{36}"
        + r"|r8_[A-Za-z0-9]{37}|gsk_[A-Za-z0-9]{40,60}|xai-[A-Za-z0-9]{60,90}|pplx-[A-Za-z0-9]{40,60}"
        + r"|AGE-SECRET-KEY-1[A-Z0-9]{50,60}|pscale_(?:tkn|pw|oauth)_[\w.-]{30,70}|dp\.(?:pt|st|ct"
        r"|sa)\.[A-Za-z0-9.]{40,60}"
        + r"|shippo_(?:live|test)_[a-f0-9]{40}|fo1_[\w-]{40,50}|pul-[a-f0-9]{40}|tskey-[a-z]{2,10}-[\w-]{15,60}"
        + r"|phc_[A-Za-z0-9]{40,50}|phx_[A-Za-z0-9]{40,50}|CFPAT-[\w-]{40,50}|cloudinary://\d{10,20}:[\w-]{20,40}@"
        + r"|EAA[A-Za-z0-9]{90,250}|oauth:[a-z0-9]{30}|access-(?:sandbox|development|production)-[0-9a-f-]{36})",
    ),
    (
        "a key or password",
        r"(?i)\b(?:api|secret|access|auth|private|client|app|deploy|encryption|signing|webhook|license|licence)"
        r"[ _-]?(?:key|token|secret|id_secret|password|pass)\b[\"']?\s{0,3}(?:is\b|=|:|=>|lautet\b|ist\b|est\b"
        r"|es\b)\s{0,3}[\"'`]?"
        r"(?=[^\s\"'`]{0,200}\d)[^\s\"'`]{8,250}",
    ),
    (
        "a key or password",
        r"\b[A-Z][A-Z0-9_]{0,40}(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PWD|PASS)\s{0,2}[=:]\s{0,2}[\"'`]?"
        r"[^\s\"'`]{6,250}",
    ),
    (
        "a recovery phrase",
        r"(?i)\b(?:seed|recovery|wallet|backup)[ -](?:phrase"
        r"|words)\b[^.!?\n]{0,20}[:=]\s{0,3}(?:[a-z]{3,8}[ ,]{1,2}){11}[a-z]{3,8}\b",
    ),
)
_COMPILED = tuple((name, re.compile(pattern)) for name, pattern in _TOKENS)

_OPENS = Phrases.listed("password_words")
_PINS = Phrases.listed("pin_words")
_ONE_TIME = Phrases.listed("one_time_words")
_NETWORK = Phrases.listed("network_words")
_COMMON = frozenset(read("common_passwords"))
# Up to 40 characters lie between (ours): "Passwort für das WLAN im Saal: …"
_LINKING = re.compile(
    r"[^:=\n.!?]{0,40}?(?:\s{0,2}[:=]\s{0,3}|\s(?:is|ist|lautet|heißt|est|es|é|è|to|brzmi|artık|är|er|это|هي|هو|היא|הוא|–|—|-|->"
    r"|→)\s{1,3}|(?:は|是|为|為)\s{0,2})"
)
_VALUE = re.compile(r"[\"'`“„«「]?([^\s\"'`“”„«»「」,;、，。（）()<>]{3,60})")
_BESIDE = re.compile(r"\s{1,2}[\"'`“„«]?([^\s\"'`“”„«»,;()<>]{6,60})")
_NUMBER = re.compile(
    r"[^\d\n.!?]{0,40}?(?<![a-zа-я\d])(\d{3}[ -]?\d{3}|\d{4,8}|(?=[a-zа-я\d*#]{0,7}\d[a-zа-я\d*#]{0,6}\d)[a-zа-я\d*#]{4,8})(?![a-zа-я\d])"
)
_PIN = re.compile(
    r"\b(?:PIN|Pin)\b(?:[ -]?(?:Code|code))?(?:\s{0,2}[:=]\s{0,2}|\s(?:is|ist|est|es|é|è|lautet|to)\s"
    r"|\s)(\d{4,5})(?!\d)"
)
_CVV = re.compile(r"\b(?:CVV2?|CVC2?|CVN|cvv|cvc)\b[^\d\n]{0,8}(\d{3,4})(?!\d)")
_LOGIN = re.compile(
    r"(?i)\b(?:log-?ins?|credentials|user(?:name)?|benutzer(?:name)?|zugang|zugangsdaten|identifiants?|usuario"
    r"|utente|usuário"
    r"|gebruiker(?:snaam)?|użytkownik|kullanıcı(?: adı)?|логин|логін|connexion|conexión|acceso|accesso|accès"
    r"|inloggen|inlog|logowanie|giriş|вход|вхід|اسم المستخدم|שם משתמש|用户名|ユーザー名|användare)"
    r"\s{0,3}(?:[:=]|is\b)?\s{1,3}[^\s/|,;]{2,60}\s{0,3}(?:[/|,;]|\band\b|\bund\b|\bet\b|\ben\b"
    r"|\by\b)\s{0,3}(?:[^\W\d_]{2,20}\s{0,2}[:=]?\s{0,3})?((?=\S{0,59}\d)(?=\S{0,59}[^\W\d_])\S{6,60})"
)
_USER_PASS = re.compile(
    r"(?i)\b(?:user|login|usr)\s{0,2}[:=]\s{0,2}\S{1,60}[\s,;/|]{1,5}(?:pass|pw|pwd|pass ?code"
    r"|password)\s{0,2}[:=]\s{0,2}(\S{3,60})"
)
_PW = re.compile(r"(?i)(?<![\w?&;-])(?:pw|pwd|pass|passw)(?:\s{0,2}[:=]\s{0,2}|(?<=pwd)\s)((?=\S{0,40}\d)\S{5,60})")
# "WiFi: Guests / Dinosaur2024", "our wifi is Dino and the code is TRex-2026"
_NETWORK_PAIR = re.compile(r"(?i)\b(?:wi-?fi|wlan|вай-?фай)\b[^\n/|]{0,40}[/|]\s{0,2}([^\s,;]{6,60})")
_NETWORK_CODE = re.compile(
    r"(?i)\b(?:code|key|schlüssel|clé|clave|chiave|chave|código|codice|sleutel|klucz|kod|anahtar|ключ"
    r"|код)\b[^\d\n:=.!?]{0,20}?(?:\s?[:=]|\s(?:is|ist|lautet|est|es|è|é|to)(?=\s)"
    r"|(?=\s))\s{0,2}([^\s,;]{6,60})"
)
_OFFER = re.compile(
    r"(?i)%|discount|voucher|promo|coupon|\boff\b|rabatt|gutschein|descuento|sconto|desconto|korting|rabat"
    r"|indirim|скидк|знижк"
)
_OTHERS = (
    (
        "the code of a lock",
        re.compile(
            r"(?i)\b(?:portillon|digicode|lucchetto(?: del \w{3,15})?|candado|cadeado|kłódka|vorhängeschloss|hangslot)\s{0,2}(?::|è|es|is|ist|é|est|to)?\s{0,2}(\d{4,6})(?!\d)"
        ),
    ),
    (
        "a password",
        re.compile(r"(?<![\w-])(?:PW|Pw|pw|MDP|mdp)\s{1,2}((?=\S{0,40}\d)(?=\S{0,40}[^\W\d_])[^\s,;]{6,40})"),
    ),
    (
        "the code of a lock",
        re.compile(
            r"(?i)\b(?:key ?safe|lock ?box|padlock|safe|gate|garage|barrier|alarm|schlüssel(?:tresor|box|safe)|tresor|tor|boîte à clés"
            r"|cadenas|portail|caja de llaves|candado|cassetta|lucchetto|cancello|cofre|cadeado|portão|kluis|hangslot|sejf|kłódk\w|bram\w"
            r"|kasa|сейф\w?|замок|ворот\w?)\b[^\n.!?]{0,60}?\b(?:code|opens with|combination|codice|código|kod|kodu|код)\b\W{0,3}(\d{4,6})(?!\d)"
        ),
    ),
    (
        "a sign-in with its password",
        re.compile(
            r"(?i)\b(?:sign|log)[ -]?in\b[^\n]{0,40}?\S{1,60}@\S{3,60} (?:with|using|and) ((?=\S{0,40}\d)[^\s,;]{5,60})"
        ),
    ),
    (
        "a PIN",
        re.compile(
            r"\bPIN\b[^\d\n.!?:]{0,30}(?:\bis\b|\bist\b|\blautet\b|\best\b|\bes\b|è|é|:|=)\s{0,2}(\d{4,6})(?!\d)"
        ),
    ),
    ("a PUK", re.compile(r"\bPUK\b\D{0,10}(\d{8})(?!\d)")),
    ("the combination of a lock", re.compile(r"(?i)\bcombination\b[^\d\n]{0,15}(\d{1,2}[- ]\d{1,2}[- ]\d{1,2})(?!\d)")),
    (
        "codes for signing in",
        re.compile(r"(?i)\b(?:backup|recovery|2fa) codes?\b[^\n]{0,60}?((?=[\w-]{0,12}\d)\w{4,6}-\w{4,6})\b"),
    ),
    ("a sign-in with its password", re.compile(r"\bcurl\b[^\n]{0,80}?\s(?:-u|--user)\s{1,2}[^\s:]{1,40}:(\S{3,60})")),
    (
        "a token",
        re.compile(r"(?i)(?<![\w?&-])(?:token|secret|key)\s?[:=]\s{0,2}[\"'`]?((?=[\w+/=-]{0,200}\d)[\w+/=-]{20,250})"),
    ),
    ("a sign-in with its password", re.compile(r"(?i)\bAuthorization:\s?Basic\s{1,2}([A-Za-z0-9+/=]{8,200})")),
)
_YEARS = range(1900, 2100)


def find(reading: ReviewedText) -> Iterator[Found]:
    """Every secret, flagged; pieces are masked."""
    text = reading.text
    taken: list[tuple[int, int]] = []
    for name, pattern in _COMPILED:
        for match in pattern.finditer(text):
            if not any(start < match.end() and match.start() < end for start, end in taken):
                taken.append(match.span())
                yield _secret(match[0], name)
    for piece in wallets.find(reading):
        if not any(start <= text.find(piece) < end for start, end in taken):
            yield _secret(piece, "the words that open a wallet")
    yield from _passwords(reading)
    yield from _codes(reading)


def _secret(piece: str, name: str) -> Found:
    return Found("secret", masked(piece), f"looks like {name}; take it out", flagged=True)


def _passwords(reading: ReviewedText) -> Iterator[Found]:
    """A word for a password, and its value behind it."""
    text, folded = reading.text, reading.folded
    network = reading.has(_NETWORK)
    for start, end in _OPENS.find(folded, reading.words):
        if reading.in_quotes(start) and reading.talks_code:
            continue
        behind = end
        while (
            text[end - 1] < "\u3040" and behind < len(text) and behind < end + 8 and text[behind].isalpha()
        ):  # endings: "şifremiz", "паролем"
            behind += 1
        linked = _LINKING.match(folded, behind)
        if linked:
            value = _VALUE.match(text, linked.end())
            word = linked[0].split()[-1:] or [""]
            capital = linked.end() < len(text) and text[linked.end()].isupper()
            stated = word[0][-1:] in (":", "=") or word[0] in ("lautet", "brzmi") or (network and capital)
            if value and _opens(value[1], text, value.end(1), network, by_colon=stated):
                yield Found("secret", masked(value[1]), "looks like a password; take it out", flagged=True)
                continue
        beside = _BESIDE.match(text, behind)
        if beside and _mixed(beside[1]):
            yield Found("secret", masked(beside[1]), "looks like a password; take it out", flagged=True)
    for pattern in (_LOGIN, _USER_PASS, _PW):
        for match in pattern.finditer(text):
            if "://" not in match[0] and _bare(match[1]) not in _COMMON:
                yield Found(
                    "secret", masked(match[1]), "looks like a sign-in with its password; take it out", flagged=True
                )

    if network and not _OFFER.search(text):
        for pattern in (_NETWORK_PAIR, _NETWORK_CODE):
            for match in pattern.finditer(text):
                if _mixed(match[1]):
                    yield Found("secret", masked(match[1]), "looks like a password; take it out", flagged=True)
    for name, pattern in _OTHERS:
        for match in pattern.finditer(text):
            if match[1] not in _COMMON and not (match[1].isdigit() and int(match[1]) in _YEARS):
                yield _secret(match[1], name)


_MAIL = re.compile(r"^@|@[\w-]{1,60}\.[a-z]|@$")  # an address; a password may have an @, too


def _bare(value: str) -> str:
    return fold(value).rstrip(".,;:!?…")


def _mixed(value: str) -> bool:
    """Letters and digits, as no word has them: not "G20", "COVID-19" or "2026"."""
    bare = _bare(value)
    if bare in _COMMON or "://" in bare or _MAIL.search(bare) or bare.startswith(("#", "www.", "http")):
        return False
    letters, digits = sum(map(str.isalpha, bare)), sum(map(str.isdigit, bare))
    return (
        len(bare) >= 6 and letters >= 2 and digits >= 1 and not re.fullmatch(r"[^\W\d_]+-\d{1,3}|\d{1,3}-[\w-]+", bare)
    )


def _opens(value: str, text: str, end: int, network: bool, *, by_colon: bool) -> bool:
    """Whether what stands behind the word is its value."""
    bare = _bare(value)
    if bare in _COMMON or "://" in value or bare.startswith(("www.", "#", "@")) or set(bare) <= set("*•x."):
        return False
    letters, digits = sum(map(str.isalpha, bare)), sum(map(str.isdigit, bare))
    if letters and digits:
        return len(bare) >= 5 and not re.fullmatch(r"[^\W\d_]+-\d{1,3}|\d{1,3}-[\w-]+", bare)
    if digits:
        return len(bare) >= 6 or (by_colon and network and len(bare) >= 4)
    special = any(not char.isalnum() for char in bare.strip("'’-"))
    alone = value[-1] in ".!?" or end >= len(text) or text[end] in "\n.,;!?)。、，！" or not text[end:].strip()
    ends = end >= len(text) or text[end] == "\n"
    return (
        by_colon
        and alone
        and len(bare) >= 5
        and (network or ends or (special and not bare.replace("-", "").replace("'", "").isalpha()))
    )


def _codes(reading: ReviewedText) -> Iterator[Found]:
    """Short numbers that open a door, an account or a card."""
    text, folded = reading.text, reading.folded
    indian = re.compile(r"pin[ -]?code")  # in India that is the number of a post office
    for phrases, name in ((_ONE_TIME, "a one-time code"), (_PINS, "an access code")):
        for start, end in phrases.find(folded, reading.words):
            number = _NUMBER.match(folded, end)
            if number and len(number[1]) > 5 and indian.match(folded, start):
                continue
            if number and not reading.in_quotes(number.start(1)):
                digits = re.sub(r"[^\da-zа-я*#]", "", number[1])
                if digits not in _COMMON and not (digits.isdigit() and int(digits) in _YEARS):
                    yield Found("secret", masked(digits), f"looks like {name}; take it out", flagged=True)
    for pattern, name in ((_PIN, "a PIN"), (_CVV, "a card's security code")):
        for match in pattern.finditer(text):
            if match[1] not in _COMMON and (int(match[1]) not in _YEARS or ":" in match[0]):
                yield Found("secret", masked(match[1]), f"looks like {name}; take it out", flagged=True)
