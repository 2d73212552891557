#!/usr/bin/env bash
# A certificate authority for the tests: Debian's `pebble`, a real ACME server (RFC 8555), and its DNS server, which says of every name
# that it is at 127.0.0.1. On loopback.
#
# usage: pebble.sh FOLDER API MANAGEMENT HTTP TLS DNS DNS_MANAGEMENT [SECONDS] [eab]
#   The rest are ports. HTTP and TLS are where it looks for proofs, SECONDS how long its certificates live.
#   FOLDER gets api-ca.pem, the CA of its own certificate; pebble.log; and with `eab`, eab.key for the key id `kid-1`.
#   Says `ready` when it is up. Then every line of its input is a command, answered by a line: `kill` ends the authority at once, as
#   a crash would, and it forgets everything; `start` starts it again. When its input ends, for the tests are over or dead, it stops
#   all and removes FOLDER.
# Five in a hundred good nonces are refused on purpose: PEBBLE_WFE_NONCEREJECT, passed through, changes that.
set -euo pipefail
folder=$(cd "$1" && pwd)
api=$2 management=$3 http=$4 tls=$5 dns=$6 dns_management=$7 seconds=${8:-7776000} eab=false
[ "${9:-}" = eab ] && eab=true
cd "$folder"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=test API CA' \
  -addext basicConstraints=critical,CA:TRUE -keyout api-ca.key -out api-ca.pem 2> openssl.log
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=localhost' -keyout api.key -out api.csr 2>> openssl.log
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' > api.ext
openssl x509 -req -in api.csr -CA api-ca.pem -CAkey api-ca.key -CAcreateserial -days 30 -extfile api.ext -out api.pem 2>> openssl.log
openssl rand -base64 48 | tr -d '=\n' | tr '+/' '-_' > eab.key
cat > pebble.json <<JSON
{"pebble": {
  "listenAddress": "127.0.0.1:$api", "managementListenAddress": "127.0.0.1:$management",
  "certificate": "api.pem", "privateKey": "api.key",
  "httpPort": $http, "tlsPort": $tls, "ocspResponderURL": "",
  "externalAccountBindingRequired": $eab,
  "externalAccountMACKeys": {"kid-1": "$(cat eab.key)"},
  "domainBlocklist": ["blocked.test"],
  "certificateValidityPeriod": $seconds
}}
JSON

start() {
  PEBBLE_VA_NOSLEEP=1 pebble -config pebble.json -dnsserver "127.0.0.1:$dns" >> pebble.log 2>&1 &
  authority=$!
  for _ in $(seq 600); do
    curl -sf --cacert api-ca.pem "https://localhost:$management/roots/0" -o root.pem && return 0
    kill -0 "$authority" 2>/dev/null || break
    sleep 0.05
  done
  tail -5 pebble.log >&2
  return 1
}

finish() {
  kill "$authority" "$names" 2>/dev/null || true
  wait 2>/dev/null || true
  cd /
  rm -rf "$folder"
}
authority='' names=''
trap finish EXIT
trap 'exit 0' INT TERM

pebble-challtestsrv -defaultIPv4 127.0.0.1 -defaultIPv6 "" -http01 "" -https01 "" -tlsalpn01 "" \
  -dns01 "127.0.0.1:$dns" -management "127.0.0.1:$dns_management" > names.log 2>&1 &
names=$!
start
echo ready
while read -r command; do
  case $command in
    kill)
      kill -KILL "$authority"
      wait "$authority" 2>/dev/null || true
      echo killed
      ;;
    start)
      start
      echo ready
      ;;
  esac
done
