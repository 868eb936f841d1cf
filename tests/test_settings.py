"""Settings fail loudly at the start; the sandbox makes its own secrets, once."""

from __future__ import annotations

import base64
import json
import logging
import re
import threading
import traceback
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from postprober.domain.platform import Platform, PlatformConfig, described, known
from postprober.domain.platform_settings import PlatformSettings
from postprober.errors import ConfigurationError
from postprober.security.vault import new_key
from postprober.settings import Settings, defaults, load_settings, unknown_names

GOOD: dict[str, Any] = {"mode": "live", "secret_key": "s" * 40, "vault_keys": f"k1:{new_key()}", "_env_file": None}


def load(folder: Path, **changes: object) -> Settings:
    return load_settings(**{**GOOD, "data_dir": folder, **changes})


def test_good_settings_are_taken(tmp_path: Path) -> None:
    settings = load(tmp_path, public_url="https://p.example.org/", api_port=9000)
    assert settings.public_base == "https://p.example.org"
    assert settings.api_base == "http://127.0.0.1:9000"
    assert list(settings.vault().keys) == ["k1"]
    assert not (tmp_path / "secrets.json").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "test"},
        {"app_port": 0},
        {"app_port": 65536},
        {"api_port": "x"},
        {"workers": 0},
        {"workers": 65},
        {"late_limit_minutes": 0},
        {"secret_key": ""},
        {"secret_key": "s" * 31},
        {"vault_keys": ""},
        {"vault_keys": "k1"},
        {"vault_keys": "k1:AAAA"},
        {"secret_key": "A" * 43 + "=", "vault_keys": "k1:" + "A" * 43 + "="},
        {"public_url": "http://p.example.org"},
        {"app_url": "http://p.example.org"},
        {"registration": "open"},
        {"backup_key": "AAAA"},
        {"backup_key": "no base64"},
        {"backup_key": GOOD["vault_keys"].partition(":")[2]},
    ],
)
def test_wrong_settings_refuse_to_start_in_one_sentence_without_secrets(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    with pytest.raises(ConfigurationError, match=r"POSTPROBER_|vault key") as caught:
        load(tmp_path, **changes).vault()
    assert "\n" not in str(caught.value)
    assert "s" * 31 not in str(caught.value) and "A" * 40 not in str(caught.value)


def test_the_key_of_the_vault_is_not_the_secret_in_bytes_either(tmp_path: Path) -> None:
    import base64

    secret = "s" * 32
    with pytest.raises(ConfigurationError, match="share a secret"):
        load(tmp_path, secret_key=secret, vault_keys="k1:" + base64.b64encode(secret.encode()).decode())


def test_the_sandbox_makes_its_secrets_once_and_keeps_them_private(tmp_path: Path) -> None:
    first = load_settings(data_dir=tmp_path, _env_file=None)
    again = load_settings(data_dir=tmp_path, _env_file=None)
    assert (first.secret_key, first.vault_keys) == (again.secret_key, again.vault_keys)
    assert len(first.secret_key) >= 32
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["secrets.json"]


def test_two_processes_that_start_at_once_agree_on_the_secrets(tmp_path: Path) -> None:
    barrier, found = threading.Barrier(6), []

    def start() -> None:
        barrier.wait(60)
        found.append(load_settings(data_dir=tmp_path, _env_file=None).secret_key)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    kept = json.loads((tmp_path / "secrets.json").read_text())["secret_key"]
    assert load_settings(data_dir=tmp_path, _env_file=None).secret_key.get_secret_value() == kept
    assert {one.get_secret_value() for one in found} == {kept}


@pytest.mark.parametrize("content", ["", "{", "[]", "[1]", '"text"', "\x00"])
def test_a_damaged_file_of_secrets_refuses_to_start_and_is_left_as_it_was(tmp_path: Path, content: str) -> None:
    (tmp_path / "secrets.json").write_text(content)
    with pytest.raises(ConfigurationError):
        load_settings(data_dir=tmp_path, _env_file=None)
    assert (tmp_path / "secrets.json").read_text() == content


def test_the_environment_and_the_file_are_read_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("POSTPROBER_API_PORT=9001\nPOSTPROBER_APP_PORT=9002\n")
    monkeypatch.setenv("POSTPROBER_APP_PORT", "9003")
    settings = load_settings(data_dir=tmp_path / "data")
    assert (settings.api_port, settings.app_port) == (9001, 9003)


def test_nothing_of_the_sandbox_leaves_this_machine_and_live_speaks_to_the_real_hosts(tmp_path: Path) -> None:
    sandbox, live = load_settings(data_dir=tmp_path, _env_file=None), load(tmp_path)
    for platform in known():
        config = sandbox.platform(platform)
        assert config.api_url == config.auth_url == f"http://127.0.0.1:8900/{platform.value}"
        if platform not in (Platform("mastodon"), Platform("wordpress")):  # accounts bring their server
            own = described(platform).own_servers  # then there is no server of the platform
            assert own or live.platform(platform).api_url.startswith("https://")
            assert "127.0.0.1" not in live.platform(platform).auth_url
    assert live.trusted_hosts() == frozenset()
    assert load(tmp_path, mastodon_api_url="http://10.0.0.5:3000").trusted_hosts() == {"10.0.0.5"}


# Addresses that may have a password in them; every other secret says in its name what it is.
ADDRESSES = {
    "database_url": "postgresql://postprober:covered-database@127.0.0.1:1/x",
    "redis_url": "redis://:covered-redis@127.0.0.1:1/3",
}
SMELLS = re.compile(r"secret|key|token|password", re.IGNORECASE)
SECRET_NAMES = sorted(
    name for name, value in defaults().items() if (SMELLS.search(name) and isinstance(value, str)) or name in ADDRESSES
)


def _secrets(monkeypatch: pytest.MonkeyPatch, **others: str) -> dict[str, str]:
    """One value for each secret, told as an operator tells them. `others` are told beside them, or instead."""
    told = {name: f"covered-{name}-" + "x" * 32 for name in SECRET_NAMES} | ADDRESSES
    told["vault_keys"] = f"k1:{base64.b64encode(b'covered-vault-key-of-32-bytes-..').decode()}"
    told["backup_key"] = base64.b64encode(b"covered-backup-key-of-32-bytes-.").decode()
    told |= {"mode": "live", **others}
    for name, value in told.items():
        monkeypatch.setenv(f"POSTPROBER_{name.upper()}", value)
    return {name: value for name, value in told.items() if name in SECRET_NAMES}


def _shown(error: BaseException) -> str:
    """The error's traceback as tools print it that show the variables of every frame."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def test_the_settings_that_smell_of_a_secret_are_all_of_them() -> None:
    covered = {name for name, field in Settings.model_fields.items() if field.annotation is SecretStr}
    for platform in known():
        fields = described(platform).settings.model_fields
        covered |= {f"{platform.value}_{name}" for name, field in fields.items() if field.annotation is SecretStr}
    assert covered == set(SECRET_NAMES) and len(covered) >= 6 + len(known())


def test_secrets_show_in_no_representation_dump_log_or_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told = _secrets(monkeypatch)
    settings = load_settings(data_dir=tmp_path, _env_file=None)
    assert {name: settings.environment()[f"POSTPROBER_{name.upper()}"] for name in told} == told  # they are there
    sections = [settings.of(platform) for platform in known()]
    configs = [settings.platform(platform) for platform in known()]
    dumps = [one.model_dump() for one in (settings, *sections)] + [one.model_dump_json() for one in sections]
    logging.getLogger("postprober").error("%s %r %s %r", settings, settings, sections, configs)

    def fails(_given: Settings, _sections: list[PlatformSettings], _configs: list[PlatformConfig]) -> None:
        raise ValueError

    with pytest.raises(ValueError) as caught:
        fails(settings, sections, configs)
    shown = repr([settings, sections, configs, dumps]) + settings.model_dump_json() + caplog.text
    # Only the innermost frame: this test itself knows the values.
    traced = _shown(caught.value.with_traceback(caught.value.__traceback__.tb_next))  # type: ignore[union-attr]
    assert "_given = Settings(" in traced
    for value in (*told.values(), "covered-database", "covered-redis", "covered-vault-key"):
        assert value not in shown and value not in traced


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret_key": "covered-short"},
        {"vault_keys": ""},
        {"vault_keys": "k1:covered-no-key"},
        {"backup_key": "covered-no-key"},
        {"app_port": "x"},
        {"redis_url": "covered-no-address"},
        {"x_price_post": "-1"},
        {"app_url": "http://p.example.org"},
        {"data_dir": "/dev/null/x"},
    ],
)
def test_a_refusal_to_start_shows_no_secret_either(monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]) -> None:
    told = _secrets(monkeypatch, **wrong)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(_env_file=None).vault()
    traced = _shown(caught.value.with_traceback(caught.value.__traceback__.tb_next))  # type: ignore[union-attr]
    assert "settings.py" in traced
    for value in filter(None, told.values()):
        assert value not in traced


def test_a_platforms_own_secret_reaches_its_adapter_and_shows_nowhere() -> None:
    class Own(PlatformSettings):
        app_token: SecretStr = SecretStr("")

    section = Own(app_token=SecretStr("covered-app-token"))
    assert section.own() == {"app_token": "covered-app-token"}
    config = PlatformConfig(Platform("x"), "https://a.example", "https://a.example", settings=section.own())
    assert "covered" not in repr(section) + repr(config)


def test_a_browser_is_sent_to_the_public_address_only_where_the_app_is_too(tmp_path: Path) -> None:
    one_origin = load(tmp_path, public_url="https://post.example.org/", app_url="https://post.example.org")
    assert one_origin.browser_base == "https://post.example.org"
    tunnel = load(tmp_path, public_url="https://tunnel.example.net")
    assert tunnel.browser_base == tunnel.api_base == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("POSTPROBER_DATABSE_URL", "POSTPROBER_DATABASE_URL"),
        ("POSTPROBER_SECRETKEY", "POSTPROBER_SECRET_KEY"),
        ("POSTPROBER_PUBLIC_ULR", "POSTPROBER_PUBLIC_URL"),
        ("postprober_workes", "POSTPROBER_WORKERS"),
    ],
)
@pytest.mark.parametrize("where", ["environment", "file"])
def test_a_misspelt_name_refuses_to_start_and_names_the_right_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, meant: str, where: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if where == "file":
        (tmp_path / ".env").write_text(f"{name}=x\n")
    else:
        monkeypatch.setenv(name, "x")
    with pytest.raises(ConfigurationError, match=f"^{name} is not a setting; did you mean {meant}\\?"):
        load(tmp_path)


def test_names_of_others_with_our_prefix_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("POSTPROBER_CONTRACTS", "POSTPROBER_DOMAIN", "POSTPROBER_APP", "POSTPROBER_SOMETHING_ELSE"):
        monkeypatch.setenv(name, "x")
    assert load(tmp_path).workers
    assert set(unknown_names()) <= {"POSTPROBER_SOMETHING_ELSE"}


@pytest.mark.parametrize("url", ["notaurl", "http://redis:6379", "redis://"])
def test_a_redis_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError, match="POSTPROBER_REDIS_URL is not usable"):
        load(tmp_path, redis_url=url)


def test_a_setting_under_the_name_of_earlier_versions_still_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTPROBER_CANARY_MINUTES", "7")
    assert load_settings(data_dir=tmp_path / "data").account_check_minutes == 7
    assert "POSTPROBER_CANARY_MINUTES" not in unknown_names()
    monkeypatch.setenv("POSTPROBER_ACCOUNT_CHECK_MINUTES", "9")
    assert load_settings(data_dir=tmp_path / "data").account_check_minutes == 9
