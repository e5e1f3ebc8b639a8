"""The rules that `schema.py` declares, as queries: what the database no longer enforces, and which rows break them."""

# ruff: noqa: S608  the names are those of the schema
from collections.abc import Iterator, Sequence

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Table, UniqueConstraint

from crowd_pipelines.store.schema import metadata

UniqueRule = tuple[Sequence[Column[object]], str | None]
"""What no two rows may share, and the condition under which they may not."""


def unenforced_uniqueness() -> str:
    """Return a query for unique rules that no valid index holds."""
    rules = ", ".join(
        f"('{table}', '{_names(columns)}', {condition is not None})"
        for table in metadata.sorted_tables
        for columns, condition in _unique_rules(table)
    )
    return f"""
        SELECT concat('no valid unique index on ', rule.on_table, ' (', rule.columns, ')') AS what
        FROM (VALUES {rules}) AS rule(on_table, columns, partial)
        WHERE NOT EXISTS (
            SELECT FROM pg_index AS index
            WHERE index.indrelid = to_regclass(rule.on_table) AND index.indisunique AND index.indisvalid
              AND index.indisready AND index.indislive AND (index.indpred IS NOT NULL) = rule.partial
              AND rule.columns = (
                  SELECT string_agg(attribute.attname, ', ' ORDER BY place.number)
                  FROM unnest(index.indkey) WITH ORDINALITY AS place(attnum, number)
                  JOIN pg_attribute AS attribute
                    ON attribute.attrelid = index.indrelid AND attribute.attnum = place.attnum
              )
        )
    """


def unenforced_constraints() -> str:
    """Return a query for references and conditions that are missing, not valid or switched off."""
    names = ", ".join(
        f"('{table}', '{constraint.name}')"
        for table in metadata.sorted_tables
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint | ForeignKeyConstraint)
    )
    return f"""
        SELECT concat(rule.on_table, ' has no valid constraint ', rule.name) AS what
        FROM (VALUES {names}) AS rule(on_table, name)
        WHERE NOT EXISTS (
            SELECT FROM pg_constraint
            WHERE conrelid = to_regclass(rule.on_table) AND conname = rule.name AND convalidated
        )
        UNION ALL
        SELECT DISTINCT concat(tgrelid::regclass, ': the triggers that hold ', conname, ' are switched off')
        FROM pg_trigger JOIN pg_constraint ON pg_constraint.oid = tgconstraint
        WHERE tgisinternal AND tgenabled NOT IN ('O', 'A')
          AND tgrelid IN (SELECT to_regclass(on_table) FROM (VALUES {names}) AS rule(on_table, name))
    """


def duplicates() -> str:
    """Return a query for rows that share what only one may have."""
    return _all(_duplicates_of(rule) for table in metadata.sorted_tables for rule in _unique_rules(table))


def dangling_references() -> str:
    """Return a query for rows that refer to what is not there."""
    return _all(
        _dangling(constraint)
        for table in metadata.sorted_tables
        for constraint in table.constraints
        if isinstance(constraint, ForeignKeyConstraint)
    )


def failed_conditions() -> str:
    """Return a query for rows that break a condition of their table."""
    return _all(
        f"SELECT concat({_told(table)}, ' breaks {constraint.name}') AS what "
        f"FROM {table} AS here WHERE NOT ({constraint.sqltext})"
        for table in metadata.sorted_tables
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    )


def _duplicates_of(rule: UniqueRule) -> str:
    columns, condition = rule
    names = _names(columns)
    present = [f"{column.name} IS NOT NULL" for column in columns] + ([condition] if condition else [])
    return (
        f"SELECT concat('{columns[0].table}: ', count(*), ' rows with {names} = ', ROW({names})) AS what "
        f"FROM {columns[0].table} WHERE {' AND '.join(present)} GROUP BY {names} HAVING count(*) > 1"
    )


def _dangling(constraint: ForeignKeyConstraint) -> str:
    [element] = constraint.elements
    here, there = element.parent, element.column
    return (
        f"SELECT concat({_told(here.table)}, ': {here.name} ', here.{here.name}, ' is not in {there.table}') AS what "
        f"FROM {here.table} AS here LEFT JOIN {there.table} AS there ON there.{there.name} = here.{here.name} "
        f"WHERE here.{here.name} IS NOT NULL AND there.{there.name} IS NULL"
    )


def _told(table: Table) -> str:
    """Return an expression that names a row for people: the table, then what is unique about the row."""
    columns, _ = next(_unique_rules(table))
    return ", ' ', ".join([f"'{table}'", *(f"here.{column.name}" for column in columns)])


def _unique_rules(table: Table) -> Iterator[UniqueRule]:
    if table.primary_key.columns:
        yield list(table.primary_key.columns), None
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield list(constraint.columns), None
    for index in table.indexes:
        if index.unique:
            condition = index.dialect_options["postgresql"]["where"]
            yield list(index.columns), None if condition is None else str(condition)


def _names(columns: Sequence[Column[object]]) -> str:
    return ", ".join(column.name for column in columns)


def _all(queries: Iterator[str]) -> str:
    return " UNION ALL ".join(queries)
