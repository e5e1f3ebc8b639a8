"""What must be true of every installation's data, as queries for what is not: for `doctor` and for the chaos harness.

The rules of `schema.py` are checked twice: that the database still enforces them, and that its rows keep them. The
second reads whole tables, and without their indexes, because an index may be what is broken.
"""

# ruff: noqa: S608  nothing here comes from outside
from dataclasses import dataclass

from sqlalchemy import Connection

from crowd_pipelines.store import schema_rules, streams
from crowd_pipelines.store.schema import OPEN_RUN

EXAMPLES = 5
"""Of what breaks an invariant, so many are named; all are counted."""


_WITHOUT_INDEXES = """
    SELECT set_config(concat('enable_', scan), 'off', TRUE)
    FROM unnest(ARRAY['indexscan', 'indexonlyscan', 'bitmapscan']) AS scan
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """Something that is true of every healthy database.

    `promise` is its number in docs/reliability.md: an I of the invariants, or the S of a scenario. `sql` returns what
    breaks it, a row each, told in the column `what` without anybody's texts. With `whole_tables` it reads tables that
    grow with the community from end to end: seconds per million rows, where the others take milliseconds.
    """

    name: str
    promise: str
    meaning: str
    remedy: str
    sql: str
    whole_tables: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """An invariant that does not hold, with how often and where."""

    invariant: Invariant
    count: int
    examples: tuple[str, ...]


def broken(conn: Connection, *, whole_tables: bool = True) -> list[Broken]:
    """Return the invariants that do not hold now. Reads only; without `whole_tables`, only what is quick."""
    wanted = (invariant for invariant in INVARIANTS if whole_tables or not invariant.whole_tables)
    return [found for found in (examine(conn, invariant) for invariant in wanted) if found]


def examine(conn: Connection, invariant: Invariant) -> Broken | None:
    """Return how an invariant is broken, None when it holds. Needs a transaction; changes nothing."""
    counted = f"SELECT what, count(*) OVER () AS total FROM ({invariant.sql}) AS found LIMIT {EXAMPLES}"
    with conn.begin_nested() as savepoint:
        if invariant.whole_tables:
            conn.exec_driver_sql(_WITHOUT_INDEXES)
        rows = conn.exec_driver_sql(counted).all()
        savepoint.rollback()
    if not rows:
        return None
    return Broken(invariant=invariant, count=rows[0].total, examples=tuple(row.what for row in rows))


_OVERDUE, _FORGOTTEN = "interval '15 minutes'", "interval '1 day'"
"""When work that is due will not be taken up: nobody works, though sensors look every 8 s; or all others had turns."""

_LONGEST_LEASE = "interval '10 minutes'"
"""More than any lease that may be set."""

_LONGEST_WAIT = "interval '32 days'"
"""More than any wait that is meant: a provider's is cut to a day, a global limit's window may be a month."""

# Not every token is a secret: those of pages are stored on purpose. Names are as JSON writes them.
_SECRET = "|".join(
    [
        '"[a-z_]*(access|refresh|bot|user|auth|bearer)_?token": "[^"]',
        '"[a-z_]*((api|private)_?key|secret|password)": "[^"]',
        "gh[opsur]_[a-z0-9]{20}|github_pat_[a-z0-9]|xox[abeprs]-[a-z0-9]",
        "-----BEGIN [A-Z ]*PRIVATE KEY|bearer [a-z0-9]{10}",
    ]
)


def _secrets_in(table: str, *columns: str, key: str = "id") -> str:
    return " UNION ALL ".join(
        f"SELECT concat('{table} ', {key}, ': {column}') AS what FROM {table} WHERE {column}::text ~* '{_SECRET}'"
        for column in columns
    )


_READ_AGAIN = (
    "`crowd-pipelines process-integration -o -i INTEGRATION` reads everything again; rows that are there stay as they "
    "are. On X each record that is read costs money, so there it is for you to decide."
)

# What a record of X costs when it is one's own, and when it is not (X's price list of 2026).
_HARMED = """
    concat('integration ', integration.id, ' (', integration.platform, ', ', integration.activity_count, ' activities',
           CASE WHEN integration.platform = 'twitter' THEN concat(
               ', reading them again costs about ', round(integration.activity_count * 0.001, 2), ' to ',
               round(integration.activity_count * 0.005, 2), ' $'
           ) END, ')')
"""


INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        name="unique-rules-enforced",
        promise="I3",
        meaning="The database enforces every unique rule: each has a unique index, and it is valid.",
        remedy="Look for duplicates with `crowd-pipelines doctor --deep`, remove them, then make the index again "
        "as the migrations did (REINDEX INDEX CONCURRENTLY repairs one that is invalid).",
        sql=schema_rules.unenforced_uniqueness(),
    ),
    Invariant(
        name="constraints-enforced",
        promise="I3",
        meaning="The database enforces every reference and every condition on rows.",
        remedy="ALTER TABLE ... VALIDATE CONSTRAINT one that is not valid, ENABLE TRIGGER ALL where triggers are off; "
        "one that is missing is made again as the migrations made it.",
        sql=schema_rules.unenforced_constraints(),
    ),
    Invariant(
        name="no-duplicates",
        promise="I3",
        meaning="No two rows share what only one may have: no activity, member identity or stream is there twice.",
        remedy="Delete the later ones, then REINDEX the table (an index that let them in is missing or damaged).",
        sql=schema_rules.duplicates(),
        whole_tables=True,
    ),
    Invariant(
        name="references-lead-somewhere",
        promise="I12",
        meaning="What a row refers to is there: no activity without its member, no stream without its integration run.",
        remedy="Delete the rows (they cannot be reached), then onboard the integration again: what the provider still "
        "shows is read anew.",
        sql=schema_rules.dangling_references(),
        whole_tables=True,
    ),
    Invariant(
        name="conditions-hold",
        promise="I5",
        meaning="Every row keeps the conditions of its table: known states, an end where it has ended, a moment where "
        "it waits.",
        remedy="Somebody changed rows by hand while the constraint was gone. Undo that; `crowd-pipelines continue-run` "
        "puts an integration run in order.",
        sql=schema_rules.failed_conditions(),
        whole_tables=True,
    ),
    Invariant(
        name="dead-work-is-taken-up",
        promise="I4",
        meaning="Work that is due, or whose worker died, is taken up: nothing waits for 15 minutes while nobody works, "
        "and nothing for a day.",
        remedy="Is Dagster's daemon alive, and the sensor `resume_runs` on? Its ticks tell what keeps it. "
        "`crowd-pipelines continue-run -r RUN` does it by hand.",
        sql=f"""
            SELECT concat('integration run ', id, ': ', CASE state
                WHEN 'processing' THEN concat('its worker is silent since ', to_char(leased_until, 'MM-DD HH24:MI:SS'))
                WHEN 'delayed' THEN concat('due since ', to_char(delayed_until, 'MM-DD HH24:MI:SS'))
                ELSE concat('waits since ', to_char(created_at, 'MM-DD HH24:MI:SS')) END) AS what
            FROM integration_runs
            WHERE {OPEN_RUN} AND CASE state
                WHEN 'processing' THEN leased_until WHEN 'delayed' THEN delayed_until ELSE created_at
            END < now() - CASE
                WHEN EXISTS (SELECT FROM integration_runs WHERE state = 'processing' AND leased_until > now())
                THEN {_FORGOTTEN} ELSE {_OVERDUE}
            END
        """,
    ),
    Invariant(
        name="leases-expire",
        promise="I4",
        meaning="Every lease ends soon unless its worker prolongs it: none reaches more than 10 minutes ahead.",
        remedy="The database's clock was set back. Set it right; the leases end by themselves, or at once with "
        "UPDATE integration_streams SET due_at = now() WHERE state = 'processing' (the same for integration_runs' "
        "leased_until).",
        sql=f"""
            SELECT concat('stream ', id, ': leased until ', to_char(due_at, 'YYYY-MM-DD HH24:MI')) AS what
            FROM integration_streams
            WHERE state = 'processing' AND due_at > now() + {_LONGEST_LEASE}
            UNION ALL
            SELECT concat('integration run ', id, ': leased until ', to_char(leased_until, 'YYYY-MM-DD HH24:MI'))
            FROM integration_runs
            WHERE state = 'processing' AND leased_until > now() + {_LONGEST_LEASE}
        """,
    ),
    Invariant(
        name="processed-is-complete",
        promise="I5",
        meaning="An integration run that is processed was planned and has no stream left to read.",
        remedy="Go on with it: crowd-pipelines continue-run -r RUN.",
        sql="""
            SELECT concat('integration run ', id, ': was never planned') AS what
            FROM integration_runs WHERE state = 'processed' AND streams_planned_at IS NULL
            UNION ALL
            SELECT concat('integration run ', run.id, ': streams not read: ', count(*))
            FROM integration_streams AS stream JOIN integration_runs AS run ON run.id = stream.run_id
            WHERE stream.due_at IS NOT NULL AND run.state = 'processed'
            GROUP BY run.id
        """,
    ),
    Invariant(
        name="processed-without-failures",
        promise="I5",
        meaning="An integration run that is processed has no stream that failed.",
        remedy="Go on with it: crowd-pipelines continue-run -r RUN.",
        sql="""
            SELECT concat('integration run ', run.id, ': streams that failed: ', count(*)) AS what
            FROM integration_streams AS stream JOIN integration_runs AS run ON run.id = stream.run_id
            WHERE stream.state = 'error' AND stream.due_at IS NULL AND run.state = 'processed'
            GROUP BY run.id
        """,
        whole_tables=True,
    ),
    Invariant(
        name="status-is-true",
        promise="I5",
        meaning="An integration in progress is being onboarded, or owes what failed in its onboarding, and one that is "
        "done did not end in error last.",
        remedy="crowd-pipelines process-integration -o -i INTEGRATION onboards it again.",
        sql=f"""
            SELECT concat('integration ', id, ': ', status, CASE status
                WHEN 'in_progress' THEN ', but no onboarding is open, and nothing that failed is owed'
                ELSE ', but its last integration run ended in error' END) AS what
            FROM integrations AS integration
            WHERE disconnected_at IS NULL AND CASE status
                WHEN 'in_progress' THEN NOT EXISTS (
                    SELECT FROM integration_runs
                    WHERE integration_id = integration.id AND onboarding AND {OPEN_RUN}
                ) AND NOT EXISTS (
                    SELECT FROM owed_reads WHERE integration_id = integration.id AND kind = 'failure'
                )
                WHEN 'done' THEN 'error' = (
                    SELECT state FROM integration_runs
                    WHERE integration_id = integration.id AND processed_at IS NOT NULL
                    ORDER BY processed_at DESC LIMIT 1
                )
            END
        """,
    ),
    Invariant(
        name="what-a-run-left-is-read",
        promise="I5",
        meaning="What an integration run left unread is in the next one, or is owed: no check completes an onboarding "
        "that never was.",
        remedy=f"Version 0.1 forgot what a run had left. {_READ_AGAIN}",
        sql=f"""
            SELECT concat({_HARMED}, ': ', count(*), ' streams of integration run ', run.id,
                          ' were never read') AS what
            FROM integration_runs AS run
            JOIN integrations AS integration ON integration.id = run.integration_id
            JOIN integration_streams AS stream ON stream.run_id = run.id
            WHERE run.state = 'error' AND integration.disconnected_at IS NULL AND NOT stream.reread
              AND stream.state IN ('pending', 'processing', 'error') AND stream.crashes < {streams.MAX_CRASHES}
              AND EXISTS (
                SELECT FROM integration_runs AS later
                WHERE later.integration_id = run.integration_id AND later.created_at > run.created_at
                  AND later.streams_planned_at IS NOT NULL
              )
              AND NOT EXISTS (
                SELECT FROM integration_runs AS later
                WHERE later.integration_id = run.integration_id AND later.created_at > run.created_at
                  AND later.streams_planned_at IS NOT NULL
                  AND (later.onboarding OR EXISTS (
                    SELECT FROM integration_streams AS again WHERE again.run_id = later.id AND again.key = stream.key
                  ))
              )
            GROUP BY run.id, integration.id
        """,
        whole_tables=True,
    ),
    Invariant(
        name="only-onboardings-onboard",
        promise="I5",
        meaning="An integration that counts as onboarded was onboarded: its last onboarding did not end with something "
        "left to read.",
        remedy=f"Version 0.1 let a check complete an onboarding that had ended in error. {_READ_AGAIN}",
        sql=f"""
            SELECT concat({_HARMED}, ': counts as onboarded, but onboarding ', last.id, ' ended in error with ',
                          count(*), ' streams unread') AS what
            FROM integrations AS integration
            JOIN LATERAL (
                SELECT id, created_at FROM integration_runs
                WHERE integration_id = integration.id AND onboarding ORDER BY created_at DESC, id DESC LIMIT 1
            ) AS last ON TRUE
            JOIN integration_runs AS onboarding ON onboarding.id = last.id AND onboarding.state = 'error'
            JOIN integration_streams AS stream ON stream.run_id = last.id
            WHERE integration.onboarded_at IS NOT NULL AND integration.disconnected_at IS NULL
              AND NOT stream.reread AND stream.state IN ('pending', 'processing', 'error')
              AND stream.crashes < {streams.MAX_CRASHES}
              AND EXISTS (
                SELECT FROM integration_runs AS later
                WHERE later.integration_id = integration.id AND later.created_at > last.created_at
                  AND later.state = 'processed'
              )
              AND NOT EXISTS (
                SELECT FROM integration_runs AS whole
                WHERE whole.integration_id = integration.id AND whole.onboarding AND whole.state = 'processed'
              )
              AND NOT EXISTS (
                SELECT FROM integration_streams AS again
                JOIN integration_runs AS later ON later.id = again.run_id
                WHERE later.integration_id = integration.id AND later.id <> last.id AND again.key = stream.key
                  AND again.whole
              )
            GROUP BY integration.id, last.id
        """,
        whole_tables=True,
    ),
    Invariant(
        name="what-is-skipped-is-gone",
        promise="I5",
        meaning="Only what is gone is skipped: a refusal for another reason is tried again, or owed.",
        remedy=f"Version 0.1 skipped what was refused for reasons that it did not know. {_READ_AGAIN}",
        sql=f"""
            SELECT concat({_HARMED}, ': ', count(*), ' streams of integration run ', run.id,
                          ' were refused, and skipped') AS what
            FROM integration_runs AS run
            JOIN integrations AS integration ON integration.id = run.integration_id
            JOIN integration_streams AS stream ON stream.run_id = run.id
            WHERE stream.state = 'skipped' AND NOT stream.reread AND integration.disconnected_at IS NULL
              AND stream.error ~ 'answered (401|402|403|451) |refuses this to the credentials|lacks a permission'
              AND NOT EXISTS (
                SELECT FROM integration_runs AS later
                WHERE later.integration_id = run.integration_id AND later.created_at > run.created_at
                  AND later.onboarding AND later.state = 'processed'
              )
            GROUP BY run.id, integration.id
        """,
        whole_tables=True,
    ),
    Invariant(
        name="what-is-owed-comes-due",
        promise="I6",
        meaning="What is owed is tried again: within a day and a half, unless nothing checks the integration.",
        remedy="Is the platform's schedule on, and are the credentials accepted? `crowd-pipelines process-integration "
        "-i INTEGRATION` tries it at once.",
        sql="""
            SELECT concat('integration ', owed.integration_id, ': ', count(*), ' owed reads are due since ',
                          to_char(min(owed.due_at), 'MM-DD HH24:MI')) AS what
            FROM owed_reads AS owed
            JOIN integrations AS integration ON integration.id = owed.integration_id
            WHERE owed.due_at < now() - interval '36 hours' AND integration.disconnected_at IS NULL
              AND integration.credentials_rejected_at IS NULL
              AND integration.last_check_at > owed.due_at + interval '1 hour'
            GROUP BY owed.integration_id
        """,
    ),
    Invariant(
        name="open-runs-can-go-on",
        promise="I6",
        meaning="An open integration run can be gone on with: somebody holds it, or may take it when it is due.",
        remedy="UPDATE integration_runs SET leased_until = now() WHERE id = 'RUN': the sensor takes it up.",
        sql="""
            SELECT concat('integration run ', id, ': processing, but without a lease that could expire') AS what
            FROM integration_runs WHERE state = 'processing' AND leased_until IS NULL
        """,
    ),
    Invariant(
        name="waits-end",
        promise="I6",
        meaning="Whatever waits waits for a moment that will come: none is more than 32 days ahead.",
        remedy="`crowd-pipelines continue-run -r RUN` makes an integration run due now; a rate budget's row may be "
        "deleted.",
        sql=f"""
            SELECT concat('integration run ', id, ': waits until ', to_char(delayed_until, 'YYYY-MM-DD')) AS what
            FROM integration_runs WHERE state = 'delayed' AND delayed_until > now() + {_LONGEST_WAIT}
            UNION ALL
            SELECT concat('stream ', id, ': waits until ', to_char(due_at, 'YYYY-MM-DD'))
            FROM integration_streams
            WHERE state <> 'processing' AND due_at > now() + {_LONGEST_WAIT}
            UNION ALL
            SELECT concat('rate budget ', key, ': closed until ', to_char(next_free_at, 'YYYY-MM-DD'))
            FROM rate_budgets WHERE next_free_at > now() + {_LONGEST_WAIT}
        """,
    ),
    Invariant(
        name="parents-are-committed",
        promise="I8",
        meaning="A stream comes from a page that was committed, and its lineage leads to a root of the same "
        "integration run.",
        remedy="Onboard the integration again: the lineage is read from its root.",
        sql="""
            SELECT concat('stream ', child.id, ': ', CASE
                WHEN child.parent_id IS NULL THEN 'neither a root nor anybody''s child'
                WHEN parent.id IS NULL THEN 'its parent is missing'
                WHEN parent.state NOT IN ('processed', 'skipped', 'owed', 'error')
                THEN concat('its parent is ', parent.state)
                ELSE 'its parent is of another lineage' END) AS what
            FROM integration_streams AS child
            LEFT JOIN integration_streams AS parent ON parent.id = child.parent_id
            WHERE CASE WHEN child.parent_id IS NULL THEN child.root_id <> child.id
                -- A page that contradicts itself leads on, and is read again.
                ELSE parent.id IS NULL OR parent.state NOT IN ('processed', 'skipped', 'owed', 'error')
                     OR (parent.run_id, parent.root_id) <> (child.run_id, child.root_id) END
        """,
        whole_tables=True,
    ),
    Invariant(
        name="one-open-run",
        promise="I9",
        meaning="An integration has one open integration run at most.",
        remedy="Terminate the later one's Dagster run, and make sure that the index uq_integration_runs_open is there.",
        sql=f"""
            SELECT concat('integration ', integration_id, ': ', count(*), ' open integration runs') AS what
            FROM integration_runs WHERE {OPEN_RUN} GROUP BY integration_id HAVING count(*) > 1
        """,
    ),
    Invariant(
        name="credentials-are-sealed",
        promise="I11",
        meaning="Stored credentials say which key opens them.",
        remedy="Connect the integration again, with its name and credentials.",
        sql="""
            SELECT concat('integration ', id, ': ', CASE WHEN credentials IS NULL
                THEN 'a key but no credentials' ELSE 'credentials without a key' END) AS what
            FROM integrations WHERE (credentials IS NULL) <> (credentials_key_id IS NULL)
        """,
    ),
    Invariant(
        name="no-secrets-in-plain-text",
        promise="I11",
        meaning="Settings and states hold no keys and tokens: those belong into the sealed credentials.",
        remedy="Take it out of the row, connect the integration again with --credentials, and replace the secret "
        "at the provider: everybody who could read the database has it.",
        sql=_secrets_in("integrations", "settings", "state", "error"),
    ),
    Invariant(
        name="no-secrets-in-the-queue",
        promise="I11",
        meaning="Integration runs, streams and watermarks hold no keys and tokens, their errors included.",
        remedy="Replace the secret at the provider, and delete the integration run that has it.",
        sql=" UNION ALL ".join(
            [
                _secrets_in("integration_runs", "context", "error", "delay_reason"),
                _secrets_in("integration_streams", "metadata", "error", "label"),
                _secrets_in("watermarks", "value", key="subject"),
            ]
        ),
        whole_tables=True,
    ),
    Invariant(
        name="members-have-identities",
        promise="I12",
        meaning="Every member has an identity on some platform.",
        remedy="Nobody can be this member any more: delete the rows if no activity refers to them.",
        sql="""
            SELECT concat('member ', member.id) AS what FROM members AS member
            WHERE NOT EXISTS (SELECT FROM member_identities WHERE member_id = member.id)
        """,
        whole_tables=True,
    ),
    Invariant(
        name="erased-stay-away",
        promise="S17",
        meaning="Nobody who was erased is stored again, unless the erasure was lifted.",
        remedy="`crowd-pipelines erasures apply` erases them again.",
        sql="""
            SELECT concat('member ', identity.member_id, ': erased, ', to_char(erased_at, 'YYYY-MM-DD')) AS what
            FROM member_identities AS identity
            JOIN erasure_salts AS salted ON salted.tenant_id = identity.tenant_id
            JOIN erased_identities AS gone
              ON gone.tenant_id = identity.tenant_id AND gone.platform = identity.platform
             AND gone.digest = sha256(
                 salted.salt || convert_to(concat(identity.platform, ' ', identity.identity_key), 'UTF8')
             )
            JOIN erasures AS erasure ON erasure.id = gone.erasure_id AND erasure.completed_at IS NOT NULL
        """,
        whole_tables=True,
    ),
    Invariant(
        name="tenants-are-apart",
        promise="I12",
        meaning="What belongs together belongs to one tenant: nothing refers to another tenant's rows.",
        remedy="Data of one tenant may have been shown to another. Find out who wrote the rows before you delete them.",
        sql="""
            SELECT concat('activity ', activity.id) AS what FROM activities AS activity
            JOIN members AS member ON member.id = activity.member_id WHERE member.tenant_id <> activity.tenant_id
            UNION ALL
            SELECT concat('activity ', activity.id) FROM activities AS activity
            JOIN integrations AS integration ON integration.id = activity.integration_id
            WHERE integration.tenant_id <> activity.tenant_id
            UNION ALL
            SELECT concat('identity of member ', identity.member_id) FROM member_identities AS identity
            JOIN members AS member ON member.id = identity.member_id WHERE member.tenant_id <> identity.tenant_id
            UNION ALL
            SELECT concat('integration run ', run.id) FROM integration_runs AS run
            JOIN integrations AS integration ON integration.id = run.integration_id
            WHERE integration.tenant_id <> run.tenant_id
            UNION ALL
            SELECT concat('quarantined record ', record.id) FROM quarantined_records AS record
            JOIN integrations AS integration ON integration.id = record.integration_id
            WHERE integration.tenant_id <> record.tenant_id
            UNION ALL
            SELECT concat('organization ', organization.id, ' of member ', member.id)
            FROM member_organizations AS belongs
            JOIN organizations AS organization ON organization.id = belongs.organization_id
            JOIN members AS member ON member.id = belongs.member_id
            WHERE member.tenant_id <> organization.tenant_id
        """,
        whole_tables=True,
    ),
    Invariant(
        name="parents-are-linked",
        promise="I1",
        meaning="An answer is tied to what it answers as soon as both are stored (at the latest when the integration "
        "run ends).",
        remedy="Onboard the integration again: what it reads is tied.",
        sql=f"""
            SELECT concat('activity ', child.id, ': its parent ', parent.id, ' is stored but not linked') AS what
            FROM activities AS child
            JOIN activities AS parent
              ON parent.tenant_id = child.tenant_id AND parent.platform = child.platform
             AND parent.type = child.source_parent_type AND parent.source_id = child.source_parent_id
            WHERE child.parent_id IS NULL AND child.source_parent_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM integration_runs AS run JOIN integrations AS reading ON reading.id = run.integration_id
                WHERE reading.tenant_id = child.tenant_id AND reading.platform = child.platform AND run.{OPEN_RUN}
            )
        """,
        whole_tables=True,
    ),
    Invariant(
        name="links-lead-to-the-parent",
        promise="I2",
        meaning="The activity that an answer is tied to is the one that the provider named.",
        remedy="UPDATE activities SET parent_id = NULL for these, then onboard the integration again.",
        sql="""
            SELECT concat('activity ', child.id, ': tied to ', parent.id) AS what
            FROM activities AS child JOIN activities AS parent ON parent.id = child.parent_id
            WHERE (parent.tenant_id, parent.platform, parent.type, parent.source_id) IS DISTINCT FROM
                  (child.tenant_id, child.platform, child.source_parent_type, child.source_parent_id)
        """,
        whole_tables=True,
    ),
    Invariant(
        name="activity-counts-add-up",
        promise="I2",
        meaning="An integration's activity_count is how many activities it brought.",
        remedy="UPDATE integrations SET activity_count = (SELECT count(*) FROM activities WHERE integration_id = "
        "integrations.id), when nothing is being read.",
        sql="""
            SELECT concat('integration ', integration.id, ': says ', integration.activity_count, ', has ',
                          coalesce(counted.activities, 0)) AS what
            FROM integrations AS integration
            LEFT JOIN (SELECT integration_id, count(*) AS activities FROM activities GROUP BY integration_id) AS counted
              ON counted.integration_id = integration.id
            WHERE integration.activity_count <> coalesce(counted.activities, 0)
        """,
        whole_tables=True,
    ),
    Invariant(
        name="scores-add-up",
        promise="I2",
        meaning="A member's score is the sum of the scores of what they did.",
        remedy="UPDATE members SET score = (SELECT coalesce(sum(score), 0) FROM activities WHERE member_id = "
        "members.id), when nothing is being read.",
        sql="""
            SELECT concat('member ', member.id, ': says ', member.score, ', is ', coalesce(counted.score, 0)) AS what
            FROM members AS member
            LEFT JOIN (SELECT member_id, sum(score) AS score FROM activities GROUP BY member_id) AS counted
              ON counted.member_id = member.id
            WHERE member.score <> coalesce(counted.score, 0)
        """,
        whole_tables=True,
    ),
    Invariant(
        name="reach-adds-up",
        promise="I2",
        meaning="A member's total reach is the sum over the platforms.",
        remedy="The reach refresh writes it anew; run twitter_reach with process-integration.",
        sql="""
            SELECT concat('member ', member.id, ': says ', member.reach->>'total', ', is ', counted.total) AS what
            FROM members AS member
            CROSS JOIN LATERAL (
                SELECT sum(value::bigint) AS total FROM jsonb_each_text(member.reach) WHERE key <> 'total'
            ) AS counted
            WHERE (member.reach->>'total')::bigint IS DISTINCT FROM counted.total
        """,
        whole_tables=True,
    ),
    Invariant(
        name="addresses-follow-names",
        promise="I2",
        meaning="The address of a member on X is that of their present user name: a former one may be another's now.",
        remedy="The reach refresh writes it anew; run twitter_reach with process-integration.",
        sql="""
            SELECT concat('member ', member.id, ': its address on X is of another user name') AS what
            FROM member_identities AS identity
            JOIN members AS member ON member.id = identity.member_id
            -- A name that only repeats the id says that nobody knows the name.
            WHERE identity.platform = 'twitter' AND identity.username <> identity.source_id
              AND lower(regexp_replace(member.attributes->'url'->>'twitter', '^.*/', '')) <> lower(identity.username)
        """,
        whole_tables=True,
    ),
    Invariant(
        name="moments-are-plausible",
        promise="I2",
        meaning="Activities happened between 1990 and tomorrow: none is dated 1970 because nobody knew when.",
        remedy="Such a moment comes from the provider or from the mapping of its type; report it with the activity's "
        "type. Onboarding again corrects it when the mapping is.",
        sql="""
            SELECT concat('activity ', found.id, ': ', found.platform, ' ', found.type, ' at ',
                          to_char(found.timestamp, 'YYYY-MM-DD HH24:MI')) AS what
            FROM tenants
            CROSS JOIN LATERAL (
                SELECT id, platform, type, timestamp FROM activities
                WHERE tenant_id = tenants.id AND timestamp > now() + interval '1 day'
                UNION ALL
                SELECT id, platform, type, timestamp FROM activities
                WHERE tenant_id = tenants.id AND timestamp < '1990-01-01'
            ) AS found
        """,
    ),
    Invariant(
        name="the-past-is-past",
        promise="I7",
        meaning="What has happened lies in the past by the database's clock: checks are due by it.",
        remedy="The database's clock was set back, or rows were written by hand. Set the clock right; a check that is "
        "due too late is made with process-integration.",
        sql="""
            SELECT concat('integration ', id, ': checked at ', to_char(last_check_at, 'YYYY-MM-DD HH24:MI')) AS what
            FROM integrations WHERE last_check_at > now() + interval '5 minutes'
            UNION ALL
            SELECT concat('integration ', id, ': its limit counts from ', to_char(limit_last_reset_at, 'YYYY-MM-DD'))
            FROM integrations WHERE limit_last_reset_at > now() + interval '5 minutes'
            UNION ALL
            SELECT concat('integration run ', id, ': begun at ', to_char(created_at, 'YYYY-MM-DD HH24:MI'))
            FROM integration_runs WHERE created_at > now() + interval '5 minutes'
        """,
    ),
)
