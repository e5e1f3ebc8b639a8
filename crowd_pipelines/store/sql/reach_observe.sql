-- Remember reaches: a new row where the value differs from the newest one, else a later `last_seen_at`.
WITH given AS (
    SELECT member_id, platform, reach
    FROM jsonb_to_recordset(CAST(:seen AS jsonb)) AS given(member_id uuid, platform text, reach bigint)
), compared AS (
    SELECT given.*, newest.first_seen_at, newest.last_seen_at, newest.reach IS NOT DISTINCT FROM given.reach AS same
    FROM given
    LEFT JOIN LATERAL (
        SELECT first_seen_at, last_seen_at, reach FROM member_reach
        WHERE member_id = given.member_id AND platform = given.platform
        ORDER BY first_seen_at DESC
        LIMIT 1
    ) AS newest ON TRUE
), lengthened AS (
    UPDATE member_reach AS known
    SET last_seen_at = now()
    FROM compared
    WHERE compared.same AND compared.last_seen_at < now() - interval '1 hour'
      AND (known.member_id, known.platform, known.first_seen_at)
          = (compared.member_id, compared.platform, compared.first_seen_at)
)
INSERT INTO member_reach (member_id, platform, reach, first_seen_at, last_seen_at)
SELECT member_id, platform, reach, now(), now()
FROM compared
WHERE NOT same
ORDER BY member_id, platform
ON CONFLICT DO NOTHING
