-- Conversations were read whole: retract what they no longer hold. LATERAL and OFFSET keep the planner, which knows
-- nothing of a table that is being filled, to the index on conversations; NOT IN makes it one hash table of what is
-- present, where comparing with each array would take the square of its length.
WITH whole AS (
    SELECT platform, type, thread, present
    FROM jsonb_to_recordset(CAST(:threads AS jsonb)) AS whole(platform text, type text, thread text, present text[])
), missing AS (
    SELECT held.id
    FROM whole
    CROSS JOIN LATERAL (
        SELECT id, platform, type, thread, source_id
        FROM activities
        WHERE tenant_id = :tenant_id AND platform = whole.platform AND thread = whole.thread AND type = whole.type
          AND retracted_at IS NULL
        OFFSET 0
    ) AS held
    WHERE (held.platform, held.type, held.thread, held.source_id) NOT IN (
        SELECT platform, type, thread, unnest(present) FROM whole
    )
)
UPDATE activities
SET retracted_at = now(), title = NULL, body = NULL, updated_at = now()
WHERE id IN (SELECT id FROM missing) AND retracted_at IS NULL
