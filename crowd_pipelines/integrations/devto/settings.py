"""What a user tells us of the community, and the context in which everything is read."""

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.integrations.devto.api import DevtoApi, Owner
from crowd_pipelines.model.secrets import Secret


class DevtoSettings(BaseModel):
    """Whose articles belong to the community: names, or addresses of profiles."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    organizations: tuple[str, ...] = ()
    users: tuple[str, ...] = ()

    @field_validator("organizations", "users")
    @classmethod
    def _names(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        names = [name.strip().rstrip("/").rsplit("/", 1)[-1].lstrip("@") for name in given]
        if not all(names):
            raise ValueError("a name is empty; give names such as ben, without @")
        return tuple(dict.fromkeys(names))

    @model_validator(mode="after")
    def _someone(self) -> "DevtoSettings":
        if not self.organizations and not self.users:
            raise ValueError('name at least one of them, as in {"organizations": ["forem"], "users": ["ben"]}')
        return self

    @property
    def owners(self) -> tuple[Owner, ...]:
        """Every list of articles to be read."""
        organizations: list[Owner] = [("organization", name) for name in self.organizations]
        return (*organizations, *(("user", name) for name in self.users))


class DevtoCredentials(BaseModel):
    """An API key is optional: everything we read is public."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_key: Secret | None = None


Run = RunContext[DevtoSettings, DevtoApi]
