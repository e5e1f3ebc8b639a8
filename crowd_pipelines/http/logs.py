"""What a process of ours logs, and the errors it ends with, shown without secrets."""

import functools
import inspect
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, TypeVar, cast

from crowd_pipelines.http.redaction import without_secrets

F = TypeVar("F", bound=Callable[..., Any])


class HiddenError(Exception):
    """Stands for an error that would have shown a secret: the same text without it, traceback and causes included."""


def redact_logs() -> None:
    """Take the secrets out of all that this process logs, whoever logs it, and out of tracebacks that end it.

    Records are changed where they are made, before any handler of any library sees them.
    """
    make = logging.getLogRecordFactory()
    if not isinstance(make, _RedactedRecords):
        logging.setLogRecordFactory(_RedactedRecords(make))
        sys.excepthook = _print_error
        threading.excepthook = _print_error_of_thread


def hides_secrets(function: F) -> F:
    """Let no error out of a function, or a generator, that shows a secret, were it in a cause of a cause.

    Raises HiddenError instead; other errors pass unchanged.
    """
    # A decorator and no context: what is raised at the end of a `with` is chained to what ended it.
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generate(*args: Any, **kwargs: Any) -> Iterator[Any]:
            told = None
            try:
                yield from function(*args, **kwargs)
            except Exception as error:
                if (told := _told_without(error)) is None:
                    raise
            if told is not None:
                raise HiddenError(told)

        return cast("F", generate)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if (told := _told_without(error)) is None:
                raise
        raise HiddenError(told)

    return cast("F", call)


class _RedactedRecords:
    """A factory of log records, over the one that was there."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        return _redacted(self._make(*args, **kwargs))


def _told_without(error: Exception) -> str | None:
    """Return the whole text of an error without secrets, None when there are none in it."""
    shown = "".join(traceback.format_exception(error))
    told = without_secrets(shown)
    return None if told == shown else told


def _redacted(record: logging.LogRecord) -> logging.LogRecord:
    record.msg, record.args = without_secrets(_message(record)), ()
    if record.exc_info and record.exc_info[1]:
        record.exc_text = without_secrets("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
        # Whoever formats the error anew would print what was just removed.
        record.exc_info = None
    if record.stack_info:
        record.stack_info = without_secrets(record.stack_info)
    return record


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} {record.args}"


def _print_error(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if sys.stderr is not None:
        sys.stderr.write(without_secrets("".join(traceback.format_exception(kind, error, trace))))


def _print_error_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_type is not SystemExit:
        _print_error(ended.exc_type, ended.exc_value, ended.exc_traceback)
