#!/usr/bin/env bash
# Every test, on a fresh machine with a Rust toolchain.
#
# Starts a PostgreSQL of its own (a cluster in a temporary folder, on a free
# port of 127.0.0.1), prepares Python for the client's test, and Node's packages
# and Chromium for a browser's, runs `cargo test`, stops what it started, and
# exits as the tests did. Arguments go to cargo: `./test.sh --test store`. May
# run several times at once.
set -euo pipefail
cd "$(dirname "$0")"

. tests/postgres.sh

# The libraries of the Python client and of the tests that are in Python, in an
# environment of their own under target/, made again when a list of them changes.
python_prepare() {
  local folder=target/python lists="clients/python/requirements.txt tests/requirements.txt"
  cat $lists | cmp -s - "$folder/requirements.txt" && return 0
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
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r ${lists// / -r }
  cat $lists > "$folder/requirements.txt"
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

# What a page in a browser needs: the npm packages of tests/browser in a folder under target/,
# installed again when their list changes, and Chromium.
browser_prepare() {
  local folder=target/browser list=tests/browser/package-lock.json
  mkdir -p "$folder"
  cmp -s "$list" "$folder/installed.json" && [ -d "$folder/node_modules" ] && return 0
  rm -f "$folder/installed.json"
  cp tests/browser/package.json "$list" "$folder/"
  # Tried twice: a registry that is out of reach for a moment is no finding.
  npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --silent ||
    npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --silent || return 1
  cp "$list" "$folder/installed.json"
}

chromium_prepare() {
  command -v chromium >/dev/null && return 0
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  echo "test.sh: installing Chromium"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null
}

# Where it cannot be had the test is skipped, but not by whoever decides what lands.
browser_skipped() {
  echo "test.sh: $1: the test of a page in a browser is skipped"
  [ -z "${CI:-}" ]
}

node_major="$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)"
if [ "$node_major" -lt 20 ] || ! command -v npm >/dev/null; then
  browser_skipped "no Node 20 with npm here"
elif ! (
  mkdir -p target
  if command -v flock >/dev/null; then flock 8; fi
  chromium_prepare
) 8>target/browser.lock; then
  browser_skipped "Chromium cannot be had here"
elif ! (
  if command -v flock >/dev/null; then flock 8; fi
  browser_prepare
) 8>target/browser.lock; then
  browser_skipped "its npm packages cannot be had here"
else
  export THREADLINE_TEST_NODE="$PWD/target/browser"
  THREADLINE_TEST_CHROMIUM="$(command -v chromium)"
  export THREADLINE_TEST_CHROMIUM
fi

postgres_start
export THREADLINE_TEST_POSTGRES="$POSTGRES_URL"
echo "test.sh: PostgreSQL $POSTGRES_VERSION on port $POSTGRES_PORT"

# A bug that can no longer be planted shows nothing any more.
tests/planted.sh --apply-only

cargo test --locked --no-fail-fast "$@"
