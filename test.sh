#!/usr/bin/env bash
# Every test, on a fresh machine with a Rust toolchain.
#
# Starts a PostgreSQL of its own (a cluster in a temporary folder, on a free
# port of 127.0.0.1), prepares Python for the client's test, runs
# `cargo test`, stops what it started, and exits as the tests did. Arguments
# go to cargo: `./test.sh --test store`. May run several times at once.
set -euo pipefail
cd "$(dirname "$0")"

. tests/postgres.sh

# The Python client's libraries, in an environment of their own under target/,
# made again when the list of them changes.
python_prepare() {
  local folder=target/python list=clients/python/requirements.txt
  cmp -s "$list" "$folder/requirements.txt" && return 0
  rm -rf "$folder"
  if ! python3 -m venv "$folder" >/dev/null 2>&1; then
    # Debian ships the module in a package of its own.
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
      echo "test.sh: python3 cannot make a virtual environment: install python3-venv" >&2
      return 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
    python3 -m venv "$folder"
  fi
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$list"
  cp "$list" "$folder/requirements.txt"
}

if command -v python3 >/dev/null; then
  mkdir -p target
  (
    # One at a time, where the machine has a lock to offer.
    if command -v flock >/dev/null; then flock 8; fi
    python_prepare
  ) 8>target/python.lock
  export THREADLINE_TEST_PYTHON="$PWD/target/python/bin/python"
else
  echo "test.sh: no python3 here: the test of clients/python is skipped"
fi

postgres_start
export THREADLINE_TEST_POSTGRES="$POSTGRES_URL"
echo "test.sh: PostgreSQL $POSTGRES_VERSION on port $POSTGRES_PORT"

# A bug that can no longer be planted shows nothing any more.
tests/planted.sh --apply-only

cargo test --locked "$@"
