#!/usr/bin/env bash
# Does the checker of tests/consistency find what it is there to find? Each patch in tests/planted
# puts one bug into a copy of this tree; the simulation must then fail, and without them hold.
# Prints the seed and the smallest history it found. Arguments are names of patches; default: all.
#
# THREADLINE_CHECK_SEEDS says how many seeds a bug has to hide in.
# `--apply-only` just looks whether every patch still fits.
set -euo pipefail
cd "$(dirname "$0")/.."

tree=target/planted
# Cargo would take a folder inside this one for a member of its workspace; git for a part of it.
export GIT_CEILING_DIRECTORIES="$PWD/target"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
export THREADLINE_CHECK_SEEDS="${THREADLINE_CHECK_SEEDS:-3000}"
failed=0

fresh_tree() {
  mkdir -p "$tree"
  # Only what changed is written, so that cargo builds only that again.
  git ls-files -z | while IFS= read -r -d '' file; do
    [ -f "$file" ] || continue
    if ! cmp -s "$file" "$tree/$file"; then
      mkdir -p "$tree/$(dirname "$file")"
      cp "$file" "$tree/$file"
    fi
  done
  # Under another version, so that cargo does not take what it built here for what it built there.
  sed -i '/^name = "threadline"$/{n;s/^version = .*/version = "0.0.0-planted"/}' "$tree/Cargo.toml" "$tree/Cargo.lock"
}

plant() { (cd "$tree" && git apply "$1"); }

# Backtraces would hide the history.
simulate() { (export RUST_BACKTRACE=0; cd "$tree" && cargo test --locked --test consistency "$1" -- --nocapture 2>&1); }

one() {
  local patch="$1" name engine output
  name="$(basename "$patch" .patch)"
  engine="$(sed -n 's/^Seen on: \([a-z]*\).*/\1/p' "$patch")"
  fresh_tree
  plant "$PWD/$patch"
  printf '\n== %s (%s)\n' "$name" "$engine"
  sed -n 's/^Bug: //p' "$patch"
  if output="$(simulate "simulated_on_$engine")" || ! grep -q "no order of these" <<<"$output"; then
    tail -n 20 <<<"$output"
    echo "NOT FOUND: $name"
    failed=1
  else
    awk '/no order of these/ { on = 1; print; next } on && /^  / { print; next } { on = 0 }' <<<"$output"
    echo "found: $name"
  fi
}

patches=(tests/planted/*.patch)
if [ "${1:-}" = "--apply-only" ]; then
  for patch in "${patches[@]}"; do
    git apply --check "$patch" || failed=1
  done
  exit "$failed"
fi
if [ $# -gt 0 ]; then patches=("${@/#/tests/planted/}"); patches=("${patches[@]/%/.patch}"); fi

. tests/postgres.sh
postgres_start
export THREADLINE_TEST_POSTGRES="$POSTGRES_URL"

for patch in "${patches[@]}"; do one "$patch"; done
if [ $# -eq 0 ]; then
  fresh_tree
  printf '\n== as it is\n'
  simulate simulated | grep -E 'violations|test result|no order' || failed=1
fi
exit "$failed"
