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
# The containers' users (999 and 10001) read the files, so anybody may; nobody but you gets at them, for the folder lets only
# you through. The engine mounts each file by itself, as root. Where it isn't root on the folder's files (userns-remap with an
# old runc): chmod 0711 secrets, and close the folder above instead.
chmod 0444 secrets/*
chmod 0700 secrets
