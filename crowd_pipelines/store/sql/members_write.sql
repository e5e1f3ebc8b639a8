-- Add members and change known ones; only rows that differ are sent.
INSERT INTO members (id, tenant_id, display_name, emails, attributes, reach, score, joined_at)
SELECT id, :tenant_id, display_name, emails, attributes, reach, score, joined_at
FROM jsonb_to_recordset(CAST(:members AS jsonb)) AS given(
    id uuid, display_name text, emails text[], attributes jsonb, reach jsonb, score bigint, joined_at timestamptz
)
ORDER BY id
ON CONFLICT (id) DO UPDATE
SET display_name = excluded.display_name,
    emails = excluded.emails,
    attributes = excluded.attributes,
    reach = excluded.reach,
    score = excluded.score,
    joined_at = excluded.joined_at,
    updated_at = now()
