#!/bin/sh
# On the primary's first start: passwords for the users that grants.sql made, and a user for the replica.
set -eu
{
    for role in admin writer projector reader; do
        printf "alter role aion_%s password '%s';\n" "$role" "$(cat "/run/secrets/$role")"
    done
    printf "create role replicator replication login password '%s';\n" "$(cat /run/secrets/replication)"
    printf "select pg_create_physical_replication_slot('replica');\n"
} | psql --set=ON_ERROR_STOP=1 --quiet --username=postgres --dbname=aion > /dev/null
echo "host replication replicator all scram-sha-256" >> "$PGDATA/pg_hba.conf"
