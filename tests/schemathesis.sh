#!/usr/bin/env bash
# Whatever the OpenAPI document allows, and much that it does not, sent to a server: no answer may
# be a 5xx, nor anything that the document does not describe.
#
#   tests/schemathesis.sh [EXAMPLES]    EXAMPLES for each operation, 500 if not said: more than 20,000
#                                       requests, on a server and a database of its own
#
# THREADLINE_SERVER and THREADLINE_API_KEY name a server that is there already.
set -euo pipefail
cd "$(dirname "$0")/.."
examples="${1:-500}"
python="${THREADLINE_TEST_PYTHON:-$PWD/target/python/bin/python}"
folder="$(mktemp -d)"
server=""
stop() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$folder"
}
trap stop EXIT

if [ -z "${THREADLINE_SERVER:-}" ]; then
  cargo build --locked
  database="sqlite:$folder/test.db"
  roles="--role telephony --role bot --role helpdesk --role agent --role admin --role backfill"
  THREADLINE_API_KEY="$(target/debug/threadline keys create --database "$database" --tenant acme $roles)"
  target/debug/threadline serve --database "$database" --listen 127.0.0.1:0 2>"$folder/log" &
  server=$!
  for _ in $(seq 100); do
    address="$(sed -n 's/.*"serving","address":"\([^"]*\)".*/\1/p' "$folder/log")"
    [ -z "$address" ] || break
    sleep 0.1
  done
  THREADLINE_SERVER="http://$address"
fi

# Somebody who is there, so that what names somebody finds them half of the time.
known="$("$python" - "$THREADLINE_SERVER" "$THREADLINE_API_KEY" <<'PYTHON'
import json, sys, urllib.request
server, key = sys.argv[1:]
start = {"interaction_id": "known", "channel": "voice", "identity_hints": {"caller_number": "+14155550101"}}
request = urllib.request.Request(server + "/api/v1/interactions", json.dumps(start).encode(),
    {"authorization": "Bearer " + key, "content-type": "application/json"})
print(json.load(urllib.request.urlopen(request))["customer_ref"])
PYTHON
)"
cat >"$folder/known.toml" <<TOML
[parameters]
"path.interaction_id" = "known"
"path.customer_ref" = "$known"
TOML
: >"$folder/anybody.toml"

# Left out: what is valid by its form may still be refused (a field that is required, an id that
# nobody has), and null stands for a field that is not there, as JSON of the protocol has it.
checks=not_a_server_error,status_code_conformance,content_type_conformance
checks+=,response_headers_conformance,response_schema_conformance
checks+=,missing_required_header,unsupported_method,ignored_auth
# Watching has no end: tests/api/doors.rs and tests/api/rest.rs look at what it says.
# It leaves what it found in the folder that it runs in. The seed is always the same: who sees a failure
# sees it again, and who has changed nothing sees none.
cd "$folder"
for whom in anybody known; do
  "$python" -m schemathesis.cli --config-file "$whom.toml" \
    run "$THREADLINE_SERVER/openapi.json" --header "Authorization: Bearer $THREADLINE_API_KEY" \
    --exclude-path-regex '/events$' \
    --phases examples,coverage,fuzzing --checks "$checks" --max-examples "$examples" --seed 20261 \
    --request-timeout 30 --continue-on-failure --no-color
done
