"""A picture that cannot be shown costs its place on the page, and not the page."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from postprober.errors import HERE, BadInput, PostProberError, Unavailable
from postprober.services.media import media
from postprober.ui.components.shared import thumbnails
from tests.pages.conftest import House
from tests.people import acting


@pytest.mark.parametrize(
    ("error", "after"),
    [(Unavailable("Try again later.", code=HERE), "<img src="), (BadInput("The image is damaged."), ">?<")],
)
def test_what_cannot_be_made_now_is_a_mark_and_made_later(
    house: House, monkeypatch: pytest.MonkeyPatch, error: PostProberError, after: str
) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), "red" if isinstance(error, BadInput) else "blue").save(buffer, "PNG")
    media_id = media.add_bytes(house.core, acting(house.core, house.owner), "a.png", buffer.getvalue())

    def fail(*_args: object) -> bytes:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(media, "thumbnail", fail)
        assert ">?<" in thumbnails.html(house.core, acting(house.core, house.owner), media_id)
    assert after in thumbnails.html(house.core, acting(house.core, house.owner), media_id)
