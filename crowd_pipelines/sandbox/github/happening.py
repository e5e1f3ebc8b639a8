"""Carries changes out."""

import random
from collections.abc import Callable, Iterator
from typing import Any

from crowd_pipelines.sandbox.github import changes as ch
from crowd_pipelines.sandbox.github.community import Community
from crowd_pipelines.sandbox.github.revising import Housekeeping, Revising
from crowd_pipelines.sandbox.github.stage import Stage, Touched
from crowd_pipelines.sandbox.github.writing import Writing
from crowd_pipelines.sandbox.platform import ChangeRefused


class Happenings:
    """Changes a community, and tells what was touched; `noticeable` is whether a time that one reads shows it."""

    def __init__(self, community: Community) -> None:
        self._stage = Stage(community)
        writing, revising = Writing(self._stage), Revising(self._stage)
        housekeeping = Housekeeping(self._stage)
        self._makers: dict[type[ch.Change], Callable[[Any], Touched]] = {
            ch.Star: writing.star,
            ch.Unstar: writing.unstar,
            ch.Fork: writing.fork,
            ch.Open: writing.open,
            ch.Comment: writing.comment,
            ch.Review: writing.review,
            ch.Act: writing.act,
            ch.MarkAnswer: writing.mark_answer,
            ch.Edit: revising.edit,
            ch.Delete: revising.delete,
            ch.Dismiss: revising.dismiss,
            ch.TransferIssue: revising.transfer_issue,
            ch.ConvertIssue: revising.convert_issue,
            ch.RenameUser: revising.rename_user,
            ch.DeleteUser: revising.delete_user,
            ch.RenameRepository: housekeeping.rename,
            ch.TransferRepository: housekeeping.transfer,
            ch.HideRepository: housekeeping.hide,
            ch.NewRepository: housekeeping.found,
            ch.Feature: housekeeping.switch,
        }

    @property
    def dice(self) -> random.Random:
        return self._stage.choice.dice

    def make(self, change: ch.AnyChange) -> Iterator[Touched]:
        """Raises ChangeRefused, and then no time has passed."""
        community = self._stage.community
        for _ in range(change.times):
            before = community.now, community.tick
            community.now, community.tick = community.now + change.after, community.tick + 1
            try:
                yield {"do": change.do, "ids": [], "users": [], **self._made(change)}
            except ChangeRefused:
                community.now, community.tick = before
                raise

    def _made(self, change: ch.AnyChange) -> Touched:
        maker = self._makers.get(type(change))
        return maker(change) if maker else {"noticeable": False}
