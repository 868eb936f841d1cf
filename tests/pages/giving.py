"""A file chosen in Compose, as the browser's script sends it: with the grant of the page, to the sidecar."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx2
from fastapi.testclient import TestClient
from streamlit.testing.v1 import AppTest

from postprober.api.app import create_app
from tests.pages.conftest import House

TUS = {"Tus-Resumable": "1.0.0"}


def handed_out(app: AppTest) -> dict[str, Any]:
    """What the page hands to the script."""
    (one,) = app.get("bidi_component")
    told: dict[str, Any] = json.loads(one.proto.json)
    return told


def sent(house: House, app: AppTest, name: str, content: bytes) -> httpx2.Response:
    """The sidecar's answer to the whole file; the page has not run yet."""
    told = handed_out(app)
    headers = {
        **TUS,
        "Authorization": f"Bearer {told['grant']}",
        "Upload-Length": str(len(content)),
        "Upload-Metadata": f"filename {base64.b64encode(name.encode()).decode()}",
        "Origin": house.core.settings.app_base,
        "Content-Type": "application/offset+octet-stream",
    }
    client = TestClient(create_app(house.core), base_url="http://127.0.0.1:8000")
    return client.post("/api/media/resumable", headers=headers, content=content)


def give(house: House, app: AppTest, name: str, content: bytes) -> AppTest:
    """The same, and the run of the page that follows."""
    reply = sent(house, app, name, content)
    assert reply.status_code == 201, reply.text
    return app.run()
