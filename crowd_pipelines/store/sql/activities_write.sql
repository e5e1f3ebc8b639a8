-- Add activities and change known ones. A row that says the same again is left alone, `updated_at` included.
-- A moment that was only observed stays the first one.
-- Parents that are known or among the rows are tied at once, which spares each child a second version.
WITH given AS (
    SELECT uuidv7() AS id, fields.*
    FROM jsonb_to_recordset(CAST(:activities AS jsonb)) AS fields(
        integration_id uuid, member_id uuid, platform text, type text, source_id text, source_parent_id text,
        source_parent_type text, thread text, "timestamp" timestamptz, timestamp_source text, title text, body text,
        url text, channel text, channel_id text, attributes jsonb, score int, is_contribution boolean
    )
)
INSERT INTO activities AS known (
    id, tenant_id, integration_id, member_id, platform, type, source_id, source_parent_id, source_parent_type,
    parent_id, thread, "timestamp", timestamp_source, title, body, url, channel, channel_id,
    attributes, score, is_contribution
)
SELECT given.id, :tenant_id, given.integration_id, given.member_id, given.platform, given.type, given.source_id,
       given.source_parent_id, given.source_parent_type, COALESCE(stored.id, sibling.id), given.thread,
       given."timestamp", given.timestamp_source, given.title, given.body, given.url, given.channel,
       given.channel_id, given.attributes, given.score, given.is_contribution
FROM given
LEFT JOIN LATERAL (
    SELECT id FROM activities
    WHERE tenant_id = :tenant_id AND platform = given.platform
      AND type = given.source_parent_type AND source_id = given.source_parent_id
    LIMIT 1
) AS stored ON TRUE
LEFT JOIN given AS sibling
  ON sibling.platform = given.platform
 AND sibling.type = given.source_parent_type AND sibling.source_id = given.source_parent_id
ORDER BY given.platform COLLATE "C", given.type COLLATE "C", given.source_id COLLATE "C"
ON CONFLICT (tenant_id, platform, type, source_id) DO UPDATE
SET member_id = excluded.member_id,
    source_parent_id = excluded.source_parent_id,
    source_parent_type = excluded.source_parent_type,
    parent_id = CASE WHEN (known.source_parent_id, known.source_parent_type)
                          IS NOT DISTINCT FROM (excluded.source_parent_id, excluded.source_parent_type)
                     THEN known.parent_id ELSE excluded.parent_id END,
    thread = excluded.thread,
    "timestamp" = CASE WHEN excluded.timestamp_source = 'observed' THEN known."timestamp"
                       ELSE excluded."timestamp" END,
    timestamp_source = CASE WHEN excluded.timestamp_source = 'observed' THEN known.timestamp_source
                            ELSE excluded.timestamp_source END,
    title = excluded.title,
    body = excluded.body,
    url = excluded.url,
    channel = excluded.channel,
    channel_id = excluded.channel_id,
    attributes = excluded.attributes,
    score = excluded.score,
    is_contribution = excluded.is_contribution,
    retracted_at = NULL,
    updated_at = now()
WHERE known.retracted_at IS NOT NULL
   OR (excluded.timestamp_source <> 'observed'
       AND (known."timestamp", known.timestamp_source) <> (excluded."timestamp", excluded.timestamp_source))
   OR (known.member_id, known.source_parent_id, known.source_parent_type, known.thread, known.title,
       known.body, known.url, known.channel, known.channel_id, known.attributes, known.score, known.is_contribution)
      IS DISTINCT FROM
      (excluded.member_id, excluded.source_parent_id, excluded.source_parent_type, excluded.thread,
       excluded.title, excluded.body, excluded.url, excluded.channel, excluded.channel_id, excluded.attributes,
       excluded.score, excluded.is_contribution)
RETURNING id, integration_id, member_id, source_parent_id IS NOT NULL AND parent_id IS NULL AS orphan, "timestamp",
          xmax = 0 AS added,
          -- What the statement began with: a type's score may depend on what became of the activity (accepted answers),
          -- and its author may turn out to be another. NULL where another transaction added it at the same moment.
          score, (SELECT before.score FROM activities AS before WHERE before.id = known.id) AS score_before,
          (SELECT before.member_id FROM activities AS before WHERE before.id = known.id) AS member_before
