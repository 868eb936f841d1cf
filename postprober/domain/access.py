"""What a role and a token may do.

A scope is `<resource>:read` or `<resource>:write`. Roles are those of `users.role`.
"""

from __future__ import annotations

RESOURCES = ("posts", "accounts", "media", "monitoring", "alerts", "analytics", "reports", "tokens")
SCOPES = frozenset(f"{resource}:{act}" for resource in RESOURCES for act in ("read", "write"))
READ_SCOPES = frozenset(scope for scope in SCOPES if scope.endswith(":read"))
# A token that could make tokens would outlive its own removal.
GRANTABLE = frozenset(scope for scope in SCOPES if not scope.startswith("tokens:"))
ROLES: dict[str, frozenset[str]] = {"owner": SCOPES, "editor": SCOPES, "viewer": READ_SCOPES}


def scopes_of_role(role: str) -> frozenset[str]:
    """What somebody of this role may do; nothing for a role that we do not know."""
    return ROLES.get(role, frozenset())
