#!/usr/bin/env bash
# A throw-away MariaDB server on loopback, for the tests. Needs Debian's `mariadb-server`, of which it starts no service.
#
# usage: mariadb.sh FOLDER PORT
#   FOLDER holds cert.pem and key.pem, for TLS. The user `owner`, with the password `owner-secret`, may do everything.
#   Says `ready` when it is up. Then every line of its input is a command, answered by a line: `kill` ends the server at once, as a
#   crash would; `start` starts it again. When its input ends, for the tests are over or dead, it stops all and removes FOLDER.
# As root it runs the server as the user `mysql`.
set -euo pipefail
folder=$(cd "$1" && pwd)
port=$2
user=$(id -un)
if [ "$user" = root ]; then
  user=mysql
  chown -R mysql: "$folder"
  above=$folder
  while [ "$above" != / ]; do
    case $(stat -c %A "$above") in *[xt]) ;; *) chmod o+x "$above" ;; esac
    above=$(dirname "$above")
  done
fi
chmod 600 "$folder/key.pem"
cd "$folder"
PATH=$PATH:/usr/sbin

cat > init.sql <<SQL
CREATE USER IF NOT EXISTS owner@'%' IDENTIFIED BY 'owner-secret';
GRANT ALL ON *.* TO owner@'%' WITH GRANT OPTION;
SQL
mariadb-install-db --no-defaults --user="$user" --datadir="$folder/data" --tmpdir="$folder" --skip-test-db --skip-name-resolve > install.log 2>&1 ||
  { cat install.log >&2; exit 1; }

start() {
  mariadbd --no-defaults --user="$user" --datadir="$folder/data" --tmpdir="$folder" --port="$port" --bind-address=127.0.0.1 --skip-name-resolve \
    --socket="$folder/s" --pid-file="$folder/pid" --init-file="$folder/init.sql" --max-connections=300 \
    --ssl-cert="$folder/cert.pem" --ssl-key="$folder/key.pem" --character-set-server=utf8mb4 \
    --innodb-flush-log-at-trx-commit=2 --innodb-buffer-pool-size=64M >> "$folder/log" 2>&1 &
  server=$!
  for _ in $(seq 1200); do
    if mariadb-admin --no-defaults -S "$folder/s" -u owner -powner-secret ping > /dev/null 2>&1; then return 0; fi
    kill -0 "$server" 2>/dev/null || break
    sleep 0.05
  done
  tail -5 "$folder/log" >&2
  return 1
}

finish() {
  kill -KILL "$server" 2>/dev/null || true
  wait 2>/dev/null || true
  cd /
  rm -rf "$folder"
}
trap finish EXIT
trap 'exit 0' INT TERM

server=
start
echo ready
while read -r command; do
  case $command in
    kill)
      kill -KILL "$server"
      wait || true
      echo killed
      ;;
    start)
      start
      echo ready
      ;;
  esac
done
