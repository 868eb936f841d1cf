"""The client itself: calls over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from postprober.client import calls
from postprober.client.calls import ApiRefused, RestCall
from postprober.client.shapes import (
    AccountJson,
    CheckJson,
    DeliveryJson,
    GroupJson,
    MediaJson,
    MonitoringJson,
    NewPostJson,
    PostJson,
    ProposalJson,
    StepJson,
    WhenJson,
)
from postprober.client.uploading import FileSender, Progress, UploadBook, nobody_looks
from postprober.domain.addresses import split
from postprober.errors import BadInput, OutcomeUnknown, Unavailable
from postprober.http import HttpClient, Pools, Reply

NOT_FOUND = 404
TRIES = 4  # of one call whose connection breaks; what creates something carries a key, so it is created once
PAUSE = 0.5  # seconds before the second, doubled before each further one
TIMEOUT = 70.0  # seconds; asking several platforms for their limits takes up to a minute
POLL = 1.0  # seconds between two looks at a post


class RestClient:
    """One installation, for the owner of an API token. Not for use by several threads at once."""

    def __init__(self, server: str, token: str, *, http: HttpClient | None = None) -> None:
        """`server`: the sidecar's address. Raises BadInput for one that is none, or for a missing token."""
        parts = split(server)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(
                f"{server!r} is no address of a server; write it like https://post.example.org.", field="server"
            )
        if not token:
            raise BadInput("There is no API token; set POSTPROBER_TOKEN, or store one with: login.", field="token")
        self._base = server.rstrip("/")
        self._token = token
        self._pools = Pools(allow_private=True) if http is None else None
        self._http = http or HttpClient(self._pools)  # type: ignore[arg-type]

    def close(self) -> None:
        if self._pools is not None:
            self._pools.close()

    def do(self, call: RestCall) -> Any:
        """The answer to any call. Raises ApiRefused, or Unavailable when the server cannot be reached."""
        headers = {"Authorization": f"Bearer {self._token}", **call.headers}
        if call.once:
            headers["Idempotency-Key"] = call.once
        http, url = self._http.bound(secrets=[self._token]), self._base + call.path
        pause, unsure = PAUSE, False
        for left in range(TRIES - 1, -1, -1):
            try:
                if call.method == "GET":
                    reply = http.read("GET", url, headers=headers, params=dict(call.params) or None, timeout=TIMEOUT)
                else:
                    reply = http.send(call.method, url, headers=headers, json=call.body, timeout=TIMEOUT)
                if unsure and call.method == "DELETE" and reply.status == NOT_FOUND:
                    return None  # the first one did it, and its answer was lost
                if reply.status not in (409, 429, 503) or "retry-after" not in reply.headers or not left:
                    return calls.answer(reply.status, reply.body)
                pause = max(pause, _asked_for(reply))
            except (Unavailable, OutcomeUnknown) as error:
                unsure = unsure or isinstance(error, OutcomeUnknown)
                # A change that names the version it was made of would find its own work, and call it somebody else's.
                safe = bool(call.once) or call.method in ("GET", "DELETE") or isinstance(error, Unavailable)
                if not safe or not left:
                    more = (
                        " Whether it was done is not known: read it again." if unsure and call.method != "GET" else ""
                    )
                    raise Unavailable(f"The server at {self._base} does not answer.{more}", error.detail) from error
            time.sleep(pause)
            pause *= 2
        raise AssertionError("unreachable")

    def me(self) -> dict[str, Any]:
        """Whose token it is, their zone, and what it may do."""
        return cast(dict[str, Any], self.do(calls.me()))

    def accounts(self) -> list[AccountJson]:
        return cast(list[AccountJson], self.do(calls.accounts())["items"])

    def account_groups(self) -> list[GroupJson]:
        return cast(list[GroupJson], self.do(calls.account_groups())["items"])

    def save_account_group(self, name: str, account_ids: Sequence[int]) -> GroupJson:
        """Make the group, or give it these accounts."""
        return cast(GroupJson, self.do(calls.save_account_group(name, account_ids)))

    def delete_account_group(self, name: str) -> None:
        self.do(calls.delete_account_group(name))

    def limits(self, account_id: int) -> dict[str, Any]:
        return cast(dict[str, Any], self.do(calls.limits(account_id)))

    def preflight(self, post: NewPostJson) -> CheckJson:
        return cast(CheckJson, self.do(calls.preflight(post)))

    def next_slot(self) -> WhenJson:
        return cast(WhenJson, self.do(calls.next_slot())["when"])

    def posts(self, limit: int = 20) -> list[PostJson]:
        """The newest."""
        return cast(list[PostJson], self.do(calls.posts(limit))["items"])

    def post(self, post_id: int) -> PostJson:
        return cast(PostJson, self.do(calls.post(post_id)))

    def draft(self, post: NewPostJson) -> PostJson:
        return cast(PostJson, self.do(calls.draft(post)))

    def publish(self, post: NewPostJson) -> PostJson:
        """Checked, reviewed and planned; status `review` where the review holds it."""
        return cast(PostJson, self.do(calls.publish(post)))

    def propose(self, post: NewPostJson) -> ProposalJson:
        return cast(ProposalJson, self.do(calls.propose(post)))

    def change(self, post_id: int, post: NewPostJson, version: int) -> PostJson:
        return cast(PostJson, self.do(calls.change(post_id, post, version)))

    def delete(self, post_id: int) -> None:
        self.do(calls.delete(post_id))

    def monitoring(self, post_id: int) -> MonitoringJson:
        return cast(MonitoringJson, self.do(calls.monitoring(post_id)))

    def repairs(self, post_id: int) -> list[dict[str, Any]]:
        """Why deliveries of the post failed, and what can be done."""
        return cast(list[dict[str, Any]], self.do(calls.repairs(post_id))["items"])

    def delivery(self, delivery_id: int) -> DeliveryJson:
        return cast(DeliveryJson, self.do(calls.delivery(delivery_id)))

    def retry(self, post_id: int) -> MonitoringJson:
        """Send the failed deliveries again, and only those."""
        return cast(MonitoringJson, self.do(calls.retry(post_id)))

    def rewrite(self, delivery_id: int, texts: list[str]) -> DeliveryJson:
        return cast(DeliveryJson, self.do(calls.rewrite(delivery_id, texts)))

    def ghost(self, delivery_id: int, act: str, *, risk_accepted: bool = False) -> DeliveryJson:
        """Decide about a post that its platform accepted and nobody can see: check, acknowledge or publish-again."""
        return cast(DeliveryJson, self.do(calls.ghost(delivery_id, act, risk_accepted=risk_accepted)))

    def link(self, platform: str, typed: Mapping[str, str], instance: str = "") -> tuple[AccountJson | None, str]:
        """The account that is linked now, or None and the consent page to which its person goes."""
        told = self.do(calls.link(platform, instance, typed))
        return cast(AccountJson | None, told["account"]), str(told["authorize_url"] or "")

    def unlink(self, account_id: int) -> None:
        self.do(calls.unlink(account_id))

    def report(self, path: str, params: Mapping[str, str]) -> bytes:
        """A report as a file: `path` below /api/reports, `format` among the parameters."""
        headers = {"Authorization": f"Bearer {self._token}"}
        url = f"{self._base}/api/reports/{path}"
        reply = self._http.bound(secrets=[self._token]).read(
            "GET", url, headers=headers, params=params, timeout=TIMEOUT
        )
        if not reply.ok:
            calls.answer(reply.status, reply.body)
        return reply.body

    def media_from_url(self, url: str, alt: str = "") -> MediaJson:
        return cast(MediaJson, self.do(calls.media_from_url(url, alt)))

    def upload(
        self, path: Path, alt: str = "", *, progress: Progress = nobody_looks, book: UploadBook | None = None
    ) -> MediaJson:
        """Send a file of this machine in pieces; where a connection breaks, it goes on with what is missing, with a `book` also
        in the next program. `progress(arrived, length)` is called for each piece. Raises BadInput for one that cannot be read,
        ApiRefused or Unavailable."""
        sent = FileSender(self._http, self._base, self._token, progress, book).send(path, alt)
        return cast(MediaJson, self.do(calls.finished_upload(sent)))

    def steps(self, post_id: int, cursor: str = "") -> tuple[list[StepJson], str]:
        """The step log from `cursor` on, oldest first, and the cursor of what follows."""
        told = self.do(calls.steps(post_id, cursor))
        return cast(list[StepJson], told["items"]), str(told["next_cursor"] or "")

    def looks(self, post_id: int, seconds: float) -> Iterator[MonitoringJson]:
        """The post, looked at once a second until it is finished or the time is over."""
        until = time.monotonic() + seconds
        while True:
            found = self.monitoring(post_id)
            yield found
            if found["finished"] or time.monotonic() > until:
                return
            time.sleep(POLL)


def _asked_for(reply: Reply) -> float:
    told = reply.headers.get("retry-after", "")
    return min(float(told), 30.0) if told.isdecimal() else 0.0


__all__ = ["ApiRefused", "RestClient"]
