#!/bin/sh
# Copies the primary once, then follows it.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    mkdir -p "$PGDATA"
    chmod 0700 "$PGDATA"
    printf 'postgres:5432:*:replicator:%s\n' "$(cat /run/secrets/replication)" > /var/lib/postgresql/.pgpass
    chmod 0600 /var/lib/postgresql/.pgpass
    pg_basebackup --dbname="host=postgres user=replicator passfile=/var/lib/postgresql/.pgpass" \
        --pgdata="$PGDATA" --slot=replica --wal-method=stream --write-recovery-conf --checkpoint=fast
fi
exec postgres -c hot_standby_feedback=on
