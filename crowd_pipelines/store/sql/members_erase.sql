-- Delete a member with everything that is only theirs: identities and reaches go by themselves, organizations that
-- nobody else belongs to here. The integration that brought the member first is the one of the oldest activity, which
-- is the only one that is left.
WITH oldest AS (
    SELECT integration_id FROM activities WHERE member_id = :member_id
), mine AS (
    SELECT organization_id FROM member_organizations WHERE member_id = :member_id
), emptied AS (
    DELETE FROM organizations
    WHERE id IN (SELECT organization_id FROM mine)
      AND NOT EXISTS (
        SELECT FROM member_organizations AS others
        WHERE others.organization_id = organizations.id AND others.member_id <> :member_id
    )
    RETURNING id
), counted AS (
    UPDATE integrations
    SET member_count = GREATEST(member_count - 1, 0),
        activity_count = GREATEST(activity_count - (SELECT count(*) FROM oldest), 0)
    WHERE id = COALESCE(
        (SELECT integration_id FROM oldest LIMIT 1),
        (
            SELECT integration.id FROM integrations AS integration
            JOIN member_identities AS identity
              ON identity.tenant_id = integration.tenant_id AND identity.platform = integration.platform
            WHERE identity.member_id = :member_id
            ORDER BY integration.created_at
            LIMIT 1
        )
    )
), gone AS (
    DELETE FROM members WHERE id = :member_id RETURNING id
)
SELECT (SELECT count(*) FROM gone) AS members, (SELECT count(*) FROM oldest) AS activities,
       (SELECT count(*) FROM emptied) AS organizations
