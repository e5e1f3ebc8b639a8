-- The provider no longer shows these: that they happened stays, what they said goes.
UPDATE activities
SET retracted_at = now(), title = NULL, body = NULL, updated_at = now()
FROM jsonb_to_recordset(CAST(:retracted AS jsonb)) AS gone(platform text, type text, source_id text)
WHERE activities.tenant_id = :tenant_id AND activities.platform = gone.platform AND activities.type = gone.type
  AND activities.source_id = gone.source_id AND activities.retracted_at IS NULL
