#!/usr/bin/env bash
# How fast it is, on SQLite and on PostgreSQL, each beside a bare gRPC echo.
#
# Builds the release, starts a PostgreSQL of its own as test.sh does, measures
# with a root key that is thrown away, and stops what it started. Arguments go
# to the command: `./bench.sh --workload start-hit --json figures.json`.
# Nothing else should run on the machine meanwhile.
set -euo pipefail
cd "$(dirname "$0")"

. tests/postgres.sh

cargo build --release --locked
postgres_start
echo "bench.sh: PostgreSQL $POSTGRES_VERSION on port $POSTGRES_PORT"

THREADLINE_ROOT_KEY="$(head -c 32 /dev/urandom | base64 | tr -d '\n')"
export THREADLINE_ROOT_KEY
target/release/threadline bench --database sqlite --database "$POSTGRES_URL" "$@"
