#!/usr/bin/env bash
# Run once by the postgres image, when its volume is empty: a role and a database each for our data and for Dagster's.
set -euo pipefail

psql --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv crowd_password CROWD_POSTGRES_PASSWORD
\getenv dagster_password CROWD_DAGSTER_POSTGRES_PASSWORD

CREATE ROLE crowd LOGIN PASSWORD :'crowd_password';
CREATE DATABASE crowd OWNER crowd;
REVOKE CONNECT, TEMPORARY ON DATABASE crowd FROM PUBLIC;

CREATE ROLE dagster LOGIN PASSWORD :'dagster_password';
CREATE DATABASE dagster OWNER dagster;
REVOKE CONNECT, TEMPORARY ON DATABASE dagster FROM PUBLIC;

-- From now on the superuser can log in from inside this container only.
ALTER ROLE CURRENT_USER PASSWORD NULL;
SQL
