"""`python -m tests.deploy.containers`: every service of deploy/compose.yaml that is ours, started for real without Docker.

Each runs as its container would: the same command and environment, as user 10001 without a capability, on a read-only root with
only what compose.yaml lets it write, behind Caddy with the Caddyfile. What needs Docker itself is not tried: the image's own
packages, and who may call whom. Needs root, bubblewrap and Caddy (Debian: bubblewrap, caddy).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import make_url

from bench import processes
from bench.ports import free_port
from postprober.sandbox.control.client import Control
from postprober.sandbox.serve import SandboxServer
from tests.scaled.house import RedisServer
from tests.scaled.postgres import PostgresServer
from tests.year.house import secret

ROOT = Path(__file__).resolve().parents[2]
USER = "10001"  # deploy/Dockerfile
HOME = "/home/postprober"
CODE = "/opt/postprober"
DATABASE = "/run/database"  # where the socket of PostgreSQL is in a container
LIMIT = 120.0  # seconds for a service to answer, or for a post to be proved
EMAIL, PASSWORD = "container@example.org", "correct horse battery"
OURS = ("scheduler", "worker", "sidecar", "app")


class Wrong(AssertionError):
    """A service did not do what compose.yaml promises."""


@dataclass
class Containers:
    """`compose`: the file; `env`: what .env would hold. `data` is the volume of that name."""

    compose: dict[str, Any]
    env: dict[str, str]
    data: Path
    database: Path
    logs: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def command(self, service: str, *words: str) -> list[str]:
        """What runs `words` (the service's own command if left out) in a container of that service."""
        made = self.compose["services"][service]
        if not made["read_only"] or made["cap_drop"] != ["ALL"] or made["security_opt"] != ["no-new-privileges:true"]:
            raise Wrong(f"{service} is not confined in compose.yaml")
        writable = {volume.partition(":")[2]: self.data for volume in made["volumes"]}
        python = Path(sys.executable)
        real = python.resolve().parents[1]
        binds = [one for name in ("usr", "bin", "lib", "lib64", "etc", "opt") if (one := Path("/", name)).exists()]
        command = ["bwrap", "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--proc", "/proc", "--dev", "/dev"]
        command += ["--perms", "1777", "--tmpfs", "/dev/shm"]  # as Docker gives every container
        for one in binds:
            command += ["--ro-bind", str(one), str(one)]
        command += ["--tmpfs", "/opt"]
        own = {real, python.parents[1].resolve()}
        for place in (CODE, DATABASE, HOME, *map(str, own), *writable):
            for parent in reversed(Path(place).parents[:-1]):  # else only root could pass them
                command += ["--perms", "0755", "--dir", str(parent)]
        command += ["--ro-bind", str(ROOT), CODE]
        for one in own:
            command += ["--ro-bind", str(one), str(one)]
        command += ["--bind", str(self.database), DATABASE, "--dir", HOME]
        for mount in made["tmpfs"]:
            place, _, options = mount.partition(":")
            command += ["--perms", "1777" if "1777" in options else "0777", "--tmpfs", place]
        for place, folder in writable.items():
            command += ["--bind", str(folder), place]
        command += ["--remount-ro", "/", "--chdir", CODE]
        command += [
            "setpriv",
            f"--reuid={USER}",
            f"--regid={USER}",
            "--clear-groups",
            "--no-new-privs",
            "--bounding-set=-all",
        ]
        command += ["--inh-caps=-all", "--ambient-caps=-all", "prlimit", f"--nproc={made['pids_limit']}"]
        return [*command, *(words or made["command"])]

    def environment(self, service: str) -> dict[str, str]:
        """compose.yaml's, in which the hosts are those of this machine, and what the image sets."""
        told = {name: str(value) for name, value in self.compose["services"][service]["environment"].items()}
        path = f"{Path(sys.executable).parent.resolve()}:/usr/bin:/bin"
        image = {"PATH": path, "HOME": HOME, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"}
        return {**image, **told, **self.env}

    def start(self, service: str) -> None:
        with (self.logs / f"{service}.log").open("wb") as out:
            self.running[service] = subprocess.Popen(
                self.command(service), env=self.environment(service), stdout=out, stderr=out, start_new_session=True
            )

    def run(self, service: str, *words: str, stdin: str = "", well: bool = True) -> subprocess.CompletedProcess[str]:
        """`docker compose exec`. Raises Wrong when it fails and should not."""
        done = subprocess.run(
            self.command(service, *words),
            env=self.environment(service),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        if well and done.returncode:
            raise Wrong(
                f"{service}: {' '.join(words)} ended with {done.returncode}: {(done.stdout + done.stderr)[-1500:]}"
            )
        return done

    def said(self, service: str) -> str:
        return (self.logs / f"{service}.log").read_text(errors="replace")[-1500:]

    def close(self) -> None:
        for process in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def main() -> int:
    if os.geteuid() != 0 or not shutil.which("bwrap") or not shutil.which("caddy"):
        print("Needs root, bubblewrap and Caddy (Debian: apt-get install bubblewrap caddy).")
        return 2
    try:
        with _installation() as (made, sandbox, front):
            _confined(made)
            _story(made, sandbox.control, front)
            _sizes(made)
    except Wrong as error:
        print(f"WRONG: {error}")
        return 1
    print("all services of compose.yaml did their work, confined as it says")
    return 0


def _confined(made: Containers) -> None:
    """Each is nobody and can write where compose.yaml lets it, and nowhere else."""
    for service in OURS:
        who = made.run(service, "id", "-u").stdout.strip()
        if who != USER:
            raise Wrong(f"{service} runs as {who}")
        caps = made.run(service, "grep", "CapEff", "/proc/self/status").stdout.split()[1]
        if int(caps, 16):
            raise Wrong(f"{service} has capabilities: {caps}")
        for place in (CODE, "/usr", "/", "/etc"):
            if made.run(service, "touch", f"{place}/probe", well=False).returncode == 0:
                raise Wrong(f"{service} can write to {place}")
        for place in ("/tmp", HOME, "/var/lib/postprober"):
            made.run(service, "touch", f"{place}/probe")  # the control: what it may
        made.run(service, "rm", "/var/lib/postprober/probe")
    print(f"{', '.join(OURS)}: user {USER}, no capability, nothing writable but /tmp, {HOME} and the data")


def _story(made: Containers, control: Control, front: str) -> None:
    """From an empty database to a proved post, through Caddy."""
    made.start("scheduler")  # first, as compose.yaml orders: it brings the schema
    made.start("sidecar")
    wait_until(made, lambda: ask(f"{front}/healthz") == 200, "Caddy does not reach the sidecar")
    made.start("worker")
    made.start("app")
    made.run("scheduler", "python", "-m", "postprober", "user", "create", EMAIL, stdin=PASSWORD + "\n")
    accounts = []
    for platform in ("x", "mastodon"):
        one = control.account(platform, "container", fresh=True)
        typed = json.dumps(one["typed"] or {key: one[key] for key in ("access_token", "refresh_token", "expires_at")})
        add = ("python", "-m", "postprober", "accounts", "add", "--platform", platform, "--json")
        accounts.append(json.loads(made.run("scheduler", *add, stdin=typed).stdout)["account_id"])
    token = _json(f"{front}/api/auth/login", {"email": EMAIL, "password": PASSWORD})["access_token"]
    words = f"From a container {uuid.uuid4().hex}"
    post = _json(f"{front}/api/posts", {"content": words, "account_ids": accounts, "submit": True}, token)["id"]

    def proved() -> bool:
        told = _json(f"{front}/api/monitoring/{post}", token=token)
        return [one["state"] for one in told["deliveries"]] == ["verified"] * 2

    took = wait_until(made, proved, "the post was not proved")
    shown = [one for one in control.posts() if one["visible"] and one["text"].strip() == words]
    if len(shown) != 2:
        raise Wrong(f"the post is there {len(shown)} times on two platforms")
    wait_until(made, lambda: ask(f"{front}/") == 200, "Caddy does not reach the app")
    inside = {path: ask(front + path) for path in ("/metrics", "/readyz", "/api/readyz")}
    if any(code != 404 for code in inside.values()):
        raise Wrong(f"what is to stay inside is answered: {inside}")
    if ask(f"{front}/_stcore/upload_file/a/b", "PUT") != 401:
        raise Wrong("a stranger may leave a file")
    print(
        f"a post on two platforms proved {took:.1f} s after it was sent through Caddy; /metrics and /readyz stay inside"
    )


def _sizes(made: Containers) -> None:
    for service, process in made.running.items():
        if process.poll() is not None:
            raise Wrong(f"{service} ended with {process.returncode}: {made.said(service)}")
        most = made.compose["services"][service]["mem_limit"]
        used = processes.memory_mb(process.pid)
        if used > 1024 * float(most.removesuffix("g")):
            raise Wrong(f"{service} takes {used:.0f} MB and may take {most}")
        print(f"{service:10} {used:4.0f} MB of {most}, {len(processes.family(process.pid))} processes")


@contextlib.contextmanager
def _installation() -> Iterator[tuple[Containers, SandboxServer, str]]:
    folder = Path(tempfile.mkdtemp(prefix="pp-containers-"))
    folder.chmod(0o755)
    data, logs = folder / "data", folder / "logs"
    for one in (data, logs):
        one.mkdir()
    os.chown(data, int(USER), int(USER))
    postgres, redis = PostgresServer(), RedisServer(folder)
    redis.start()
    socket = Path(str(make_url(postgres.url).query["host"]))
    socket.chmod(0o755)  # its own data stays closed
    api, app, front = free_port(), free_port(), free_port()
    with SandboxServer() as sandbox:
        env = {
            "POSTPROBER_MODE": "sandbox",
            "POSTPROBER_SANDBOX_PORT": str(sandbox.port),
            "POSTPROBER_SECRET_KEY": secret(),
            "POSTPROBER_VAULT_KEYS": f"first:{secret()}",
            "POSTPROBER_DATABASE_URL": f"postgresql://postgres@/scaled?host={DATABASE}",
            "POSTPROBER_REDIS_URL": redis.url,
            "POSTPROBER_API_URL": f"http://127.0.0.1:{api}",
            "POSTPROBER_API_PORT": str(api),
            "POSTPROBER_APP_PORT": str(app),
            "POSTPROBER_PUBLIC_URL": f"https://localhost:{front}",
            "POSTPROBER_APP_URL": f"https://localhost:{front}",
            "POSTPROBER_BROWSER": "off",
        }
        text = (ROOT / "deploy" / "compose.yaml").read_text()
        compose = yaml.safe_load(re.sub(r"\$\{(\w+)[^}]*\}", "unused", text))
        app_command = compose["services"]["app"]["command"]
        app_command[app_command.index("--server.port") + 1] = str(app)
        made = Containers(compose, env, data, socket, logs)
        caddy = _caddy(folder, front, api, app)
        try:
            yield made, sandbox, f"https://localhost:{front}"
        finally:
            made.close()
            caddy.terminate()
            caddy.wait()
            redis.stop()
            postgres.stop()
            shutil.rmtree(folder, ignore_errors=True)


def _caddy(folder: Path, front: int, api: int, app: int) -> subprocess.Popen[bytes]:
    """With the Caddyfile as it is, and a certificate of its own making."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "caddy"),
        "XDG_CONFIG_HOME": str(folder / "caddy"),
        "POSTPROBER_DOMAIN": f"https://localhost:{front}",
        "POSTPROBER_TLS": "tls internal",
        "POSTPROBER_API": f"127.0.0.1:{api}",
        "POSTPROBER_APP": f"127.0.0.1:{app}",
    }
    # Its own address of administration and the redirection from port 80 are switched off: others may use those ports here.
    file = folder / "Caddyfile"
    file.write_text(
        "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n"
        + (ROOT / "deploy" / "Caddyfile").read_text()
    )
    with (folder / "logs" / "caddy.log").open("wb") as out:
        return subprocess.Popen(
            ["caddy", "run", "--adapter", "caddyfile", "--config", file], env=env, stdout=out, stderr=out
        )


def wait_until(made: Containers, holds: Callable[[], bool], failure: str) -> float:
    """Seconds it took. Raises Wrong when it does not come about, or when a service ends."""
    begun, pause = time.monotonic(), threading.Event()
    while True:
        try:
            if holds():
                return time.monotonic() - begun
        except urllib.error.HTTPError as error:
            raise Wrong(f"{failure}: {error.url} answers {error.code}") from error
        except OSError:
            pass  # it does not listen yet
        for service, process in made.running.items():
            if process.poll() is not None:
                raise Wrong(f"{service} ended with {process.returncode}: {made.said(service)}")
        if time.monotonic() - begun > LIMIT:
            raise Wrong(f"{failure} within {LIMIT:.0f} s; the sidecar says: {made.said('sidecar')}")
        pause.wait(0.2)


# Caddy's own certificate, which nobody has signed.
_unsigned = ssl.create_default_context()
_unsigned.check_hostname = False
_unsigned.verify_mode = ssl.CERT_NONE


def ask(url: str, method: str = "GET") -> int:
    """The status. Raises OSError when nobody answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=30, context=_unsigned) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def _json(url: str, body: Any = None, token: str = "") -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, json.dumps(body).encode() if body is not None else None, headers)
    with urllib.request.urlopen(request, timeout=30, context=_unsigned) as reply:
        return json.loads(reply.read())


if __name__ == "__main__":
    sys.exit(main())
