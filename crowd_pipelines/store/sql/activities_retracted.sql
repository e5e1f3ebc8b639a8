-- Of activities that a list shows, find those that are retracted: they were taken away, and are there again.
SELECT known.platform, known.type, known.source_id
FROM jsonb_to_recordset(CAST(:shown AS jsonb)) AS shown(platform text, type text, source_id text)
JOIN activities AS known
  ON known.tenant_id = :tenant_id AND known.platform = shown.platform AND known.type = shown.type
 AND known.source_id = shown.source_id
WHERE known.retracted_at IS NOT NULL
