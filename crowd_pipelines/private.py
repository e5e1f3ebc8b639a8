"""Folders and files for the user who runs the installation and nobody else, whatever the umask says.

In them lie the encryption key, the database, logs, and pickles that Dagster executes when it reads them.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_OTHERS = 0o077


class NotPrivate(Exception):
    """A folder is somebody else's, who could read or replace what lies in it; the message names it."""


def make_private() -> None:
    """Let this process, and those that it starts, make files that only their owner can open."""
    os.umask(_OTHERS)


def folder(path: Path) -> Path:
    """Return a folder that only we can enter: made if it is not there, closed if it is open. Raises NotPrivate."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.stat()
    if found.st_mode & stat.S_ISVTX or path == Path(path.anchor):
        raise NotPrivate(f"{path} is everybody's, and must stay so; choose a folder below it with CROWD_HOME")
    owner = found.st_uid
    # Root runs what belongs to others, and could not be kept out of it anyway.
    if os.geteuid() not in {owner, 0}:
        raise NotPrivate(
            f"the folder {path} belongs to another user (number {owner}), who could read or change what is kept in it; "
            "run this as that user, or choose another folder with CROWD_HOME"
        )
    _close(path)
    return path


def close_all(path: Path) -> None:
    """Close a folder and all in it that is ours, as far as versions before this one left something open."""
    for found in (path, *_inside(path)):
        with suppress(FileNotFoundError):
            _close(found)


def opener(path: str, flags: int) -> int:
    """Open a file for `open(opener=...)`: one that is made is ours alone."""
    return os.open(path, flags, 0o600)


def _close(path: Path) -> None:
    found = path.lstat()
    if found.st_mode & _OTHERS and found.st_uid == os.geteuid() and not path.is_symlink():
        path.chmod(found.st_mode & 0o7700)


def _inside(path: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(path):
        yield from (Path(parent, name) for name in (*folders, *files))
