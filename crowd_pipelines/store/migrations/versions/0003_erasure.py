"""Erased people, who are not read again, and integrations that were disconnected while their data stays."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Both columns are there in an instant, whatever the size of the tables, once nobody else uses them. Whoever waits for
# a table keeps everyone after them waiting: so for a second at a time, and workers go on in between.
PATIENTLY = """
DO $$
BEGIN
    SET LOCAL lock_timeout = '1s';
    FOR attempt IN 1..120 LOOP
        BEGIN
            {statements}
            SET LOCAL lock_timeout = DEFAULT;
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            IF attempt = 120 THEN RAISE; END IF;
            PERFORM pg_sleep(0.5);
        END;
    END LOOP;
END
$$
"""

ADD_COLUMNS = """
            ALTER TABLE integration_streams ADD COLUMN left_out integer DEFAULT 0 NOT NULL;
            ALTER TABLE integrations ADD COLUMN disconnected_at timestamptz;
            ALTER TABLE integration_streams ADD COLUMN reread boolean DEFAULT false NOT NULL;
            ALTER TABLE quarantined_records
                ADD COLUMN stream_label text DEFAULT '' NOT NULL,
                ADD COLUMN stream_metadata jsonb DEFAULT '{{}}' NOT NULL,
                ADD COLUMN stream_key text,
                ADD COLUMN record_ids text[] DEFAULT '{{}}' NOT NULL,
                ADD COLUMN seen integer DEFAULT 1 NOT NULL,
                ADD COLUMN last_seen_at timestamptz DEFAULT now() NOT NULL,
                ADD COLUMN retries integer DEFAULT 0 NOT NULL,
                ADD COLUMN retry_requested_at timestamptz,
                ADD COLUMN retry_run_id uuid;
"""

DROP_COLUMNS = """
            ALTER TABLE integration_streams DROP COLUMN left_out;
            ALTER TABLE integrations DROP COLUMN disconnected_at;
"""


def upgrade() -> None:
    op.execute(PATIENTLY.format(statements=ADD_COLUMNS.strip().replace("{{", "{").replace("}}", "}")))
    op.create_index("ix_quarantined_records_stream", "quarantined_records", ["integration_id", "stream_key"])
    op.create_index(
        "ix_quarantined_records_retry",
        "quarantined_records",
        ["integration_id"],
        postgresql_where=sa.text("retry_requested_at IS NOT NULL"),
    )
    op.create_table(
        "erasure_salts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_erasure_salts_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_erasure_salts")),
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column(
            "removed",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("erased_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("completed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("lifted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_erasures_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    op.create_index(op.f("ix_erasures_tenant_id"), "erasures", ["tenant_id"], unique=False)
    op.create_table(
        "erased_identities",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.Column("id_known", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["erasure_id"], ["erasures.id"], name=op.f("fk_erased_identities_erasure_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_erased_identities_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "platform", "digest", "erasure_id", name=op.f("pk_erased_identities")),
    )
    op.create_index(op.f("ix_erased_identities_erasure_id"), "erased_identities", ["erasure_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_erased_identities_erasure_id"), table_name="erased_identities")
    op.drop_table("erased_identities")
    op.drop_index(op.f("ix_erasures_tenant_id"), table_name="erasures")
    op.drop_table("erasures")
    op.drop_table("erasure_salts")
    op.execute(PATIENTLY.format(statements=DROP_COLUMNS.strip()))
