"""Settings fail loudly at the start; the sandbox makes its own secrets, once."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from postprober.domain.platform import Platform, known
from postprober.errors import ConfigurationError
from postprober.security.vault import new_key
from postprober.settings import Settings, load_settings, unknown_names

GOOD = {"mode": "live", "secret_key": "s" * 40, "vault_keys": f"k1:{new_key()}", "_env_file": None}


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
        {"mode": "test"}, {"app_port": 0}, {"app_port": 65536}, {"api_port": "x"}, {"workers": 0}, {"workers": 65},
        {"late_limit_minutes": 0}, {"secret_key": ""}, {"secret_key": "s" * 31}, {"vault_keys": ""}, {"vault_keys": "k1"},
        {"vault_keys": "k1:AAAA"}, {"secret_key": "A" * 43 + "=", "vault_keys": "k1:" + "A" * 43 + "="},
        {"public_url": "http://p.example.org"}, {"app_url": "http://p.example.org"}, {"registration": "open"},
    ],
)  # fmt: skip
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
        barrier.wait(10)
        found.append(load_settings(data_dir=tmp_path, _env_file=None).secret_key)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    kept = json.loads((tmp_path / "secrets.json").read_text())["secret_key"]
    assert load_settings(data_dir=tmp_path, _env_file=None).secret_key == kept
    assert set(found) == {kept}


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
        if platform is not Platform("mastodon"):
            assert live.platform(platform).api_url.startswith("https://")
            assert "127.0.0.1" not in live.platform(platform).auth_url
    assert live.trusted_hosts() == frozenset()
    assert load(tmp_path, mastodon_api_url="http://10.0.0.5:3000").trusted_hosts() == {"10.0.0.5"}


def test_secrets_do_not_show_in_a_representation(tmp_path: Path) -> None:
    settings = load(tmp_path, x_client_secret="client-secret-value", ai_api_key="ai-key-value")
    shown = repr(settings) + str(settings)
    for secret in ("s" * 40, settings.vault_keys, "client-secret-value", "ai-key-value"):
        assert secret not in shown


def test_a_browser_is_sent_to_the_public_address_only_where_the_app_is_too(tmp_path: Path) -> None:
    one_origin = load(tmp_path, public_url="https://post.example.org/", app_url="https://post.example.org")
    assert one_origin.browser_base == "https://post.example.org"
    tunnel = load(tmp_path, public_url="https://tunnel.example.net")
    assert tunnel.browser_base == tunnel.api_base == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("name", "meant"),
    [("POSTPROBER_DATABSE_URL", "POSTPROBER_DATABASE_URL"), ("POSTPROBER_SECRETKEY", "POSTPROBER_SECRET_KEY"),
     ("POSTPROBER_PUBLIC_ULR", "POSTPROBER_PUBLIC_URL"), ("postprober_workes", "POSTPROBER_WORKERS")],
)  # fmt: skip
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
