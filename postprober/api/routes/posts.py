"""Posts: drafted, changed, submitted, deleted."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Response

from postprober.api import cursors
from postprober.api.auth import CallerDep, require
from postprober.api.cursors import Cursor, Limit
from postprober.api.deps import CoreDep
from postprober.api.idempotency import OnceDep, StoredAnswer
from postprober.api.problems import Precondition, responses
from postprober.api.schemas import IfMatch, NewPostBody, PathId, PostBody, versions_of
from postprober.api.views import PostList, PostOut
from postprober.services.core import Core, Mark
from postprober.services.posts import drafts, posts
from postprober.services.posts.posts import NewPost
from postprober.services.posts.times import check_time
from postprober.storage.records import Post

router = APIRouter(prefix="/api/posts", tags=["posts"])


@router.get("", summary="List posts", responses=responses(401, 403, 422))
def listing(core: CoreDep, caller: CallerDep, limit: Limit = cursors.DEFAULT_LIMIT, cursor: Cursor = None) -> PostList:
    """Yours, newest first. A page may hold fewer than `limit` when they are long: go on with `next_cursor`."""
    require(caller, "posts:read")
    before = cursors.decode("posts", cursor)
    shown, more = posts.listing(core, caller.actor, limit=limit, before=before)
    following = cursors.after("posts", shown, more, lambda post: post.id)
    return PostList(items=[PostOut.of(post) for post in shown], next_cursor=following)


@router.post(
    "",
    status_code=201,
    summary="Write a post",
    response_model=PostOut,
    responses=responses(401, 403, 404, 409, 422),
)
def create(body: NewPostBody, core: CoreDep, caller: CallerDep, once: OnceDep) -> Response:
    """Kept as a draft, or checked, reviewed and planned at once with `submit`. `ai_suggestions` has the review; its
    suggestions are `pending` for a moment. What the review does not pass gets status `review` and waits for a person.
    With a `key`, the post that has it already is the answer."""
    require(caller, "posts:publish" if body.submit else "posts:draft")
    named = posts.client_key(caller.actor, body.key) if body.key else ""

    def work(mark: Mark, made: int | None) -> StoredAnswer:
        if made is not None:
            return _answer(201, drafts.get(core, caller.actor, made))
        if named and (known := posts.known_by(core, caller.actor, named)) is not None:
            return _answer(200, known)
        wish = _in_time(core, body.wish())
        if body.submit:
            return _answer(201, posts.create(core, caller.actor, wish, mark, named=named))
        if named:
            made_now, is_new = drafts.save_once(core, caller.actor, wish, named, mark)
            return _answer(201 if is_new else 200, made_now)
        return _answer(201, drafts.save(core, caller.actor, wish, mark))

    return once.answer(body.model_dump_json(), work)


# `int`, so that other methods of /next-slot and its like are no requests for a post of that name.
@router.get("/{post_id:int}", summary="Read a post", response_model=PostOut, responses=responses(401, 403, 404, 422))
def read(post_id: PathId, core: CoreDep, caller: CallerDep) -> Response:
    """With its version as ETag."""
    require(caller, "posts:read")
    return _answer(200, drafts.get(core, caller.actor, post_id)).response()


@router.put(
    "/{post_id:int}",
    summary="Replace a post that is not on its way yet",
    response_model=PostOut,
    responses=responses(401, 403, 404, 409, 412, 422, 428),
)
def update(post_id: PathId, body: PostBody, core: CoreDep, caller: CallerDep, if_match: IfMatch = None) -> Response:
    """A draft, or a planned post that no worker has touched. `If-Match` is required, so that nobody's edit is lost."""
    require(caller, "posts:draft")
    drafts.get(core, caller.actor, post_id)
    if if_match is None:
        raise Precondition("Send If-Match with the ETag that you read.")
    wish = _in_time(core, body.wish())
    return _answer(200, drafts.change(core, caller.actor, post_id, wish, versions_of(if_match))).response()


@router.delete(
    "/{post_id:int}",
    status_code=204,
    summary="Delete a post that was never sent",
    responses=responses(401, 403, 404, 409, 412, 422),
)
def delete(post_id: PathId, core: CoreDep, caller: CallerDep, if_match: IfMatch = None) -> None:
    """What was planned is cancelled. What was sent stays, here and on the platforms."""
    require(caller, "posts:draft")
    drafts.delete(core, caller.actor, post_id, versions_of(if_match))


@router.post(
    "/{post_id}/submit",
    summary="Submit a draft",
    response_model=PostOut,
    responses=responses(401, 403, 404, 409, 412, 422),
)
def submit(post_id: PathId, core: CoreDep, caller: CallerDep, once: OnceDep, if_match: IfMatch = None) -> Response:
    """Every platform's limits are checked first; if one would refuse the post, nothing is planned and `violations` says
    what to change, account by account."""
    require(caller, "posts:publish")

    def work(mark: Mark, made: int | None) -> StoredAnswer:
        if made is not None:
            return _answer(200, drafts.get(core, caller.actor, made))
        return _answer(200, drafts.submit(core, caller.actor, post_id, versions_of(if_match), mark))

    return once.answer(if_match or "", work)


def _in_time(core: Core, wish: NewPost) -> NewPost:
    """Raises BadInput for a time at which nothing can be planned."""
    return wish if wish.at is None else replace(wish, at=check_time(wish.at, core.clock.now()))


def _answer(status: int, post: Post) -> StoredAnswer:
    headers = {"ETag": f'"{post.version}"'}
    if status == 201:
        headers["Location"] = f"/api/posts/{post.id}"
    return StoredAnswer(status, PostOut.of(post), headers)
