"""The proofs that requests carry: DPoP (RFC 9449), with a nonce that the server wants and renews, and our client's own proof
(RFC 7523). platforms/bluesky/facts.md, 1."""

import base64
import hashlib
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio.to_thread
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from postprober.sandbox.engine.operation import ApiRefusal, Call
from postprober.sandbox.engine.world import World

Json = dict[str, Any]
NONCE_SECONDS = 60.0  # a nonce is taken in the window after its own, too
ASSERTION_SECONDS = 60  # the reference server: at most as old, and not from the future
PROOF_SECONDS = 300.0  # how far `iat` may be from now
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class BadProof(Exception):
    """A request without a proof that fits it. `nonce`: only the nonce is missing or old."""

    def __init__(self, reason: str, *, nonce: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.nonce = nonce


def current_nonce(world: World) -> str:
    return _nonce_of(world.now() // NONCE_SECONDS)


def _nonce_of(window: float) -> str:
    return hashlib.sha256(f"nonce {int(window)}".encode()).hexdigest()[:32]


def proved_by(call: Call, token: str = "") -> str:
    """The thumbprint of the key that the request proves. Raises BadProof. `token`: the access token that must stand in it."""
    compact = call.request.headers.get("dpop", "")
    if not compact:
        raise BadProof("DPoP proof required")
    try:
        header = json.loads(base64.urlsafe_b64decode(_padded(compact.split(".")[0])))
        key = ECKey.import_key(header["jwk"])
        found = jwt.decode(compact, key, algorithms=["ES256"])
    except (ValueError, KeyError, TypeError, AttributeError, JoseError) as error:
        raise BadProof(f"Invalid DPoP proof: {error}") from None
    if found.header.get("typ") != "dpop+jwt" or "d" in header["jwk"]:
        raise BadProof("Invalid DPoP proof: wrong header")
    _check_claims(call, found.claims, token)
    return key.thumbprint()


def _check_claims(call: Call, claims: Json, token: str) -> None:
    url = call.request.url
    here = f"{call.base}{url.path}"
    if claims.get("htm") != call.request.method or claims.get("htu") != here:
        raise BadProof("Invalid DPoP proof: htm or htu is of another request")
    issued = claims.get("iat")
    if not isinstance(issued, int) or abs(issued - call.at) > PROOF_SECONDS:
        raise BadProof("Invalid DPoP proof: iat is too far from now")
    window = call.at // NONCE_SECONDS
    if claims.get("nonce") not in (_nonce_of(window), _nonce_of(window - 1)):
        raise BadProof("Authorization server requires nonce in DPoP proof", nonce=True)
    digest = hashlib.sha256(token.encode()).digest()
    if token and claims.get("ath") != base64.urlsafe_b64encode(digest).decode().rstrip("="):
        raise BadProof("Invalid DPoP proof: ath is of another token")
    once = f"{claims.get('jti')}"
    if not claims.get("jti") or call.world.doc("jti", once) is not None:
        raise BadProof("Invalid DPoP proof: it was used before")
    call.world.put_doc("jti", once, {"at": call.at})


def refused(call: Call, error: BadProof, *, status: int = 400) -> ApiRefusal:
    """How a server says it: 400 where tokens are made, 401 where they are used."""
    code = "use_dpop_nonce" if error.nonce else "invalid_dpop_proof"
    headers = {"dpop-nonce": current_nonce(call.world)}
    if status == 401:
        headers["www-authenticate"] = f'DPoP error="{code}", error_description="{error.reason}"'
        return ApiRefusal(401, {"error": code, "message": error.reason}, headers)
    return ApiRefusal(400, {"error": code, "error_description": error.reason}, headers)


async def client_of(call: Call, form: Json) -> Json:
    """The described client that asks, once it has proved that it is that. Raises the refusal."""
    client = await described(str(form.get("client_id", "")))
    if client["token_endpoint_auth_method"] == "none":
        return client
    if form.get("client_assertion_type") != _ASSERTION or not form.get("client_assertion"):
        raise _bad_client("client authentication method private_key_jwt required")
    keys = [ECKey.import_key(one) for one in client["jwks"]["keys"]]
    for key in keys:
        try:
            claims = jwt.decode(str(form["client_assertion"]), key, algorithms=["ES256"]).claims
        except (JoseError, ValueError):
            continue
        right = claims.get("iss") == claims.get("sub") == client["client_id"]
        audience = claims.get("aud")
        age = int(call.at) - int(claims.get("iat", 0))
        if not 0 <= age <= ASSERTION_SECONDS or not isinstance(claims.get("exp"), int) or claims["exp"] <= call.at:
            raise _bad_client("the client's own proof is not of this minute")
        if right and f"{call.base}/bluesky" in (audience if isinstance(audience, list) else [audience]):
            if call.world.doc("jti", str(claims.get("jti"))) is not None:
                break
            call.world.put_doc("jti", str(claims.get("jti")), {"at": call.at})
            return client
    raise _bad_client("the client's own proof does not hold")


async def described(client_id: str) -> Json:
    """What stands at a client's address. A client on one's own machine has its description in its id. An address with https
    on this machine is read without it: nobody has a certificate here."""
    parts = urlsplit(client_id)
    if client_id.startswith("http://localhost?") or client_id in ("http://localhost", "http://localhost/"):
        query = parse_qs(parts.query)
        return {
            "client_id": client_id,
            "redirect_uris": query.get("redirect_uri", ["http://127.0.0.1/", "http://[::1]/"]),
            "scope": query.get("scope", ["atproto"])[0],
            "token_endpoint_auth_method": "none",
        }
    if parts.scheme != "https" or parts.hostname not in _LOOPBACK:
        raise _bad_client("the client's id must be an address with https, here one of this machine")
    try:
        found = await anyio.to_thread.run_sync(_fetch, f"http://{parts.netloc}{parts.path}")
    except (OSError, ValueError, urllib.error.URLError) as error:
        raise _bad_client(f"the client's description could not be read: {error}") from None
    needed = {"client_id", "redirect_uris", "scope", "token_endpoint_auth_method", "dpop_bound_access_tokens"}
    if not isinstance(found, dict) or not needed <= set(found) or found["client_id"] != client_id:
        raise _bad_client("the client's description is not one of this address")
    if found["dpop_bound_access_tokens"] is not True or "refresh_token" not in found.get("grant_types", []):
        raise _bad_client("the client's description does not ask for bound tokens that can be renewed")
    return found


def _fetch(url: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=5) as answer:
        return json.loads(answer.read(100_000))


def _bad_client(text: str) -> ApiRefusal:
    return ApiRefusal(400, {"error": "invalid_client", "error_description": text})


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)
