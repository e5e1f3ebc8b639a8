-- Members who were erased and are stored again: by a restored backup, or a worker of a version that knew no erasures.
-- Compared by equality alone, which is one pass over the identities.
WITH hashed AS (
    SELECT identity.tenant_id, identity.platform, identity.member_id,
           sha256(salted.salt || convert_to(identity.platform || ' ' || identity.identity_key, 'UTF8')) AS digest,
           sha256(
               salted.salt || convert_to(identity.platform || ' name:' || lower(identity.username), 'UTF8')
           ) AS digest_of_name
    FROM member_identities AS identity
    JOIN erasure_salts AS salted USING (tenant_id)
)
SELECT tenant_id, member_id
FROM hashed
JOIN erased_identities AS gone USING (tenant_id, platform, digest)
UNION
SELECT hashed.tenant_id, hashed.member_id
FROM hashed
JOIN erased_identities AS gone
  ON gone.tenant_id = hashed.tenant_id AND gone.platform = hashed.platform AND gone.digest = hashed.digest_of_name
WHERE NOT gone.id_known
