"""Traces of a person in what belongs to others: who reacted, who was asked for a review, what could not be used."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    Table,
    Text,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from crowd_pipelines.model.states import StreamState
from crowd_pipelines.model.text import clean_json
from crowd_pipelines.store.database import encode, query, transact
from crowd_pipelines.store.schema import (
    activities,
    erasure_salts,
    integration_runs,
    integration_streams,
    integrations,
    quarantined_records,
    watermarks,
)

ReadBy = Mapping[str, Sequence[str]]
"""By the platform of an account, the platforms of the integrations that show it."""

ROWS_AT_ONCE = 500
LONGEST_WORD = 200
SHORTEST_ID_IN_TEXT = 5
"""A shorter id is not looked for within texts: numbers are everywhere."""

ERASED = "(erased)"
"""What stands in a text instead of a name."""

_GONE = object()
_PEOPLE = re.compile("user|login|author|member|owner|mention|actor", re.IGNORECASE)

_Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """By what accounts are recognized: their ids and their names, in small letters."""

    ids: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.ids or self.names)

    def __contains__(self, word: str) -> bool:
        return word.lower() in self.ids or word.lower() in self.names

    @property
    def in_text(self) -> re.Pattern[str]:
        """What names the accounts in the middle of a text."""
        told = [*self.names, *filter(_is_long, self.ids)]
        # Nothing matches the second choice: an account may have no such word.
        return re.compile("|".join(rf"(?<![\w-]){re.escape(word)}(?![\w-])" for word in told) or "(?!)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account's words, and the platforms whose integrations show it."""

    platforms: tuple[str, ...]
    words: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Columns of a table where a person may be named.

    A row (`removed`) or a JSON value (`emptied`) that names them goes as a whole.
    """

    name: str
    table: Table
    columns: tuple[str, ...]
    owner: ColumnElement[UUID]
    removed: bool = False
    emptied: bool = False
    only: ColumnElement[bool] | None = None


_RUN_OF_STREAM = (
    select(integration_runs.c.integration_id)
    .where(integration_runs.c.id == integration_streams.c.run_id)
    .scalar_subquery()
)
_READ = integration_streams.c.state.in_([StreamState.PROCESSED, StreamState.SKIPPED])

_PLACES = (
    _Place(
        name="mentions by others",
        table=activities,
        columns=("attributes",),
        owner=activities.c.integration_id,
    ),
    _Place(
        name="quarantined records",
        table=quarantined_records,
        columns=("payload",),
        owner=quarantined_records.c.integration_id,
        removed=True,
    ),
    _Place(
        name="reasons for quarantine",
        table=quarantined_records,
        columns=("reason",),
        owner=quarantined_records.c.integration_id,
    ),
    # Nobody needs the parameters of what was read. What is still to be read does; the retention takes it later.
    _Place(
        name="streams",
        table=integration_streams,
        columns=("metadata", "label", "error"),
        owner=_RUN_OF_STREAM,
        emptied=True,
        only=_READ,
    ),
    _Place(
        name="integration runs",
        table=integration_runs,
        columns=("context", "error"),
        owner=integration_runs.c.integration_id,
        emptied=True,
        only=integration_runs.c.processed_at.is_not(None),
    ),
    _Place(name="watermarks", table=watermarks, columns=("value",), owner=watermarks.c.integration_id),
    _Place(
        name="watermarks of their own",
        table=watermarks,
        columns=("subject",),
        owner=watermarks.c.integration_id,
        removed=True,
    ),
)


def words_of(value: Any) -> Iterator[str]:
    """Yield every word of a JSON value that may name an account: short texts, keys, and the parts of addresses."""
    match value:
        case dict():
            yield from value
            for item in value.values():
                yield from words_of(item)
        case list() | tuple():
            for item in value:
                yield from words_of(item)
        case str() if len(value) <= LONGEST_WORD:
            yield value
            yield from _parts(value)
        case int():
            yield str(value)


def without(value: Any, words: Words) -> Any:
    """Return a JSON value without what names these accounts.

    A name counts where people are named, and at the head of an address; else it may be a tag, or a reaction.
    """
    kept = _without(value, words, key="", above="")
    return None if kept is _GONE else kept


def has_erased(conn: Connection, tenant_id: UUID) -> bool:
    """Tell whether a tenant ever had somebody erased."""
    return conn.scalar(select(literal(1)).where(erasure_salts.c.tenant_id == tenant_id)) is not None


def erased_words(conn: Connection, tenant_id: UUID, words: Iterable[tuple[str, str]]) -> Words:
    """Return those of some words, each with its platform, that are ids or names of people who were erased."""
    rows = encode({"platform": platform, "text": text} for platform, text in sorted(set(words)))
    found = conn.execute(query("erasures_known"), {"tenant_id": tenant_id, "words": rows}).all()
    return Words(
        ids=frozenset(row.text.lower() for row in found if row.is_id),
        names=frozenset(row.text.lower() for row in found if row.is_name),
    )


def names_erased(conn: Connection, tenant_id: UUID, platforms: Iterable[str], payload: Any) -> bool:
    """Tell whether a payload of any shape names somebody who was erased; of one that is too deep nobody can tell."""
    try:
        clean = clean_json(payload)
        words = erased_words(conn, tenant_id, product(platforms, words_of(clean)))
        return bool(without(clean, words) != clean)
    except RecursionError:
        return False


def count(conn: Connection, tenant_id: UUID, accounts: Sequence[Account]) -> dict[str, int]:
    """Return how many rows name one of these accounts, by where."""
    found = {}
    for place in _PLACES:
        steps = [partial(_step, conn, place, tenant_id, account, apply=False) for account in accounts]
        found[place.name] = sum(number for step in steps for number in _walk(step))
    return found


def remove(
    engine: Engine, tenant_id: UUID, accounts: Sequence[Account], progress: Callable[[str, int], None]
) -> dict[str, int]:
    """Take these accounts out of what belongs to others, a batch per transaction; returns how many rows changed."""
    removed: dict[str, int] = {}
    for place in _PLACES:
        removed[place.name] = 0
        for account in accounts:

            def step(after: _Key | None, place: _Place = place, account: Account = account) -> tuple[int, _Key | None]:
                return transact(engine, lambda conn: _step(conn, place, tenant_id, account, after, apply=True))

            for number in _walk(step):
                removed[place.name] += number
                progress(place.name, removed[place.name])
    return removed


def _walk(step: Callable[[_Key | None], tuple[int, _Key | None]]) -> Iterator[int]:
    """Yield what each step did, until one says that there is nowhere to go on."""
    after: _Key | None = None
    while True:
        number, after = step(after)
        yield number
        if after is None:
            return


def _step(
    conn: Connection, place: _Place, tenant_id: UUID, account: Account, after: _Key | None, *, apply: bool
) -> tuple[int, _Key | None]:
    """Look at a batch of rows; returns how many name the account, and after which row to go on, if at all."""
    rows = _rows(conn, place, tenant_id, account, after, lock=apply)
    named = [(row, changes) for row in rows if (changes := _changes(place, row, account))]
    for row, changes in named if apply else ():
        it = tuple_(*place.table.primary_key.columns) == tuple_(*map(literal, _key(place, row)))
        conn.execute(delete(place.table).where(it) if place.removed else update(place.table).where(it).values(changes))
    return len(named), _key(place, rows[-1]) if len(rows) == ROWS_AT_ONCE else None


def _rows(
    conn: Connection, place: _Place, tenant_id: UUID, account: Account, after: _Key | None, *, lock: bool
) -> Sequence[RowMapping]:
    """Return the next rows that hold one of the account's words anywhere."""
    table, key = place.table, list(place.table.primary_key.columns)
    read = select(integrations.c.id).where(
        integrations.c.tenant_id == tenant_id, integrations.c.platform.in_(account.platforms)
    )
    holds = [
        func.lower(cast(table.c[name], Text)).contains(word, autoescape=True)
        for name in place.columns
        for word in account.words.ids | account.words.names
    ]
    wanted = (
        select(*key, *(table.c[name] for name in place.columns if not table.c[name].primary_key))
        .where(place.owner.in_(read), or_(*holds))
        .order_by(*key)
        .limit(ROWS_AT_ONCE)
    )
    if place.only is not None:
        wanted = wanted.where(place.only)
    if after is not None:
        wanted = wanted.where(tuple_(*key) > tuple_(*map(literal, after)))
    return conn.execute(wanted.with_for_update(of=table) if lock else wanted).mappings().all()


def _changes(place: _Place, row: RowMapping, account: Account) -> dict[str, Any]:
    """Return the columns of a row that look different without the account."""
    cleaned = {name: _cleaned(row[name], account.words, emptied=place.emptied) for name in place.columns}
    return {name: value for name, value in cleaned.items() if value != row[name]}


def _cleaned(value: Any, words: Words, *, emptied: bool) -> Any:
    match value:
        case None:
            return None
        case str():
            return words.in_text.sub(ERASED, value)
        case _ if emptied:
            return {} if any(word in words for word in words_of(value)) else value
        case _:
            return without(value, words) or {}


def _key(place: _Place, row: RowMapping) -> _Key:
    return tuple(row[column.name] for column in place.table.primary_key.columns)


def _without(value: Any, words: Words, *, key: str, above: str) -> Any:
    match value:
        case dict():
            kept = {
                name: _without(item, words, key=name, above=key)
                for name, item in value.items()
                if not (_is_long(name) and name.lower() in words.ids)
            }
            return {name: item for name, item in kept.items() if item is not _GONE}
        case list() | tuple():
            items = [_without(item, words, key=key, above=above) for item in value]
            return [item for item in items if item is not _GONE]
        case str():
            return _GONE if _names_someone(value, words, key=key, above=above) else value
        case int() if _is_about_someone(key, above):
            return _GONE if str(value) in words.ids else value
        case _:
            return value


def _names_someone(text: str, words: Words, *, key: str, above: str) -> bool:
    if key == "cut":
        return any(f'"{word}"' in text.lower() for word in words.ids | words.names)
    if _is_about_someone(key, above):
        return text in words or any(part in words for part in _parts(text)[:1])
    return (_is_long(text) and text.lower() in words.ids) or any(
        part.lower() in words.names for part in _parts(text)[:1]
    )


def _is_about_someone(key: str, above: str) -> bool:
    return bool(_PEOPLE.search(key)) or (key.lower().endswith(("id", "name")) and bool(_PEOPLE.search(above)))


def _is_long(word: str) -> bool:
    return len(word) >= SHORTEST_ID_IN_TEXT


def _parts(text: str) -> list[str]:
    """Return the parts of an address: the name of an account is one of them."""
    if not text.startswith(("https://", "http://")):
        return []
    try:
        return [part.removeprefix("@") for part in urlsplit(text).path.split("/") if part]
    except ValueError:
        return []
