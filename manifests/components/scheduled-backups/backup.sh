#!/bin/bash
# One backup of the database, made, tested and kept: what a schedule runs, in the cluster as on a
# machine, in the database's own image. It speaks to the server as any client does, and has rights
# to read it alone.
#
# FOLDER gets NAME.sql.zst (or .gz) and NAME.sql.zst.json, which says what it is, as `inv db.backup`
# writes both; `last.run` tells how the last run went. Each backup is restored into a server of its
# own in SCRATCH and compared with the moment it was made of. Of what is there only older backups
# of this schedule are ever removed, and only once a newer one was restored.
set -Eeuo pipefail
shopt -s nullglob extglob
export LC_ALL=C
umask 077

readonly FOLDER=${FOLDER:-/backups} SCRATCH=${SCRATCH:-/scratch}
readonly OPTIONS=${OPTIONS:-/run/kubeup-backup/client.cnf}  # address, account, password, TLS
: "${PROFILE:?}" "${DATABASE:?}" "${EVERY:?}" "${KEEP:?}"
readonly WORK=$SCRATCH/work
readonly SPARE=65536      # KiB that stay free beside a backup: the database's disk is often the same
readonly SERVER_ROOM=409600  # KiB that an empty server takes
readonly START_WAIT=300   # seconds; the machine may be very slow
readonly LOCK_WAIT=60     # seconds; one that was ended may still be on its way out
# seconds: the database may be starting, and a new pod's address is let in some seconds after it has
# it, where policies are enforced by the nodes' packet filters
readonly REACH_WAIT=${REACH_WAIT:-120}
BEGAN=$(date -u +%Y-%m-%dT%H:%M:%SZ)

name='' part='' session='' scratch_server='' why='it was cut off'

say() { printf '%s\n' "$*" >&2; }
die() { why=$*; exit 1; }

# The last line of a file that programs have written their errors to, fit for one of ours.
last_line() {
    local line
    line=$(grep -v '^$' "$1" | tail -n 1 | cut -c 1-300) || true
    printf '%s' "${line:-no word of why}"
}

# Whole or not at all, and on the disk: what comes on standard input.
write() {
    cat >"$1.new" && sync "$1.new" && mv "$1.new" "$1"
}

# tell OK ENDED: how this run goes.
tell() {
    local words=${why//[\"\\]/ }
    write "$FOLDER/last.run" <<END
{"began": "$BEGAN", "ended": "$2", "ok": $1, "why": "${words//[[:cntrl:]]/ }",
 "every": "$EVERY", "keep": $KEEP}
END
}

on_exit() {
    local status=$?
    trap - EXIT
    set +e
    [ -z "$session" ] || kill "$session" 2>/dev/null
    if [ -n "$scratch_server" ]; then
        kill -KILL "$scratch_server"
        wait "$scratch_server"
    fi 2>/dev/null
    [ -z "$part" ] || rm -f "$part"
    rm -rf "${SCRATCH:?}"/*
    if [ "$status" -ne 0 ]; then
        say "ERROR: $why"
        tell false "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
    fi
    exit "$status"
}

find_programs() {
    client=$(command -v mysql || command -v mariadb) || die "no database client in this image"
    dump=$(command -v mysqldump || command -v mariadb-dump) || die "no mysqldump in this image"
    server=$(command -v mysqld || command -v mariadbd) || die "no database server in this image"
    pack=(gzip --stdout) unpack=(gzip --decompress --stdout) suffix=.sql.gz
    if command -v zstd >/dev/null; then
        pack=(zstd --quiet --stdout) unpack=(zstd --quiet --decompress --stdout) suffix=.sql.zst
    fi
}

ask() { "$client" --defaults-file="$OPTIONS" -N -B -r -n "$@"; }

free() { df -Pk "$1" | { read -r _ && read -r _ _ _ kib _ && echo "$kib"; }; }

backups() { # of this schedule, the oldest first
    printf '%s\n' "$FOLDER/$PROFILE-$DATABASE-"+([0-9TZ])-scheduled.sql.@(zst|gz)
}

says() { grep -qs "\"$2\": \"[^\"]" "$1.json"; }  # says FILE KEY: whether it has a value there

# The client's own numbers for a server that can't be reached, or whose name is not known yet.
reach() {
    local deadline=$((SECONDS + REACH_WAIT))
    until ask -e 'SELECT 1' >/dev/null 2>"$WORK/errors"; do
        grep -Eq '^ERROR (2002|2003|2005|2006|2013) ' "$WORK/errors" &&
            [ "$SECONDS" -lt "$deadline" ] ||
            die "the database can't be asked: $(last_line "$WORK/errors")"
        sleep 1
    done
}

# --- room ----------------------------------------------------------------------

data_kib=0

require_room() {
    local sum="SELECT COALESCE(SUM(data_length + index_length), 0) DIV 1024
        FROM information_schema.tables WHERE table_schema = DATABASE()" needed last
    data_kib=$(ask "$DATABASE" -e "$sum" 2>"$WORK/errors") ||
        die "the database can't be asked: $(last_line "$WORK/errors")"
    needed=$data_kib  # a backup is seldom larger than the data
    last=$(backups | tail -n 1)
    [ ! -f "$last" ] || needed=$(($(stat -c %s "$last") * 2 / 1024))
    needed=$((needed + SPARE))
    if [ "$(free "$FOLDER")" -lt "$needed" ]; then
        die "no room for a further backup: it takes up to $((needed / 1024)) MiB," \
            "$(($(free "$FOLDER") / 1024)) MiB are free; the earlier ones are kept"
    fi
}

choose_name() { # of none that is there: a backup is never overwritten
    while :; do
        name=$PROFILE-$DATABASE-$(date -u +%Y%m%dT%H%M%SZ)-scheduled$suffix
        [ -e "$FOLDER/$name" ] || break
        sleep 0.2
    done
    part=$FOLDER/.$name.part
}

# --- the dump, and what was there in its moment ------------------------------

# SQL that prints, after "do ", the SQL that counts and sums all rows of each table. On a line each,
# `"table": 7` as JSON has it, and CHECKSUM TABLE's own words.
READ="SET SESSION sql_mode = '';
SELECT CONCAT('do SELECT CONCAT(JSON_QUOTE(', QUOTE(table_name), '), '': '', COUNT(*)) FROM ',
    quoted, '; CHECKSUM TABLE ', quoted, ' EXTENDED;')
FROM (SELECT table_name AS table_name,
        CONCAT('\`', REPLACE(table_name, '\`', '\`\`'), '\`') AS quoted
    FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE') AS named ORDER BY table_name;
SELECT 'do SELECT CONCAT(''revision '', JSON_QUOTE(version_num)) FROM alembic_version;'
FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'alembic_version';"

# No row is written between the moment of the dump and that of the counts: see kubeup's backups.py.
begin_session() {
    mkfifo "$WORK/ask"
    exec 3<>"$WORK/ask"
    ask "$DATABASE" <"$WORK/ask" >"$WORK/read" 2>"$WORK/errors" 3>&- &
    session=$!
    cat >&3 <<END
SET SESSION lock_wait_timeout = 20, SESSION wait_timeout = 60;
FLUSH TABLES WITH READ LOCK;
SELECT CONCAT('version ', JSON_QUOTE(VERSION()));
$READ
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;
START TRANSACTION WITH CONSISTENT SNAPSHOT;
SELECT 'locked';
END
    until grep -qx locked "$WORK/read"; do
        kill -0 "$session" 2>/dev/null || die "no read lock: $(last_line "$WORK/errors")"
        sleep 0.1
    done
}

# Let writes go on with the dump's first word about a table: its transaction has begun by then.
release() {
    grep -q 'CREATE TABLE' || true
    { echo 'UNLOCK TABLES;'; sed -n 's/^do //p' "$WORK/read"; } >&3
    : >"$WORK/released"
    cat >/dev/null
}

make_dump() {
    local status=0
    "$dump" --defaults-file="$OPTIONS" --single-transaction --quick --no-tablespaces --routines \
        --events --triggers "$DATABASE" 2>"$WORK/dump" 3>&- |
        tee >(release) 3>&- | "${pack[@]}" 2>"$WORK/pack" >"$part" 3>&- || status=$?
    until [ -e "$WORK/released" ]; do sleep 0.1; done
    exec 3>&-  # the session ends with what it is asked
    [ "$status" -eq 0 ] || die "the dump failed: $(cat "$WORK/dump" "$WORK/pack" >"$WORK/both";
        last_line "$WORK/both")"
    wait "$session" || die "the rows can't be counted: $(last_line "$WORK/errors")"
    session=''
    sed '1,/^locked$/d' "$WORK/read" >"$WORK/dumped"
    sync "$part"
    case $("${unpack[@]}" <"$part" | tail -n 1) in
        '-- Dump completed'*) ;;
        *) die "the dump is not whole: its last line is missing" ;;
    esac
}

# describe RESTORED WRONG: the file beside the backup, in the format of `inv db.backup`.
describe() {
    local rows version revision
    mapfile -t rows < <(grep '^"' "$WORK/dumped" | grep -v '^"alembic_version": ')
    version=$(sed -n 's/^version //p' "$WORK/read")
    revision=$(sed -n 's/^revision //p' "$WORK/dumped" | head -n 1)
    local IFS=,
    write "$FOLDER/$name.json" <<END
{"file": "$name",
 "sha256": "$sha256", "bytes": $bytes, "sql_bytes": $sql_bytes,
 "made": "$BEGAN", "profile": "$PROFILE", "database": "$DATABASE",
 "version": $version, "revision": ${revision:-\"\"},
 "rows": {${rows[*]}},
 "format": 2, "scheduled": true, "restored": "$1", "wrong": "$2"}
END
}

keep_dump() {
    sha256=$(sha256sum "$part" | cut -d' ' -f1)
    bytes=$(stat -c %s "$part")
    sql_bytes=$("${unpack[@]}" <"$part" | wc -c)
    describe '' ''
    mv "$part" "$FOLDER/$name"
    part=''
    sync "$FOLDER"
}

# --- the test ------------------------------------------------------------------

scratch() {
    "$client" --no-defaults --protocol=socket --socket="$SCRATCH/db.sock" --user=root \
        --default-character-set=utf8mb4 --max-allowed-packet=1G -N -B -r -n "$@"
}

UNTESTED="the backup is whole, and could not be tested"

start_scratch_server() {
    local datadir=$SCRATCH/data deadline needed=$((data_kib * 3 / 2 + SERVER_ROOM))
    [ "$(free "$SCRATCH")" -ge "$needed" ] ||
        die "$UNTESTED: that takes up to $((needed / 1024)) MiB of room"
    if command -v mariadb-install-db >/dev/null; then
        mariadb-install-db --no-defaults --datadir="$datadir" --rpm --skip-test-db \
            --auth-root-authentication-method=normal --skip-log-bin
    else
        "$server" --no-defaults --datadir="$datadir" --initialize-insecure
    fi >"$WORK/server" 2>&1 </dev/null ||
        die "$UNTESTED: no server could be made for it: $(last_line "$WORK/server")"
    # It is thrown away: nothing of it is worth a flush or a log.
    "$server" --no-defaults --datadir="$datadir" --socket="$SCRATCH/db.sock" \
        --pid-file="$SCRATCH/db.pid" --skip-networking --skip-log-bin --loose-mysqlx=OFF \
        --performance-schema=OFF --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=OFF \
        --innodb-buffer-pool-size=64M --max-allowed-packet=1G --innodb-use-native-aio=OFF \
        >>"$WORK/server" 2>&1 </dev/null 9>&- &
    scratch_server=$!
    deadline=$((SECONDS + START_WAIT))
    until scratch -e 'SELECT 1' >/dev/null 2>&1; do
        if ! kill -0 "$scratch_server" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
            die "$UNTESTED: its server did not start: $(last_line "$WORK/server")"
        fi
        sleep 0.2
    done
}

# Load it into a schema of the same name, and have that server say what this one said.
test_backup() {
    start_scratch_server
    scratch -e "CREATE DATABASE \`$DATABASE\`" || die "$UNTESTED: no schema could be made"
    if ! "${unpack[@]}" <"$FOLDER/$name" | scratch "$DATABASE" 2>"$WORK/load"; then
        kill -0 "$scratch_server" 2>/dev/null || die "$UNTESTED: its server ended"
        case $(last_line "$WORK/load") in
            'ERROR 3 '* | 'ERROR 1021 '* | 'ERROR 1114 '* | 'ERROR 2006 '* | 'ERROR 2013 '*)
                die "$UNTESTED: $(last_line "$WORK/load")" ;;
        esac
        refuse "it can't be loaded: $(grep -o '^ERROR [0-9]*' "$WORK/load" || echo "no number")"
    fi
    scratch "$DATABASE" <<<"$READ" | sed -n 's/^do //p' >"$WORK/statements"
    scratch "$DATABASE" <"$WORK/statements" >"$WORK/restored" 2>"$WORK/errors" ||
        die "$UNTESTED: $(last_line "$WORK/errors")"
    [ "$(sha256sum <"$WORK/dumped")" = "$(sha256sum <"$WORK/restored")" ] ||
        refuse "what was restored of it has other rows than the database had"
}

refuse() {
    describe '' "$1"
    die "$name failed its test: $1; earlier backups are kept"
}

# --- what goes -----------------------------------------------------------------

# The last KEEP that were restored stay, with what is newer than the oldest of them; what failed its
# test goes. At least one that was restored is there by now.
remove_older() {
    local files kept=0 number file
    mapfile -t files < <(backups)
    for ((number = ${#files[@]} - 1; number >= 0; number--)); do
        file=${files[number]}
        if [ "$kept" -lt "$KEEP" ] && ! says "$file" wrong; then
            if says "$file" restored; then kept=$((kept + 1)); fi
            continue
        fi
        say "removing ${file##*/}"
        rm -f "$file" "$file.json"
    done
}

main() {
    trap on_exit EXIT
    trap 'exit 143' TERM INT HUP
    find_programs
    exec 9<"$FOLDER"
    if command -v flock >/dev/null && ! flock --timeout "$LOCK_WAIT" 9; then
        say "another run is at work"
        trap - EXIT
        exit 0
    fi
    rm -rf "$FOLDER"/.*-scheduled.sql.*.part "$FOLDER"/*.new "${SCRATCH:?}"/*
    mkdir "$WORK"
    tell false '' 2>/dev/null || true  # a full disk is told of below
    reach
    require_room
    choose_name
    begin_session
    make_dump
    keep_dump
    test_backup
    describe "$(date -u +%Y-%m-%dT%H:%M:%SZ)" ''
    remove_older
    why=''
    tell true "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
    say "$name: $bytes bytes, restored and compared"
}

main
