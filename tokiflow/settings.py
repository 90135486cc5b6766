"""Every setting, typed, frozen and checked before anything starts.

`load()` names every mistake at once and says what to write instead. `NAME_FILE` may hold the path of a file
with the value of `NAME`, as container platforms hand out secrets.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from tokiflow.core import rates

Network = IPv4Network | IPv6Network
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?|[0-9a-f:]+")
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


class SettingsError(Exception):
    """The start is refused. `mistakes` has one sentence a setting, naming it and what to write."""

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        lines = "\n".join(f"  - {mistake}" for mistake in mistakes)
        super().__init__(f"Tokiflow can't start; {len(mistakes)} setting(s) need another value:\n{lines}")


def _bad(message: str) -> PydanticCustomError:
    # Braces in a message would be taken for placeholders.
    return PydanticCustomError("setting", message.replace("{", "(").replace("}", ")"))


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    networks: list[Network] = []
    for part in value.replace(",", " ").split():
        try:
            networks.append(ip_network(part, strict=False))
        except ValueError:
            raise _bad(f"'{part}' is not a network; write networks like 127.0.0.0/8, separated by commas") from None
    return tuple(networks)


def _words(value: object) -> object:
    return tuple(value.split()) if isinstance(value, str) else value


def _psycopg_url(value: object) -> object:
    """Platforms write postgres://; SQLAlchemy wants the driver's name."""
    if isinstance(value, str):
        for scheme in ("postgres://", "postgresql://"):
            if value.startswith(scheme):
                return "postgresql+psycopg://" + value[len(scheme) :]
    return value


def bits(secret: str) -> float:
    """Shannon entropy of the characters as they stand, in bits. Low for 'aaaa…', 'changeme' and 'secret'."""
    counts = Counter(secret)
    return sum(-n * math.log2(n / len(secret)) for n in counts.values())


class Settings(BaseModel):
    """The settings of one process. Names in the environment are given by each field's alias."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, ignored_types=(cached_property,))

    environment: Literal["development", "production", "test"] = Field("production", alias="TOKIFLOW_ENV")
    secret_key: str = Field(alias="SECRET_KEY")
    former_secret_keys: Annotated[tuple[str, ...], BeforeValidator(_words)] = Field(
        (), alias="TOKIFLOW_FORMER_SECRET_KEYS"
    )
    database_url: Annotated[str, BeforeValidator(_psycopg_url)] = Field(alias="DATABASE_URL")
    redis_url: str = Field(alias="REDIS_URL")
    public_url: str = Field("http://127.0.0.1:8000", alias="PUBLIC_URL")
    hosts: Annotated[tuple[str, ...], BeforeValidator(_words)] = Field((), alias="TOKIFLOW_HOSTS")
    port: int = Field(8000, alias="PORT", ge=1, le=65535)
    data_dir: Path | None = Field(None, alias="TOKIFLOW_DATA")
    local_sign_in: bool = Field(False, alias="TOKIFLOW_LOCAL_SIGN_IN")
    outbound_allow: Annotated[tuple[Network, ...], BeforeValidator(_networks)] = Field(
        (), alias="TOKIFLOW_OUTBOUND_ALLOW"
    )
    trusted_proxies: int = Field(0, alias="TOKIFLOW_TRUSTED_PROXIES", ge=0, le=10)

    ping_rate: str = Field("60/minute burst 30", alias="TOKIFLOW_PING_RATE")
    spool_dir: Path | None = Field(None, alias="TOKIFLOW_SPOOL")

    output_limit: int = Field(32_768, alias="TOKIFLOW_OUTPUT_LIMIT", ge=1_024, le=1_048_576)
    retention_days: int = Field(365, alias="TOKIFLOW_RETENTION_DAYS", ge=1, le=36_500)
    output_retention_days: int = Field(90, alias="TOKIFLOW_OUTPUT_RETENTION_DAYS", ge=1, le=36_500)
    audit_retention_days: int = Field(365, alias="TOKIFLOW_AUDIT_RETENTION_DAYS", ge=1, le=36_500)
    s3_bucket: str = Field("", alias="S3_BUCKET")
    s3_endpoint_url: str = Field("", alias="S3_ENDPOINT_URL")
    s3_region: str = Field("", alias="S3_REGION")
    s3_access_key_id: str = Field("", alias="S3_ACCESS_KEY_ID")
    s3_secret_access_key: str = Field("", alias="S3_SECRET_ACCESS_KEY")

    google_client_id: str = Field("", alias="GOOGLE_CLIENT_ID")
    google_client_secret: str = Field("", alias="GOOGLE_CLIENT_SECRET")
    google_discovery_url: str = Field(
        "https://accounts.google.com/.well-known/openid-configuration", alias="GOOGLE_DISCOVERY_URL"
    )

    smtp_url: str = Field("", alias="SMTP_URL")
    resend_api_key: str = Field("", alias="RESEND_API_KEY")
    resend_webhook_secret: str = Field("", alias="RESEND_WEBHOOK_SECRET")
    email_from: str = Field("Tokiflow <alerts@localhost>", alias="EMAIL_FROM")

    slack_client_id: str = Field("", alias="SLACK_CLIENT_ID")
    slack_client_secret: str = Field("", alias="SLACK_CLIENT_SECRET")
    slack_signing_secret: str = Field("", alias="SLACK_SIGNING_SECRET")
    slack_api_base: str = Field("https://slack.com", alias="SLACK_API_BASE")

    security_contact: str = Field("", alias="TOKIFLOW_SECURITY_CONTACT")
    sentry_dsn: str = Field("", alias="SENTRY_DSN")
    metrics_token: str = Field("", alias="METRICS_TOKEN")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", alias="LOG_LEVEL")
    web_concurrency: int = Field(1, alias="WEB_CONCURRENCY", ge=1, le=64)
    web_threads: int = Field(16, alias="WEB_THREADS", ge=1, le=256)

    @field_validator("secret_key")
    @classmethod
    def _strong(cls, value: str) -> str:
        if len(value) < 32 or bits(value) < 96:
            raise _bad(
                "is too easy to guess; write at least 32 random characters, "
                'for example from: python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
            )
        return value

    @field_validator("former_secret_keys")
    @classmethod
    def _all_strong(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if any(len(one) < 32 or bits(one) < 96 for one in values):
            raise _bad("has a key that is too easy to guess; write whole former SECRET_KEYs, with a space between them")
        return values

    @field_validator("public_url")
    @classmethod
    def _public(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise _bad(f"'{value}' is not a web address; write it like https://tokiflow.example.com")
        return value.rstrip("/")

    @field_validator("hosts")
    @classmethod
    def _names(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(value.rstrip(",").lower() for value in values)
        for name in names:
            if not _HOST.fullmatch(name):
                raise _bad(f"'{name}' is not the name of a host; write names like tokiflow.internal, without a port")
        return names

    @field_validator("security_contact")
    @classmethod
    def _contact(cls, value: str) -> str:
        if value and (not value.startswith(("mailto:", "https://", "tel:")) or not value.isprintable()):
            raise _bad("is not an address; write it like mailto:security@example.com or https://example.com/security")
        return value

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: str) -> str:
        if not value.startswith("postgresql+psycopg://"):
            raise _bad("is not a PostgreSQL address; write it like postgresql://user:password@host:5432/tokiflow")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str) -> str:
        if not value.startswith(("redis://", "rediss://", "unix://")):
            raise _bad("is not a Redis address; write it like redis://host:6379/0 or unix:///path/to/valkey.sock")
        return value

    @field_validator("ping_rate")
    @classmethod
    def _rate(cls, value: str) -> str:
        try:
            rates.parse(value)
        except ValueError as error:
            raise _bad(str(error)) from None
        return value

    @field_validator("s3_endpoint_url")
    @classmethod
    def _store(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise _bad(f"'{value}' is not a web address; write it like https://s3.example.com")
        return value.rstrip("/")

    @field_validator("slack_api_base")
    @classmethod
    def _slack(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _bad(f"'{value}' is not a web address; leave it out for https://slack.com")
        return value.rstrip("/").removesuffix("/api")

    @field_validator("smtp_url")
    @classmethod
    def _smtp(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("smtp", "smtps") or not parts.hostname):
            raise _bad("is not a mail server; write it like smtp://user:password@mail.example.com:587?starttls=1")
        return value

    @cached_property
    def secret_keys(self) -> tuple[str, ...]:
        """SECRET_KEY and those before it, the newest first: the first signs and seals, all of them verify and open."""
        return tuple(dict.fromkeys((self.secret_key, *self.former_secret_keys)))

    @cached_property
    def origin(self) -> str:
        """PUBLIC_URL as browsers name it in the header Origin."""
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}".lower()

    @cached_property
    def names(self) -> frozenset[str]:
        """The hosts that requests may be for, beside this machine."""
        return frozenset({urlsplit(self.public_url).hostname or "", *self.hosts})

    @cached_property
    def production(self) -> bool:
        return self.environment == "production"

    @cached_property
    def may_sign_in_locally(self) -> bool:
        """Whether a visitor on this very machine is signed in without a password. Never in production."""
        return self.local_sign_in and not self.production and urlsplit(self.public_url).hostname in LOOPBACK_HOSTS

    @cached_property
    def spool(self) -> Path:
        """The folder in which pings wait while the database is away."""
        if self.spool_dir:
            return self.spool_dir
        if self.data_dir:
            return self.data_dir / "spool"
        # Who finds a file there replays it, so it must be of this very installation.
        parts = urlsplit(self.database_url)
        # The oldest key, so that the folder stays the same while keys are exchanged.
        mine = f"{os.getuid()} {self.secret_keys[-1]} {parts.hostname} {parts.port} {parts.path} {parts.query}"
        return Path(gettempdir()) / f"tokiflow-spool-{hashlib.blake2b(mine.encode(), digest_size=8).hexdigest()}"

    @cached_property
    def output_kept_days(self) -> int:
        """How long output is kept: never longer than the ping it came with."""
        return min(self.output_retention_days, self.retention_days)

    @cached_property
    def google(self) -> bool:
        return bool(self.google_client_id and self.google_client_secret)

    @cached_property
    def slack_app(self) -> bool:
        return bool(self.slack_client_id and self.slack_client_secret and self.slack_signing_secret)


def variables() -> list[str]:
    """The names of all environment variables that are read, in the order they are declared."""
    return [str(field.alias) for field in Settings.model_fields.values()]


def load(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """The settings from the environment (or `environ`), with NAME_FILE resolved and empty values ignored.

    Raises SettingsError with every mistake at once.
    """
    environ = os.environ if environ is None else environ
    mistakes: list[str] = []
    values: dict[str, Any] = {}
    for name in variables():
        try:
            value = _from_file(environ[f"{name}_FILE"]) if environ.get(f"{name}_FILE") else environ.get(name, "")
        except OSError as error:
            mistakes.append(f"{name}_FILE: can't be read ({error.strerror}); write the path of a readable file")
            continue
        if value.strip():
            values[name] = value.strip()
    values |= overrides
    try:
        settings = Settings(**values)
    except ValidationError as error:
        mistakes += [_sentence(problem) for problem in error.errors()]
        raise SettingsError(sorted(set(mistakes))) from None
    mistakes += _contradictions(settings)
    if mistakes:
        raise SettingsError(mistakes)
    return settings


def _from_file(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


def _sentence(problem: Any) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else "settings"
    if problem["type"] == "missing":
        return f"{name}: is missing; {_EXAMPLES.get(name, 'give it a value')}"
    message = str(problem["msg"])
    return f"{name}: {message[0].lower()}{message[1:]}"


_EXAMPLES = {
    "SECRET_KEY": 'write at least 32 random characters: python3 -c "import secrets; print(secrets.token_urlsafe(48))"',
    "DATABASE_URL": "write it like postgresql://user:password@host:5432/tokiflow",
    "REDIS_URL": "write it like redis://host:6379/0",
}


def _contradictions(settings: Settings) -> list[str]:
    found = []
    if settings.production and settings.local_sign_in:
        found.append("TOKIFLOW_LOCAL_SIGN_IN: signs anyone in; take it out in production")
    if bool(settings.google_client_id) != bool(settings.google_client_secret):
        found.append("GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET: one is set without the other; set both or none")
    slack = (settings.slack_client_id, settings.slack_client_secret, settings.slack_signing_secret)
    if any(slack) and not all(slack):
        found.append(
            "SLACK_CLIENT_ID, SLACK_CLIENT_SECRET, SLACK_SIGNING_SECRET: some are set without the others; "
            "set all three or none"
        )
    if bool(settings.s3_access_key_id) != bool(settings.s3_secret_access_key):
        found.append("S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY: one is set without the other; set both or none")
    if (
        "output_retention_days" in settings.model_fields_set
        and settings.output_retention_days > settings.retention_days
    ):
        found.append(
            "TOKIFLOW_OUTPUT_RETENTION_DAYS: output goes with its ping at the latest; "
            f"write at most {settings.retention_days}, or raise TOKIFLOW_RETENTION_DAYS"
        )
    return found
