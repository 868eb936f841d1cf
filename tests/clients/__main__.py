"""Starts the emulators, lets each client do its job in the clients' environment, and says what each could do.

Exit code 1 when a step failed or a client did not run. Loopback only; bounded in time.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import httpx2
from PIL import Image

from postprober.sandbox.serve import SandboxServer

HERE = Path(__file__).parent
LIMIT = 120  # seconds for a client
JOBS = {
    "mastodon": "Mastodon.py",
    "bluesky": "atproto",
    "x": "tweepy",
    "linkedin": "linkedin-api-client",
    "openai": "openai",
    "xdk": "xdk",
    "instagram": "facebook-business",
    "telegram": "python-telegram-bot",
    "discord": "discord.py",
    "nostr": "nostr-sdk",
    "wordpress": "wpa",
}
_ON = {"xdk": "x"}
LEAST = {
    "mastodon": 10,
    "bluesky": 9,
    "x": 7,
    "linkedin": 6,
    "openai": 7,
    "xdk": 5,
    "instagram": 7,
    "telegram": 11,
    "discord": 12,
    "nostr": 12,
    "wordpress": 8,
}  # steps, so that an empty job cannot pass


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="of the clients' environment")
    parser.add_argument("--only", choices=list(JOBS), action="append", help="one job of them, several times")
    told = parser.parse_args()
    with SandboxServer() as sandbox:
        ends = [_job(sandbox, told.python, platform) for platform in told.only or JOBS]
    return 0 if all(ends) else 1


def _job(sandbox: SandboxServer, python: str, platform: str) -> bool:
    scopes = {"mastodon": ["profile", "read", "write"]}.get(platform)
    more: dict[str, Any] = {"scopes": scopes} if scopes else {}
    job = platform
    platform = _ON.get(job, job)
    given: dict[str, Any] = {"url": f"{sandbox.url}/{platform}"}
    if platform != "openai":
        account = sandbox.control.account(platform, f"client{uuid.uuid4().hex[:8]}", fresh=True, **more)
        given |= {"token": account.get("access_token"), "password": account.get("password"), "id": account["id"]}
        given["name"] = account["name"]
    if platform == "discord":
        hook = sandbox.control.account(platform, f"client{uuid.uuid4().hex[:8]}", scopes=["webhook.incoming"])
        given["webhook"] = hook["typed"]["webhook"]
    if platform == "instagram":
        given["picture"] = _a_picture(sandbox)
    done = subprocess.run(
        [python, str(HERE / f"{job}_job.py")],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    steps = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    failed = [step for step in steps if not step["ok"]]
    print(f"{JOBS[job]}: {len(steps) - len(failed)} of {len(steps)} steps")
    for step in failed:
        print(f"    {step['step']}: {step['why']}")
    if done.returncode or len(steps) < LEAST[job]:
        print(f"    it ended with {done.returncode} after {len(steps)} steps: {done.stderr.strip()[-600:]}")
        return False
    return not failed


def _a_picture(sandbox: SandboxServer) -> str:
    """The address of a JPEG that the emulators serve themselves."""
    content = io.BytesIO()
    Image.new("RGB", (640, 640), "teal").save(content, "JPEG")
    owner = sandbox.control.account("mastodon", f"client{uuid.uuid4().hex[:8]}", fresh=True)
    with httpx2.Client() as http:
        made = http.post(
            f"{sandbox.url}/mastodon/api/v2/media",
            files={"file": ("a.jpg", content.getvalue(), "image/jpeg")},
            headers={"Authorization": f"Bearer {owner['access_token']}"},
        )
    return str(made.json()["url"])


if __name__ == "__main__":
    sys.exit(main())
