"""What the other tests take for granted."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

CHECKOUT = Path(__file__).parent.parent
PRINTS_THE_ENVIRONMENT = """
import os

def test_environment():
    print(sorted(name for name in os.environ if name.startswith(("CROWD_", "DAGSTER_"))))
"""


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_gets_a_migrated_database_of_its_own(database_url: str, turn: int) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT FROM integrations")
        connection.execute("CREATE TABLE left_behind ()")


def test_an_empty_database_has_no_tables(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert found == (0,)


def test_a_process_under_test_sees_its_database_and_nothing_of_the_callers(
    process_environment: dict[str, str], database_url: str
) -> None:
    assert process_environment["CROWD_DATABASE_URL"] == database_url
    assert process_environment["HOME"] != os.environ.get("HOME")


@pytest.mark.parametrize("workers", ["0", "1"])
def test_the_callers_settings_do_not_reach_the_tests(tmp_path: Path, workers: str) -> None:
    (tmp_path / "test_environment.py").write_text(PRINTS_THE_ENVIRONMENT)
    caller = {"PATH": os.defpath, "CROWD_ENCRYPTION_KEY": "k", "DAGSTER_HOME": "/nowhere", "CROWD_SPECS_DIR": "specs"}
    plugin = ["-p", "crowd_pipelines_tests.conftest", "-p", "no:cacheprovider", "-n", workers, "-rP"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, str(tmp_path)],
        cwd=CHECKOUT,
        env=caller,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert "['CROWD_SPECS_DIR']" in run.stdout
