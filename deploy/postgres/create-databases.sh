#!/usr/bin/env bash
# Makes a database for our data and one for Dagster's, and the roles that use them. The postgres image runs it once, when
# its volume is empty; on a volume of an older version it can be run by hand, and again at any time:
#
#   docker compose exec postgres /docker-entrypoint-initdb.d/create-databases.sh
#
# crowd_migrate   owns our schema; only `crowd-pipelines db upgrade` uses it
# crowd_ingest    reads and writes rows, and cannot change the schema
# crowd_read      reads, but no credentials: for dashboards
# dagster         owns Dagster's database, and has no way to ours
#
# What the middle two may do with which table, `crowd-pipelines db upgrade` says anew after every migration.
set -euo pipefail

psql --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv migrate_password CROWD_MIGRATE_POSTGRES_PASSWORD
\getenv ingest_password CROWD_INGEST_POSTGRES_PASSWORD
\getenv read_password CROWD_READ_POSTGRES_PASSWORD
\getenv dagster_password CROWD_DAGSTER_POSTGRES_PASSWORD

SELECT format('CREATE ROLE %I', name)
FROM unnest('{crowd_migrate, crowd_ingest, crowd_read, dagster}'::text[]) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

-- Together less than max_connections, so that none of them can leave the others without.
ALTER ROLE crowd_migrate LOGIN CONNECTION LIMIT 5 PASSWORD :'migrate_password';
ALTER ROLE crowd_ingest LOGIN CONNECTION LIMIT 105 PASSWORD :'ingest_password';
ALTER ROLE crowd_read LOGIN CONNECTION LIMIT 10 PASSWORD :'read_password';
ALTER ROLE crowd_read SET default_transaction_read_only = on;
ALTER ROLE crowd_read SET statement_timeout = '5min';
ALTER ROLE dagster LOGIN CONNECTION LIMIT 75 PASSWORD :'dagster_password';

SELECT format('CREATE DATABASE %I OWNER %I', name, owner)
FROM (VALUES ('crowd', 'crowd_migrate'), ('dagster', 'dagster')) AS wanted (name, owner)
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec

ALTER DATABASE crowd OWNER TO crowd_migrate;
REVOKE ALL ON DATABASE crowd, dagster FROM PUBLIC;
GRANT CONNECT ON DATABASE crowd TO crowd_ingest, crowd_read;

\connect crowd
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO crowd_ingest, crowd_read;

-- Versions before this one had a single role, which owned everything.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'crowd') THEN
        REASSIGN OWNED BY crowd TO crowd_migrate;
        DROP OWNED BY crowd;
        DROP ROLE crowd;
    END IF;
END
$$;

-- From now on the superuser can log in from inside this container only.
ALTER ROLE CURRENT_USER PASSWORD NULL;
SQL
