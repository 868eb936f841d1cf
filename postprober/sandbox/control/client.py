"""A small typed client of the control API, over the standard library only."""

import json
from typing import Any, cast
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, Request, build_opener

Json = dict[str, Any]


class ControlError(RuntimeError):
    """The control API refused; the message is its own."""


class Control:
    """`url` is the sandbox's base URL. Every method is one request. Raises ControlError when refused."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._open = build_opener(ProxyHandler({})).open

    def _call(self, method: str, path: str, body: Json | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"} if data else {}
        request = Request(f"{self.url}/_sandbox/{path}", data, headers, method=method)
        try:
            with self._open(request, timeout=self._timeout) as response:
                return json.load(response)
        except HTTPError as error:
            with error:
                raise ControlError(f"{error.code}: {error.read().decode('utf-8', 'replace')}") from None

    def account(self, platform: str, name: str, **options: Any) -> Json:
        """Make or look up an account: `{platform, id, name, access_token, refresh_token, expires_at, password, typed}`.

        Options: scopes (list), partner (bool), premium (bool: may write long posts), password (str), fresh (bool: new tokens).
        """
        return cast(Json, self._call("POST", "accounts", {"platform": platform, "name": name, **options}))

    def fault(self, platform: str, kind: str, **options: Any) -> Json:
        """Plan a fault. Options: account, operation, times, after, params (dict)."""
        return cast(Json, self._call("POST", "faults", {"platform": platform, "kind": kind, **options}))

    def faults(self) -> list[Json]:
        return cast(list[Json], self._call("GET", "faults"))

    def clear_faults(self, fault_id: int | None = None) -> None:
        self._call("DELETE", "faults" if fault_id is None else f"faults/{fault_id}")

    def log(self, *, since: int = 0, platform: str = "", account: str = "", limit: int = 0) -> list[Json]:
        """Requests in the order of their arrival, after sequence number `since`."""
        query = {"since": since, "platform": platform, "account": account, "limit": limit}
        return cast(list[Json], self._call("GET", "log?" + urlencode({k: v for k, v in query.items() if v})))

    def posts(self, platform: str = "", account: str = "") -> list[Json]:
        """The truth about all posts that exist or existed."""
        query = {"platform": platform, "account": account}
        return cast(list[Json], self._call("GET", "posts?" + urlencode({k: v for k, v in query.items() if v})))

    def _act(self, platform: str, post_id: str, action: str, **body: Any) -> Json:
        return cast(Json, self._call("POST", f"posts/{platform}/{quote(action)}", {"id": post_id, **body}))

    def delete_post(self, platform: str, post_id: str) -> Json:
        return self._act(platform, post_id, "delete")

    def hide_post(self, platform: str, post_id: str) -> Json:
        return self._act(platform, post_id, "hide")

    def unhide_post(self, platform: str, post_id: str) -> Json:
        return self._act(platform, post_id, "unhide")

    def edit_post(self, platform: str, post_id: str, text: str | None = None, **changes: Any) -> Json:
        """Changes: alt (str, of every picture), media (int, how many are left)."""
        return self._act(platform, post_id, "edit", **({} if text is None else {"text": text}), **changes)

    def rename(self, platform: str, name: str, to: str) -> Json:
        """From now on people see the account as `to`; "" is its own name again."""
        return cast(Json, self._call("POST", "account/rename", {"platform": platform, "name": name, "to": to}))

    def suspend(self, platform: str, name: str) -> Json:
        """The platform shuts the account."""
        return cast(Json, self._call("POST", "account/suspend", {"platform": platform, "name": name}))

    def restore(self, platform: str, name: str) -> Json:
        return cast(Json, self._call("POST", "account/restore", {"platform": platform, "name": name}))

    def settings(self, **changes: Any) -> Json:
        """Change settings, or only read them when none is given."""
        return cast(Json, self._call("POST", "settings", changes) if changes else self._call("GET", "settings"))

    def reset(self) -> None:
        self._call("POST", "reset", {})

    def expire(self, platform: str, name: str) -> None:
        """The access tokens of the account are expired from now on."""
        self._call("POST", "expire", {"platform": platform, "name": name})

    def revoke(self, platform: str, name: str) -> None:
        """The account withdraws the app's access."""
        self._call("POST", "revoke", {"platform": platform, "name": name})
