"""What a role and a token may do.

A scope is `<resource>:read` or `<resource>:write`; what is done with posts is told apart further: `draft` writes what
nobody sees yet, `propose` asks a person to publish it, `publish` plans and sends it or changes what is planned, and
`approve` is the person's own word about what waits for it. Roles are those of `users.role`.
"""

from __future__ import annotations

from collections.abc import Iterable

POSTS = ("read", "draft", "propose", "publish", "approve")
RESOURCES = ("accounts", "media", "monitoring", "alerts", "analytics", "reports", "tokens")
SCOPES = frozenset(f"{resource}:{act}" for resource in RESOURCES for act in ("read", "write")) | frozenset(
    f"posts:{act}" for act in POSTS
)
READ_SCOPES = frozenset(scope for scope in SCOPES if scope.endswith(":read"))
# A token that could make tokens would outlive its own removal, and who proposes must not be who approves.
GRANTABLE = frozenset(scope for scope in SCOPES if not scope.startswith("tokens:")) - {"posts:approve"}
# What earlier versions called it, in tokens that are still in use.
FORMER = {"posts:write": frozenset({"posts:draft", "posts:propose", "posts:publish"})}
ROLES: dict[str, frozenset[str]] = {"owner": SCOPES, "editor": SCOPES, "viewer": READ_SCOPES}


def meant(scopes: Iterable[str]) -> frozenset[str]:
    """`scopes` by their names of today."""
    return frozenset().union(*(FORMER.get(scope, frozenset({scope})) for scope in scopes))


def scopes_of_role(role: str) -> frozenset[str]:
    """What somebody of this role may do; nothing for a role that we do not know."""
    return ROLES.get(role, frozenset())
