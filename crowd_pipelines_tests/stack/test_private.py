"""Two users on one machine: what an installation keeps is one's alone, also where it was open before."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from crowd_pipelines import private
from crowd_pipelines.private import NotPrivate
from crowd_pipelines.stack.processes import Service

OTHER_USER = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


@pytest.fixture(autouse=True, params=[0o000, 0o022], ids=["umask 000", "umask 022"])
def careless_umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes(*paths: Path) -> list[str]:
    return [oct(stat.S_IMODE(path.stat().st_mode)) for path in paths]


def test_a_folder_that_is_made_is_closed(tmp_path: Path) -> None:
    home = private.folder(tmp_path / "a" / "home")
    assert modes(home) == ["0o700"]


def test_a_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o2777)
    assert modes(private.folder(home)) == ["0o2700"]


def test_a_folder_that_was_open_is_closed_with_all_that_lies_in_it(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    (home / "dagster" / "storage").mkdir(parents=True)
    script, key = home / "dagster" / "storage" / "pickle", home / "encryption.key"
    for file in (script, key, outside):
        file.write_text("secret")
    script.chmod(0o755)
    before = modes(outside)
    (home / "link").symlink_to(outside)
    private.close_all(private.folder(home))
    assert modes(home, home / "dagster", home / "dagster" / "storage", script, key) == [
        *("0o700", "0o700", "0o700"),
        *("0o700", "0o600"),
    ]
    assert modes(outside) == before, "a link led out of the folder"


def test_what_a_private_process_makes_is_its_own(tmp_path: Path) -> None:
    code = "from crowd_pipelines.private import make_private; import pathlib as p; make_private(); p.Path('d').mkdir()"
    subprocess.run([sys.executable, "-c", f"{code}; p.Path('d/f').touch()"], cwd=tmp_path, check=True)
    assert modes(tmp_path / "d", tmp_path / "d" / "f") == ["0o700", "0o600"]


def test_a_services_log_is_closed(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "bakery.log"
    with Service("Bakery", ["true"], log=log, environment=os.environ) as service:
        service.wait()
    assert modes(log.parent, log) == ["0o700", "0o600"]


def test_what_everybody_uses_is_left_open(tmp_path: Path) -> None:
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    with pytest.raises(NotPrivate, match=f"{shared} is everybody's"):
        private.folder(shared)
    assert modes(shared) == ["0o1777"]


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that everybody can get to; pytest's own lie in one that is closed."""
    with TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@contextmanager
def another_user() -> Iterator[None]:
    os.seteuid(OTHER_USER)
    try:
        yield
    finally:
        os.seteuid(0)


@as_root
def test_another_users_folder_is_not_used(reachable: Path) -> None:
    theirs = reachable / "theirs"
    theirs.mkdir()
    theirs.chmod(0o777)
    with another_user(), pytest.raises(NotPrivate, match=r"belongs to another user \(number 0\)"):
        private.folder(theirs)
    assert modes(theirs) == ["0o777"]


@as_root
def test_another_user_gets_nothing_out_of_it_and_nothing_in(reachable: Path) -> None:
    home = private.folder(reachable / "home")
    (home / "encryption.key").write_text("secret")
    with another_user():
        for attempt in (home.iterdir, (home / "encryption.key").read_text, (home / "planted").touch):
            with pytest.raises(PermissionError):
                list(attempt() or ())
