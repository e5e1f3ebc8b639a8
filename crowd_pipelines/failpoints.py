"""Failpoints: named moments at which a process can be made to die, freeze, end or fail, to prove that nothing is lost.

`CROWD_FAILPOINTS="page.streams_add.after=kill@3, fetch.before=stop"` arms them; without `@n` the first time counts.
Every fire is noted as a line of JSON in the file that `CROWD_FAILPOINTS_LOG` names. Nothing is armed in production:
then a step costs one more call, and statements cost nothing.

The core's order of things is divided into steps, most of them a transaction. A step's points lie before and after each
of its statements, and before and after its commit: `<step>.<statement>.before`, `<step>.commit.after`. A statement is
named by its file in `store/sql`, or by its verb and table.
"""

import fnmatch
import functools
import json
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, event

from crowd_pipelines.settings import SettingsError

P = ParamSpec("P")
T = TypeVar("T")

STEPS: Mapping[str, Sequence[str]] = {
    "begin": (
        "integrations_hold",
        "select_integration_runs",
        "select_integrations",
        "insert_integration_runs",
        "update_integrations",
        "select_integration_streams",
        "update_integration_runs",
        "update_integration_streams",
    ),
    "take": ("update_integration_runs", "select_integration_runs"),
    "claim": ("streams_claim",),
    "preprocess": ("update_integration_runs",),
    "plan": (
        "update_integration_runs",
        "owed_plan",
        "streams_take_up",
        "streams_add",
        "update_integration_streams",
        "quarantine_take_up",
    ),
    "page": (
        "integrations_hold",
        "streams_circles",
        "select_erasure_salts",
        "streams_finish",
        "identities_resolve",
        "erasures_known",
        "activities_write",
        "activities_link",
        "select_members",
        "members_write",
        "insert_organizations",
        "select_organizations",
        "insert_member_organizations",
        "update_integrations",
        "streams_add",
        "insert_watermarks",
        "activities_retract_missing",
        "insert_lookups",
        "identities_rename",
        "update_activities",
        "reach_observe",
        "activities_retract",
        "activities_retracted",
        "delete_watermarks",
        "insert_quarantined_records",
        "select_quarantined_records",
        "quarantine_resolve",
        "owed_settle",
        "owed_record",
        "update_integration_streams",
        "integrations_count",
    ),
    "retry": ("integrations_hold", "streams_finish", "owed_record"),
    "owe": ("integrations_hold", "streams_finish", "owed_record"),
    "delay": ("integrations_hold", "streams_finish", "select_integration_streams", "update_integration_runs"),
    "reject": ("integrations_hold", "streams_finish", "update_integration_runs", "update_integrations"),
    "release": ("streams_finish",),
    "heartbeat": ("update_integration_streams", "update_integration_runs"),
    "finish": (
        "select_integration_streams",
        "integrations_hold",
        "update_integration_runs",
        "delete_owed_reads",
        "select_owed_reads",
        "update_integrations",
    ),
    "renew": ("update_integrations",),
}
"""The steps, each with the statements it may run."""

MOMENTS = ("fetch.before", "fetch.after", "renew.exchange.before", "renew.exchange.after")
"""Points that no statement marks: around a request for a page, and around a request for new tokens."""


class Action(StrEnum):
    """What happens at a failpoint."""

    KILL = "kill"  # SIGKILL to this process
    STOP = "stop"  # SIGSTOP: it freezes until somebody sends SIGCONT
    TERM = "term"  # SIGTERM, as a deploy sends it
    RAISE = "raise"  # FailpointReached
    DISCONNECT = "disconnect"  # the connection to the database breaks; at statements and commits only
    NOTE = "note"  # nothing but the line in the log, each time


_SIGNALS = {Action.KILL: signal.SIGKILL, Action.STOP: signal.SIGSTOP, Action.TERM: signal.SIGTERM}


class FailpointReached(Exception):
    """The failure that the action `raise` stands for; the message names the failpoint."""


def names() -> tuple[str, ...]:
    """Return all failpoints."""
    of_steps = [f"{step}.{statement}" for step, statements in STEPS.items() for statement in (*statements, "commit")]
    return (*MOMENTS, *(f"{point}.{when}" for point in of_steps for when in ("before", "after")))


def step(name: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Name the transaction that runs the decorated function; in a step that has begun it belongs to that one."""
    if name not in STEPS:
        raise ValueError(f"step {name!r} is not in failpoints.STEPS")

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def within(*args: P.args, **kwargs: P.kwargs) -> T:
            if _armed is not None and _place.step is None:
                _place.step = name
            return function(*args, **kwargs)

        return within

    return decorate


def reach(name: str) -> None:
    """Tell that a moment is reached."""
    if _armed is not None:
        _armed.reach(name)


def committed() -> None:
    """Tell that this thread's transaction went through."""
    if _armed is not None and _place.step is not None:
        name, _place.step = _place.step, None
        _armed.reach(f"{name}.commit.after")


def arm(engine: Engine) -> None:
    """Arm what the environment says, with the statements of this engine.

    Raises SettingsError for an unknown failpoint or action.
    """
    global _armed  # noqa: PLW0603  a process is armed or not; whoever reaches a failpoint only has to look here
    text = os.environ.get("CROWD_FAILPOINTS")
    if not text:
        return
    if _armed is None:
        log = os.environ.get("CROWD_FAILPOINTS_LOG")
        _armed = _Armed(_parsed(text), Path(log) if log else None)
    event.listen(engine, "begin", _begun)
    event.listen(engine, "rollback", _begun)
    event.listen(engine, "before_cursor_execute", _statement("before"))
    event.listen(engine, "after_cursor_execute", _statement("after"))
    event.listen(engine, "commit", _commits)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    action: Action
    turn: int


class _Place(threading.local):
    """Where this thread is."""

    step: str | None = None


class _Armed:
    """The orders of this process, and how often each failpoint was reached."""

    def __init__(self, orders: Mapping[str, Sequence[_Order]], log: Path | None) -> None:
        self._orders = orders
        self._log = log
        self._reached: Counter[str] = Counter()
        self._lock = threading.Lock()

    def reach(self, name: str, connection: Connection | None = None) -> None:
        with self._lock:
            self._reached[name] += 1
            turn = self._reached[name]
        for order in self._orders.get(name, ()):
            if order.action is Action.NOTE or order.turn == turn:
                self._note(name, order.action, turn)
                _act(order.action, name, connection)

    def unknown(self, name: str) -> None:
        """Every failpoint has to be gone through, so that none may exist unknown."""
        self._note(name, "unknown", 1)

    def _note(self, name: str, action: str, turn: int) -> None:
        if self._log is None:
            return
        line = {"name": name, "action": action, "turn": turn, "pid": os.getpid(), "at": time.time()}
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


_armed: _Armed | None = None
_place = _Place()


def _act(action: Action, name: str, connection: Connection | None) -> None:
    if action in _SIGNALS:
        os.kill(os.getpid(), _SIGNALS[action])
    elif action is Action.RAISE:
        raise FailpointReached(f"failpoint {name} was told to fail")
    elif action is Action.DISCONNECT and connection is not None:
        broken: Any = connection.connection.dbapi_connection
        broken.close()


def _parsed(text: str) -> dict[str, list[_Order]]:
    orders: dict[str, list[_Order]] = {}
    for given in filter(None, (part.strip() for part in re.split(r"[,\s]+", text))):
        found = re.fullmatch(r"(?P<name>[\w.*]+)=(?P<action>\w+)(@(?P<turn>[1-9]\d*))?", given)
        if found is None:
            raise SettingsError(
                f"CROWD_FAILPOINTS has {given!r}; give NAME=ACTION or NAME=ACTION@TURN, unset it if unsure"
            )
        if found["action"] not in set(Action):
            raise SettingsError(f"CROWD_FAILPOINTS has the action {found['action']!r}; there are {', '.join(Action)}")
        matched = fnmatch.filter(names(), found["name"])
        if not matched:
            raise SettingsError(f"CROWD_FAILPOINTS names {found['name']!r}, which is no failpoint; see failpoints.py")
        order = _Order(action=Action(found["action"]), turn=int(found["turn"] or 1))
        if order.action is Action.DISCONNECT and found["name"] in MOMENTS:
            raise SettingsError(f"CROWD_FAILPOINTS has {given!r}, but there is no connection at {found['name']}")
        for name in matched:
            orders.setdefault(name, []).append(order)
    return orders


def _begun(_: Connection) -> None:
    _place.step = None


def _statement(when: str) -> Callable[..., None]:
    def reached(connection: Connection, _cursor: Any, text: str, _parameters: Any, context: Any, _many: bool) -> None:
        if _armed is None or _place.step is None:
            return
        statement = context.execution_options.get("query") or _described(text)
        name = f"{_place.step}.{statement}.{when}"
        if statement not in STEPS[_place.step]:
            _armed.unknown(name)
        _armed.reach(name, connection)

    return reached


def _commits(connection: Connection) -> None:
    if _armed is not None and _place.step is not None:
        _armed.reach(f"{_place.step}.commit.before", connection)


def _described(text: str) -> str:
    """Return verb and table of a statement that is no file."""
    verb = text.split(maxsplit=1)[0].lower()
    table = re.search(r"\b(?:INTO|UPDATE|FROM)\s+(\w+)", text)
    return f"{verb}_{table[1]}" if table else verb
