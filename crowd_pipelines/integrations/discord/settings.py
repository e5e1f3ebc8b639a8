"""Which guild to read, and with which bot."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.integrations.discord.api import DiscordApi
from crowd_pipelines.model.secrets import Secret


class DiscordSettings(BaseModel):
    """One guild ("server"), by its id."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    guild_id: str = Field(pattern=r"^[0-9]{1,19}$")


class DiscordCredentials(BaseModel):
    """A bot's token: the integration's own, else the installation's (`CROWD_DISCORD_TOKEN`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: Secret

    @model_validator(mode="before")
    @classmethod
    def _somebodys(cls, given: Any) -> Any:
        if isinstance(given, dict) and not given.get("token"):
            raise ValueError('give the bot\'s token as {"token": ".."}, or to all integrations as CROWD_DISCORD_TOKEN')
        return given

    @field_validator("token")
    @classmethod
    def _bare(cls, given: Secret) -> Secret:
        token = given.get_secret_value().strip().removeprefix("Bot").strip()
        if not token:
            raise ValueError("the token is empty; copy it from the Developer Portal, under Bot")
        return Secret(token)


Run = RunContext[DiscordSettings, DiscordApi]
