#!/usr/bin/env bash
# The consistency tests in their long form, on a release build and a PostgreSQL of their own: for
# each engine 1,000,000 calls answered by two instances that are killed meanwhile, 100,000
# alternations between them, and 20,000 seeds of the simulation. Prints what came out, one line each.
#
# THREADLINE_CHECK_CALLS, THREADLINE_CHECK_ALTERNATIONS and THREADLINE_CHECK_SEEDS choose other
# numbers. Arguments go to the tests: `served_on_sqlite` runs the one of that name.
set -euo pipefail
cd "$(dirname "$0")/.."

. tests/postgres.sh

export THREADLINE_CHECK_CALLS="${THREADLINE_CHECK_CALLS:-1000000}"
export THREADLINE_CHECK_ALTERNATIONS="${THREADLINE_CHECK_ALTERNATIONS:-100000}"
export THREADLINE_CHECK_SEEDS="${THREADLINE_CHECK_SEEDS:-20000}"

cargo test --locked --release --test consistency --no-run
postgres_start
export THREADLINE_TEST_POSTGRES="$POSTGRES_URL"
echo "consistency.sh: PostgreSQL $POSTGRES_VERSION"
cargo test --locked --release --test consistency -- --nocapture --test-threads 1 "$@"
