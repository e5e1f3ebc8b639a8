"""The platforms. To add one: a folder here, and a line in `INTEGRATIONS`."""

from importlib.metadata import entry_points
from typing import Any

from crowd_pipelines.framework.integration import Integration, open_credentials
from crowd_pipelines.integrations.devto.integration import DevtoIntegration
from crowd_pipelines.integrations.discord.integration import DiscordIntegration
from crowd_pipelines.integrations.github.integration import GithubIntegration
from crowd_pipelines.integrations.slack.integration import SlackIntegration
from crowd_pipelines.integrations.twitter.integration import TwitterIntegration
from crowd_pipelines.integrations.twitter_reach.integration import TwitterReachIntegration

INTEGRATIONS: tuple[type[Integration[Any, Any, Any]], ...] = (
    DevtoIntegration,
    DiscordIntegration,
    GithubIntegration,
    SlackIntegration,
    TwitterIntegration,
    TwitterReachIntegration,
)

ENTRY_POINTS = "crowd_pipelines.integrations"
"""Packages outside this repository register their platforms in this entry-point group."""


def registry() -> dict[str, Integration[Any, Any, Any]]:
    """Return every platform by name, of ours and of installed packages. Raises ValueError for a name taken twice,
    TypeError for credentials that would show.
    """
    found = [*INTEGRATIONS, *(entry.load() for entry in entry_points(group=ENTRY_POINTS))]
    platforms: dict[str, Integration[Any, Any, Any]] = {}
    for integration in found:
        if integration.platform in platforms:
            raise ValueError(f"platform {integration.platform!r} is registered twice; rename or remove one")
        if shown := open_credentials(integration.credentials_type):
            raise TypeError(
                f"the credentials of platform {integration.platform!r} would show {', '.join(shown)} in errors and "
                "logs; declare them as Secret of crowd_pipelines.model.secrets"
            )
        platforms[integration.platform] = integration()
    return platforms
