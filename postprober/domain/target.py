"""What a video is converted to, as one record that is stored: the same record is the same file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

_MADE = 1  # grows when the encoder makes another file of the same order


@dataclass(frozen=True)
class VideoTarget:
    """H.264 (8 bits, 4:2:0) and AAC in MP4. `width`, `height` of the frame in pixels, `inner_width`, `inner_height` of the
    picture in it, which is padded with black; all even. `min_rate`, `max_rate`: pictures a second; `bits`: of the pictures a
    second at most; `max_bytes`, `min_bytes`: of the whole file; `seconds`: as long as the source."""

    width: int
    height: int
    inner_width: int
    inner_height: int
    min_rate: float
    max_rate: float
    bits: int
    max_bytes: int
    seconds: float
    min_bytes: int = 0

    def key(self) -> str:
        """A name for it, 16 hexadecimal digits."""
        return hashlib.sha256(f"{_MADE} {json.dumps(asdict(self), sort_keys=True)}".encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**data)
