#!/usr/bin/env bash
# The rotation tests in their long form, on a release build and a PostgreSQL of their own: twenty kills,
# and ten rotations of 20,000 keys under load for each engine, of which the calls' p99 may be 1.2 times
# that of the time between them. Prints what came out.
#
# THREADLINE_ROTATIONS, THREADLINE_ROTATION_KEYS and THREADLINE_ROTATION_KILLS choose other numbers.
# Arguments go to the tests: `sqlite` runs those with that in their name.
set -euo pipefail
cd "$(dirname "$0")/.."

. tests/postgres.sh

export THREADLINE_ROTATIONS="${THREADLINE_ROTATIONS:-10}"
export THREADLINE_ROTATION_KEYS="${THREADLINE_ROTATION_KEYS:-20000}"
export THREADLINE_ROTATION_KILLS="${THREADLINE_ROTATION_KILLS:-20}"

cargo test --locked --release --test rotation --no-run
postgres_start
export THREADLINE_TEST_POSTGRES="$POSTGRES_URL"
echo "rotation.sh: PostgreSQL $POSTGRES_VERSION, $THREADLINE_ROTATIONS rotations of $THREADLINE_ROTATION_KEYS keys"
# One after the other: they measure.
cargo test --locked --release --test rotation -- --nocapture --test-threads 1 "$@"
