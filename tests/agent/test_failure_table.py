"""Every documented refusal, through the adapter that would meet it, to its diagnosis; at least 95 % right by rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from postprober.agent.diagnose import diagnose
from postprober.agent.evidence import Evidence, Try, collect
from postprober.domain.account import Credentials
from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import DeliveryState
from postprober.domain.platform import Platform
from postprober.domain.post import MediaFile, MediaKind
from postprober.domain.remote import PartJob, Staged
from postprober.errors import PlatformError
from postprober.pipeline.publishing.failures import _outcome
from postprober.platforms.registry import LIMITS
from tests.agent import failure_cases as cases
from tests.agent.agent_kit import SHARES
from tests.agent.failure_cases import Expected
from tests.platforms.adapter_kit import Answer, Scripted
from tests.specifications import SPECS

S = DeliveryState
TABLES: dict[Platform, dict[str, Expected]] = {
    Platform("x"): cases.X,
    Platform("linkedin"): cases.LINKEDIN,
    Platform("instagram"): cases.INSTAGRAM,
    Platform("mastodon"): cases.MASTODON,
    Platform("bluesky"): cases.BLUESKY,
}
RENEWABLE = {
    Platform("x"),
    Platform("bluesky"),
    Platform("instagram"),
}  # LinkedIn: partners only; Mastodon: never expires
CRED = Credentials("token-of-the-account", "refresh-of-the-account", remote_id="7", name="me")
PICTURE = MediaFile(
    1, MediaKind.IMAGE, "image/jpeg", 900, 800, 800, "0" * 64, "/none", public_url="https://files.example/a.jpg"
)


def rows(platform: Platform) -> dict[str, dict[str, Any]]:
    """The file's rows by the names of the table."""
    if platform in (Platform("x"), Platform("linkedin"), Platform("instagram")):
        found = json.loads((SPECS / "errors" / f"{platform.value}_errors.json").read_text())
        return {row.get("id") or _graph(row): row for row in found}
    found = json.loads((SPECS / "errors" / "other_errors.json").read_text())[platform.value]
    return {next(name for name in TABLES[platform] if _is(name, row)): row for row in found}


def _graph(row: dict[str, Any]) -> str:
    return f"{row['code']}/{row['error_subcode']}" if row["error_subcode"] else str(row["code"])


def _is(name: str, row: dict[str, Any]) -> bool:
    status, _, words = name.partition(" ")
    return str(row["status"]) == status and words.lower() in json.dumps(row["body"]).lower()


def _body(row: dict[str, Any]) -> Any:
    if "body" in row:
        return row["body"]
    error = {"message": "text", "type": "OAuthException", "code": row["code"], "fbtrace_id": "A1"}
    return {"error": {**error, **({"error_subcode": row["error_subcode"]} if row["error_subcode"] else {})}}


def seen(scripted: Scripted, platform: Platform, row: dict[str, Any], expected: Expected, video: bool) -> Evidence:
    """The evidence that the pipeline would have after this refusal."""
    headers = {k: v.replace("<unix>", "1772443200") for k, v in row.get("headers", {}).items()}
    answer = Answer(row["status"], _body(row), headers)
    reply = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
    media = (MediaKind.VIDEO if video else MediaKind.IMAGE,)
    base: dict[str, Any] = {
        "platform": platform,
        "limits": LIMITS[platform],
        "texts": ("Hello",),
        "media": media,
        "renewable": platform in RENEWABLE,
    }
    if expected.act == "read":  # after the last look that did not find it
        return Evidence(state=S.GHOST, reason="Nobody can see it.", **base)
    if expected.act == "token" and row.get("classify") == "oauth_restart":  # linking; no delivery has begun
        tried = Try(7, "link", Outcome.REJECTED, row["status"], reply, "")
        return Evidence(state=S.FAILED, reason="", tries=(tried,), **base)
    error = _refused(scripted, platform, answer, expected.act)
    outcome = _outcome(error)
    acts = {"publish": Act.PUBLISH, "stage": Act.STAGE, "token": Act.REFRESH, "delete": Act.PUBLISH}
    kept = "" if expected.act == "token" else reply[:500]
    if expected.act == "stage" and outcome is Outcome.UNKNOWN:
        outcome = Outcome.UNAVAILABLE
    states = {Outcome.UNKNOWN: S.UNCONFIRMED, Outcome.REJECTED: S.FAILED}
    tried = Try(7, acts[expected.act], outcome, row["status"], kept, error.message)
    state = states.get(outcome, S.WAITING)
    return Evidence(state=state, reason=error.message, tries=(tried,), unknown=state is S.UNCONFIRMED, **base)


def _refused(scripted: Scripted, platform: Platform, answer: Answer, act: str) -> PlatformError:
    adapter, _ = scripted(platform, answer)
    job = PartJob("key", 0, "text", datetime(2026, 3, 2, 9, 0, tzinfo=UTC), (PICTURE,) if act == "stage" else ())
    acts: dict[str, Callable[[], object]] = {
        "publish": lambda: adapter.finalize(CRED, job, Staged("17", {"record": {}})),
        "stage": lambda: adapter.submit(CRED, job),
        "token": lambda: adapter.refresh(CRED),
        "delete": lambda: adapter.delete(CRED, "17"),
    }
    with pytest.raises(PlatformError) as caught:
        acts[act]()
    return caught.value


def _cases() -> Iterator[tuple[Platform, str, Expected]]:
    for platform, table in TABLES.items():
        for name, expected in table.items():
            yield platform, name, expected


@pytest.mark.parametrize("platform", TABLES)
def test_every_row_of_the_contracts_has_an_expectation_and_every_expectation_a_row(platform: Platform) -> None:
    assert set(rows(platform)) == set(TABLES[platform])


def test_the_rules_alone_diagnose_at_least_95_percent_of_at_least_60_documented_failures(scripted: Scripted) -> None:
    wrong = []
    total = 0
    for platform, name, expected in _cases():
        evidence = collect(seen(scripted, platform, rows(platform)[name], expected, name.startswith("352/")))
        told = diagnose(evidence)
        total += 1
        if (told.cause, told.fix, told.authority) != tuple(expected)[1:]:
            wrong.append(
                f"{platform.value} {name}: {told.cause}, {told.fix}; expected {expected.cause}, {expected.fix}"
            )
        assert told.explanation.endswith(".") and told.by == "rules"
    share = 100 * (total - len(wrong)) / total
    SHARES.append(
        f"documented failures diagnosed right by rules alone: {total - len(wrong)} of {total} ({share:.1f} %)"
    )
    SHARES.extend(f"  wrong: {line}" for line in wrong)
    assert total >= 60
    assert share >= 95, wrong


def test_the_table_would_notice_a_wrong_rule(scripted: Scripted) -> None:
    """The positive control: with the platforms' tables mixed up, the share falls far below."""
    right = 0
    total = 0
    for platform, name, expected in _cases():
        if platform is not Platform("instagram"):
            continue
        evidence = seen(scripted, platform, rows(platform)[name], expected, False)
        told = diagnose(Evidence(**{**vars(evidence), "platform": Platform("bluesky")}))
        total += 1
        right += (told.cause, told.fix) == (expected.cause, expected.fix)
    assert right / total < 0.6
