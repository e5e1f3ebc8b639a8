"""How fast Slack lets this app read messages, and how much of them at once.

Apps of one's own get 50 requests a minute with pages of 999. Since 2025-05-29 apps that are sold, but are not in
Slack's Marketplace, get one request a minute with 15 messages, whatever they ask for. Slack does not say which an app
is; a page of exactly 15 where 999 were asked for, with more to come, does. And a larger one says that it is over.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.integrations.slack.api import LARGEST_PAGE, LIMITED_PAGE, Page
from crowd_pipelines.integrations.slack.streams import REGIME, RegimeMark
from crowd_pipelines.model.streams import Json


class Regime(StrEnum):
    """Which limits apply."""

    AUTO = "auto"  # find out
    INTERNAL = "internal"  # 50 requests a minute, pages of 999
    LIMITED = "limited"  # a request a minute, pages of 15


class Pace(BaseModel):
    """How to ask for messages now."""

    model_config = ConfigDict(frozen=True)

    regime: Regime
    limited: bool

    @classmethod
    def of(cls, regime: Regime, run: RunContext[Any, Any]) -> "Pace":
        """Return what the settings say, or else what was found out."""
        if regime is Regime.AUTO:
            mark = RegimeMark.model_validate(run.read_watermarks([REGIME]).get(REGIME, {}))
            return cls(regime=regime, limited=mark.limited)
        return cls(regime=regime, limited=regime is Regime.LIMITED)

    @property
    def limit(self) -> int:
        """The page size to ask for: with less one would never see that the limits are gone."""
        return LIMITED_PAGE if self.regime is Regime.LIMITED else LARGEST_PAGE

    def bucket(self, method: str) -> str:
        """Return the budget of a method."""
        return f"{method}-limited" if self.limited else f"conversations.{method}"

    def learned(self, page: Page) -> Mapping[str, Json]:
        """Return the watermark, where a page shows that other limits apply."""
        if self.regime is not Regime.AUTO:
            return {}
        shown = self.limited
        if len(page.items) > LIMITED_PAGE:
            shown = False
        elif len(page.items) == LIMITED_PAGE and page.cursor:
            shown = True
        return {} if shown == self.limited else {REGIME: RegimeMark(limited=shown).model_dump()}
