"""What a tenant's rows say, whichever ids they got."""

from crowd_pipelines_tests.deployment.installation import Database, Row

_ACTIVITIES = """
SELECT a.type, a.source_id, a.source_parent_id, p.type AS parent_type, p.source_id AS parent, a.thread, a.timestamp,
       a.timestamp_source, a.title, a.body, a.url, a.channel, a.attributes, a.score, a.is_contribution, a.retracted_at,
       (SELECT array_agg(i.platform || ':' || i.identity_key ORDER BY 1) FROM member_identities AS i
        WHERE i.member_id = a.member_id) AS member
FROM activities AS a JOIN tenants AS t ON t.id = a.tenant_id LEFT JOIN activities AS p ON p.id = a.parent_id
WHERE t.name = %(tenant)s ORDER BY a.type, a.source_id
"""
_MEMBERS = """
SELECT (SELECT array_agg(i.platform || ':' || i.identity_key || '=' || i.username ORDER BY 1)
        FROM member_identities AS i WHERE i.member_id = m.id) AS identities,
       m.display_name, m.emails, m.attributes, m.reach, m.score, m.joined_at,
       (SELECT array_agg(o.source_id ORDER BY 1) FROM member_organizations AS mo
        JOIN organizations AS o ON o.id = mo.organization_id WHERE mo.member_id = m.id) AS organizations
FROM members AS m JOIN tenants AS t ON t.id = m.tenant_id WHERE t.name = %(tenant)s ORDER BY 1
"""
_WATERMARKS = """
SELECT w.subject, w.value FROM watermarks AS w JOIN integrations AS i ON i.id = w.integration_id
JOIN tenants AS t ON t.id = i.tenant_id WHERE t.name = %(tenant)s ORDER BY i.name, w.subject
"""
_RUNS = """
SELECT r.*, i.name FROM integration_runs AS r JOIN integrations AS i ON i.id = r.integration_id
JOIN tenants AS t ON t.id = r.tenant_id WHERE t.name = %(tenant)s ORDER BY r.created_at
"""


def records(database: Database, tenant: str) -> dict[str, list[Row]]:
    """Everything that was collected, and how far it was read."""
    return {
        "activities": database.rows(_ACTIVITIES, tenant=tenant),
        "members": database.rows(_MEMBERS, tenant=tenant),
        "watermarks": database.rows(_WATERMARKS, tenant=tenant),
    }


def runs(database: Database, tenant: str, *, onboarding: bool) -> list[Row]:
    """The integration runs of a kind, oldest first."""
    return [run for run in database.rows(_RUNS, tenant=tenant) if run["onboarding"] == onboarding]
