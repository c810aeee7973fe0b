# A PostgreSQL cluster of one's own, for tests. Sourced by bash (test.sh):
#
#   postgres_start   makes a cluster in a temporary folder and starts it on a free port of
#                    127.0.0.1; sets POSTGRES_URL, POSTGRES_PORT, POSTGRES_VERSION
#   postgres_serve   starts that cluster again on its port after somebody has ended its server
#   postgres_stop    stops that one, by its own process id, and removes the folder; done by itself
#                    when the script that sourced this ends, however it does
#
# The cluster is durable as in production (fsync on), so that what a test sees
# of commits and time-outs is what an operator will see.

POSTGRES_FOLDER=""

# Prints the folder of PostgreSQL's binaries: the newest of Debian's, else the one in PATH.
postgres_binaries() {
  local folder program
  for folder in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV) /usr/local/bin; do
    if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && [ -x "$folder/pg_isready" ]; then
      echo "$folder"
      return 0
    fi
  done
  program="$(command -v initdb)" || return 1
  dirname "$(readlink -f "$program" 2>/dev/null || echo "$program")"
}

postgres_install() {
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "PostgreSQL is needed for these tests: install its server (initdb, postgres, pg_isready)" >&2
    return 1
  fi
  echo "installing PostgreSQL"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends postgresql-common >/dev/null
  # The package would make and start a cluster of its own, which nobody asked for.
  sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' \
    /etc/postgresql-common/createcluster.conf
  apt-get install -y -qq --no-install-recommends postgresql >/dev/null
}

# PostgreSQL refuses to run as root: then an unprivileged user runs it.
postgres_run() (
  cd "$POSTGRES_FOLDER"
  if [ "$(id -u)" != 0 ]; then
    exec "$@"
  elif command -v setpriv >/dev/null; then
    exec setpriv --reuid "$POSTGRES_USER" --regid "$(id -g "$POSTGRES_USER")" --clear-groups "$@"
  else
    exec runuser -u "$POSTGRES_USER" -- "$@"
  fi
)

# The server's process id, from its own file.
postgres_pid() { head -n 1 "$POSTGRES_FOLDER/cluster/postmaster.pid" 2>/dev/null; }

# Waits until the server answers; fails when it has ended, or after a minute.
postgres_wait() {
  local started="$1" tries
  for tries in $(seq 600); do
    # `pg_isready` alone could reach somebody else's server on this port.
    if ! kill -0 "$started" 2>/dev/null; then return 1; fi
    if [ "$(sed -n 8p "$POSTGRES_FOLDER/cluster/postmaster.pid" 2>/dev/null | tr -d ' ')" = ready ] &&
      "$POSTGRES_BINARIES/pg_isready" -q -h 127.0.0.1 -p "$POSTGRES_PORT"; then
      return 0
    fi
    sleep 0.1
  done
  return 1
}

# Starts the cluster's server and waits until it answers.
postgres_serve() {
  postgres_run "$POSTGRES_BINARIES/postgres" -D "$POSTGRES_FOLDER/cluster" \
    -h 127.0.0.1 -p "$POSTGRES_PORT" -k "" \
    -c max_connections=200 -c fsync=on >>"$POSTGRES_FOLDER/log" 2>&1 &
  postgres_wait "$!"
}

postgres_start() {
  local password attempt
  POSTGRES_BINARIES="$(postgres_binaries)" || {
    postgres_install
    POSTGRES_BINARIES="$(postgres_binaries)"
  }
  POSTGRES_VERSION="$("$POSTGRES_BINARIES/postgres" --version | grep -oE '[0-9]+(\.[0-9]+)?' | head -n 1)"
  POSTGRES_FOLDER="$(mktemp -d "${TMPDIR:-/tmp}/threadline-postgres.XXXXXX")"
  POSTGRES_USER="$(id -un)"
  password="$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
  (umask 077 && echo "$password" >"$POSTGRES_FOLDER/password")
  if [ "$(id -u)" = 0 ]; then
    POSTGRES_USER=nobody
    if id postgres >/dev/null 2>&1; then POSTGRES_USER=postgres; fi
    chown -R "$POSTGRES_USER" "$POSTGRES_FOLDER"
  fi
  postgres_run "$POSTGRES_BINARIES/initdb" -D "$POSTGRES_FOLDER/cluster" -U postgres \
    --auth=scram-sha-256 --pwfile="$POSTGRES_FOLDER/password" --encoding=UTF8 --locale=C \
    >"$POSTGRES_FOLDER/log" 2>&1 || { cat "$POSTGRES_FOLDER/log" >&2; return 1; }
  # Whether a port is free is only known once it is taken: try, and try another.
  for attempt in $(seq 20); do
    POSTGRES_PORT=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    if postgres_serve; then
      POSTGRES_URL="postgres://postgres:$password@127.0.0.1:$POSTGRES_PORT/postgres"
      return 0
    fi
  done
  cat "$POSTGRES_FOLDER/log" >&2
  return 1
}

postgres_stop() {
  local pid tries
  [ -n "$POSTGRES_FOLDER" ] || return 0
  pid="$(postgres_pid)" || pid=""
  if [ -n "$pid" ]; then
    # Fast shutdown; at once if that takes longer than ten seconds.
    kill -INT "$pid" 2>/dev/null || true
    for tries in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || break
      [ "$tries" != 99 ] || kill -QUIT "$pid" 2>/dev/null || true
      sleep 0.1
    done
  fi
  rm -rf "$POSTGRES_FOLDER"
  POSTGRES_FOLDER=""
}

trap postgres_stop EXIT
# A signal must end the cluster as well: `exit` runs the trap above.
trap 'exit 130' INT
trap 'exit 143' TERM
