"""Links that do not lead readers where they should: into the house, behind a sign-in, to an edit page, nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

from postprober.agent.review.reading import Found, ReviewedText, masked, shown
from postprober.domain.addresses import split

HIDES = "hides where it leads; write the address of the site itself"

_ADDRESS = re.compile(
    r"(?i)(?<![\w@])(?:https?|ftp|sftp|smb|ws|wss)://[^\s<>\"“”«»、。「」（），！？]{1,1000}"
    r"|(?<![\w@./-])(?:[a-z0-9-]{1,63}\.){1,6}[a-z]{2,20}(?::\d{2,5})?/[^\s<>\"“”«»、。「」（），！？]{0,600}"
)
_HERE = re.compile(
    r"(?i)(?<![\w.@-])(?:https?://)?(?:localhost(?=[:/])|(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}"
    r"|0\.0\.0\.0)(?=[:/]\w))(?::\d{2,5})?(?:/[^\s]{0,200})?|https?://(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}"
    r"|0\.0\.0\.0)[^\s]{0,200}|https?://localhost\b[^\s]{0,200}|https?://\[::1\][^\s]{0,200}"
)
_PRIVATE = re.compile(
    r"(?i)(?:https?|ftp|smb)://(?:10\.\d{1,3}|192\.168|172\.(?:1[6-9]|2\d|3[01])"
    r"|169\.254)\.\d{1,3}(?:\.\d{1,3})?(?::\d{2,5})?[^\s]{0,200}"
    r"|(?<![\w.-])(?:10\.\d{1,3}\.\d{1,3}|192\.168\.\d{1,3}|172\.(?:1[6-9]|2\d"
    r"|3[01])\.\d{1,3})\.\d{1,3}(?::\d{2,5}|/[\w-])[^\s]{0,200}"
)
_INSIDE_HOST = re.compile(
    r"(?:^|\.)(?:local|test|internal|localhost|lan|intranet|invalid|corp|localdomain|home\.arpa)$"
)
_STAGING = re.compile(
    r"^(?:staging|stage|stg|preview|dev|develop|test|testing|tests|uat|qa|preprod|pre-prod|sandbox|acceptance"
    r"|acc|integration|int|entwicklung|intern|internal|intranet|prueba|pruebas|preproduccion|recette|preprod"
    r"|collaudo|homologacao|hml)(?:\d{0,2})$"
    r"|(?:^|-)(?:staging|preview|preprod|uat|stg)(?:-|\d|$)|-(?:dev|test|stage)$|-git-|^deploy-preview-\d"
    r"|--staging$"
)
_OWN_STAGING = re.compile(
    r"-(?:staging|stage|preview|preprod|uat|testsite)\.[a-z]{2,10}$|(?:^|\.)(?:staging|preprod)[-.]"
)
_TUNNELS = re.compile(
    r"(?:^|\.)(?:ngrok\.io|ngrok-free\.app|ngrok\.app|trycloudflare\.com|loca\.lt|serveo\.net|gitpod\.io"
    r"|githubpreview\.dev|app\.github\.dev|wpengine\.com|wpenginepowered\.com|wpcomstaging\.com"
    r"|myftpupload\.com|azurestaticapps\.net|webcontainer\.io|local-corp\.webcontainer\.io|cloudwaysapps\.com"
    r"|kinsta\.cloud|pantheonsite\.io|flywheelsites\.com|sg-host\.com|tempurl\.host|instawp\.xyz|framer\.ai)$"
)
# Pages that only who may edit should see. `host`, then what the path and query have.
_EDIT_HOSTS = (
    (
        r"docs\.google\.com$",
        r"/(?:document|spreadsheets|presentation|forms|drawings)/(?:u/\d/)?d/(?:e/)?[\w-]{5,120}/(?:edit|preview"
        r"|copy|mobilebasic)|/u/\d/|/forms/d/[\w-]{10,120}/?$",
    ),
    (r"^forms\.(?:office|microsoft)\.com$", r"(?i)/pages/designpage|/analysispage"),
    (r"drive\.google\.com$", r"/drive/(?:u/\d|my-drive|shared-with-me|recent)|/u/\d/"),
    (r"mail\.google\.com$|outlook\.(?:office|live)\.com$", r"/mail|/owa|#inbox"),
    (r"(?:^|\.)canva\.com$", r"/design/[\w-]{5,40}/(?:[\w-]{1,60}/)?edit|/folder/"),
    (r"(?:^|\.)figma\.com$", r"/(?:file|design|board|slides|make|proto)/"),
    (r"(?:^|\.)notion\.so$|(?:^|\.)notion\.com$", r"/[\w-]{0,200}[0-9a-f]{32}|/native/"),
    (r"(?:^|\.)trello\.com$", r"/[bc]/"),
    (r"^app\.asana\.com$", r"/"),
    (r"\.atlassian\.net$", r"/(?:browse|wiki|jira|secure|issues)"),
    (
        r"^(?:app|my)\.(?:slack|clickup|monday|hubspot|mailchimp|buffer|hootsuite|later|contentful|sanity"
        r"|storyblok|intercom|box|airtable|miro|basecamp)\.com$",
        r"/",
    ),
    (r"\.slack\.com$", r"/(?:archives|messages|files|client)"),
    (r"(?:^|\.)(?:surveymonkey|typeform|jotform|wufoo)\.com$", r"/(?:create|build|builder|edit|form-builder|admin)\b"),
    (r"^admin\.typeform\.com$", r"/"),
    (r"^airtable\.com$", r"/app\w{8,20}/"),
    (r"(?:^|\.)miro\.com$", r"/app/board/"),
    (r"-my\.sharepoint\.com$|\.sharepoint\.com$", r"/"),
    (r"^onedrive\.live\.com$", r"/edit"),
    (r"^(?:www\.)?dropbox\.com$", r"/home|/work|/request"),
    (r"^github\.com$", r"/(?:edit|settings)/|/settings$|/pull/\d{1,7}/edit"),
    (r"^linear\.app$", r"/[\w-]{1,60}/issue/"),
    (r"^(?:us\d{1,2}\.)?admin\.mailchimp\.com$|^us\d{1,2}\.admin\.mailchimp\.com$", r"/"),
    (r"^(?:www\.)?wix\.com$", r"/(?:dashboard|editor)"),
    (r"^manage\.wix\.com$|^editor\.wix\.com$", r"/"),
    (r"^admin\.shopify\.com$", r"/"),
    (r"\.myshopify\.com$", r"/admin"),
    (r"^(?:www\.)?eventbrite\.\w{2,3}(?:\.\w{2})?$", r"/(?:manage|myevent|edit)"),
    (r"^(?:www\.)?youtube\.com$", r"/(?:edit|upload)"),
    (
        r"^studio\.youtube\.com$|^business\.facebook\.com$|^console\.(?:aws\.amazon|cloud\.google)\.com$"
        r"|^analytics\.google\.com$|^app\.powerbi\.com$",
        r"/",
    ),
)
_EDITS = tuple((re.compile(host), re.compile(path)) for host, path in _EDIT_HOSTS)
_EDIT_PATH = re.compile(
    r"(?i)/wp-admin(?:/|$|\?)|/wp-login\.php|/administrator/(?:index|$)|/typo3/|/ghost/(?:#|$)|/user/login\b"
    r"|/(?:node|page|post|posts|event|events|article|articles)/\d{1,9}/edit"
    r"|/edit(?:or)?(?:[/?#]|$)|[?&]action=edit\b|/admin(?:[/?#]|$)|/cms/|/backend/|/dashboard(?:[/?#]|$)"
    r"|[?&](?:preview=true|preview_id=|preview_nonce=|draft=|_preview|fl_builder|elementor-preview)|/preview/"
    r"|/drafts?/\w|/unpublished/"
)
_TOKEN_NAMES = (
    r"token|access_token|auth_token|refresh_token|id_token|auth|api_key|apikey|key|sig|signature"
    r"|x-amz-signature|x-goog-signature|x-amz-credential"
    r"|sessionid|session_id|session|sid|phpsessid|jsessionid|jwt|otp|invite|invitation|invite_token"
    r"|invitation_token|reset|reset_token"
    r"|reset_password_token|confirmation_token|confirm|confirm_token|magic|magic_token|password|passwd|secret"
    r"|client_secret|hash|ticket|login_token|code|state|verify|oobcode|se_sig"
)
_TOKEN = re.compile(rf"(?i)[?&#;](?:{_TOKEN_NAMES})=((?=[^\s&#]{{0,400}}\d)[^\s&#]{{16,2000}})")
_PWD = re.compile(r"(?i)[?&](?:pwd|passcode|password|pass|pw)=[^\s&#]{3,200}|[?&]sig=[^\s&#]{16,400}")
_TOKEN_PATH = re.compile(
    r"(?i)/(?:reset|reset-?password|password-?reset|set-?password|forgot|verify|verify-?email|confirm"
    r"|confirmation|activate|activation|invite|invites|invitation|accept-?invite|magic|magic-?link|signin"
    r"|login|auth|sso|unsubscribe|session|passwort|einladung"
    r"|invitacion)(?:/[\w-]{1,30}){0,2}/(?=[\w.-]{0,200}\d)([\w.=-]{20,1000})"
)
_FILE = re.compile(
    r"(?i)\bfile:/{1,3}[^\s]{2,300}|(?<![\w])[A-Z]:\\(?![nrt]\b)[^\s\\:*?\"<>|][^\n:*?\"<>|]{0,200}"
    r"|(?<![\w:\\])\\\\[\w.$-]{2,60}\\[^\s]{1,200}|(?<![\w/.])/(?:Users|home)/[\w.-]{1,40}/[^\s]{2,200}"
    r"|(?<!\w)~/(?:Desktop|Documents|Downloads|Pictures)/[^\s]{1,200}|\bsmb://[^\s]{2,200}"
)
_BROKEN = re.compile(
    r"(?i)(?<!\w)(?:h?t{3,5}ps?|htt?t?t?pss|htps?|ttps?|hhttps?|httsp?|htpps?|httpps?|hxxps?|hptts?|hhtps?"
    r"|thttps?|htttps?):/{1,3}[^\s]{1,200}"
    r"|(?<!\w)https?:/{0,3}[ \u00a0]{1,2}(?:/{1,2} ?)?(?:www\.)?[\w-]{2,60}\.[a-z]{2,10}[^\s]{0,200}"
    r"|(?<!\w)https?:www\.[^\s]{2,200}|(?<![\w.])www\.[\w-]{2,60},[a-z]{2,4}\b(?!\s)"
    r"|(?<!\w)https?://(?!localhost)[a-z0-9-]{2,40}(?=[\s/]|$)|(?<!\w)https?//[^\s]{2,200}"
    r"|(?<!\w)https?:/(?!/)[\w][^\s]{2,200}|(?<!\w)https?:(?![/\s\w\\\"'])[^\s]{2,100}"
    r"|(?<!\w)https?;//[^\s]{1,200}|(?<!\w)https?:\\\\[^\s]{1,200}|(?<!\w)https?://https?:?/{0,2}[^\s]{1,200}"
    r"|(?<!\w)https?:///[^\s]{1,200}"
    r"|(?<![\w.])www\.{2,}[\w-][^\s]{1,100}|(?<![\w.])www,[\w-]{2,60}\.[a-z]{2,10}"
    r"|(?<![\w.])ww\.[\w-]{2,60}\.[a-z]{2,10}\b|(?<![\w.])wwww+\.[\w-]{2,60}\.[a-z]{2,10}\b"
    r"|(?<![\w.])www [\w-]{2,60}\.[a-z]{2,4}\b|(?<!\w)https?://[\w.-]{1,100} \.[a-z]{2,10}\b"
    r"|(?<!\w)https?://[\w-]{2,60}(?:\.[\w-]{2,60})?,[a-z]{2,4}(?:/|\s|$)"
    r"|(?<!\w)https?://[\w.-]{2,80}\.\.[\w-]{2,40}|(?<!\w)https?://[\w-]{2,60}\.(?:con|cmo|ocm|vom|xom|comm"
    r"|rog|ogr|nett)(?:/|\s|$)|(?<!\w)https?://(?:www|WWW)(?:\s|$|/)"
)
_USERINFO = re.compile(r"(?i)https?://[^\s/?#]{0,300}@")
_BARE_NUMERIC = re.compile(
    r"(?i)https?://(?:[^\s/@]{0,200}@)?(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:]{2,40}\]|\d{8,10}"
    r"|0x[0-9a-f]{8})(?![\w.])[^\s]{0,100}"
)
_DOTTED = re.compile(r"(?<![^\s/@])[^\s/@.]{1,100}(?:\.[^\s/@.]{1,100}){1,10}")
_LOOK_ALIKE = re.compile(
    r"(?i)(?<![\w-])(?:[\w-]{1,40}\.){0,3}(?:paypa[1i]|paypal-|g[0o]{2}g1e|goog1e|g00gle|arnazon|amaz0n"
    r"|micros0ft|rnicrosoft|faceb00k|app1e|netf1ix|1nstagram|bank0f|who1esale)[\w-]{0,40}\.[a-z]{2,10}\b"
    r"|(?<![\w-])(?:paypal|apple|google|microsoft|amazon|netflix|dhl|ups|usps)(?:\.com)?[.-](?:login|secure"
    r"|verify|account|support|update|signin|billing)[\w-]{0,30}\.[a-z]{2,10}\b"
    r"|(?<![\w-])(?:paypal|apple|google|microsoft|amazon|netflix)\.com\.[\w-]{2,40}\.[a-z]{2,10}\b"
)


_WORKING_FILE = re.compile(
    r"(?i)(?:final|copy|entwurf|draft|v\d)[^/?#]{0,24}\.(?:docx?|xlsx?|pptx?|psd|indd|ai|pages|key)(?:$|[?#])"
)


def find(reading: ReviewedText) -> Iterator[Found]:
    """Links that hide where they lead are flagged; all others are doubts. Those with a token in them are secrets that a
    model may see all the same, because the token is taken out first (`outgoing`)."""
    text = reading.text
    for match in _private_ones(reading):
        yield _doubt(match, "leads into this machine or network; readers cannot open it")
    private = {match.start() for match in _private_ones(reading)}
    for pattern in (_USERINFO, _BARE_NUMERIC):
        for match in pattern.finditer(text):
            if match.start() not in private:
                yield Found("link", shown(match[0]), HIDES, flagged=True)
    for match in _DOTTED.finditer(text):
        if not match[0].isascii() and _mixed(match[0].casefold()):
            yield Found("link", shown(match[0]), HIDES, flagged=True)
    for match in _LOOK_ALIKE.finditer(text):
        yield Found("link", shown(match[0]), "passes for the address of somebody else", flagged=True)
    if not reading.talks_code:
        for match in _FILE.finditer(text):
            if not reading.in_code(match.start()):
                yield _doubt(match[0].strip(), "is a file on somebody's machine; readers cannot open it")
    for match in _BROKEN.finditer(text):
        if not reading.in_code(match.start()):
            yield _doubt(match[0], "is no address that works; it is misspelt")
    for match in _ADDRESS.finditer(text):
        yield from _address(reading, match[0].rstrip(".,;:!?)'”’*"))


def _private_ones(reading: ReviewedText) -> list[re.Match[str]]:
    if reading.talks_code:
        return []
    return [
        m for pattern in (_HERE, _PRIVATE) for m in pattern.finditer(reading.text) if not reading.in_code(m.start())
    ]


def _doubt(piece: str | re.Match[str], says: str) -> Found:
    return Found("link", shown(piece if isinstance(piece, str) else piece[0]), says)


def _address(reading: ReviewedText, link: str) -> Iterator[Found]:
    parts = split(link if "://" in link else f"https://{link}")
    host = (parts.hostname or "").lower()
    if not host:
        return
    rest = parts.path + (f"?{parts.query}" if parts.query else "") + (f"#{parts.fragment}" if parts.fragment else "")
    if _TOKEN.search(rest) or _PWD.search(rest) or (_TOKEN_PATH.search(parts.path) and not reading.talks_code):
        yield Found(
            "secret",
            f"{host}/{masked(rest.lstrip('/'))}",
            "is a link with a token or password in it, good for whoever has it",
        )
        return
    labels = host.split(".")
    if _INSIDE_HOST.search(host) and "://" in link:
        if not reading.talks_code:
            yield _doubt(link, "leads into this machine or network; readers cannot open it")
    elif (
        any(_STAGING.search(label) for label in labels[: max(0, len(labels) - _own(labels))])
        or _OWN_STAGING.search(host)
        or _TUNNELS.search(host)
    ):
        if not reading.talks_code:
            yield _doubt(link, "leads to a test or preview site")
    elif host.endswith((".vercel.app", ".netlify.app", ".pages.dev", ".web.app", ".herokuapp.com")) and _STAGING.search(
        labels[0]
    ):
        yield _doubt(link, "leads to a test or preview site")
    elif (
        any(one.search(host) and path.search(rest or "/") for one, path in _EDITS)
        or _EDIT_PATH.search(rest)
        or _WORKING_FILE.search(rest)
    ):
        yield _doubt(link, "leads to a page for editing or signing in, not for readers")


def _own(labels: list[str]) -> int:
    """How many labels at the end are the site's own name: two, or three as in `hill.co.uk`."""
    return (
        3
        if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in ("co", "com", "org", "gov", "ac", "net", "edu")
        else 2
    )


def _mixed(host: str) -> bool:
    """Latin beside Cyrillic or Greek letters in one label, as in the "аpple" that is not apple (UTS 39, 5.2)."""
    return any(
        any("a" <= c <= "z" for c in label) and any("\u0370" <= c <= "\u052f" for c in label)
        for label in host.split(".")
    )
