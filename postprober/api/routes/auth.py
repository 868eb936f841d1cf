"""Sign-in for programs: access and refresh tokens, and personal API tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from postprober.api.auth import CallerDep, require
from postprober.api.deps import COOKIE, CoreDep
from postprober.api.idempotency import OnceDep, StoredAnswer
from postprober.api.problems import responses
from postprober.api.schemas import Id
from postprober.domain.access import GRANTABLE
from postprober.errors import Forbidden, NotSignedIn, SecondFactorNeeded, TooManyTries
from postprober.security.passwords import MAX_CHARS
from postprober.services.core import Mark
from postprober.services.people import api_tokens, sessions
from postprober.services.people.token_limits import MOST_A_DAY

router = APIRouter(prefix="/api/auth", tags=["auth"])


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LogIn(_In):
    email: str = Field(min_length=1, max_length=255, examples=["demo@postprober.example"])
    password: str = Field(min_length=1, max_length=MAX_CHARS, examples=["correct horse battery staple"])
    code: str = Field("", max_length=40, description="Of the second factor, where one is set up", examples=[""])


class Refresh(_In):
    refresh_token: str = Field(min_length=1, max_length=sessions.MAX_TOKEN_CHARS, examples=["k7J0…"])


class Tokens(BaseModel):
    access_token: str = Field(examples=["eyJhbGciOiJIUzI1NiJ9.…"])
    refresh_token: str = Field(description="For one use; the answer to it has the next one", examples=["k7J0…"])
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int = Field(description="Seconds until the access token ends", examples=[900])


class Me(BaseModel):
    id: int = Field(examples=[1])
    email: str = Field(examples=["demo@postprober.example"])
    name: str = Field(examples=["Demo"])
    zone: str = Field(examples=["Europe/Berlin"])
    role: str = Field(examples=["owner"])
    scopes: list[str] = Field(examples=[["posts:draft", "posts:read"]])
    signed_in_by: str = Field(description="browser, login or api_token", examples=["login"])


class NewApiToken(_In):
    name: str = Field(min_length=1, max_length=api_tokens.MAX_NAME, examples=["nightly report"])
    scopes: list[str] = Field(min_length=1, max_length=len(GRANTABLE), examples=[["posts:read", "monitoring:read"]])
    days: int = Field(365, ge=1, le=api_tokens.MAX_DAYS, description="How long it lives")
    account_ids: list[Id] | None = Field(
        None, max_length=100, description="The only accounts that its posts may name; left out: all", examples=[[1]]
    )
    ceiling: Annotated[int, Field(strict=True, ge=1, le=MOST_A_DAY)] | None = Field(
        None, description="How often it may publish on one day; left out: without a bound", examples=[5]
    )
    unasked: bool = Field(
        False,
        strict=True,
        description="What is proposed with it is published without a person's approval; needs `account_ids` and `ceiling`",
        examples=[False],
    )


class ApiTokenOut(BaseModel):
    id: int = Field(examples=[4])
    name: str = Field(examples=["nightly report"])
    scopes: list[str] = Field(examples=[["monitoring:read", "posts:read"]])
    hint: str = Field(description="Its last four characters", examples=["x9Qa"])
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = Field(description="To the minute")
    account_ids: list[int] | None = Field(description="The only accounts that its posts may name; null: all")
    ceiling: int | None = Field(description="How often it may publish on one day")
    unasked: bool = Field(description="What is proposed with it is published without a person's approval")


class NewApiTokenOut(ApiTokenOut):
    token: str = Field(description="Shown this once; keep it", examples=["pp_…"])


class ApiTokens(BaseModel):
    items: list[ApiTokenOut]


_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}  # RFC 6749, 5.1


@router.post("/login", summary="Sign in", responses=responses(401, 413, 422, 429))
def login(body: LogIn, request: Request, response: Response, core: CoreDep) -> Tokens:
    """Tokens for an e-mail address and its password. After some wrong ones the answer is 429 with `Retry-After`, for
    this account from this address; other addresses are not concerned. Where a second factor is set up, a right password
    without `code` is answered by 401 `second-factor-needed`: send both again with the code."""
    try:
        pair = sessions.log_in(core, body.email, body.password, request.state.address, body.code)
    except (TooManyTries, SecondFactorNeeded):
        raise
    except Forbidden as error:
        raise NotSignedIn(str(error)) from None
    return _tokens(response, pair)


@router.post("/refresh", summary="Next pair of tokens", responses=responses(401, 413, 422))
def refresh(body: Refresh, response: Response, core: CoreDep) -> Tokens:
    """A new pair for a refresh token, which is worth nothing afterwards. Using it again ends the whole sign-in: then
    somebody has a copy."""
    return _tokens(response, sessions.renew(core, body.refresh_token))


@router.post("/logout", status_code=204, summary="Sign out", responses=responses(401, 403))
def logout(caller: CallerDep, response: Response, core: CoreDep) -> None:
    """The session ends at once, with all its access and refresh tokens and WebSockets."""
    sessions.log_out(core, caller)
    response.delete_cookie(core.settings.cookie_prefix + COOKIE, path="/", secure=core.settings.https)


@router.get("/me", summary="Who am I?", responses=responses(401))
def me(caller: CallerDep) -> Me:
    """The person, and what this session or token may do."""
    user = caller.user
    return Me(
        id=user.id,
        email=user.email,
        name=user.name,
        zone=user.zone,
        role=user.role,
        scopes=sorted(caller.scopes),
        signed_in_by=caller.kind,
    )


@router.post(
    "/tokens",
    status_code=201,
    summary="New API token",
    response_model=NewApiTokenOut,
    responses=responses(401, 403, 404, 409, 413, 422),
)
def create_token(body: NewApiToken, caller: CallerDep, core: CoreDep, once: OnceDep) -> Response:
    """A personal API token with the scopes that it needs. It is shown this once, or again to who repeats the request
    with the same key. API tokens cannot make API tokens."""
    require(caller, "tokens:write")

    def work(mark: Mark, made: int | None) -> StoredAnswer:
        token, secret = api_tokens.create(
            core,
            caller,
            name=body.name,
            scopes=body.scopes,
            days=body.days,
            accounts=body.account_ids,
            ceiling=body.ceiling,
            unasked=body.unasked,
            mark=mark,
            instead_of=made,
        )
        return StoredAnswer(201, NewApiTokenOut(**_view(token).model_dump(), token=secret), _NO_STORE)

    return once.answer(body.model_dump_json(), work)


@router.get("/tokens", summary="My API tokens", responses=responses(401, 403))
def list_tokens(caller: CallerDep, core: CoreDep) -> ApiTokens:
    """Live tokens, oldest first, without their secrets."""
    require(caller, "tokens:read")
    return ApiTokens(items=[_view(token) for token in api_tokens.listing(core, caller.actor)])


@router.delete("/tokens/{token_id}", status_code=204, summary="Remove an API token", responses=responses(401, 403, 404))
def remove_token(token_id: Annotated[int, Path(examples=[4])], caller: CallerDep, core: CoreDep) -> None:
    """It stops working at once."""
    require(caller, "tokens:write")
    api_tokens.remove(core, caller.actor, token_id)


def _tokens(response: Response, pair: sessions.TokenPair) -> Tokens:
    response.headers.update(_NO_STORE)
    return Tokens(access_token=pair.access, refresh_token=pair.refresh, expires_in=pair.expires_in)


def _view(token: api_tokens.ApiToken) -> ApiTokenOut:
    return ApiTokenOut(
        id=token.id,
        name=token.name,
        scopes=list(token.scopes),
        hint=token.hint,
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
        account_ids=None if token.limits.accounts is None else sorted(token.limits.accounts),
        ceiling=token.limits.ceiling,
        unasked=token.limits.unasked,
    )
