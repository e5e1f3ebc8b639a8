-- What is remembered of identities: hashes under the tenant's salt, the same as `identities_resolve` makes. Of somebody
-- with an id the name is remembered, too, for records that tell nothing but the name.
SELECT keys.platform, keys.id_known, keys.identifies,
       sha256(salted.salt || convert_to(keys.platform || ' ' || keys.key, 'UTF8')) AS digest
FROM (
    SELECT platform, COALESCE(source_id, 'name:' || lower(username)) AS key, source_id IS NOT NULL AS id_known,
           TRUE AS identifies
    FROM jsonb_to_recordset(CAST(:identities AS jsonb)) AS given(platform text, source_id text, username text)
    UNION ALL
    SELECT platform, 'name:' || lower(username), TRUE, FALSE
    FROM jsonb_to_recordset(CAST(:identities AS jsonb)) AS given(platform text, source_id text, username text)
    WHERE source_id <> username
) AS keys
JOIN erasure_salts AS salted ON salted.tenant_id = :tenant_id
