-- Name the member behind every identity of a page: the known one, or a new id for a person seen for the first time.
-- An identity that another transaction is adding right now is in neither part: the caller asks again.
-- The key is the column's own expression: Python and PostgreSQL do not agree on every letter's lower case.
WITH seen AS (
    SELECT platform, source_id, username, identity_key AS asked,
           COALESCE(source_id, 'name:' || lower(username)) AS identity_key
    FROM jsonb_to_recordset(CAST(:identities AS jsonb)) AS seen(
        platform text, source_id text, username text, identity_key text
    )
), known AS (
    SELECT seen.platform, seen.asked, seen.identity_key, identity.member_id,
           identity.username <> seen.username AND seen.username IS DISTINCT FROM seen.source_id AS renamed
    FROM seen
    JOIN member_identities AS identity
      ON identity.tenant_id = :tenant_id AND identity.platform = seen.platform
     AND identity.identity_key = seen.identity_key
), added AS (
    INSERT INTO member_identities (tenant_id, platform, source_id, username, member_id)
    SELECT :tenant_id, seen.platform, seen.source_id, seen.username, uuidv7()
    FROM seen
    WHERE NOT CAST(:known_only AS boolean)
      AND NOT EXISTS (
        SELECT FROM known WHERE known.platform = seen.platform AND known.identity_key = seen.identity_key
    )
    ORDER BY seen.platform, seen.identity_key
    ON CONFLICT (tenant_id, platform, identity_key) DO NOTHING
    RETURNING platform, identity_key, member_id
)
SELECT seen.platform, seen.asked AS identity_key, added.member_id, FALSE AS renamed, TRUE AS added
FROM added
JOIN seen ON seen.platform = added.platform AND seen.identity_key = added.identity_key
UNION ALL
SELECT platform, asked, member_id, renamed, FALSE FROM known
