"""Settings from the environment and `.env` (prefix `POSTPROBER_`). Wrong settings refuse to start, in one sentence."""

from __future__ import annotations

import difflib
import json
import logging
import os
import secrets
from dataclasses import dataclass, field, replace
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from postprober import places
from postprober.domain.platform import Platform, PlatformConfig, described, known
from postprober.domain.platform_settings import PlatformSettings, plain
from postprober.domain.prices import Prices
from postprober.domain.timing import LIVE_TIMING, SANDBOX_TIMING, Timing
from postprober.errors import ConfigurationError
from postprober.security.sealed_files import FileKeys, parse_file_keys
from postprober.security.vault import Vault, new_key, parse_keys

log = logging.getLogger("postprober.settings")
MIN_SECRET_CHARS = 32
DATABASE = "postprober.sqlite"  # in the data folder
_PREFIX = "POSTPROBER_"
# Read by the files in deploy/, by tests and CI.
_NOT_SETTINGS = frozenset(
    {
        "DOMAIN",
        "TLS",
        "APP",
        "API",
        "CONTRACTS",
        "REALSERVERS",
        "REQUIRE_REAL",
        "REAL_PDS",
        "REAL_SNAC",
        "REAL_OIDC",
        "REAL_WAIT",
        "SNAC_ACCOUNTS",
        "ENV_FILE",
    }
)
# The file that settings are read from besides the environment: `.env` in the folder where the command was started unless
# this names another one; "" for none.
ENV_FILE = "POSTPROBER_ENV_FILE"
NEAR_NAME = 0.8  # ours, of difflib's ratio: DATABSE_URL is 0.96 near DATABASE_URL, and APP 0.6 near APP_URL

# Shows itself only to who asks for its value: not in `repr`, a dump, a log or a traceback.
_SECRET = SecretStr("")
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
    """Every setting; the environment name is `POSTPROBER_` and the field's name in capitals. Each platform has a section
    of its own, declared by its folder: `x_client_id` is the field `client_id` of the section of `x`."""

    model_config = SettingsConfigDict(env_prefix="POSTPROBER_", extra="ignore", hide_input_in_errors=True)
    _sections: dict[Platform, PlatformSettings] = PrivateAttr(default_factory=dict)

    mode: Literal["sandbox", "live"] = "sandbox"
    data_dir: Path = Field(default_factory=places.data_dir)
    database_url: SecretStr = _SECRET
    redis_url: SecretStr = _SECRET
    secret_key: SecretStr = _SECRET
    vault_keys: SecretStr = _SECRET
    public_url: str = ""
    api_url: str = ""
    app_url: str = ""
    app_port: int = Field(8501, ge=1, le=65535)
    api_host: str = "127.0.0.1"
    api_port: int = Field(8000, ge=1, le=65535)
    sandbox_port: int = Field(8900, ge=1, le=65535)

    ai_api_key: SecretStr = _SECRET
    ai_base_url: str = ""
    ai_model: str = ""
    ai_timeout_seconds: int = Field(20, ge=1, le=120)
    ai_tokens_per_day: int = Field(500000, ge=0)
    ai_money_per_day: float = Field(1.0, ge=0)
    ai_input_price: float = Field(0.4, ge=0)
    ai_output_price: float = Field(1.6, ge=0)

    workers: int = Field(12, ge=1, le=64)
    late_limit_minutes: int = Field(60, ge=1)
    account_check_minutes: int = Field(15, ge=0, le=1440)

    drain_seconds: int = Field(0, ge=0, le=20)
    uploads: int = Field(8, ge=1, le=64)
    drafts_per_space: int = Field(5000, ge=1)
    media_mb_per_space: int = Field(20480, ge=1)
    sockets_per_user: int = Field(20, ge=1)
    trusted_proxies: str = ""
    cors_origins: str = ""

    watch_days: int = Field(30, ge=0, le=3650)
    watch_hours: int = Field(6, ge=1, le=720)
    read_budget: float = Field(1.0, ge=0, le=100)
    browser: Literal["on", "off"] = "on"
    browser_path: str = ""
    browser_looks: int = Field(12, ge=0, le=120)

    backup_dir: str = ""
    backup_hours: int = Field(24, ge=1, le=720)
    backup_keep: int = Field(14, ge=0, le=1000)
    backup_key: SecretStr = _SECRET
    backup_before_upgrade: Literal["on", "off"] = "on"

    log_format: Literal["text", "json"] = "text"
    log_fold_seconds: int = Field(60, ge=0, le=3600)
    ping_url: str = ""
    registration: Literal["closed", "open"] = "closed"
    smtp_host: str = ""
    smtp_port: int = Field(587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_username: str = ""
    smtp_password: SecretStr = _SECRET
    smtp_from: str = ""

    def __init__(self, **values: Any) -> None:
        """Values win over the environment. Raises ValidationError, or ConfigurationError for a platform's setting."""
        ours = {name: values.pop(name) for name in list(values) if name in _platform_names()}
        super().__init__(**values)
        file = values.get("_env_file")
        self._sections = _sections(_of_platforms(Path(file) if file else None), ours)

    @field_validator("data_dir", mode="before")
    @classmethod
    def _usual_folder(cls, given: object) -> object:
        return given or places.data_dir()

    def environment(self) -> dict[str, str]:
        """All of it, for a child process that shall have the same settings and read no file."""
        told = {f"{_PREFIX}{name.upper()}": plain(getattr(self, name)) for name in type(self).model_fields}
        for name, (platform, one) in _platform_names().items():
            told[f"{_PREFIX}{name.upper()}"] = plain(getattr(self.of(platform), one))
        return {**told, ENV_FILE: ""}

    def of(self, platform: Platform) -> PlatformSettings:
        """What the operator set of `platform`."""
        return self._sections.get(platform) or described(platform).settings.model_validate({})

    @property
    def sandbox(self) -> bool:
        return self.mode == "sandbox"

    @property
    def timing(self) -> Timing:
        chosen = replace(
            SANDBOX_TIMING
            if self.sandbox
            else replace(LIVE_TIMING, account_check_every=timedelta(minutes=self.account_check_minutes)),
            watch_for=timedelta(days=self.watch_days),
            watch_longest=timedelta(hours=self.watch_hours),
        )
        return chosen if self.account_check_minutes else replace(chosen, account_check_every=timedelta(0))

    @property
    def database(self) -> str:
        """SQLAlchemy URL; SQLite in the data folder unless one is given."""
        if self.database_url:
            return self.database_url.get_secret_value().replace("postgresql://", "postgresql+psycopg://", 1)
        return f"sqlite:///{(self.data_dir / DATABASE).resolve()}"

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
    def https(self) -> bool:
        """Whether browsers reach the app over https."""
        return self.app_base.startswith("https://")

    @property
    def cookie_prefix(self) -> str:
        """Before the names of our cookies: over https no sibling domain can set one of that name (RFC 6265bis, 4.1.3.2)."""
        return "__Host-" if self.https else ""

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
        about, section = described(platform), self.of(platform)
        api, auth, client, own = about.api_url, about.auth_url, ("", ""), section.own()
        if self.sandbox:
            api = auth = f"{self.sandbox_url}/{platform.value}"
            client = ("sandbox-client", "sandbox-secret")
            own |= about.sandbox
        return PlatformConfig(
            platform=platform,
            api_url=(section.api_url or api).rstrip("/"),
            auth_url=(section.auth_url or auth).rstrip("/"),
            client_id=section.client_id or client[0],
            client_secret=section.client_secret.get_secret_value() or client[1],
            settings=own,
        )

    @property
    def api_prices(self) -> dict[Platform, Prices]:
        """Of the platforms that charge for their API."""
        prices = {one: self.of(one).prices() for one in known()}
        return {one: price for one, price in prices.items() if not price.free}

    def _platform_urls(self) -> list[str]:
        """The addresses of platforms that the operator named."""
        return [url for one in known() for url in (self.of(one).api_url, self.of(one).auth_url) if url]

    def trusted_hosts(self) -> frozenset[str]:
        """Hosts that the operator named in the settings; they may be on a private network."""
        own = (self.public_url, self.api_url, self.ping_url, self.ai_base_url)
        return frozenset(host for url in (*self._platform_urls(), *own) if (host := urlsplit(url).hostname))

    def browser_destinations(self) -> frozenset[tuple[str, int]]:
        """Hosts and ports that the browser may open on a private network: the sandbox's, and those of platforms that
        the operator named."""
        parts = [urlsplit(url) for url in (*self._platform_urls(), self.sandbox_url if self.sandbox else "")]
        return frozenset((p.hostname, p.port or (443 if p.scheme == "https" else 80)) for p in parts if p.hostname)

    @property
    def mail(self) -> MailServer | None:
        """Where mail is handed in, None when no server is named."""
        if not self.smtp_host:
            return None
        return MailServer(
            self.smtp_host,
            self.smtp_port,
            self.smtp_security,
            self.smtp_username,
            self.smtp_password.get_secret_value(),
            self.smtp_from,
        )

    def vault(self) -> Vault:
        return Vault(parse_keys(self.vault_keys))

    def backup_keys(self) -> FileKeys | None:
        """What backups are sealed with; None: they are not. Raises ConfigurationError."""
        return parse_file_keys(self.backup_key)


def env_file() -> Path | None:
    """Where settings are read from besides the environment; None for nowhere."""
    name = os.environ.get(ENV_FILE, ".env")
    return Path(name) if name else None


# Settings that have another name now: the old one still counts where the new one is not given.
_RENAMED = {"canary_minutes": "account_check_minutes"}


def defaults() -> dict[str, Any]:
    """All settings by the name that they have after `POSTPROBER_`, in small letters, with their defaults; "" for a place
    that the program finds."""
    own = {name: "" if field.default_factory else field.default for name, field in Settings.model_fields.items()}
    fields = {name: described(one).settings.model_fields[field] for name, (one, field) in _platform_names().items()}
    every = own | {name: field.default for name, field in fields.items()}
    return {name: plain(value) if isinstance(value, SecretStr) else value for name, value in every.items()}


def _platform_names() -> dict[str, tuple[Platform, str]]:
    """Names of the platforms' settings -> platform and field of its section."""
    return {
        f"{platform.value.replace('-', '_')}_{field}": (platform, field)
        for platform in known()
        for field in described(platform).settings.model_fields
    }


def _of_platforms(file: Path | None) -> dict[Platform, dict[str, Any]]:
    """What the environment and `file` say of the platforms' fields; the secret ones covered before anybody looks."""
    told: dict[Platform, dict[str, Any]] = {platform: {} for platform in known()}
    fields = _platform_names()
    for name, text in _given(file).items():
        if name.upper().startswith(_PREFIX) and (short := name.lower().removeprefix(_PREFIX.lower())) in fields:
            platform, field = fields[short]
            is_secret = described(platform).settings.model_fields[field].annotation is SecretStr
            told[platform][field] = SecretStr(text or "") if is_secret else text or ""
    return told


def _sections(told: dict[Platform, dict[str, Any]], values: dict[str, Any]) -> dict[Platform, PlatformSettings]:
    """The platforms' sections out of what is given in the environment and, stronger, of `values`. Raises
    ConfigurationError."""
    fields = _platform_names()
    for name, value in values.items():
        platform, field = fields[name]
        told[platform][field] = value
    made: dict[Platform, PlatformSettings] = {}
    for platform, section in told.items():
        try:
            made[platform] = described(platform).settings(**section)
        except ValidationError as error:
            first = error.errors()[0]
            raise _wrong((platform.value, *first["loc"]), first["msg"]) from None
    return made


def _wrong(place: tuple[str | int, ...], why: str) -> ConfigurationError:
    """`place`: the setting's name, in pieces."""
    name = "_".join(map(str, place)).upper()
    return ConfigurationError(f"The setting {_PREFIX}{name} is wrong: {why}.")


def _given(file: Path | None) -> dict[str, str | None]:
    """What the environment and `file` say; the environment wins."""
    return {**(dotenv_values(file) if file else {}), **os.environ}


def _by_old_names() -> dict[str, str]:
    """What settings are given under a name that they had before, and not under their present one."""
    given = {name.upper(): text for name, text in _given(env_file()).items()}
    return {
        new: text
        for old, new in _RENAMED.items()
        if (text := given.get(f"{_PREFIX}{old}".upper())) is not None and f"{_PREFIX}{new}".upper() not in given
    }


def unused_data(settings: Settings) -> str:
    """A sentence about a database in `data` of the folder where the command was started, where earlier versions kept it,
    when another folder is used and nobody has named one; else ""."""
    old = Path("data").absolute()
    if settings.data_dir != places.data_dir() or old.resolve() == settings.data_dir.resolve():
        return ""
    if any(value for name, value in _given(env_file()).items() if name.upper() == f"{_PREFIX}DATA_DIR"):
        return ""
    if not (old / DATABASE).is_file():
        return ""
    return (
        f"The database in {old} is not used, the data folder is {settings.data_dir}; set POSTPROBER_DATA_DIR to the one "
        "that you want."
    )


def unknown_names() -> dict[str, str]:
    """Names with our prefix, in the environment or `.env`, that are no setting, with the nearest that is ("" for none)."""
    settings = [name.upper() for name in defaults()]
    given = {name: name.upper().removeprefix(_PREFIX) for name in _given(env_file())}
    found = {}
    for name, short in sorted(given.items()):
        if name.upper() == short or short in settings or short in _NOT_SETTINGS or short.lower() in _RENAMED:
            continue
        near = difflib.get_close_matches(short, settings, 1, NEAR_NAME)
        found[name] = f"{_PREFIX}{near[0]}" if near else ""
    return found


def _refuse_misspelt() -> None:
    """Raises ConfigurationError for a name that is nearly one of ours: ignored, it would do what nobody meant (a misspelt
    database address is a new, empty database)."""
    for name, meant in unknown_names().items():
        if meant:
            raise ConfigurationError(f"{name} is not a setting; did you mean {meant}? Correct or remove it.")


def load_settings(**overrides: Any) -> Settings:
    """Settings, checked. In sandbox mode missing secrets are generated into the data folder. From now on what this
    process writes is its user's alone: database, logs and backups hold what people have not published. Warns of a
    database that is not used (`unused_data`). Raises ConfigurationError."""
    os.umask(0o077)
    _refuse_misspelt()
    try:
        settings = Settings(**{"_env_file": env_file(), **_by_old_names(), **overrides})
    except ValidationError as error:
        first = error.errors()[0]
        raise _wrong(first["loc"], first["msg"]) from None
    _fix_places(settings)
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        if settings.sandbox:
            _fill_secrets(settings)
    except OSError as error:
        raise ConfigurationError(
            f"The data folder {settings.data_dir} cannot be used ({error.strerror}); set POSTPROBER_DATA_DIR."
        ) from None
    _check(settings)
    if unused := unused_data(settings):
        log.warning(unused)
    return settings


def _fix_places(settings: Settings) -> None:
    """Paths are meant from where the command was started; children are started elsewhere."""
    settings.data_dir = settings.data_dir.expanduser().absolute()
    if settings.backup_dir:
        settings.backup_dir = str(Path(settings.backup_dir).expanduser().absolute())
    if os.sep in settings.browser_path:
        settings.browser_path = str(Path(settings.browser_path).expanduser().absolute())
    if settings.database_url.get_secret_value().startswith("sqlite"):  # which has no password
        scheme, _, file = settings.database_url.get_secret_value().partition(":///")
        if file and not file.startswith((":memory:", "file:")):
            settings.database_url = SecretStr(f"{scheme}:///{Path(file).absolute()}")


def _fill_secrets(settings: Settings) -> None:
    path = settings.data_dir / "secrets.json"
    stored: dict[str, SecretStr] = {}
    if not path.exists() and not (settings.secret_key and settings.vault_keys):
        made = SecretStr(json.dumps({"secret_key": secrets.token_urlsafe(48), "vault_keys": f"k1:{new_key()}"}))
        _write_private(path, made)
    if path.exists():  # read back, because another process may have been faster
        stored = _read_secrets(path)
    settings.secret_key = settings.secret_key or stored.get("secret_key", _SECRET)
    settings.vault_keys = settings.vault_keys or stored.get("vault_keys", _SECRET)


def _read_secrets(path: Path) -> dict[str, SecretStr]:
    try:
        stored = json.loads(path.read_text())
    except (ValueError, OSError):
        stored = None
    if not isinstance(stored, dict) or not all(isinstance(value, str) for value in stored.values()):
        raise ConfigurationError(f"{path} cannot be read; remove it only if no account is linked yet.")
    return {name: SecretStr(value) for name, value in stored.items()}


def _write_private(path: Path, text: SecretStr) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}-{secrets.token_hex(4)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text.get_secret_value())
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


def _is_redis(url: SecretStr) -> bool:
    parts = urlsplit(url.get_secret_value())
    return parts.scheme in ("redis", "rediss", "unix") and bool(parts.netloc or parts.path)


def _share_a_secret(settings: Settings) -> bool:
    """Whether the secret key is one of the vault's keys, as text or in bytes."""
    key, vault = settings.secret_key.get_secret_value(), settings.vault_keys.get_secret_value()
    return key in vault or key.encode()[:32] in parse_keys(settings.vault_keys).values()


def _check(settings: Settings) -> None:
    _check_network(settings)
    if settings.redis_url and not _is_redis(settings.redis_url):
        raise ConfigurationError("POSTPROBER_REDIS_URL is not usable: give redis://host:port/0, or leave it empty.")
    if len(settings.secret_key) < MIN_SECRET_CHARS:
        raise ConfigurationError(
            f"POSTPROBER_SECRET_KEY is missing or shorter than {MIN_SECRET_CHARS} characters; "
            'make one with: python -c "import secrets; print(secrets.token_urlsafe(48))"'
        )
    if not parse_keys(settings.vault_keys):
        raise ConfigurationError(
            "POSTPROBER_VAULT_KEYS is missing; make one with: "
            "python -c \"import base64, os; print('k1:' + base64.b64encode(os.urandom(32)).decode())\""
        )
    if _share_a_secret(settings):
        raise ConfigurationError("POSTPROBER_SECRET_KEY and POSTPROBER_VAULT_KEYS share a secret; make two.")
    if (keys := settings.backup_keys()) and set(keys.keys) & set(parse_keys(settings.vault_keys).values()):
        raise ConfigurationError("POSTPROBER_BACKUP_KEY and POSTPROBER_VAULT_KEYS share a key; make two.")
    if settings.smtp_host and "@" not in settings.smtp_from:
        raise ConfigurationError("POSTPROBER_SMTP_FROM is missing: the address that PostProber's mail comes from.")
    if settings.registration == "open" and not settings.smtp_host:
        raise ConfigurationError(
            "POSTPROBER_REGISTRATION=open needs a mail server that proves addresses: set POSTPROBER_SMTP_HOST and "
            "POSTPROBER_SMTP_FROM, or POSTPROBER_REGISTRATION=closed."
        )
    if settings.smtp_username and settings.smtp_security == "none" and settings.smtp_host not in _LOOPBACK:
        raise ConfigurationError(
            "POSTPROBER_SMTP_SECURITY=none would send the mail password unencrypted; use starttls."
        )
    if not settings.sandbox:
        for name in ("public_url", "app_url"):
            url = getattr(settings, name)
            if url and not url.startswith("https://"):
                raise ConfigurationError(f"POSTPROBER_{name.upper()} must start with https:// in live mode.")
