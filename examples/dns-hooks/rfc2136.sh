#!/bin/sh
# A DNS hook for the gateway: sets and removes TXT records by dynamic update (RFC 2136), with `nsupdate` of BIND.
#
# In the gateway's config:  dns_hook = ["/etc/vestibule/rfc2136.sh", "ns.example.com"]
# The update key stands in the file that DNS_HOOK_KEY_FILE names, /etc/vestibule/tsig.key when it is not set; `tsig-keygen` makes one.
set -eu
[ $# = 4 ] || { echo "usage: $0 SERVER present|cleanup NAME VALUE" >&2; exit 2; }
server=$1 action=$2 name=$3 value=$4

case $action in
  # Added beside what is there: a name and its wildcard are proven by two records of one name.
  present) change="add $name. 60 IN TXT \"$value\"" ;;
  # This record alone goes.
  cleanup) change="delete $name. TXT \"$value\"" ;;
  *) echo "unknown action: $action" >&2; exit 2 ;;
esac

nsupdate -t 30 -k "${DNS_HOOK_KEY_FILE:-/etc/vestibule/tsig.key}" <<UPDATE
server $server
update $change
send
UPDATE
