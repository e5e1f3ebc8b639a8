-- People change their names; the user id stays. A name that only repeats the id says that nobody knows the name.
UPDATE member_identities AS identity
SET username = seen.username, updated_at = now()
FROM jsonb_to_recordset(CAST(:identities AS jsonb)) AS seen(platform text, source_id text, username text)
WHERE identity.tenant_id = :tenant_id AND identity.platform = seen.platform
  AND identity.identity_key = COALESCE(seen.source_id, 'name:' || lower(seen.username))
  AND identity.username <> seen.username
  AND seen.username IS DISTINCT FROM seen.source_id
