-- Name the member behind every identity of a page: the known one, or a new id for a person seen for the first time.
-- An identity that another transaction is adding right now is in neither part: the caller asks again.
-- Who was erased has no member and gets none. A name alone is refused, too, but not to others who bear it with an id of
-- their own, unless the erased person's id was never known.
-- The key is the column's own expression: Python and PostgreSQL do not agree on every letter's lower case.
WITH seen AS (
    SELECT platform, source_id, username, identity_key AS asked,
           COALESCE(source_id, 'name:' || lower(username)) AS identity_key
    FROM jsonb_to_recordset(CAST(:identities AS jsonb)) AS seen(
        platform text, source_id text, username text, identity_key text
    )
), erased AS MATERIALIZED (
    SELECT seen.platform, seen.asked
    FROM seen
    JOIN erasure_salts AS salted ON salted.tenant_id = :tenant_id
    WHERE EXISTS (
        SELECT FROM erased_identities AS gone
        WHERE gone.tenant_id = :tenant_id AND gone.platform = seen.platform
          AND gone.digest = sha256(salted.salt || convert_to(seen.platform || ' ' || seen.identity_key, 'UTF8'))
    ) OR EXISTS (
        SELECT FROM erased_identities AS gone
        WHERE gone.tenant_id = :tenant_id AND gone.platform = seen.platform AND NOT gone.id_known
          AND gone.digest = sha256(
              salted.salt || convert_to(seen.platform || ' name:' || lower(seen.username), 'UTF8')
          )
    )
), wanted AS (
    SELECT * FROM seen WHERE (platform, asked) NOT IN (SELECT platform, asked FROM erased)
), known AS (
    SELECT wanted.platform, wanted.asked, wanted.identity_key, identity.member_id,
           CASE WHEN identity.username <> wanted.username AND wanted.username IS DISTINCT FROM wanted.source_id
                THEN identity.username END AS former_name
    FROM wanted
    JOIN member_identities AS identity
      ON identity.tenant_id = :tenant_id AND identity.platform = wanted.platform
     AND identity.identity_key = wanted.identity_key
), added AS (
    INSERT INTO member_identities (tenant_id, platform, source_id, username, member_id)
    SELECT :tenant_id, wanted.platform, wanted.source_id, wanted.username, uuidv7()
    FROM wanted
    WHERE NOT CAST(:known_only AS boolean)
      AND NOT EXISTS (
        SELECT FROM known WHERE known.platform = wanted.platform AND known.identity_key = wanted.identity_key
    )
    ORDER BY wanted.platform, wanted.identity_key
    ON CONFLICT (tenant_id, platform, identity_key) DO NOTHING
    RETURNING platform, identity_key, member_id
)
SELECT wanted.platform, wanted.asked AS identity_key, added.member_id, NULL AS former_name, TRUE AS added
FROM added
JOIN wanted ON wanted.platform = added.platform AND wanted.identity_key = added.identity_key
UNION ALL
SELECT platform, asked, member_id, former_name, FALSE FROM known
UNION ALL
SELECT platform, asked, NULL, NULL, FALSE FROM erased
