"""What platforms charge for their APIs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prices:
    """Of one call each, in the operator's currency. `read`: of one post, which is charged once per UTC day however
    often it is read."""

    post: float = 0.0
    post_with_link: float = 0.0
    alt_text: float = 0.0
    read: float = 0.0

    @property
    def free(self) -> bool:
        return not (self.post or self.post_with_link or self.alt_text or self.read)
