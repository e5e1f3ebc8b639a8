"""Whatever a process logs or dies of, and whoever words it: secrets are not in it."""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from crowd_pipelines.http.logs import HiddenError, hides_secrets, redact_logs
from crowd_pipelines.model.secrets import Secret

CANARY = "c4n4ry-in-the-logs/0123456789+"


@pytest.fixture(autouse=True)
def _redacting() -> Iterator[None]:
    factory, hooks = logging.getLogRecordFactory(), (sys.excepthook, threading.excepthook)
    redact_logs()
    yield
    logging.setLogRecordFactory(factory)
    sys.excepthook, threading.excepthook = hooks


def formatted(caplog: pytest.LogCaptureFixture) -> str:
    formatter = logging.Formatter("%(name)s %(message)s %(args)s")
    return "\n".join(formatter.format(record) for record in caplog.records) + repr([r.__dict__ for r in caplog.records])


def test_a_message_loses_the_secrets_in_use_and_what_looks_like_one(caplog: pytest.LogCaptureFixture) -> None:
    Secret(CANARY)
    logging.getLogger("some.library").warning(
        "asked %s with %s", f"https://x.test/?q={CANARY}", {"k": "ghp_" + "a1" * 12}
    )
    assert "asked https://x.test/?q=*** with {'k': '***'}" in formatted(caplog)


def test_a_malformed_call_is_redacted_too(caplog: pytest.LogCaptureFixture) -> None:
    Secret(CANARY)
    logging.getLogger("some.library").warning("%d %d", CANARY)  # noqa: PLE1206  that is the point
    assert "%d %d ('***',)" in formatted(caplog)


def test_a_traceback_loses_them_to_its_last_cause_and_keeps_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    Secret(CANARY)
    try:
        try:
            int(CANARY)
        except ValueError as error:
            raise LookupError("no number") from error
    except LookupError:
        logging.getLogger("some.library").exception("failed")
    shown = formatted(caplog)
    assert CANARY not in shown
    assert "ValueError: invalid literal for int() with base 10: '***'" in shown
    assert "LookupError: no number" in shown
    # A formatter that renders the exception itself would bring the secret back.
    assert [record.exc_info for record in caplog.records] == [None]


def test_it_is_installed_once() -> None:
    before = logging.getLogRecordFactory()
    redact_logs()
    assert logging.getLogRecordFactory() is before


@hides_secrets
def asks(token: str) -> None:
    try:
        raise RuntimeError(f"cannot use {token}")  # noqa: TRY301  a cause is wanted
    except RuntimeError as error:
        raise LookupError("outer") from error


@hides_secrets
def yields(token: str) -> Iterator[int]:
    yield 1
    raise RuntimeError(f"cannot use {token} LookupError: outer")


@pytest.mark.parametrize("fails", [asks, lambda token: list(yields(token))])
def test_an_error_that_shows_a_secret_is_replaced_by_its_text_without_it(fails: Callable[[str], None]) -> None:
    Secret(CANARY)
    with pytest.raises(HiddenError) as hidden:
        fails(CANARY)
    told = str(hidden.value)
    assert CANARY not in told
    assert "RuntimeError: cannot use ***" in told
    assert "LookupError: outer" in told
    assert (hidden.value.__cause__, hidden.value.__context__) == (None, None)


def test_other_errors_pass_as_they_are() -> None:
    with pytest.raises(LookupError, match="outer"):
        asks("nothing")


@pytest.mark.parametrize("where", ["f()", "t = threading.Thread(target=f); t.start(); t.join()"])
def test_what_ends_a_process_or_a_thread_is_printed_without_them(where: str) -> None:
    program = f"""
import threading
from crowd_pipelines.http.logs import redact_logs
from crowd_pipelines.model.secrets import Secret
redact_logs()
held = Secret("-".join(["c4n4ry", "held", "0123456789"]))
def f(): raise RuntimeError("bug with " + held.get_secret_value())
{where}
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "RuntimeError: bug with ***" in ended.stderr
    assert "c4n4ry-held" not in ended.stderr + ended.stdout
