"""The unit of work: a hundred members, and what is remembered of those that X does not show."""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from crowd_pipelines.model.streams import Stream

FIRST_PATIENCE = timedelta(days=7)
LONGEST_PATIENCE = timedelta(days=180)


class ReachStream(Stream):
    """The next hundred members whose reach has not been seen for a while; `after` is the last id looked at."""

    kind: Literal["reach"] = "reach"
    after: str | None = None

    @property
    def label(self) -> str:
        """What people see."""
        return "reach of members" + (f" after {self.after}" if self.after else "")


class Absence(BaseModel):
    """The watermark of a member that X does not show (suspended, deleted): it is asked for ever more rarely."""

    model_config = ConfigDict(frozen=True)

    ask_again_at: AwareDatetime | None = None
    patience_days: int = 0

    def lasts(self, now: datetime) -> bool:
        """Tell whether it is too early to ask again."""
        return self.ask_again_at is not None and now < self.ask_again_at

    def again(self, now: datetime) -> "Absence":
        """Return the watermark after one more time without an answer."""
        patience = min(max(timedelta(days=2 * self.patience_days), FIRST_PATIENCE), LONGEST_PATIENCE)
        return Absence(ask_again_at=now + patience, patience_days=patience.days)
