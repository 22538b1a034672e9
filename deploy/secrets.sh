#!/bin/sh
# Makes the secrets of docker-compose.yml: random passwords, and the DSNs that hold them. What is there stays.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
for user in postgres replication admin writer projector reader; do
    [ -e "secrets/$user" ] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' > "secrets/$user"
done
dsn() {
    [ -e "secrets/$1" ] || printf 'postgresql://aion_%s:%s@%s:5432/aion' "$2" "$(cat "secrets/$2")" "$3" > "secrets/$1"
}
dsn admin_dsn admin postgres
dsn writer_dsn writer postgres
dsn writer_read_dsn writer postgres-replica
dsn projector_dsn projector postgres
dsn reader_dsn reader postgres
chmod 0755 secrets
chmod 0444 secrets/*  # containers read them as users of their own; the folder above is yours to close
