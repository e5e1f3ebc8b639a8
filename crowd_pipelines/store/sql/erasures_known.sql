-- Which of the words that activities carry are ids or names of people who were erased.
SELECT word.text, gone.is_id, gone.is_name
FROM jsonb_to_recordset(CAST(:words AS jsonb)) AS word(platform text, text text)
JOIN erasure_salts AS salted ON salted.tenant_id = :tenant_id
CROSS JOIN LATERAL (
    SELECT sha256(salted.salt || convert_to(word.platform || ' ' || word.text, 'UTF8')) AS as_id,
           sha256(salted.salt || convert_to(word.platform || ' name:' || lower(word.text), 'UTF8')) AS as_name
) AS hashed
CROSS JOIN LATERAL (
    SELECT bool_or(digest = hashed.as_id) AS is_id, bool_or(digest = hashed.as_name) AS is_name
    FROM erased_identities
    WHERE tenant_id = :tenant_id AND platform = word.platform AND digest IN (hashed.as_id, hashed.as_name)
) AS gone
WHERE gone.is_id OR gone.is_name
