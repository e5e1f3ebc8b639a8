-- A conversation was read whole: retract what it no longer holds.
UPDATE activities
SET retracted_at = now(), title = NULL, body = NULL, updated_at = now()
FROM jsonb_to_recordset(CAST(:threads AS jsonb)) AS whole(platform text, type text, thread text, present text[])
WHERE activities.tenant_id = :tenant_id AND activities.platform = whole.platform
  AND activities.thread = whole.thread AND activities.type = whole.type
  AND activities.retracted_at IS NULL AND activities.source_id <> ALL (whole.present)
