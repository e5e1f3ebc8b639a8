"""Tenants, integrations, integration runs and streams, members, activities and what keeps them in order."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# What PostgreSQL 18 brings itself: a random id that begins with the milliseconds of now. Its own comes first there.
UUIDV7 = """
CREATE FUNCTION uuidv7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_bit(set_bit(
        overlay(
            uuid_send(gen_random_uuid())
            PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6
        ), 52, 1), 53, 1), 'hex')::uuid
$$
"""


def _lacks_uuidv7() -> bool:
    version = op.get_context().dialect.server_version_info
    return version is not None and version < (18,)


def upgrade() -> None:
    if _lacks_uuidv7():
        op.execute(UUIDV7)
    op.create_table(
        "rate_budgets",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("next_free_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("remaining", sa.Integer(), nullable=True),
        sa.Column("capacity", sa.Integer(), nullable=True),
        sa.Column("resets_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("closed_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate_budgets")),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("name", name=op.f("uq_tenants_name")),
    )
    op.create_table(
        "integrations",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "settings",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "state",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("credentials", sa.LargeBinary(), nullable=True),
        sa.Column("credentials_key_id", sa.Text(), nullable=True),
        sa.Column("credentials_rejected_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("onboarding_requested_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("onboarded_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("last_check_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("limit_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("limit_last_reset_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("activity_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("member_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'in_progress', 'done', 'error')", name=op.f("ck_integrations_status_known")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_integrations_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_integrations")),
        sa.UniqueConstraint("key", name=op.f("uq_integrations_key")),
        sa.UniqueConstraint("tenant_id", "platform", "name", name=op.f("uq_integrations_tenant_id_platform_name")),
    )
    op.create_index(
        "ix_integrations_onboarding_requested",
        "integrations",
        ["onboarding_requested_at"],
        unique=False,
        postgresql_where=sa.text("onboarding_requested_at IS NOT NULL"),
    )
    op.create_index("ix_integrations_platform", "integrations", ["platform"], unique=False)
    op.create_table(
        "lookups",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "looked_up_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_lookups_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "platform", "key", name=op.f("pk_lookups")),
    )
    op.create_table(
        "member_attribute_settings",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenants.id"],
            name=op.f("fk_member_attribute_settings_tenant_id"),
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_member_attribute_settings_tenant_id_name")),
    )
    op.create_table(
        "members",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=True),
        sa.Column("emails", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column(
            "attributes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "reach",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("score", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("joined_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_members_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
    )
    op.create_index(op.f("ix_members_tenant_id"), "members", ["tenant_id"], unique=False)
    op.create_table(
        "organizations",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("image_url", sa.Text(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_organizations_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
        sa.UniqueConstraint(
            "tenant_id", "platform", "source_id", name=op.f("uq_organizations_tenant_id_platform_source_id")
        ),
    )
    op.create_table(
        "activities",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("source_parent_id", sa.Text(), nullable=True),
        sa.Column("source_parent_type", sa.Text(), nullable=True),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("thread", sa.Text(), nullable=True),
        sa.Column("timestamp", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("timestamp_source", sa.Text(), server_default="provider", nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column(
            "attributes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("score", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_contribution", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("retracted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "timestamp_source IN ('provider', 'observed')", name=op.f("ck_activities_timestamp_source_known")
        ),
        sa.ForeignKeyConstraint(
            ["integration_id"],
            ["integrations.id"],
            name=op.f("fk_activities_integration_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["members.id"],
            name=op.f("fk_activities_member_id"),
            ondelete="CASCADE",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["activities.id"], name=op.f("fk_activities_parent_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_activities_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activities")),
        sa.UniqueConstraint(
            "tenant_id",
            "platform",
            "type",
            "source_id",
            name=op.f("uq_activities_tenant_id_platform_type_source_id"),
        ),
    )
    op.create_index(op.f("ix_activities_integration_id"), "activities", ["integration_id"], unique=False)
    op.create_index(op.f("ix_activities_member_id"), "activities", ["member_id"], unique=False)
    op.create_index(
        "ix_activities_orphans",
        "activities",
        ["tenant_id", "platform", "source_parent_id"],
        unique=False,
        postgresql_where=sa.text("parent_id IS NULL AND source_parent_id IS NOT NULL"),
    )
    op.create_index(
        "ix_activities_orphans_by_age",
        "activities",
        ["tenant_id", "platform", "created_at"],
        unique=False,
        postgresql_where=sa.text("parent_id IS NULL AND source_parent_id IS NOT NULL"),
    )
    op.create_index(
        "ix_activities_parent",
        "activities",
        ["parent_id"],
        unique=False,
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index("ix_activities_tenant_time", "activities", ["tenant_id", "timestamp"], unique=False)
    op.create_index(
        "ix_activities_thread",
        "activities",
        ["tenant_id", "platform", "thread"],
        unique=False,
        postgresql_where=sa.text("thread IS NOT NULL"),
    )
    op.create_table(
        "integration_runs",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("onboarding", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("delayed_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("delay_reason", sa.Text(), nullable=True),
        sa.Column("context", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("streams_planned_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("processed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("dagster_run_id", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("retries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("leased_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(state IN ('processed', 'error')) = (processed_at IS NOT NULL)",
            name=op.f("ck_integration_runs_ended"),
        ),
        sa.CheckConstraint("state <> 'delayed' OR delayed_until IS NOT NULL", name=op.f("ck_integration_runs_delayed")),
        sa.CheckConstraint(
            "state <> 'processed' OR (streams_planned_at IS NOT NULL AND error IS NULL)",
            name=op.f("ck_integration_runs_truth"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'processing', 'delayed', 'processed', 'error')",
            name=op.f("ck_integration_runs_state_known"),
        ),
        sa.ForeignKeyConstraint(
            ["integration_id"],
            ["integrations.id"],
            name=op.f("fk_integration_runs_integration_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_integration_runs_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_integration_runs")),
    )
    op.create_index(op.f("ix_integration_runs_dagster_run_id"), "integration_runs", ["dagster_run_id"], unique=False)
    op.create_index(op.f("ix_integration_runs_integration_id"), "integration_runs", ["integration_id"], unique=False)
    op.create_index(
        "ix_integration_runs_waiting",
        "integration_runs",
        ["state", "delayed_until"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'processing', 'delayed')"),
    )
    op.create_index(
        "uq_integration_runs_open",
        "integration_runs",
        ["integration_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('pending', 'processing', 'delayed')"),
    )
    op.create_table(
        "member_identities",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column(
            "identity_key",
            sa.Text(),
            sa.Computed("COALESCE(source_id, 'name:' || lower(username))", persisted=True),
            nullable=False,
        ),
        sa.Column("source_id", sa.Text(), nullable=True),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["members.id"],
            name=op.f("fk_member_identities_member_id"),
            ondelete="CASCADE",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_member_identities_tenant_id"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint(
            "tenant_id",
            "platform",
            "identity_key",
            name=op.f("uq_member_identities_tenant_id_platform_identity_key"),
        ),
    )
    op.create_index(op.f("ix_member_identities_member_id"), "member_identities", ["member_id"], unique=False)
    op.create_table(
        "member_organizations",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["members.id"],
            name=op.f("fk_member_organizations_member_id"),
            ondelete="CASCADE",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_member_organizations_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("member_id", "organization_id", name=op.f("pk_member_organizations")),
    )
    op.create_table(
        "quarantined_records",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("stream_id", sa.Uuid(), nullable=True),
        sa.Column("stream_name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["integration_id"],
            ["integrations.id"],
            name=op.f("fk_quarantined_records_integration_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_quarantined_records_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantined_records")),
        sa.UniqueConstraint("integration_id", "digest", name=op.f("uq_quarantined_records_integration_id_digest")),
    )
    op.create_table(
        "watermarks",
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column(
            "value",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["integration_id"],
            ["integrations.id"],
            name=op.f("fk_watermarks_integration_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("integration_id", "subject", name=op.f("pk_watermarks")),
    )
    op.create_table(
        "integration_streams",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("root_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column(
            "metadata",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=True),
        sa.Column("retries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("crashes", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("processed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("requests", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("waited_seconds", sa.Float(), server_default=sa.text("0"), nullable=False),
        sa.Column("activities", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("members", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("quarantined", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(state IN ('processed', 'skipped')) = (processed_at IS NOT NULL)",
            name=op.f("ck_integration_streams_ended"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'processing', 'processed', 'skipped', 'error')",
            name=op.f("ck_integration_streams_state_known"),
        ),
        sa.CheckConstraint(
            "state IN ('processed', 'skipped', 'error') OR due_at IS NOT NULL",
            name=op.f("ck_integration_streams_claimable"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('processed', 'skipped') OR due_at IS NULL",
            name=op.f("ck_integration_streams_over"),
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["integration_runs.id"],
            name=op.f("fk_integration_streams_run_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_integration_streams")),
        sa.UniqueConstraint("run_id", "key", name=op.f("uq_integration_streams_run_id_key")),
    )
    op.create_index(
        "ix_integration_streams_due",
        "integration_streams",
        ["run_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_integration_streams_root",
        "integration_streams",
        ["root_id"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_integration_streams_root",
        table_name="integration_streams",
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.drop_index(
        "ix_integration_streams_due",
        table_name="integration_streams",
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.drop_table("integration_streams")
    op.drop_table("watermarks")
    op.drop_table("quarantined_records")
    op.drop_table("member_organizations")
    op.drop_index(op.f("ix_member_identities_member_id"), table_name="member_identities")
    op.drop_table("member_identities")
    op.drop_index(
        "uq_integration_runs_open",
        table_name="integration_runs",
        postgresql_where=sa.text("state IN ('pending', 'processing', 'delayed')"),
    )
    op.drop_index(
        "ix_integration_runs_waiting",
        table_name="integration_runs",
        postgresql_where=sa.text("state IN ('pending', 'processing', 'delayed')"),
    )
    op.drop_index(op.f("ix_integration_runs_integration_id"), table_name="integration_runs")
    op.drop_index(op.f("ix_integration_runs_dagster_run_id"), table_name="integration_runs")
    op.drop_table("integration_runs")
    op.drop_index("ix_activities_thread", table_name="activities", postgresql_where=sa.text("thread IS NOT NULL"))
    op.drop_index("ix_activities_tenant_time", table_name="activities")
    op.drop_index("ix_activities_parent", table_name="activities", postgresql_where=sa.text("parent_id IS NOT NULL"))
    op.drop_index(
        "ix_activities_orphans_by_age",
        table_name="activities",
        postgresql_where=sa.text("parent_id IS NULL AND source_parent_id IS NOT NULL"),
    )
    op.drop_index(
        "ix_activities_orphans",
        table_name="activities",
        postgresql_where=sa.text("parent_id IS NULL AND source_parent_id IS NOT NULL"),
    )
    op.drop_index(op.f("ix_activities_member_id"), table_name="activities")
    op.drop_index(op.f("ix_activities_integration_id"), table_name="activities")
    op.drop_table("activities")
    op.drop_table("organizations")
    op.drop_index(op.f("ix_members_tenant_id"), table_name="members")
    op.drop_table("members")
    op.drop_table("member_attribute_settings")
    op.drop_table("lookups")
    op.drop_index("ix_integrations_platform", table_name="integrations")
    op.drop_index(
        "ix_integrations_onboarding_requested",
        table_name="integrations",
        postgresql_where=sa.text("onboarding_requested_at IS NOT NULL"),
    )
    op.drop_table("integrations")
    op.drop_table("tenants")
    op.drop_table("rate_budgets")
    if _lacks_uuidv7():
        op.execute("DROP FUNCTION uuidv7()")
