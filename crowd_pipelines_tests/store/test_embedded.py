import fcntl
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from crowd_pipelines.store import postgres_wheel
from crowd_pipelines.store.embedded import EmbeddedPostgres, EmbeddedPostgresError
from crowd_pipelines.store.postgres_server import PostgresServer

AS_ROOT = os.geteuid() == 0
STARTS_AND_WAITS = """
import sys
from pathlib import Path
from crowd_pipelines.store.embedded import EmbeddedPostgres
print(EmbeddedPostgres.at(Path(sys.argv[1]), durable=False).start(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A state folder whose server and data, which may lie elsewhere, are gone afterwards."""
    state = tmp_path / "state"
    yield state
    clear(state)


@pytest.fixture(params=["with, comma", "with 'marks' \N{SNOWMAN}", "long" * 25])
def ordinary_folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A state folder whose data lies inside, as it does for everybody but root."""
    around = Path(tempfile.mkdtemp())
    state = around / request.param
    home = state / "postgres"
    home.mkdir(parents=True)
    if AS_ROOT:
        account = postgres_wheel.account_for(around)
        for theirs in (state, home):
            account.own(theirs)
        for above in (around, state):
            above.chmod(0o755)
    home.chmod(0o700)
    yield state
    clear(state)
    shutil.rmtree(around)


def clear(folder: Path) -> None:
    EmbeddedPostgres.at(folder).stop(force=True)
    PostgresServer(home=folder / "postgres", durable=True).delete()


def ask(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def write(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def server_pid(url: str) -> int:
    """Read from the server, which may be another than the one whose files lie in the folder."""
    return int(str(ask(url, "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)")))


def accepts_connections(url: str) -> bool:
    try:
        ask(url, "SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def processes_that_start(folder: Path, count: int) -> Iterator[list[tuple[subprocess.Popen[str], str]]]:
    """Each with the URL it was given, all launched before the first is waited for."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", STARTS_AND_WAITS, str(folder)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(count)
        ]
        for process in processes:
            stack.callback(process.kill)
        yield [(process, process.stdout.readline().strip()) for process in processes if process.stdout]


def test_a_first_start_makes_both_databases_reachable_by_socket_only(folder: Path) -> None:
    postgres = EmbeddedPostgres.at(folder)

    url = postgres.start()

    assert ask(url, "SELECT current_database()") == "crowd"
    assert ask(postgres.url("dagster"), "SELECT current_database()") == "dagster"
    assert ask(url, "SHOW listen_addresses") == ""
    assert ask(url, "SHOW server_version_num").startswith("18")  # type: ignore[attr-defined]
    assert ask(url, "SHOW TimeZone") == "UTC"
    assert ask(url, "SHOW fsync") == "on"
    assert stat.S_IMODE((folder / "postgres" / "socket").stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "postgres" / "data").stat().st_mode) == 0o700
    postgres.stop()


def test_data_outlives_a_stop_and_the_url_stays(folder: Path) -> None:
    postgres = EmbeddedPostgres.at(folder)
    first = postgres.start()
    write(first, "CREATE TABLE kept AS SELECT 41 + 1 AS answer")
    postgres.stop()
    assert not accepts_connections(first)

    again = EmbeddedPostgres.at(folder)
    assert again.start() == first
    assert ask(first, "SELECT answer FROM kept") == 42
    again.stop()


def test_the_last_user_ends_the_server_not_the_first(folder: Path) -> None:
    first, second = EmbeddedPostgres.at(folder, durable=False), EmbeddedPostgres.at(folder, durable=False)
    url = first.start()
    pid = server_pid(url)
    assert second.start() == url
    assert server_pid(url) == pid

    first.stop()
    assert accepts_connections(url)
    second.stop()
    assert not accepts_connections(url)


def test_an_onlooker_does_not_end_the_server_unless_it_insists(folder: Path) -> None:
    postgres, onlooker = EmbeddedPostgres.at(folder, durable=False), EmbeddedPostgres.at(folder, durable=False)
    url = postgres.start()

    onlooker.stop()
    assert accepts_connections(url)
    onlooker.stop(force=True)
    assert not accepts_connections(url)
    postgres.stop()


def test_who_wants_it_alone_gets_it_when_nobody_else_uses_it_and_others_wait(folder: Path) -> None:
    one, other = EmbeddedPostgres.at(folder, durable=False), EmbeddedPostgres.at(folder, durable=False)
    one.start()
    other.start()
    with pytest.raises(EmbeddedPostgresError, match="in use by another command"), one.alone():
        pass
    other.stop()
    with one.alone():
        command = [sys.executable, "-c", STARTS_AND_WAITS, str(folder)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as late:
            assert late.stdin is not None
            assert late.stdout is not None
            assert select.select([late.stdout], [], [], 1.5)[0] == []
            fcntl.flock(one._in_use or 0, fcntl.LOCK_SH)
            assert late.stdout.readline().startswith("postgresql://")
            late.stdin.close()
    one.stop()


def test_starting_twice_needs_one_stop(folder: Path) -> None:
    postgres = EmbeddedPostgres.at(folder, durable=False)
    url = postgres.start()
    assert postgres.start() == url
    postgres.stop()
    assert not accepts_connections(url)


def test_the_server_outlives_a_killed_starter_and_the_next_one_joins_and_ends_it(folder: Path) -> None:
    with processes_that_start(folder, 1) as [(process, url)]:
        pid = server_pid(url)
        process.kill()
        process.wait()
        EmbeddedPostgres.at(folder, durable=False).stop()
        assert accepts_connections(url)

        joining = EmbeddedPostgres.at(folder, durable=False)
        assert joining.start() == url
        assert server_pid(url) == pid
        joining.stop()
    assert not accepts_connections(url)


def test_processes_that_start_at_once_share_one_server(folder: Path) -> None:
    with processes_that_start(folder, 3) as started:
        urls = {url for _, url in started}
        assert len(urls) == 1
        assert accepts_connections(urls.pop())


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(folder: Path) -> None:
    with processes_that_start(folder, 1) as [(process, url)]:
        assert os.getsid(server_pid(url)) not in {os.getsid(0), os.getsid(process.pid)}


def test_a_killed_server_is_recovered_with_all_it_committed(folder: Path) -> None:
    postgres = EmbeddedPostgres.at(folder)
    url = postgres.start()
    write(url, "CREATE TABLE kept AS SELECT 1 AS one")
    with closing(psycopg.connect(url, autocommit=True)) as busy:
        # It does not look up from its work when its server is killed, and holds the memory until it is done.
        busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 10000000)")
        os.kill(server_pid(url), signal.SIGKILL)
        assert EmbeddedPostgres.at(folder).start() == url
    assert ask(url, "SELECT one FROM kept") == 1
    postgres.stop()


def test_a_start_after_a_reboot_ignores_that_another_process_has_the_old_number(folder: Path) -> None:
    postgres = EmbeddedPostgres.at(folder)
    url = postgres.start()
    data = folder / "postgres" / "data"
    owner = data.stat()
    marks = (data / "postmaster.pid", data.with_name("socket") / ".s.PGSQL.5432.lock")
    left_over = {path: path.read_text() for path in marks}
    postgres.stop()
    switch = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if AS_ROOT else {}
    with subprocess.Popen(["sleep", "60"], cwd="/", **switch) as stranger:  # type: ignore[call-overload]
        for path, noted in left_over.items():
            path.write_text(noted.replace(noted.split("\n")[0], str(stranger.pid)))
            os.chown(path, owner.st_uid, owner.st_gid)

        assert postgres.start() == url
        assert accepts_connections(url)
        assert stranger.poll() is None
        stranger.kill()
    postgres.stop()


def test_half_made_data_is_made_anew(folder: Path) -> None:
    postgres = EmbeddedPostgres.at(folder)
    postgres.start()
    postgres.stop()
    data = folder / "postgres" / "data"
    data.rename(data.with_name("data.making"))
    (data.with_name("data.making") / "PG_VERSION").unlink()

    assert accepts_connections(postgres.start())
    assert not data.with_name("data.making").exists()
    postgres.stop()


def test_data_of_another_version_is_refused_and_kept(folder: Path) -> None:
    postgres = EmbeddedPostgres.at(folder)
    postgres.start()
    postgres.stop()
    (folder / "postgres" / "data" / "PG_VERSION").write_text("17\n")

    with pytest.raises(EmbeddedPostgresError, match=r"written by PostgreSQL 17.*this is PostgreSQL 18.*delete"):
        postgres.start()
    assert (folder / "postgres" / "data" / "base").is_dir()


def test_a_server_that_does_not_start_shows_what_it_said(folder: Path) -> None:
    postgres = EmbeddedPostgres.at(folder)
    postgres.start()
    postgres.stop()
    with (folder / "postgres" / "data" / "postgresql.conf").open("a") as configuration:
        configuration.write("no_such_setting = 1\n")

    with pytest.raises(EmbeddedPostgresError, match=r"(?s)no_such_setting.*CROWD_DATABASE_URL"):
        postgres.start()


def test_without_the_wheel_the_error_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, postgres_wheel.PACKAGE, None)
    with pytest.raises(EmbeddedPostgresError, match=r"install.*crowd-pipelines\[local\].*CROWD_DATABASE_URL"):
        EmbeddedPostgres.at(folder).start()


def test_a_url_before_the_first_start_is_refused(folder: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="not started"):
        EmbeddedPostgres.at(folder).url("crowd")


def test_the_permissions_of_folders_above_stay_as_they_are(folder: Path) -> None:
    wheel = Path(postgres_wheel._installed_package())
    watched = [*folder.parents, wheel, *wheel.parents]
    before = {path: stat.S_IMODE(path.stat().st_mode) for path in watched}

    postgres = EmbeddedPostgres.at(folder)
    postgres.start()
    postgres.stop()

    assert {path: stat.S_IMODE(path.stat().st_mode) for path in watched} == before
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_callers_postgres_variables_do_not_mislead(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPORT": "1", "PGHOST": "nowhere", "PGDATA": "/nowhere", "PGUSER": "nobody"}.items():
        monkeypatch.setenv(name, value)
    postgres = EmbeddedPostgres.at(folder, durable=False)
    assert accepts_connections(postgres.start())
    postgres.stop()


def test_a_long_odd_path_gets_a_short_socket(ordinary_folder: Path) -> None:
    postgres = EmbeddedPostgres.at(ordinary_folder)
    url = postgres.start()
    assert accepts_connections(url)
    assert (ordinary_folder / "postgres" / "data" / "postmaster.pid").exists()
    assert not (ordinary_folder / "postgres").is_symlink()

    shutil.rmtree((ordinary_folder / "postgres" / "socket").resolve())
    postgres.stop()
    assert accepts_connections(postgres.start()), "the temporary folder was cleaned away"
    postgres.stop()


def test_data_that_is_not_durable_ends_with_its_server(folder: Path) -> None:
    postgres = EmbeddedPostgres.at(folder, durable=False)
    url = postgres.start()
    assert ask(url, "SHOW fsync") == "off"
    data = Path(str(ask(url, "SHOW data_directory")))
    write(url, "CREATE TABLE lost ()")
    os.kill(server_pid(url), signal.SIGKILL)

    url = postgres.start()
    assert ask(url, "SELECT to_regclass('lost')") is None
    assert not data.exists()
    data = Path(str(ask(url, "SHOW data_directory")))
    postgres.stop()
    assert not data.exists()
    assert sorted(path.name for path in folder.iterdir()) == ["postgres.in-use", "postgres.lock"]


@pytest.mark.skipif(not AS_ROOT, reason="only root's server runs as another account")
def test_for_root_deleting_the_state_folder_forgets_the_database(folder: Path) -> None:
    postgres = EmbeddedPostgres.at(folder)
    write(postgres.start(), "CREATE TABLE forgotten ()")
    postgres.stop()
    elsewhere = (folder / "postgres").resolve()
    assert elsewhere.is_relative_to(postgres_wheel.ROOTS_PLACE)
    shutil.rmtree(folder)

    url = postgres.start()
    assert ask(url, "SELECT to_regclass('forgotten')") is None
    postgres.stop()
    shutil.rmtree(elsewhere)


@pytest.mark.skipif(not AS_ROOT, reason="only root's server runs as another account")
def test_a_wheel_that_the_account_cannot_reach_is_copied(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = postgres_wheel._installed_package()
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for part in (installed, installed.with_name(f"{installed.name}.libs")):
        if part.exists():
            shutil.copytree(part, private / part.name, ignore=shutil.ignore_patterns("include", "pginstall"))
    monkeypatch.syspath_prepend(private)
    around = Path(tempfile.mkdtemp())
    around.chmod(0o755)
    place = around / "crowd-pipelines"
    monkeypatch.setattr(postgres_wheel, "ROOTS_PLACE", place)
    old_umask = os.umask(0o077)
    try:
        postgres = EmbeddedPostgres.at(folder)
        url = postgres.start()
        command = Path(f"/proc/{server_pid(url)}/cmdline").read_bytes().split(b"\0")[0]
        assert command.decode().startswith(str(place / "postgresql-18-"))
        assert [path.name for path in place.iterdir() if path.name.startswith(".")] == []
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        postgres.stop()
    finally:
        os.umask(old_umask)
        clear(folder)
        shutil.rmtree(around)
