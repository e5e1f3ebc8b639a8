"""What keeps something from being read, and what the user can do about it. Discord itself shows it as emptiness."""

from collections.abc import Iterator, Mapping, Sequence

from crowd_pipelines.integrations.discord.api import OF_POSTS, PRIVATE_THREAD, WITH_MESSAGES
from crowd_pipelines.integrations.discord.look import Look
from crowd_pipelines.integrations.discord.streams import MessagesMark

_NAMED = 5
"""So many channels are named in a notice."""

_NO_CONTENTS = (
    "The bot lacks the Message Content intent, so what messages say arrives empty. Switch it on in the Developer "
    "Portal, under Bot, and onboard again."
)
_NO_MEMBERS = (
    "The bot lacks the Server Members intent, so nobody who joined can be listed. Switch it on in the Developer "
    "Portal, under Bot."
)
_NO_PRIVATE_ARCHIVES = (
    "The bot lacks the permission Manage Threads, so private threads are read only where it was added to them."
)


def notices(look: Look, marks: Mapping[str, MessagesMark]) -> Iterator[str]:
    """Yield sentences for the user."""
    if not look.access.sees_contents:
        yield _NO_CONTENTS
    if not look.access.sees_members:
        yield _NO_MEMBERS
    yield from _hidden(look)
    refused = [place.name for place, _ in look.places() if place.id in marks and marks[place.id].refused]
    if refused:
        yield f"Discord refuses to show {_list(refused)}. Once a day it is asked again."
    private = [one.parent_id for one in look.threads if one.type == PRIVATE_THREAD]
    if not all(look.manages_threads(channel_id) for channel_id in private):
        yield _NO_PRIVATE_ARCHIVES


def _hidden(look: Look) -> Iterator[str]:
    """Channels by the permission that is missing there."""
    by_permission: dict[str, list[str]] = {}
    for channel in look.channels:
        missing = look.access.missing(channel) if channel.type in WITH_MESSAGES | OF_POSTS else None
        if missing:
            by_permission.setdefault(missing, []).append(channel.name)
    for permission, names in by_permission.items():
        yield (
            f"The bot lacks the permission {permission} in {_list(names)}, so nothing there is read. Give it to the "
            "bot's role, in the channel or for the whole server."
        )


def _list(names: Sequence[str]) -> str:
    told = ", ".join(f"#{name}" for name in names[:_NAMED])
    return told + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
