"""The machine as `doctor` sees it: who can open what lies in the state folder, and how much room is left."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from crowd_pipelines.model.health import Finding, graded

_OTHERS = 0o077
_GIGABYTE = 2**30


def folder(home: Path) -> Iterator[Finding]:
    """Examine the state folder, without closing what is open in it."""
    if not home.exists():
        return
    opened = [path for path in (home, home / "encryption.key") if path.exists() and path.stat().st_mode & _OTHERS]
    yield graded(
        "permissions",
        f"others than the owner can open {' and '.join(f'{path} ({path.stat().st_mode & 0o777:o})' for path in opened)}"
        if opened
        else f"nobody but the owner can open {home}",
        f"chmod 700 {home}; chmod 600 {home / 'encryption.key'}. If others use this machine, make a new key: "
        "crowd-pipelines keys rotate.",
        bad=bool(opened),
        poor=False,
    )
    # Root may keep the server's data elsewhere.
    for what, path in (("room", home), ("database-room", home / "postgres")):
        if path.exists():
            yield _room(what, path.resolve())


def _room(name: str, path: Path) -> Finding:
    free, total = shutil.disk_usage(path).free, shutil.disk_usage(path).total
    return graded(
        name,
        f"{free / _GIGABYTE:,.1f} GB of {total / _GIGABYTE:,.1f} are free where {path} lies",
        "Make room: a full disk ends PostgreSQL. CROWD_RETENTION_DAYS decides how long runs and their logs stay.",
        bad=free < _GIGABYTE / 4,
        poor=free < max(_GIGABYTE, total // 50) and free < 10 * _GIGABYTE,
    )


def dagster_home(installed: Path) -> Path | None:
    """Return the folder of Dagster's settings, None when nothing has run here yet. Makes nothing."""
    given = os.environ.get("DAGSTER_HOME")
    found = Path(given) if given else installed / "dagster"
    return found if (found / "dagster.yaml").exists() else None
