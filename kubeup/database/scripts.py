"""The shell scripts that run the database's client where the server runs.

The password is the first line of their input: it is in no argument and in no list of processes.
"""

from __future__ import annotations

PASSWORD = "IFS= read -r MYSQL_PWD; export MYSQL_PWD; "  # noqa: S105 - how one is read
FIND = """\
{name}=$(command -v {first} || command -v {second}) || {{ echo "no {first} here" >&2; exit 127; }}
"""
# no option of the image's own files: the client is the same wherever the server runs
OPTIONS = (
    "--no-defaults --protocol=socket --socket=/run/mysqld/mysqld.sock "
    "--default-character-set=utf8mb4 --max-allowed-packet=1G"
)
FIND_CLIENT = FIND.format(name="client", first="mysql", second="mariadb")
BATCH = f'"$client" {OPTIONS} -N -B -n --user="$1" ${{2:+"$2"}}'
CLIENT = f"{PASSWORD}{FIND_CLIENT}exec {BATCH}"
# What a client that was refused something has not read is read all the same: containerd waits for
# that before it tells that a command has ended, see `ExecIO.Attach` in its pkg/cri/io.
DRAIN = "; code=$?; cat >/dev/null; exit $code"
LOAD = f"{PASSWORD}{FIND_CLIENT}{BATCH}{DRAIN}"
# It ends when its input does: one whose reader was killed would wait with half a row, and everybody
# who changes or flushes its tables would wait for it, and all others for those.
# It does not end before it reads that all of it was received: `kubectl exec` drops what is still on
# its way when the command has ended, and exits with 0, see
# https://github.com/kubernetes/kubernetes/issues/124571.
DUMP = f"""\
{PASSWORD}{FIND.format(name="dump", first="mysqldump", second="mariadb-dump")}
exec 3<&0
"$dump" {OPTIONS} --user="$1" --single-transaction --quick --no-tablespaces --routines \
--events --triggers "$2" 3<&- </dev/null &
dumping=$!
{{
  while read -r line <&3; do
    test "$line" != received || exit
  done
  kill "$dumping"
}} >/dev/null 2>&1 &
watching=$!
wait "$dumping"
code=$?
test "$code" = 0 || kill "$watching" 2>/dev/null
wait "$watching" 2>/dev/null
exit "$code"
"""
RECEIVED = b"received\n"
# for a person: the password waits in a file that is gone before the client starts
LEAVE = 'umask 077; cat >"$1"'
SHELL = (
    'IFS= read -r MYSQL_PWD <"$1"; rm -f "$1"; export MYSQL_PWD; '
    f'{FIND_CLIENT}set -- "$client" {OPTIONS} --user="$2" "$3"; ! test -t 0 || exec "$@"; '
    f'"$@"{DRAIN}'
)
