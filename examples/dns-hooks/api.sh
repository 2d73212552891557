#!/bin/sh
# A DNS hook for the gateway: sets and removes TXT records at a DNS provider with an HTTP API. Written for Cloudflare's; others
# differ in addresses and members.
#
# In the gateway's config:  dns_hook = ["/etc/vestibule/api.sh", "ZONE_ID"]
# The token stands in the gateway's environment as DNS_HOOK_TOKEN; it needs the right to edit this one zone's records. Of the gateway's
# environment a hook sees only what begins with DNS_HOOK_. Needs curl and jq.
set -eu
[ $# = 4 ] || { echo "usage: $0 ZONE_ID present|cleanup NAME VALUE" >&2; exit 2; }
records="${DNS_HOOK_API:-https://api.cloudflare.com/client/v4}/zones/$1/dns_records" action=$2 name=$3 value=$4

# The token goes in by a file that only this process can read: arguments show in every process list.
api() {
  curl --silent --show-error --fail-with-body --max-time 30 --header @/dev/fd/3 "$@" 3<<HEADERS
Authorization: Bearer ${DNS_HOOK_TOKEN:?}
Content-Type: application/json
HEADERS
}

case $action in
  present)
    body=$(jq -n --arg name "$name" --arg content "\"$value\"" '{type: "TXT", name: $name, content: $content, ttl: 60}')
    api --request POST --data "$body" "$records" >/dev/null
    ;;
  cleanup)
    # Only the record with this value: another order may have one of the same name.
    api --get --data-urlencode "type=TXT" --data-urlencode "name=$name" "$records" \
      | jq -r --arg value "$value" '.result[] | select((.content | gsub("\""; "")) == $value) | .id' \
      | while read -r id; do api --request DELETE "$records/$id" >/dev/null; done
    ;;
  *) echo "unknown action: $action" >&2; exit 2 ;;
esac
