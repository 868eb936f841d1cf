#!/bin/bash
# Start the real servers of $POSTPROBER_REALSERVERS (default <repo>/../shared/realservers), run tests/real, stop them.
# Exits with pytest's code; 0 with a plain line when the folder is not there. PYTHON names the interpreter.
set -uo pipefail
repo=$(cd "$(dirname "$0")/../.." && pwd)
servers=${POSTPROBER_REALSERVERS:-$repo/../shared/realservers}
if [ ! -d "$servers" ]; then
  echo "No real servers at $servers: nothing is tested against them."
  exit 0
fi
python=${PYTHON:-python3}
pds=${POSTPROBER_REAL_PDS:-http://127.0.0.1:2583}
snac=${POSTPROBER_REAL_SNAC:-http://127.0.0.1:8011}
oidc=${POSTPROBER_REAL_OIDC:-http://127.0.0.1:3055}
wordpress=${POSTPROBER_REAL_WORDPRESS:-http://127.0.0.1:21102}
relay=${POSTPROBER_REAL_NOSTR_RELAY:-http://127.0.0.1:21101}
rust=${POSTPROBER_REAL_NOSTR_RUST:-http://127.0.0.1:21103}
wait_seconds=${POSTPROBER_REAL_WAIT:-420} # the first start of the PDS installs it, which takes about 3 minutes
# Node's own headers, where they were installed with it: npm would fetch them from a place that not every machine reaches.
node_home=$(command -v node) && node_home=$(dirname "$(dirname "$node_home")")
if [ -f "${node_home:-}/include/node/node.h" ]; then
  export npm_config_nodedir=${npm_config_nodedir:-$node_home}
fi
logs=$(mktemp -d)
pids=()
declare -A started=()

stop() {
  for pid in ${pids[@]+"${pids[@]}"}; do kill "$pid" 2>/dev/null; done
  for pid in ${pids[@]+"${pids[@]}"}; do wait "$pid" 2>/dev/null; done
  rm -rf "$logs"
}
trap stop EXIT
trap 'exit 130' INT TERM

answers() { # url: whether anything at all comes back
  "$python" - "$1" <<'PY' 2>/dev/null
import http.client, sys, urllib.error, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    opener.open(sys.argv[1], timeout=2)
except (urllib.error.HTTPError, http.client.HTTPException): # a relay may answer plain HTTP with nothing
    pass
PY
}

start() { # folder url
  if answers "$2"; then
    echo "$1: already running at $2"
    return
  fi
  bash "$servers/$1/start.sh" >"$logs/$1.log" 2>&1 &
  pids+=($!)
  started[$1]=$!
}

await() { # folder url
  local end=$((SECONDS + wait_seconds))
  until answers "$2"; do
    if [ "$SECONDS" -ge "$end" ] || { [ -n "${started[$1]:-}" ] && ! kill -0 "${started[$1]}" 2>/dev/null; }; then
      echo "$1 did not come up at $2; its log ends with:" >&2
      tail -5 "$logs/$1.log" >&2
      exit 1
    fi
    sleep 0.3
  done
  echo "$1: answers at $2"
}

start bluesky-pds "$pds/xrpc/_health"
start snac "$snac/api/v1/instance"
start oidc "$oidc/.well-known/openid-configuration"
start wordpress "$wordpress/"
PORT=${relay##*:} start nostr-relay "$relay"
PORT=${rust##*:} start nostr-rust "$rust"
await bluesky-pds "$pds/xrpc/_health"
await snac "$snac/api/v1/instance"
await oidc "$oidc/.well-known/openid-configuration"
await wordpress "$wordpress/"
await nostr-relay "$relay"
await nostr-rust "$rust"

cd "$repo" || exit 1
POSTPROBER_REQUIRE_REAL=1 "$python" -m pytest tests/real "$@"
