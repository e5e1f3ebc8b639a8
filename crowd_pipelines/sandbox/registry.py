"""The simulated providers, by name."""

from crowd_pipelines.sandbox.devto.platform import DevPlatform
from crowd_pipelines.sandbox.discord.platform import DiscordPlatform
from crowd_pipelines.sandbox.github.platform import GitHubPlatform
from crowd_pipelines.sandbox.platform import SimulatedPlatform
from crowd_pipelines.sandbox.slack.platform import SlackPlatform
from crowd_pipelines.sandbox.twitter.platform import TwitterPlatform

PLATFORMS: dict[str, type[SimulatedPlatform]] = {
    DevPlatform.name: DevPlatform,
    DiscordPlatform.name: DiscordPlatform,
    GitHubPlatform.name: GitHubPlatform,
    SlackPlatform.name: SlackPlatform,
    TwitterPlatform.name: TwitterPlatform,
}
