"""The simulated providers, by name."""

from crowd_pipelines.sandbox.devto.platform import DevPlatform
from crowd_pipelines.sandbox.platform import SimulatedPlatform

PLATFORMS: dict[str, type[SimulatedPlatform]] = {DevPlatform.name: DevPlatform}
