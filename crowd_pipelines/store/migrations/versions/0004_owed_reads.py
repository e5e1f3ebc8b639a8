"""What is left unread for a reason and owed; streams that read a place whole; credentials that are asked for again."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# As in the migration before: whoever waits for a table keeps everyone after them waiting, so for a second at a time.
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
            ALTER TABLE integrations ADD COLUMN credential_refusals integer DEFAULT 0 NOT NULL;
            ALTER TABLE integration_runs ADD COLUMN canceled boolean DEFAULT false NOT NULL;
            ALTER TABLE integration_streams
                ADD COLUMN whole boolean DEFAULT false NOT NULL,
                ADD COLUMN unread integer DEFAULT 0 NOT NULL,
                ADD COLUMN uncollected jsonb;
"""

DROP_COLUMNS = """
            ALTER TABLE integrations DROP COLUMN credential_refusals;
            ALTER TABLE integration_runs DROP COLUMN canceled;
            ALTER TABLE integration_streams
                DROP COLUMN whole,
                DROP COLUMN unread,
                DROP COLUMN uncollected;
"""

VALIDATE = """
    ALTER TABLE integration_streams
        VALIDATE CONSTRAINT ck_integration_streams_state_known,
        VALIDATE CONSTRAINT ck_integration_streams_ended,
        VALIDATE CONSTRAINT ck_integration_streams_claimable,
        VALIDATE CONSTRAINT ck_integration_streams_over
"""


def _conditions(over: tuple[str, ...]) -> dict[str, str]:
    """Return the conditions on a stream's state, where these states are the ones that end well."""
    states = ", ".join(f"'{state}'" for state in ("pending", "processing", *over, "error"))
    ended = ", ".join(f"'{state}'" for state in over)
    return {
        "ck_integration_streams_state_known": f"state IN ({states})",
        "ck_integration_streams_ended": f"(state IN ({ended})) = (processed_at IS NOT NULL)",
        "ck_integration_streams_claimable": f"state IN ({ended}, 'error') OR due_at IS NOT NULL",
        "ck_integration_streams_over": f"state NOT IN ({ended}) OR due_at IS NULL",
    }


def _replace(conditions: dict[str, str]) -> None:
    """Replace conditions without reading the table under a lock that keeps workers out."""
    changes = " ".join(
        f"ALTER TABLE integration_streams DROP CONSTRAINT {name}, ADD CONSTRAINT {name} CHECK ({rule}) NOT VALID;"
        for name, rule in conditions.items()
    )
    op.execute(PATIENTLY.format(statements=changes))
    op.execute(VALIDATE)


def upgrade() -> None:
    op.execute(PATIENTLY.format(statements=ADD_COLUMNS.strip()))
    _replace(_conditions(("processed", "skipped", "owed")))
    op.create_table(
        "owed_reads",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("permission", sa.Text(), server_default="", nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("stream_name", sa.Text(), nullable=False),
        sa.Column("stream_label", sa.Text(), nullable=False),
        sa.Column(
            "stream_metadata",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("stream_key", sa.Text(), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("place_stream", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('permission', 'failure', 'unread')", name=op.f("ck_owed_reads_kind_known")),
        sa.ForeignKeyConstraint(
            ["integration_id"], ["integrations.id"], name=op.f("fk_owed_reads_integration_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_owed_reads_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_owed_reads")),
        sa.UniqueConstraint(
            "integration_id", "place", "permission", name=op.f("uq_owed_reads_integration_id_place_permission")
        ),
    )
    op.create_index("ix_owed_reads_stream", "owed_reads", ["integration_id", "stream_key"])


def downgrade() -> None:
    # The version before knows failed streams, and takes some of them up; what a place owes it does not know.
    op.execute("UPDATE integration_streams SET state = 'error', processed_at = NULL WHERE state = 'owed'")
    op.execute(
        "UPDATE integration_runs SET state = 'error', error = 'something is owed, which this version cannot tell' "
        "WHERE state = 'processed' AND EXISTS (SELECT FROM owed_reads "
        "WHERE owed_reads.integration_id = integration_runs.integration_id)"
    )
    op.drop_table("owed_reads")
    _replace(_conditions(("processed", "skipped")))
    op.execute(PATIENTLY.format(statements=DROP_COLUMNS.strip()))
