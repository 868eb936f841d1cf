"""One function for each kind of file: given a folder like deploy/, what its linter says, as lines; none is well."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from postprober.api.counting import RequestCounts
from postprober.api.routes.metrics import StoredMetrics
from postprober.domain.meters import METERS, Tally
from postprober.services.monitoring.measures import HostMeasures, Measures

ROOT = Path(__file__).resolve().parent.parent.parent
RULES = ROOT / "tests" / "attack" / "rules" / "docker.yaml"
# The newest version whose schemas kubernetes-validate brings along, and one that is two years older.
KUBERNETES = ("1.37", "1.31")
KUSTOMIZATION = "kustomization.yaml"
WORKLOADS = 4  # scheduler, worker, sidecar, app
LIMIT = 120  # seconds for one linter
# What must never be in an image, by a path below the repository; `.dockerignore` decides.
_NOT_IN_IMAGE = (".env", "data", ".git", ".venv")


class Missing(Exception):
    """A linter is not on this machine; the text says what to install."""


@dataclass(frozen=True)
class Check:
    """`spoil`: file, text and what to put in its place, which `run` must then complain of."""

    name: str
    run: Callable[[Path, Path], list[str]]
    spoil: tuple[tuple[str, str, str], ...]


def yaml(folder: Path, tools: Path) -> list[str]:
    """Every YAML file, by yamllint."""
    return _said([tools / "yamllint", "--strict", "--format", "parsable", "-c", folder / ".yamllint", folder])


def compose(folder: Path, tools: Path) -> list[str]:
    """compose.yaml by the schema of the Compose Specification (https://github.com/compose-spec/compose-spec)."""
    return _said([tools / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", folder / "compose.yaml"])


def kubernetes(folder: Path, tools: Path) -> list[str]:
    """The manifests by Kubernetes' own schemas, in which nothing unknown may appear."""
    files = sorted(
        set((folder / "kubernetes" / "base").glob("*.yaml")) - {folder / "kubernetes" / "base" / KUSTOMIZATION}
    )
    found = [] if files else ["there are no manifests"]
    for version in KUBERNETES:
        found += _said([tools / "kubernetes-validate", "--strict", "--no-warn", "-k", version, *files])
    return found


def kustomize(folder: Path, tools: Path) -> list[str]:
    """The example overlay, built as `kubectl apply --kustomize` would: nothing of the base is left out, every workload gets the
    secrets, and the result is Kubernetes'."""
    program = shutil.which("kubectl") or shutil.which("kustomize")
    if program is None:
        raise Missing(
            "kubectl is not on this machine; install it, or kustomize (Debian: apt-get install kubernetes-client)."
        )
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "kubernetes"
        shutil.copytree(folder / "kubernetes", copy)
        (copy / "example" / "secrets.env").write_text("POSTPROBER_SECRET_KEY=x\n")
        (copy / "example" / "redis.env").write_text("password=x\n")
        build = [program, *(["kustomize"] if Path(program).name == "kubectl" else ["build"]), str(copy / "example")]
        done = subprocess.run(build, capture_output=True, text=True, timeout=LIMIT, check=False)
        if done.returncode:
            return done.stderr.strip().splitlines()
        built = Path(name) / "built.yaml"
        built.write_text(done.stdout)
        listed = re.findall(r"(?m)^  - (\S+\.yaml)$", (copy / "base" / KUSTOMIZATION).read_text())
        there = {file.name for file in (copy / "base").glob("*.yaml")} - {KUSTOMIZATION}
        found = [f"base: {one} is not in its kustomization" for one in sorted(there - set(listed))]
        secret = re.findall(r"(?m)^\s+name: postprober-[a-z0-9]{10}$", done.stdout)
        if len(secret) != WORKLOADS + 1:  # each refers to it, and it has its own name
            found.append(f"the secrets are given to {len(secret) - 1} of {WORKLOADS} workloads")
        return found + _said([tools / "kubernetes-validate", "--strict", "--no-warn", "-k", KUBERNETES[0], built])


def caddy(folder: Path, _tools: Path) -> list[str]:
    """The Caddyfile: whether Caddy takes it, and whether it is formatted as Caddy would."""
    program = _program("caddy", "caddy")
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home, "POSTPROBER_DOMAIN": "post.example.org"}
        file = folder / "Caddyfile"
        found = _said([program, "validate", "--adapter", "caddyfile", "--config", file], env)
        formatted = subprocess.run([program, "fmt", file], capture_output=True, text=True, timeout=LIMIT, check=False)
    return found if formatted.stdout == file.read_text() else [*found, "Caddyfile: caddy fmt would change it"]


def units(folder: Path, _tools: Path) -> list[str]:
    """The systemd units; what they start is not installed here, so another program stands in its place."""
    program = _program("systemd-analyze", "systemd")
    with tempfile.TemporaryDirectory() as name:
        copies = []
        for unit in sorted((folder / "systemd").glob("*.service")):
            copies.append(Path(name) / unit.name)
            text, count = re.subn(
                r"(?m)^ExecStart=/opt/postprober/\.venv/bin/\S+", "ExecStart=/usr/bin/env", unit.read_text()
            )
            if count != 1:
                return [f"{unit.name}: it does not start a program of /opt/postprober/.venv"]
            copies[-1].write_text(text)
        done = subprocess.run(
            [program, "verify", "--man=no", *copies], capture_output=True, text=True, timeout=LIMIT, check=False
        )
    # An unknown key is only a warning there; here it is a mistake.
    return [line.replace(f"{name}/", "") for line in (done.stdout + done.stderr).splitlines() if line.strip()]


def dockerfile(folder: Path, tools: Path) -> list[str]:
    """The Dockerfile by our own rules; hadolint is no package of Debian or PyPI that could be pinned."""
    env = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "SEMGREP_SEND_METRICS": "off"}
    found = _said(
        [
            tools / "semgrep",
            "scan",
            "--quiet",
            "--error",
            "--metrics",
            "off",
            "--disable-version-check",
            "--no-git-ignore",
            "--config",
            RULES,
            folder / "Dockerfile",
        ],
        env,
    )
    text = (folder / "Dockerfile").read_text()
    users = re.findall(r"(?m)^USER\s+(\S+)", text)
    if not users or users[-1] in ("root", "0"):
        found.append("Dockerfile: the program would run as root")
    ignored = (folder.parent / ".dockerignore").read_text().splitlines()
    if "*" not in ignored:
        found.append(
            ".dockerignore: everything must be left out first; else a new file with secrets gets into the image"
        )
    let_in = {line[1:].strip("/") for line in ignored if line.startswith("!")}
    return found + [f".dockerignore: {name} would be in the image" for name in _NOT_IN_IMAGE if name in let_in]


def prometheus(folder: Path, _tools: Path) -> list[str]:
    """What Prometheus is given, by its own promtool: the scrape file, the rules, their tests, and what /metrics tells."""
    program = _program("promtool", "prometheus")
    rules = folder / "prometheus"
    found = _said([program, "check", "config", "--lint-fatal", rules / "prometheus.yml"])
    found += _said([program, "test", "rules", rules / "rules_test.yml"])
    told = subprocess.run(
        [program, "check", "metrics"], input=_exposition(), capture_output=True, text=True, timeout=LIMIT, check=False
    )
    return found + [line for line in (told.stdout + told.stderr).splitlines() if line.strip()]


def _exposition() -> str:
    """What a sidecar tells when every counter and histogram has counted something."""
    tally = Tally()
    for meter in METERS:
        labels = ["x"] * len(meter.labels)
        if meter.bounds:
            tally.observe(meter, 1.0, *labels)
        else:
            tally.count(meter, *labels)
    found = Measures({("x", "held"): 1}, {"x": 1}, 0.0, 0, 0.0, 1.0, {"worker": 1}, 1.0, {"x": 0.5}, tally.pending())
    stored, requests = CollectorRegistry(), RequestCounts()
    stored.register(StoredMetrics(found, HostMeasures(1, 1, True, 1.0, 1.0), sqlite=True))
    requests.note("GET", "/healthz", 200, 0.1)
    return (generate_latest(stored) + generate_latest(requests.registry)).decode()


CHECKS = (
    Check("yamllint", yaml, (("compose.yaml", "services:\n", "services:\n  database: {}\n"),)),
    Check("compose", compose, (("compose.yaml", "restart: unless-stopped", "restrat: unless-stopped"),)),
    Check(
        "kubernetes",
        kubernetes,
        (
            ("kubernetes/base/worker.yaml", "replicas: 2", "replicas: two"),
            ("kubernetes/base/app.yaml", "runAsNonRoot: true", "runAsNobody: true"),
        ),
    ),
    Check(
        "kustomize",
        kustomize,
        (
            ("kubernetes/base/kustomization.yaml", "  - worker.yaml\n", ""),
            ("kubernetes/example/kustomization.yaml", "../base", "../bass"),
            ("kubernetes/base/app.yaml", "secretRef: {name: postprober}", "secretRef: {name: postprobe}"),
        ),
    ),
    Check(
        "caddy",
        caddy,
        (
            ("Caddyfile", "reverse_proxy", "reverse_poxy"),
            ("Caddyfile", "\tencode", "  encode"),
        ),
    ),
    Check(
        "units",
        units,
        (
            ("systemd/postprober-app.service", "User=", "Usr="),
            ("systemd/postprober-worker@.service", "[Service]", "[Servce]"),
        ),
    ),
    Check(
        "prometheus",
        prometheus,
        (
            ("prometheus/prometheus.yml", "scrape_configs", "scrape_config"),
            ("prometheus/rules.yml", "max(postprober_overdue_seconds) > 300", "max(postprober_overdue_seconds) > 3000"),
            ("prometheus/rules.yml", "unless on ()", "and on ()"),
            ("prometheus/rules.yml", "min(postprober_disk_free_bytes) < 1e9", "min(postprober_disk_free_bytes < 1e9"),
            ("prometheus/rules_test.yml", 'values: "301x120"', 'values: "299x120"'),
        ),
    ),
    Check(
        "dockerfile",
        dockerfile,
        (
            ("Dockerfile", "USER postprober", ""),
            ("Dockerfile", "python:3.11-slim-trixie", "python:latest"),
            ("Dockerfile", "ENV ", "ENV POSTPROBER_SECRET_KEY=abc "),
            ("../.dockerignore", "*\n", ""),
            ("../.dockerignore", "!pages", "!.env"),
        ),
    ),
)


def spoiled(check: Check, tools: Path) -> list[str]:
    """The control: mistakes that the linter did not see."""
    missed = []
    for file, text, instead in check.spoil:
        with tempfile.TemporaryDirectory() as name:
            copy = Path(name) / "deploy"
            shutil.copytree(ROOT / "deploy", copy)
            shutil.copy(ROOT / ".dockerignore", copy.parent)
            whole = (copy / file).read_text()
            if text not in whole:
                missed.append(f"{file} has no {text!r} to spoil")
                continue
            (copy / file).write_text(whole.replace(text, instead, 1))
            if not check.run(copy, tools):
                missed.append(f"{text!r} turned into {instead!r} in {file} is not noticed")
    return missed


def _program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not on this machine; install it (Debian: apt-get install {package}).")
    return found


def _said(command: list[str | Path], env: dict[str, str] | None = None) -> list[str]:
    """What a linter that failed printed; its code counts, not its words."""
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=LIMIT, check=False)
    if done.returncode == 0:
        return []
    return [line for line in (done.stdout + done.stderr).splitlines() if line.strip()] or ["it failed without a word"]
