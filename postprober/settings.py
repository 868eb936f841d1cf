"""Settings from the environment and `.env` (prefix `POSTPROBER_`). Wrong settings refuse to start, in one sentence."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field, replace
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.prices import Prices
from postprober.domain.timing import LIVE_TIMING, SANDBOX_TIMING, Timing
from postprober.errors import ConfigurationError
from postprober.security.vault import Vault, new_key, parse_keys

MIN_SECRET_CHARS = 32

# Production hosts. Sources: CONTRACTS 1.3 and 2.4 and 3.3 and 5; Mastodon has no host of its own, accounts bring theirs.
_LIVE_URLS: dict[Platform, tuple[str, str]] = {
    Platform.X: ("https://api.x.com", "https://x.com"),
    Platform.LINKEDIN: ("https://api.linkedin.com", "https://www.linkedin.com"),
    Platform.INSTAGRAM: ("https://graph.instagram.com", "https://www.instagram.com"),
    Platform.MASTODON: ("", ""),
    Platform.BLUESKY: ("https://bsky.social", "https://bsky.app"),
}

_SECRET: str = Field("", repr=False)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class MailServer:
    """An SMTP server (RFC 5321) and the address that mail comes from. `security`: starttls, tls or none."""

    host: str
    port: int
    security: str
    username: str
    password: str = field(repr=False)
    sender: str = ""


class Settings(BaseSettings):
    """Every setting; the environment name is `POSTPROBER_` and the field's name in capitals."""

    model_config = SettingsConfigDict(env_prefix="POSTPROBER_", env_file=".env", extra="ignore")

    mode: Literal["sandbox", "live"] = "sandbox"
    data_dir: Path = Path("data")
    database_url: str = _SECRET
    redis_url: str = _SECRET
    secret_key: str = _SECRET
    vault_keys: str = _SECRET
    public_url: str = ""
    api_url: str = ""
    app_url: str = ""
    app_port: int = Field(8501, ge=1, le=65535)
    api_host: str = "127.0.0.1"
    api_port: int = Field(8000, ge=1, le=65535)
    sandbox_port: int = Field(8900, ge=1, le=65535)

    x_api_url: str = ""
    x_auth_url: str = ""
    x_client_id: str = ""
    x_client_secret: str = _SECRET
    x_dialect: Literal["new", "legacy"] = "new"
    x_price_post: float = Field(0.015, ge=0)
    x_price_post_with_link: float = Field(0.2, ge=0)
    x_price_alt_text: float = Field(0.005, ge=0)
    x_price_read: float = Field(0.005, ge=0)
    linkedin_api_url: str = ""
    linkedin_auth_url: str = ""
    linkedin_client_id: str = ""
    linkedin_client_secret: str = _SECRET
    linkedin_version: str = "202607"
    instagram_api_url: str = ""
    instagram_auth_url: str = ""
    instagram_client_id: str = ""
    instagram_client_secret: str = _SECRET
    instagram_version: str = "v26.0"
    mastodon_api_url: str = ""
    mastodon_auth_url: str = ""
    mastodon_client_id: str = ""
    mastodon_client_secret: str = _SECRET
    bluesky_api_url: str = ""
    bluesky_auth_url: str = ""
    bluesky_client_id: str = ""
    bluesky_client_secret: str = _SECRET

    ai_api_key: str = _SECRET
    ai_base_url: str = ""
    ai_model: str = ""
    ai_timeout_seconds: int = Field(20, ge=1, le=120)
    ai_tokens_per_day: int = Field(500000, ge=0)
    ai_money_per_day: float = Field(1.0, ge=0)
    ai_input_price: float = Field(2.5, ge=0)
    ai_output_price: float = Field(10.0, ge=0)

    workers: int = Field(12, ge=1, le=64)
    late_limit_minutes: int = Field(60, ge=1)
    canary_minutes: int = Field(15, ge=0, le=1440)

    drain_seconds: int = Field(0, ge=0, le=20)
    uploads: int = Field(8, ge=1, le=64)
    sockets_per_user: int = Field(20, ge=1)
    trusted_proxies: str = ""
    cors_origins: str = ""

    watch_days: int = Field(30, ge=0, le=3650)
    watch_hours: int = Field(6, ge=1, le=720)
    browser: Literal["on", "off"] = "on"
    browser_path: str = ""
    browser_looks: int = Field(12, ge=0, le=120)

    ping_url: str = ""
    registration: Literal["closed", "open"] = "closed"
    smtp_host: str = ""
    smtp_port: int = Field(587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_username: str = ""
    smtp_password: str = _SECRET
    smtp_from: str = ""

    @property
    def sandbox(self) -> bool:
        return self.mode == "sandbox"

    @property
    def timing(self) -> Timing:
        chosen = replace(
            SANDBOX_TIMING if self.sandbox else replace(LIVE_TIMING, canary_every=timedelta(minutes=self.canary_minutes)),
            watch_for=timedelta(days=self.watch_days), watch_longest=timedelta(hours=self.watch_hours),
        )  # fmt: skip
        return chosen if self.canary_minutes else replace(chosen, canary_every=timedelta(0))

    @property
    def database(self) -> str:
        """SQLAlchemy URL; SQLite in the data folder unless one is given."""
        if self.database_url:
            return self.database_url.replace("postgresql://", "postgresql+psycopg://", 1)
        return f"sqlite:///{(self.data_dir / 'postprober.sqlite').resolve()}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def api_base(self) -> str:
        """Where the sidecar is reached from this machine."""
        return (self.api_url or f"http://127.0.0.1:{self.api_port}").rstrip("/")

    @property
    def public_base(self) -> str:
        """Where the platforms reach the sidecar (signed media, OAuth callbacks)."""
        return (self.public_url or self.api_base).rstrip("/")

    @property
    def browser_base(self) -> str:
        """Where browsers reach the sidecar: at its public address when the app is there too (one origin, one cookie),
        else as this machine does (a public address may be a tunnel for media only)."""
        same = self.public_url and urlsplit(self.public_url).hostname == urlsplit(self.app_base).hostname
        return self.public_base if same else self.api_base

    @property
    def app_base(self) -> str:
        return (self.app_url or f"http://127.0.0.1:{self.app_port}").rstrip("/")

    @property
    def trusted_proxy_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Proxies whose X-Forwarded-For we believe; none unless they are named."""
        return tuple(ip_network(text, strict=False) for text in _items(self.trusted_proxies))

    @property
    def cors_origin_list(self) -> tuple[str, ...]:
        """Further pages that may call the API from a browser."""
        return _items(self.cors_origins)

    def platform(self, platform: Platform) -> PlatformConfig:
        """Where `platform` lives, with our client id there."""
        name = platform.value
        if self.sandbox:
            api = auth = f"{self.sandbox_url}/{name}"
            client = ("sandbox-client", "sandbox-secret")
        else:
            api, auth = _LIVE_URLS[platform]
            client = ("", "")
        extra = {
            "x_dialect": self.x_dialect,
            "linkedin_version": self.linkedin_version,
            "instagram_version": self.instagram_version,
        }
        extra.update(self.timing.settle_overrides)
        return PlatformConfig(
            platform=platform,
            api_url=(getattr(self, f"{name}_api_url") or api).rstrip("/"),
            auth_url=(getattr(self, f"{name}_auth_url") or auth).rstrip("/"),
            client_id=getattr(self, f"{name}_client_id") or client[0],
            client_secret=getattr(self, f"{name}_client_secret") or client[1],
            settings=extra,
        )

    @property
    def api_prices(self) -> dict[Platform, Prices]:
        """Of the platforms that charge for their API."""
        x = Prices(self.x_price_post, self.x_price_post_with_link, self.x_price_alt_text, self.x_price_read)
        return {} if x.free else {Platform.X: x}

    def trusted_hosts(self) -> frozenset[str]:
        """Hosts that the operator named in the settings; they may be on a private network."""
        urls = [getattr(self, f"{p.value}_{kind}_url") for p in Platform for kind in ("api", "auth")]
        own = (self.public_url, self.api_url, self.ping_url, self.ai_base_url)
        return frozenset(host for url in (*urls, *own) if (host := urlsplit(url).hostname))

    def browser_destinations(self) -> frozenset[tuple[str, int]]:
        """Hosts and ports that the browser may open on a private network: the sandbox's, and those of platforms that
        the operator named."""
        urls = [getattr(self, f"{p.value}_{kind}_url") for p in Platform for kind in ("api", "auth")]
        parts = [urlsplit(url) for url in (*urls, self.sandbox_url if self.sandbox else "")]
        return frozenset((p.hostname, p.port or (443 if p.scheme == "https" else 80)) for p in parts if p.hostname)

    @property
    def mail(self) -> MailServer | None:
        """Where mail is handed in, None when no server is named."""
        if not self.smtp_host:
            return None
        return MailServer(
            self.smtp_host, self.smtp_port, self.smtp_security, self.smtp_username, self.smtp_password, self.smtp_from
        )

    def vault(self) -> Vault:
        return Vault(parse_keys(self.vault_keys))


def load_settings(**overrides: Any) -> Settings:
    """Settings, checked. In sandbox mode missing secrets are generated into the data folder. Raises ConfigurationError."""
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = "POSTPROBER_" + "_".join(str(piece) for piece in first["loc"]).upper()
        raise ConfigurationError(f"The setting {name} is wrong: {first['msg']}.") from None
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        if settings.sandbox:
            _fill_secrets(settings)
    except OSError as error:
        raise ConfigurationError(
            f"The data folder {settings.data_dir} cannot be used ({error.strerror}); set POSTPROBER_DATA_DIR."
        ) from None
    _check(settings)
    return settings


def _fill_secrets(settings: Settings) -> None:
    path = settings.data_dir / "secrets.json"
    stored: dict[str, str] = {}
    if not path.exists() and not (settings.secret_key and settings.vault_keys):
        made = {"secret_key": secrets.token_urlsafe(48), "vault_keys": f"k1:{new_key()}"}
        _write_private(path, json.dumps(made))
    if path.exists():  # read back, because another process may have been faster
        stored = _read_secrets(path)
    settings.secret_key = settings.secret_key or stored.get("secret_key", "")
    settings.vault_keys = settings.vault_keys or stored.get("vault_keys", "")


def _read_secrets(path: Path) -> dict[str, str]:
    try:
        stored = json.loads(path.read_text())
    except (ValueError, OSError):
        stored = None
    if not isinstance(stored, dict) or not all(isinstance(value, str) for value in stored.values()):
        raise ConfigurationError(f"{path} cannot be read; remove it only if no account is linked yet.")
    return stored


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}-{secrets.token_hex(4)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(temporary, path)  # fails if another process was faster: its secrets hold
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _items(text: str) -> tuple[str, ...]:
    return tuple(item for piece in text.split(",") if (item := piece.strip()))


def _check_network(settings: Settings) -> None:
    try:
        _ = settings.trusted_proxy_networks
    except ValueError:
        raise ConfigurationError(
            "POSTPROBER_TRUSTED_PROXIES wants addresses or networks with commas, such as 10.0.0.0/8."
        ) from None
    for origin in settings.cors_origin_list:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or "*" in origin:
            raise ConfigurationError(
                "POSTPROBER_CORS_ORIGINS wants origins with commas, such as https://tools.example.org (no path, no *)."
            )


def _check(settings: Settings) -> None:
    _check_network(settings)
    if len(settings.secret_key) < MIN_SECRET_CHARS:
        raise ConfigurationError(
            f"POSTPROBER_SECRET_KEY is missing or shorter than {MIN_SECRET_CHARS} characters; "
            'make one with: python -c "import secrets; print(secrets.token_urlsafe(48))"'
        )
    keys = parse_keys(settings.vault_keys)
    if not keys:
        raise ConfigurationError(
            "POSTPROBER_VAULT_KEYS is missing; make one with: "
            "python -c \"import base64, os; print('k1:' + base64.b64encode(os.urandom(32)).decode())\""
        )
    if settings.secret_key in settings.vault_keys or any(
        key == settings.secret_key.encode()[:32] for key in keys.values()
    ):
        raise ConfigurationError("POSTPROBER_SECRET_KEY and POSTPROBER_VAULT_KEYS share a secret; make two.")
    if settings.smtp_host and "@" not in settings.smtp_from:
        raise ConfigurationError("POSTPROBER_SMTP_FROM is missing: the address that PostProber's mail comes from.")
    if settings.smtp_username and settings.smtp_security == "none" and settings.smtp_host not in _LOOPBACK:
        raise ConfigurationError(
            "POSTPROBER_SMTP_SECURITY=none would send the mail password unencrypted; use starttls."
        )
    if not settings.sandbox:
        for name in ("public_url", "app_url"):
            url = getattr(settings, name)
            if url and not url.startswith("https://"):
                raise ConfigurationError(f"POSTPROBER_{name.upper()} must start with https:// in live mode.")
