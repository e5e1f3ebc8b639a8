-- Add activities and change known ones. A row that says the same again is left alone, `updated_at` included.
-- A moment that was only observed stays the first one.
INSERT INTO activities AS known (
    tenant_id, integration_id, member_id, platform, type, source_id, source_parent_id, source_parent_type, thread,
    "timestamp", timestamp_source, title, body, url, channel, attributes, score, is_contribution
)
SELECT :tenant_id, integration_id, member_id, platform, type, source_id, source_parent_id, source_parent_type, thread,
       "timestamp", timestamp_source, title, body, url, channel, attributes, score, is_contribution
FROM jsonb_to_recordset(CAST(:activities AS jsonb)) AS given(
    integration_id uuid, member_id uuid, platform text, type text, source_id text, source_parent_id text,
    source_parent_type text, thread text, "timestamp" timestamptz, timestamp_source text, title text, body text,
    url text, channel text, attributes jsonb, score int, is_contribution boolean
)
ORDER BY platform, type, source_id
ON CONFLICT (tenant_id, platform, type, source_id) DO UPDATE
SET member_id = excluded.member_id,
    source_parent_id = excluded.source_parent_id,
    source_parent_type = excluded.source_parent_type,
    parent_id = CASE WHEN (known.source_parent_id, known.source_parent_type)
                          IS NOT DISTINCT FROM (excluded.source_parent_id, excluded.source_parent_type)
                     THEN known.parent_id END,
    thread = excluded.thread,
    "timestamp" = CASE WHEN excluded.timestamp_source = 'observed' THEN known."timestamp"
                       ELSE excluded."timestamp" END,
    timestamp_source = CASE WHEN excluded.timestamp_source = 'observed' THEN known.timestamp_source
                            ELSE excluded.timestamp_source END,
    title = excluded.title,
    body = excluded.body,
    url = excluded.url,
    channel = excluded.channel,
    attributes = excluded.attributes,
    score = excluded.score,
    is_contribution = excluded.is_contribution,
    retracted_at = NULL,
    updated_at = now()
WHERE known.retracted_at IS NOT NULL
   OR (excluded.timestamp_source <> 'observed'
       AND (known."timestamp", known.timestamp_source) <> (excluded."timestamp", excluded.timestamp_source))
   OR (known.member_id, known.source_parent_id, known.source_parent_type, known.thread, known.title,
       known.body, known.url, known.channel, known.attributes, known.score, known.is_contribution)
      IS DISTINCT FROM
      (excluded.member_id, excluded.source_parent_id, excluded.source_parent_type, excluded.thread,
       excluded.title, excluded.body, excluded.url, excluded.channel, excluded.attributes,
       excluded.score, excluded.is_contribution)
RETURNING id, integration_id, member_id, source_parent_id IS NOT NULL AND parent_id IS NULL AS orphan, score, "timestamp",
          xmax = 0 AS added
