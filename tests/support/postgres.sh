#!/usr/bin/env bash
# A throw-away PostgreSQL server on loopback, for the tests. Needs Debian's `postgresql`, of which it starts no cluster but its own.
#
# usage: postgres.sh FOLDER PORT
#   FOLDER holds cert.pem and key.pem, for TLS. The superuser is `owner`, with the password `owner-secret`.
#   Says `ready` when it is up. Then every line of its input is a command, answered by a line: `kill` ends the server at once, as a
#   crash would; `start` starts it again. When its input ends, for the tests are over or dead, it stops all and removes FOLDER.
# As root it runs the server as the user `postgres`, for PostgreSQL refuses to be root.
set -euo pipefail
folder=$(cd "$1" && pwd)
port=$2
bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -1)
[ -n "$bin" ] || bin=$(dirname "$(readlink -f "$(command -v postgres)")")

as() { "$@"; }
if [ "$(id -u)" = 0 ]; then
  as() { runuser -u postgres -- "$@"; }
  chown -R postgres: "$folder"
  above=$folder
  while [ "$above" != / ]; do
    case $(stat -c %A "$above") in *[xt]) ;; *) chmod o+x "$above" ;; esac
    above=$(dirname "$above")
  done
fi
chmod 600 "$folder/key.pem"
cd "$folder"

echo owner-secret > password
as "$bin/initdb" -D "$folder/data" -U owner --pwfile="$folder/password" --auth=scram-sha-256 --no-sync -E UTF8 --locale=C.UTF-8 > initdb.log 2>&1 ||
  { cat initdb.log >&2; exit 1; }

server() { [ -s data/postmaster.pid ] && head -1 data/postmaster.pid; }

start() {
  as "$bin/postgres" -D "$folder/data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c ssl=on -c ssl_cert_file="$folder/cert.pem" -c ssl_key_file="$folder/key.pem" \
    -c fsync=off -c max_connections=300 -c shared_buffers=64MB -c log_line_prefix='%d|' >> "$folder/log" 2>&1 &
  for _ in $(seq 1200); do
    if "$bin/pg_isready" -q -h 127.0.0.1 -p "$port"; then return 0; fi
    sleep 0.05
  done
  tail -5 "$folder/log" >&2
  return 1
}

finish() {
  kill -QUIT "$(server)" 2>/dev/null || true
  wait 2>/dev/null || true
  cd /
  rm -rf "$folder"
}
trap finish EXIT
trap 'exit 0' INT TERM

start
echo ready
while read -r command; do
  case $command in
    kill)
      kill -QUIT "$(server)"
      wait
      echo killed
      ;;
    start)
      start
      echo ready
      ;;
  esac
done
