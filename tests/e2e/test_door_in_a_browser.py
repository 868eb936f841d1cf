"""The app as it is started everywhere stands behind its door; the control is Streamlit alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.attack.door import COUNT, SIZE, App, app_running, fill, knock


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    with app_running(guarded=True) as made:
        yield made


@pytest.mark.slow
def test_another_port_reads_nothing_and_nobody_fills_the_memory(app: App) -> None:
    for origin in ("http://127.0.0.1:9", "http://localhost:9", "https://evil.example", "null"):
        assert knock(app, origin, app.token) == 0
    assert "checkip" not in app.log.read_text() and "Max retries" not in app.log.read_text()
    answers, grown = fill(app)
    assert set(answers) <= {401, 0} and len(answers) == COUNT and grown < COUNT * SIZE // 2
    assert knock(app, app.url, app.token) > 0, "the page itself"
    assert fill(app, cookie=app.token, count=1)[0] == [204]


@pytest.mark.slow
def test_control_streamlit_alone_lets_both_in() -> None:
    with app_running(guarded=False) as bare:
        assert knock(bare, "http://127.0.0.1:9", bare.token) > 0
        assert fill(bare, count=2)[0] == [204, 204]
