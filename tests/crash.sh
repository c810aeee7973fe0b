#!/usr/bin/env bash
# The crash tests in their long form, on a release build and a PostgreSQL of their own: 200 kills
# for each engine and 100 restarts of PostgreSQL under load. Prints what came out, one line each.
#
# THREADLINE_KILLS, THREADLINE_RESTARTS and THREADLINE_CRASH_SEED choose other numbers; whoever
# sees a failure repeats it with the seed that was printed. Arguments go to the tests: `sqlite`
# runs those with that in their name.
set -euo pipefail
cd "$(dirname "$0")/.."

. tests/postgres.sh

export THREADLINE_KILLS="${THREADLINE_KILLS:-200}"
export THREADLINE_RESTARTS="${THREADLINE_RESTARTS:-100}"
export THREADLINE_CRASH_SEED="${THREADLINE_CRASH_SEED:-20261}"

cargo test --locked --release --test crash --no-run
postgres_start
export THREADLINE_TEST_POSTGRES="$POSTGRES_URL"
echo "crash.sh: PostgreSQL $POSTGRES_VERSION, $THREADLINE_KILLS kills, $THREADLINE_RESTARTS restarts"
# One after the other: each measures how soon the service is ready again.
cargo test --locked --release --test crash -- --nocapture --test-threads 1 "$@"
