-- Queue streams that a page (or the plan) gave. The same stream twice in an integration run is one; a stream that
-- is a cached lookup is left out while the tenant's last look is fresh.
INSERT INTO integration_streams (id, run_id, parent_id, root_id, name, label, metadata, key, whole)
SELECT fresh.id, wanted.run_id, wanted.parent_id, COALESCE(wanted.root_id, fresh.id),
       wanted.name, wanted.label, wanted.metadata, wanted.key,
       wanted.whole
FROM (
    SELECT given.*
    FROM jsonb_to_recordset(CAST(:streams AS jsonb)) AS given(
        position int, run_id uuid, parent_id uuid, root_id uuid, name text, label text, metadata jsonb, key text,
        fresh_for float, whole boolean
    )
    JOIN integration_runs AS run ON run.id = given.run_id
    JOIN integrations AS integration ON integration.id = run.integration_id
    WHERE NOT EXISTS (
        SELECT FROM lookups
        WHERE lookups.tenant_id = run.tenant_id AND lookups.platform = integration.platform AND lookups.key = given.key
          AND lookups.looked_up_at > now() - make_interval(secs => given.fresh_for)
    )
    ORDER BY given.position
) AS wanted
-- The reference to `wanted` makes it one id a row, and ids in the order of the positions.
CROSS JOIN LATERAL (SELECT uuidv7() AS id WHERE wanted.key IS NOT NULL) AS fresh
ON CONFLICT (run_id, key) DO NOTHING
RETURNING id
