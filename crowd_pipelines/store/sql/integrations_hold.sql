-- Stand on integrations and their tenants until the transaction ends: whoever deletes them waits for it, or was first,
-- and then these are not returned. Always from the top down, as a deletion goes, so that nobody waits in circles.
-- The turn is what an erasure waits for, fairly: row locks that are shared would let it starve.
WITH turn AS MATERIALIZED (
    SELECT tenant_id, pg_advisory_xact_lock_shared(hashtextextended('crowd_pipelines.tenant ' || tenant_id, 0))
    FROM (SELECT DISTINCT tenant_id FROM integrations WHERE id = ANY(:ids) ORDER BY tenant_id) AS involved
), owner AS MATERIALIZED (
    SELECT id FROM tenants WHERE id IN (SELECT tenant_id FROM turn) ORDER BY id FOR KEY SHARE
)
SELECT integration.id
FROM integrations AS integration
JOIN owner ON owner.id = integration.tenant_id
WHERE integration.id = ANY(:ids)
ORDER BY integration.id
FOR KEY SHARE OF integration
