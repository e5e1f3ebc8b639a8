-- A conversation was read whole: retract what it no longer holds.
WITH whole AS (
    SELECT platform, type, thread, present
    FROM jsonb_to_recordset(CAST(:threads AS jsonb)) AS whole(platform text, type text, thread text, present text[])
), present AS (
    SELECT platform, type, thread, unnest(present) AS source_id FROM whole
)
UPDATE activities
SET retracted_at = now(), title = NULL, body = NULL, updated_at = now()
FROM whole
WHERE activities.tenant_id = :tenant_id AND activities.platform = whole.platform
  AND activities.thread = whole.thread AND activities.type = whole.type
  AND activities.retracted_at IS NULL
  AND NOT EXISTS (
    SELECT FROM present
    WHERE present.platform = activities.platform AND present.thread = activities.thread
      AND present.type = activities.type AND present.source_id = activities.source_id
)
