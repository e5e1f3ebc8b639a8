"""The tables. Names that reports, BI and operators rely on are a contract; `docs/database.md` explains the columns."""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from crowd_pipelines.model.records import TimestampSource
from crowd_pipelines.model.states import IntegrationStatus, OwedKind, RunState, StreamState

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

OPEN_RUN = "state IN ('pending', 'processing', 'delayed')"
"""An integration run that is not over; the index on it allows one per integration."""


def _id() -> Column[Any]:
    # uuidv7 orders by time, which keeps the indexes of large tables compact.
    return Column("id", Uuid, primary_key=True, server_default=text("uuidv7()"))


def _moment(name: str, *, required: bool = False) -> Column[Any]:
    return Column(name, TIMESTAMP(timezone=True), nullable=not required)


def _now(name: str) -> Column[Any]:
    return Column(name, TIMESTAMP(timezone=True), nullable=False, server_default=text("now()"))


def _text(name: str, *, default: str | None = None) -> Column[Any]:
    return Column(name, Text, nullable=False, server_default=default)


def _optional_text(name: str) -> Column[Any]:
    return Column(name, Text)


def _count(name: str, kind: type[Integer] = Integer) -> Column[Any]:
    return Column(name, kind, nullable=False, server_default=text("0"))


def _json(name: str) -> Column[Any]:
    return Column(name, JSONB, nullable=False, server_default=text("'{}'::jsonb"))


def _owned_by(table: str, *, index: bool = False) -> Column[Any]:
    """A reference whose row goes when its owner goes."""
    column = f"{table.removesuffix('s')}_id"
    return Column(column, Uuid, ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False, index=index)


def _one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    names = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({names})", name=f"{column}_known")


tenants = Table(
    "tenants",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    _now("created_at"),
    _now("updated_at"),
)

integrations = Table(
    "integrations",
    metadata,
    _id(),
    _owned_by("tenants"),
    _text("platform"),
    _text("name"),
    Column("key", Text, nullable=False, unique=True),
    _text("status", default=IntegrationStatus.PENDING),
    _optional_text("error"),
    _json("settings"),
    _json("state"),
    Column("credentials", LargeBinary),
    _optional_text("credentials_key_id"),
    _moment("credentials_rejected_at"),
    _moment("onboarding_requested_at"),
    _moment("onboarded_at"),
    _moment("last_check_at"),
    _count("limit_count", BigInteger),
    _moment("limit_last_reset_at"),
    _count("activity_count", BigInteger),
    _count("member_count", BigInteger),
    _now("created_at"),
    _now("updated_at"),
    _moment("disconnected_at"),
    _count("credential_refusals"),
    UniqueConstraint("tenant_id", "platform", "name"),
    _one_of("status", IntegrationStatus),
    Index(
        "ix_integrations_onboarding_requested",
        "onboarding_requested_at",
        postgresql_where=text("onboarding_requested_at IS NOT NULL"),
    ),
    Index("ix_integrations_platform", "platform"),
)

integration_runs = Table(
    "integration_runs",
    metadata,
    _id(),
    _owned_by("tenants"),
    _owned_by("integrations", index=True),
    Column("onboarding", Boolean, nullable=False),
    _text("state", default=RunState.PENDING),
    _moment("delayed_until"),
    _optional_text("delay_reason"),
    Column("context", JSONB),
    _moment("streams_planned_at"),
    _moment("processed_at"),
    _optional_text("error"),
    Column("dagster_run_id", Text, index=True),
    _count("attempt"),
    _count("retries"),
    _optional_text("lease_owner"),
    _count("lease_epoch"),
    _moment("leased_until"),
    _now("created_at"),
    _now("updated_at"),
    Column("canceled", Boolean, nullable=False, server_default=text("false")),
    _one_of("state", RunState),
    CheckConstraint("(state IN ('processed', 'error')) = (processed_at IS NOT NULL)", name="ended"),
    CheckConstraint("state <> 'processed' OR (streams_planned_at IS NOT NULL AND error IS NULL)", name="truth"),
    CheckConstraint("state <> 'delayed' OR delayed_until IS NOT NULL", name="delayed"),
    Index("uq_integration_runs_open", "integration_id", unique=True, postgresql_where=text(OPEN_RUN)),
    Index("ix_integration_runs_waiting", "state", "delayed_until", postgresql_where=text(OPEN_RUN)),
)

integration_streams = Table(
    "integration_streams",
    metadata,
    _id(),
    Column("run_id", Uuid, ForeignKey("integration_runs.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", Uuid),
    Column("root_id", Uuid, nullable=False),
    _text("name"),
    _text("label"),
    _json("metadata"),
    _text("key"),
    _text("state", default=StreamState.PENDING),
    Column("due_at", TIMESTAMP(timezone=True), server_default=text("now()")),
    Column("reread", Boolean, nullable=False, server_default=text("false")),
    _count("retries"),
    _count("crashes"),
    _optional_text("error"),
    _optional_text("lease_owner"),
    _count("lease_epoch"),
    _moment("processed_at"),
    _count("requests"),
    Column("waited_seconds", Float, nullable=False, server_default=text("0")),
    _count("activities"),
    _count("members"),
    _count("quarantined"),
    _now("created_at"),
    _now("updated_at"),
    _count("left_out"),
    Column("whole", Boolean, nullable=False, server_default=text("false")),
    _count("unread"),
    Column("uncollected", JSONB),
    UniqueConstraint("run_id", "key"),
    _one_of("state", StreamState),
    CheckConstraint("(state IN ('processed', 'skipped', 'owed')) = (processed_at IS NOT NULL)", name="ended"),
    CheckConstraint("state IN ('processed', 'skipped', 'owed', 'error') OR due_at IS NOT NULL", name="claimable"),
    CheckConstraint("state NOT IN ('processed', 'skipped', 'owed') OR due_at IS NULL", name="over"),
    Index("ix_integration_streams_due", "run_id", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    Index("ix_integration_streams_root", "root_id", postgresql_where=text("due_at IS NOT NULL")),
)

owed_reads = Table(
    "owed_reads",
    metadata,
    _id(),
    _owned_by("tenants"),
    _owned_by("integrations"),
    _text("kind"),
    _text("place"),
    _text("permission", default=""),
    _text("label"),
    _text("reason"),
    _text("stream_name"),
    _text("stream_label"),
    _json("stream_metadata"),
    _text("stream_key"),
    Column("whole", Boolean, nullable=False),
    Column("place_stream", JSONB),
    _count("attempts"),
    Column("due_at", TIMESTAMP(timezone=True), nullable=False, server_default=text("now()")),
    _now("created_at"),
    _now("updated_at"),
    UniqueConstraint("integration_id", "place", "permission"),
    _one_of("kind", OwedKind),
    Index("ix_owed_reads_stream", "integration_id", "stream_key"),
)

members = Table(
    "members",
    metadata,
    _id(),
    _owned_by("tenants", index=True),
    _optional_text("display_name"),
    Column("emails", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    _json("attributes"),
    _json("reach"),
    _count("score", BigInteger),
    _moment("joined_at"),
    _now("created_at"),
    _now("updated_at"),
)

member_identities = Table(
    "member_identities",
    metadata,
    _owned_by("tenants"),
    _text("platform"),
    Column(
        "identity_key",
        Text,
        Computed("COALESCE(source_id, 'name:' || lower(username))", persisted=True),
        nullable=False,
    ),
    _optional_text("source_id"),
    _text("username"),
    Column(
        "member_id",
        Uuid,
        ForeignKey("members.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        nullable=False,
        index=True,
    ),
    _now("created_at"),
    _now("updated_at"),
    # Not the primary key, so that a person who loses the name to another can be told apart later.
    UniqueConstraint("tenant_id", "platform", "identity_key"),
)

member_attribute_settings = Table(
    "member_attribute_settings",
    metadata,
    _owned_by("tenants"),
    _text("name"),
    _text("type"),
    _text("label"),
    _now("created_at"),
    UniqueConstraint("tenant_id", "name"),
)

member_reach = Table(
    "member_reach",
    metadata,
    Column(
        "member_id",
        Uuid,
        ForeignKey("members.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        primary_key=True,
    ),
    Column("platform", Text, primary_key=True),
    Column("first_seen_at", TIMESTAMP(timezone=True), primary_key=True, server_default=text("now()")),
    _now("last_seen_at"),
    Column("reach", BigInteger, nullable=False),
)

organizations = Table(
    "organizations",
    metadata,
    _id(),
    _owned_by("tenants"),
    _text("platform"),
    _text("source_id"),
    _text("name"),
    _optional_text("url"),
    _optional_text("image_url"),
    _now("created_at"),
    _now("updated_at"),
    UniqueConstraint("tenant_id", "platform", "source_id"),
)

member_organizations = Table(
    "member_organizations",
    metadata,
    Column(
        "member_id",
        Uuid,
        ForeignKey("members.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        primary_key=True,
    ),
    Column("organization_id", Uuid, ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True),
    _now("created_at"),
)

activities = Table(
    "activities",
    metadata,
    _id(),
    _owned_by("tenants"),
    _owned_by("integrations", index=True),
    Column(
        "member_id",
        Uuid,
        ForeignKey("members.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        nullable=False,
        index=True,
    ),
    _text("platform"),
    _text("type"),
    _text("source_id"),
    _optional_text("source_parent_id"),
    _optional_text("source_parent_type"),
    Column("parent_id", Uuid, ForeignKey("activities.id", ondelete="SET NULL")),
    _optional_text("thread"),
    _moment("timestamp", required=True),
    _text("timestamp_source", default=TimestampSource.PROVIDER),
    _optional_text("title"),
    _optional_text("body"),
    _optional_text("url"),
    _optional_text("channel"),
    _optional_text("channel_id"),
    _json("attributes"),
    _count("score"),
    Column("is_contribution", Boolean, nullable=False, server_default=text("false")),
    _moment("retracted_at"),
    _now("created_at"),
    _now("updated_at"),
    UniqueConstraint("tenant_id", "platform", "type", "source_id"),
    _one_of("timestamp_source", TimestampSource),
    Index("ix_activities_tenant_time", "tenant_id", "timestamp"),
    Index("ix_activities_parent", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
    Index(
        "ix_activities_orphans",
        "tenant_id",
        "platform",
        "source_parent_id",
        postgresql_where=text("parent_id IS NULL AND source_parent_id IS NOT NULL"),
    ),
    Index(
        "ix_activities_orphans_by_age",
        "tenant_id",
        "platform",
        "created_at",
        postgresql_where=text("parent_id IS NULL AND source_parent_id IS NOT NULL"),
    ),
    Index("ix_activities_thread", "tenant_id", "platform", "thread", postgresql_where=text("thread IS NOT NULL")),
)

watermarks = Table(
    "watermarks",
    metadata,
    Column("integration_id", Uuid, ForeignKey("integrations.id", ondelete="CASCADE"), primary_key=True),
    Column("subject", Text, primary_key=True),
    _json("value"),
    _now("updated_at"),
)

lookups = Table(
    "lookups",
    metadata,
    Column("tenant_id", Uuid, ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True),
    Column("platform", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    _now("looked_up_at"),
)

quarantined_records = Table(
    "quarantined_records",
    metadata,
    _id(),
    _owned_by("tenants"),
    _owned_by("integrations"),
    Column("run_id", Uuid),
    Column("stream_id", Uuid),
    _text("stream_name"),
    _text("stream_label", default=""),
    _json("stream_metadata"),
    _optional_text("stream_key"),
    _text("reason"),
    Column("payload", JSONB),
    Column("record_ids", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    _text("digest"),
    Column("seen", Integer, nullable=False, server_default=text("1")),
    _now("created_at"),
    _now("last_seen_at"),
    _count("retries"),
    _moment("retry_requested_at"),
    Column("retry_run_id", Uuid),
    UniqueConstraint("integration_id", "digest"),
    Index("ix_quarantined_records_stream", "integration_id", "stream_key"),
    Index(
        "ix_quarantined_records_retry",
        "integration_id",
        postgresql_where=text("retry_requested_at IS NOT NULL"),
    ),
)

rate_budgets = Table(
    "rate_budgets",
    metadata,
    Column("key", Text, primary_key=True),
    _moment("next_free_at", required=True),
    Column("remaining", Integer),
    Column("capacity", Integer),
    _moment("resets_at"),
    _moment("closed_until"),
    _now("updated_at"),
)

erasure_salts = Table(
    "erasure_salts",
    metadata,
    Column("tenant_id", Uuid, ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True),
    Column("salt", LargeBinary, nullable=False),
)

erasures = Table(
    "erasures",
    metadata,
    _id(),
    _owned_by("tenants", index=True),
    _text("command"),
    _json("removed"),
    _now("erased_at"),
    _moment("completed_at"),
    _moment("lifted_at"),
)

erased_identities = Table(
    "erased_identities",
    metadata,
    Column("tenant_id", Uuid, ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True),
    Column("platform", Text, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("erasure_id", Uuid, ForeignKey("erasures.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("id_known", Boolean, nullable=False),
)

SEALED = ("integrations.credentials", "erasure_salts.salt")
"""Columns that a role which only reads does not see."""
