"""What the emulated model sees in a picture: its shape and its colour, which is enough to tell two pictures apart."""

import base64
import binascii
import io
from typing import Any

from PIL import Image, UnidentifiedImageError

_BEGINNING = "data:image/jpeg;base64,"
_COLOURS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (220, 30, 30),
    "green": (30, 160, 60),
    "blue": (30, 60, 220),
    "yellow": (240, 220, 40),
}


def sight(given: Any) -> str:
    """One sentence about an `image_url` with a JPEG in it; "" when it cannot be seen."""
    url = given.get("url") if isinstance(given, dict) else None
    if not isinstance(url, str) or not url.startswith(_BEGINNING):
        return ""
    try:
        with Image.open(io.BytesIO(base64.b64decode(url.removeprefix(_BEGINNING), validate=True))) as picture:
            width, height = picture.size
            pixel = picture.convert("RGB").resize((1, 1)).getpixel((0, 0))
    except (binascii.Error, UnidentifiedImageError, OSError, ValueError):
        return ""
    shape = "square" if width == height else "wide" if width > height else "tall"
    red, green, blue = pixel if isinstance(pixel, tuple) else (0, 0, 0)
    named = min(
        _COLOURS, key=lambda one: sum((a - b) ** 2 for a, b in zip((red, green, blue), _COLOURS[one], strict=True))
    )
    return f"A {shape} area that is mostly {named}."
