"""Which guild to read, and with which bot."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.integrations.discord.api import DiscordApi


class DiscordSettings(BaseModel):
    """One guild ("server"), by its id."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    guild_id: str = Field(pattern=r"^[0-9]{1,19}$")


class DiscordCredentials(BaseModel):
    """A bot's token: the integration's own, else the installation's (`CROWD_DISCORD_TOKEN`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: SecretStr

    @model_validator(mode="before")
    @classmethod
    def _somebodys(cls, given: Any) -> Any:
        if isinstance(given, dict) and not given.get("token"):
            raise ValueError('give the bot\'s token as {"token": ".."}, or to all integrations as CROWD_DISCORD_TOKEN')
        return given

    @field_validator("token")
    @classmethod
    def _bare(cls, given: SecretStr) -> SecretStr:
        token = given.get_secret_value().strip().removeprefix("Bot").strip()
        if not token:
            raise ValueError("the token is empty; copy it from the Developer Portal, under Bot")
        return SecretStr(token)


Run = RunContext[DiscordSettings, DiscordApi]
