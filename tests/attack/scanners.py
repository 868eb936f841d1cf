"""sqlmap and wapiti against a running sidecar with a signed-in person, each first against the site that has holes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench.stage import Stage, plan, stage
from postprober.services.people import sessions
from tests.attack.vulnerable import vulnerable

LIMIT = 420  # seconds for one run; one that does not come to its end counts as a finding
# Without those that ask servers on the Internet for lists or for call-backs (nikto, wapp, ssrf, xxe).
WAPITI_MODULES = "sql,xss,redirect,file,exec,crlf,backup,methods"
_MUST_FIND = {"SQL Injection", "Cross Site Scripting", "Open Redirect", "Path Traversal"}
# A value for each parameter of a query that is well-formed, so that the request reaches the database.
_VALUES = {"limit": "5", "days": "28", "format": "html", "from": "2026-01-01", "to": "2026-01-31", "next": "/compose"}


def sqlmap() -> list[str]:
    """What sqlmap finds."""
    with vulnerable() as url:
        found, tried, _ = _sqlmap([f"{url}/item?id=1"], "")
    if not found or not tried:
        return ["control: sqlmap does not find the SQL injection of the vulnerable site"]
    with stage(accounts=1) as made:
        targets, token = _instance(made)
        found, tried, log = _sqlmap(targets, token)
        found += _answered(made, targets)
    if tried < len(targets):
        found.append(f"sqlmap came only to {tried} of {len(targets)} addresses:\n{log[-1500:]}")
    print(f"sqlmap: {tried} addresses tried")
    return found


def wapiti() -> list[str]:
    """What wapiti finds."""
    with vulnerable() as url:
        kinds = {line.split(": ")[0] for line in _wapiti(url, [], "")}
    if missed := _MUST_FIND - kinds:
        return [
            f"control: wapiti does not find {', '.join(sorted(missed))} on the vulnerable site, only {sorted(kinds)}"
        ]
    with stage(accounts=1) as made:
        targets, token = _instance(made)
        found = _wapiti(_base(made), [target.replace("*", "") for target in targets], token)
        found += _answered(made, targets)
        log = (made.folder / "sidecar.log").read_text()
        if "Traceback" in log:
            found.append(f"the sidecar's log has a traceback:\n{log[-3000:]}")
    print(f"wapiti: {len(targets)} addresses to begin with; the control found {', '.join(sorted(kinds))}")
    return found


def _base(made: Stage) -> str:
    return f"http://127.0.0.1:{made.env['POSTPROBER_API_PORT']}"


def _instance(made: Stage) -> tuple[list[str], str]:
    """A sidecar with posts; returns every address of its API that can be read, and an access token. `*` marks an id in
    a path, where sqlmap shall try, too."""
    assert made.core
    for number in range(3):
        plan(made, number)
    base = _base(made)
    made.start("sidecar", "-m", "postprober.api", ready=f"{base}/healthz")
    token = sessions.log_in(made.core, "bench@example.org", "0123456789abc", "127.0.0.1").access
    with urllib.request.urlopen(f"{base}/api/openapi.json", timeout=30) as reply:
        paths: dict[str, Any] = json.load(reply)["paths"]
    targets = []
    for path, methods in paths.items():
        if "get" not in methods or path.endswith(("/pdf", "/metrics")):
            continue
        queries = [p["name"] for p in methods["get"].get("parameters", []) if p["in"] == "query"]
        if path.startswith("/oauth/"):
            queries += ["code", "state"]
        query = urlencode({name: _VALUES.get(name, "1") for name in queries})
        target = base + re.sub(r"{\w+}", "1*", path) + (f"?{query}" if query else "")
        if "*" in target or query:
            targets.append(target)
    return targets, token


def _answered(made: Stage, targets: list[str]) -> list[str]:
    """Whether the scanner was really let in, and whether anything broke, by the sidecar's own numbers."""
    with urllib.request.urlopen(f"{_base(made)}/metrics", timeout=30) as reply:
        text = reply.read().decode()
    rows = re.findall(r'postprober_http_requests_total{.*?route="([^"]*)".*?status="(\d)\d\d"} (\S+)', text)
    counts: dict[str, float] = {}
    for _, kind, count in rows:
        counts[kind] = counts.get(kind, 0) + float(count)
    print("  answered: " + ", ".join(f"{count:.0f} × {kind}xx" for kind, count in sorted(counts.items())))
    open_to = {route for route, kind, _ in rows if kind == "2"}
    wrong = [f"{route} answered {count} times with 5xx" for route, kind, count in rows if kind == "5"]
    if len(open_to) < len(targets) / 3:
        wrong.append(
            f"control: only {len(open_to)} routes of {len(targets)} addresses ever answered 2xx; was it signed in?"
        )
    return wrong


def _sqlmap(targets: list[str], token: str) -> tuple[list[str], int, str]:
    """Findings, how many addresses it came to the end of, and what it printed."""
    program = _program("sqlmap")
    with tempfile.TemporaryDirectory() as name:
        listed = Path(name) / "targets.txt"
        listed.write_text("\n".join(targets) + "\n")
        command = [
            program,
            "-m",
            str(listed),
            "--batch",
            "--flush-session",
            "--output-dir",
            f"{name}/out",
            "--level",
            "1",
            "--risk",
            "1",
            "--technique",
            "BEU",
            "--dbms",
            "sqlite",
            "--timeout",
            "20",
            "--retries",
            "1",
            "--ignore-code",
            "*",
            "--skip-waf",
            "--disable-coloring",
        ]
        if token:
            command += ["-H", f"Authorization: Bearer {token}"]
        log = _run(command, name)
    found = [
        f"sqlmap: {line}"
        for line in log.splitlines()
        if "injectable" in line and "not" not in line and "might" not in line
    ]
    tried = log.count("do not appear to be injectable") + log.count("identified the following injection point")
    return found, tried, log


def _wapiti(url: str, starts: list[str], token: str) -> list[str]:
    """Findings, as `kind: address`."""
    program = _program("wapiti")
    with tempfile.TemporaryDirectory() as name:
        report = Path(name) / "report.json"
        command = [
            program,
            "-u",
            f"{url}/",
            "--scope",
            "domain",
            "-m",
            WAPITI_MODULES,
            "-d",
            "2",
            "-t",
            "10",
            "-v",
            "0",
            "--max-scan-time",
            "60",
            "--max-attack-time",
            "40",
            "--no-bugreport",
            "--flush-session",
            "--store-session",
            name,
            "--store-config",
            name,
            "-f",
            "json",
            "-o",
            str(report),
        ]
        for start in starts:
            command += ["-s", start]
        if token:
            command += ["-H", f"Authorization: Bearer {token}"]
        log = _run(command, name)
        if not report.exists():
            return [f"wapiti wrote no report:\n{log[-2000:]}"]
        told: dict[str, Any] = json.loads(report.read_text())
    return [
        f"{kind}: {one['method']} {one['path']} {one['parameter'] or ''} {one['info']}"
        for group in ("vulnerabilities", "anomalies")
        for kind, found in told[group].items()
        for one in found
    ]


def _run(command: list[str], home: str) -> str:
    """What a scanner printed. HOME is a folder of its own: it leaves nothing behind and reads nobody's settings."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("POSTPROBER_")}
    env |= {"HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home, "PYTHONWARNINGS": "ignore"}
    # Both would like to fetch news from the Internet; nothing but loopback answers.
    env |= {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1"}
    try:
        done = subprocess.run(
            command,
            env=env,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return f"it did not come to its end in {LIMIT} s\n{(late.stdout or b'').decode(errors='replace')}"
    return done.stdout


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not on this machine; install it (Debian: apt-get install {name}).")
    return found
