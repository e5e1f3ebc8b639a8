"""Who is meant by an id, without asking for each: the list of people leaves a watermark per person.

So the names of 50,000 people stay in the database, and a page of messages reads those it mentions in one query.
Somebody whom the list does not hold, since they came today or belong to another company, is looked up once.
"""

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.framework.reading import usable
from crowd_pipelines.http.errors import NotPermitted
from crowd_pipelines.integrations.slack.activities import mentioned_member, user_member
from crowd_pipelines.integrations.slack.api import SLACKBOT, NullRecord, SlackApi, User
from crowd_pipelines.integrations.slack.marks import digest
from crowd_pipelines.model.records import Member
from crowd_pipelines.model.streams import Json, RejectedRecord

_USER_ID = re.compile(r"[UW][A-Z0-9]{2,}")


class UserMark(BaseModel):
    """The watermark of a person or a bot, "" for the name of those whom nobody knows.

    `guest` is someone who is not in every public channel by themselves, `listed` whoever stood in the list of people.
    """

    model_config = ConfigDict(frozen=True)

    name: str = ""
    person: bool = True
    guest: bool = False
    listed: bool = False
    digest: str = ""


def user_subject(user_id: str) -> str:
    """Return the watermark's name."""
    return f"user:{user_id}"


def mark_of(user: User, team: str, *, listed: bool) -> UserMark:
    """Return what is to be remembered of somebody in the workspace `team`."""
    return UserMark(
        name=user.name or "",
        person=user.is_person,
        guest=_is_guest(user, team),
        listed=listed,
        digest=digest(repr(user_member(user))),
    )


def _is_guest(user: User, team: str) -> bool:
    elsewhere = bool(team and user.team_id and user.team_id != team)
    return bool(user.is_restricted or user.is_ultra_restricted or user.is_stranger or elsewhere)


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Those whom a page is about, and those of them whom it took a look-up to know; `nulls` came as null."""

    marks: Mapping[str, UserMark]
    found: Mapping[str, Member] = field(default_factory=dict)
    learned: Mapping[str, Json] = field(default_factory=dict)
    rejected: tuple[RejectedRecord, ...] = ()
    nulls: int = 0

    def name(self, user_id: str) -> str | None:
        """Return the name that people are called by with an @."""
        mark = self.marks.get(user_id)
        return (mark.name or None) if mark else None

    def person(self, user_id: str | None) -> Member | None:
        """Return the member behind an id; None for bots."""
        if not user_id or user_id == SLACKBOT:
            return None
        mark = self.marks.get(user_id, UserMark())
        if not mark.person:
            return None
        return self.found.get(user_id) or mentioned_member(user_id, mark.name)

    def is_guest(self, user_id: str) -> bool:
        """Tell whether somebody is in some channels only."""
        return self.marks.get(user_id, UserMark()).guest


def known_people(
    known: Mapping[str, Json], ids: Iterable[str], run: RunContext[Any, SlackApi], *, team: str, needed: Container[str]
) -> People:
    """Return those with these ids, as far as `known` has them; of the others, ask for those who are `needed`."""
    search = _Search(run=run, team=team)
    for user_id in dict.fromkeys(ids):
        if (mark := known.get(user_subject(user_id))) is not None:
            search.marks[user_id] = UserMark.model_validate(mark)
        elif user_id in needed and user_id != SLACKBOT and _USER_ID.fullmatch(user_id):
            search.look_up(user_id)
    return search.people


@dataclass(slots=True, kw_only=True)
class _Search:
    """Looks people up one by one. What Slack could not or would not tell is not remembered, and asked for again."""

    run: RunContext[Any, SlackApi]
    team: str
    marks: dict[str, UserMark] = field(default_factory=dict)
    found: dict[str, Member] = field(default_factory=dict)
    learned: dict[str, Json] = field(default_factory=dict)
    rejected: list[RejectedRecord] = field(default_factory=list)
    nulls: int = 0

    @property
    def people(self) -> People:
        """Who was found."""
        return People(
            marks=self.marks,
            found=self.found,
            learned=self.learned,
            rejected=tuple(self.rejected),
            nulls=self.nulls,
        )

    def look_up(self, user_id: str) -> None:
        """Ask for someone by id."""
        self.marks[user_id] = UserMark()
        try:
            raw = self.run.api.user(user_id)
        except NotPermitted:
            return
        except NullRecord:
            self.nulls += 1
            return
        user = next(usable(User, [raw], self.rejected), None)
        if user or raw is None:
            self._remember(user_id, user)

    def _remember(self, user_id: str, user: User | None) -> None:
        if user:
            self.marks[user_id] = mark_of(user, self.team, listed=False)
        self.learned[user_subject(user_id)] = self.marks[user_id].model_dump()
        if user and user.is_person:
            self.found[user_id] = user_member(user)
