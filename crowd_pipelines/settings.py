"""Configuration from the environment: one typed object. `.env.example` lists the variables."""

import os
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from math import inf, nan
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from crowd_pipelines.model.secrets import Secret


class SettingsError(Exception):
    """A setting is missing or cannot be used; the message names it and says what to do."""


class Settings(BaseSettings):
    """What the environment says. Field `x` is the variable `CROWD_X`."""

    model_config = SettingsConfigDict(env_prefix="CROWD_", frozen=True, extra="ignore")

    database_url: Secret | None = None
    dagster_database_url: Secret | None = None
    encryption_key: Secret | None = None
    home: Path = Path(".crowd")
    slice_seconds: float = 600
    lease_seconds: float = Field(default=45, gt=0, le=300)
    check_batch_size: int = 50
    retention_days: int = 7
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    allowed_ports: tuple[int, ...] = ()
    attribute_priority: tuple[str, ...] = ("github", "devto", "slack", "discord", "twitter")

    @classmethod
    def load(cls) -> "Settings":
        """Read the environment. Raises SettingsError naming the variable that cannot be used."""
        try:
            return cls()
        except ValidationError as error:
            problems = "; ".join(
                f"CROWD_{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}"
                for problem in error.errors(include_input=False, include_url=False)
            )
            raise SettingsError(f"the environment has values that cannot be used: {problems}") from None

    def require_database_url(self) -> Secret:
        """Return the URL of the database. Raises SettingsError when it is not set."""
        return _required(self.database_url, "CROWD_DATABASE_URL", "postgresql://user:password@host/crowd")

    def require_encryption_key(self) -> Secret:
        """Return the key that seals credentials. Raises SettingsError when it is not set."""
        return _required(self.encryption_key, "CROWD_ENCRYPTION_KEY", "the output of `crowd-pipelines keys new`")

    def api_url(self, platform: str) -> str | None:
        """Return the base URL that replaces the platform's own, if one is set."""
        return os.environ.get(f"CROWD_{platform.upper()}_API_URL") or None

    def requests_per_second(self, platform: str) -> float | None:
        """Return the pace that replaces the one the platform's class declares, if one is set."""
        return self.number(platform, "REQUESTS_PER_SECOND", default=0) or None

    def number(self, platform: str, name: str, *, default: float, most: float = inf, or_none: bool = False) -> float:
        """Return a platform's setting that is a number above 0, at most `most`; `default` where it is not set.

        With `or_none`, 0 may be given, too, and means none. Raises SettingsError for anything else.
        """
        variable = f"CROWD_{platform.upper()}_{name}"
        text = os.environ.get(variable)
        if not text:
            return default
        try:
            given = float(text)
        except ValueError:
            given = nan
        if not (0 < given <= most or (or_none and given == 0)) or given == inf:
            limits = "above 0" if most == inf else f"above 0, at most {most:g}"
            raise SettingsError(f"{variable} is {text!r}; give a number {limits}, or unset it for the platform's own")
        return given

    def app_credentials(self, platform: str, names: Iterable[str]) -> dict[str, Secret]:
        """Return the credentials that this installation has for a platform, those of `names` that are set."""
        found = {name: os.environ.get(f"CROWD_{platform.upper()}_{name.upper()}") for name in names}
        return {name: Secret(value) for name, value in found.items() if value}


def _required(value: Secret | None, name: str, example: str) -> Secret:
    if not value:
        raise SettingsError(f"{name} is not set; set it to {example}")
    return value
