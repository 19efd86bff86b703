#!/bin/bash
# Entry point of the database image: MySQL or MariaDB, whichever the image holds.
#
# It follows the contract of the official images as far as README.md lists it.
# The data folder is made in a folder of its own below /var/lib/mysql, and only
# a finished one is put into place, so that a start which is cut off anywhere
# is simply done over or carried on by the next one:
#
#   kubeup-init-unfinished  being made; thrown away when found at a start
#   kubeup-init-ready       finished, being moved into place; carried on
#
# Nothing outside these two folders is ever deleted.
set -Eeuo pipefail
shopt -s nullglob

readonly DATADIR=/var/lib/mysql
readonly RUNDIR=/run/mysqld
readonly INITDIR=/docker-entrypoint-initdb.d
# No hidden names: InnoDB doesn't find its files in a folder with a dot in front.
readonly UNFINISHED=$DATADIR/kubeup-init-unfinished
readonly READY=$DATADIR/kubeup-init-ready
# Not the usual socket: a probe through that one must not find the temporary
# server and take the database for ready.
readonly INIT_SOCKET=$RUNDIR/init.sock
readonly LOCK_WAIT=60    # seconds; an old pod may still be shutting down
readonly START_WAIT=300  # seconds; a student's machine may be very slow

server=''
client=''
flavour=''
temp_pid=''
root_password=''  # what root@localhost of the temporary server has right now
init_file=''      # the init file that is being run

log() { printf '%s [entrypoint] %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*" >&2; }
die() { log "ERROR: $*"; exit 1; }

# Runs a command in the background and waits for it: bash, as PID 1, only gets
# to its signal traps while it waits, not while a command runs in front of it.
run() {
    "$@" <&0 &
    wait "$!"
}

on_exit() {
    local status=$? pids
    if [ "$status" -ne 0 ] && [ -n "$init_file" ]; then
        log "ERROR: $init_file failed (exit code $status); nothing of this initialisation is kept"
    fi
    pids=$(jobs -pr)
    # shellcheck disable=SC2086  # a list of numbers
    if [ -n "$pids" ]; then kill -KILL $pids 2>/dev/null || true; fi
}

on_signal() {
    trap - TERM INT
    init_file=''
    log "stopped before the database was set up; the next start carries on"
    exit 143
}

# --- what is in this image ---------------------------------------------------

find_programs() {
    server=$(command -v mysqld || command -v mariadbd) || die "no database server in this image"
    client=$(command -v mysql || command -v mariadb) || die "no database client in this image"
    case $("$server" --no-defaults --version 2>/dev/null) in
        *MariaDB*) flavour=mariadb ;;
        *) flavour=mysql ;;
    esac
}

# --- the environment ---------------------------------------------------------

# file_env NAME [DEFAULT]: NAME, or the contents of the file that NAME_FILE names.
file_env() {
    local name=$1 default=${2-} file_name="${1}_FILE" value
    if [ -n "${!name:-}" ] && [ -n "${!file_name:-}" ]; then
        die "both $name and $file_name are set; they exclude each other"
    fi
    value=${!name:-$default}
    if [ -n "${!file_name:-}" ]; then
        [ -r "${!file_name}" ] || die "$file_name: can't read ${!file_name}"
        value=$(<"${!file_name}")
    fi
    export "$name=$value"
    unset "$file_name"
}

read_environment() {
    file_env MYSQL_ROOT_PASSWORD
    file_env MYSQL_ROOT_HOST %
    file_env MYSQL_DATABASE
    file_env MYSQL_USER
    file_env MYSQL_PASSWORD

    if [ -z "$MYSQL_ROOT_PASSWORD" ] && [ -z "${MYSQL_ALLOW_EMPTY_PASSWORD:-}" ] \
        && [ -z "${MYSQL_RANDOM_ROOT_PASSWORD:-}" ]; then
        die "the data folder is empty and no root password is given: set MYSQL_ROOT_PASSWORD" \
            "(or _FILE), MYSQL_RANDOM_ROOT_PASSWORD or MYSQL_ALLOW_EMPTY_PASSWORD"
    fi
    if [ -n "${MYSQL_RANDOM_ROOT_PASSWORD:-}" ]; then
        [ -z "$MYSQL_ROOT_PASSWORD" ] \
            || die "both MYSQL_ROOT_PASSWORD and MYSQL_RANDOM_ROOT_PASSWORD are set"
        MYSQL_ROOT_PASSWORD=$(head -c 24 /dev/urandom | base64 -w 0)
    fi
    if [ "$MYSQL_USER" = root ]; then
        die "MYSQL_USER can't be root; use MYSQL_ROOT_PASSWORD"
    fi
    if [ -n "$MYSQL_USER" ] && [ -z "$MYSQL_PASSWORD" ]; then
        die "MYSQL_USER is set, but not MYSQL_PASSWORD"
    fi
    if [ -z "$MYSQL_USER" ] && [ -n "$MYSQL_PASSWORD" ]; then
        die "MYSQL_PASSWORD is set, but not MYSQL_USER"
    fi
}

forget_environment() {
    local name
    for name in MYSQL_ROOT_PASSWORD MYSQL_ROOT_HOST MYSQL_DATABASE MYSQL_USER MYSQL_PASSWORD; do
        unset "$name" "${name}_FILE"
    done
    unset MYSQL_PWD MYSQL_UNIX_PORT
}

# --- SQL ---------------------------------------------------------------------

# The replacements come from variables, in quotes: bash 5.2 and newer would
# read meaning into a bare & or \ there.
quote_text() {
    local bs=\\ q=\' text=$1
    text=${text//"$bs"/"$bs$bs"}
    text=${text//"$q"/"$q$q"}
    printf "'%s'" "$text"
}

quote_name() {
    local bt=\` name=$1
    printf '%s' "$bt${name//"$bt"/"$bt$bt"}$bt"
}

# In GRANT ... ON `name`.*, % and _ are wildcards unless escaped.
quote_name_for_grant() {
    local bs=\\ name=$1
    name=${name//"$bs"/"$bs$bs"}
    name=${name//_/"${bs}_"}
    name=${name//%/"$bs%"}
    quote_name "$name"
}

# SQL from standard input, as root. The password goes through the environment,
# which only this user can read; a command line can be read by anybody.
docker_process_sql() {
    MYSQL_PWD=$root_password "$client" --no-defaults --protocol=socket \
        --socket="$INIT_SOCKET" --user=root --default-character-set=utf8mb4 \
        --max-allowed-packet=64M --batch "$@"
}

sql() { printf '%s\n' "$1" | docker_process_sql --binary-mode; }

init_sql_file() { docker_process_sql ${MYSQL_DATABASE:+"--database=$MYSQL_DATABASE"} <"$1"; }

init_sql_gz_file() {
    gzip -dc -- "$1" | docker_process_sql ${MYSQL_DATABASE:+"--database=$MYSQL_DATABASE"}
}

# Like the official images: an executable script is run, any other is sourced
# (here in a subshell, so that it can be interrupted) and may use docker_process_sql.
init_sh_file() (
    set -Eeuo pipefail
    export MYSQL_UNIX_PORT=$INIT_SOCKET MYSQL_PWD=$root_password
    if [ -x "$1" ]; then
        "$1"
    else
        set +u
        # shellcheck disable=SC1090  # it is the user's
        . "$1"
    fi
)

# --- making a data folder ----------------------------------------------------

make_system_tables() {
    local output=$RUNDIR/init.log status=0
    if [ "$flavour" = mariadb ]; then
        # --rpm: no checks of host names, and no advice for people.
        run mariadb-install-db "$@" --datadir="$UNFINISHED" --rpm --skip-test-db \
            --auth-root-authentication-method=normal --skip-log-bin \
            </dev/null >"$output" 2>&1 || status=$?
    else
        run "$server" "$@" --datadir="$UNFINISHED" --initialize-insecure \
            </dev/null >"$output" 2>&1 || status=$?
    fi
    if [ "$status" -ne 0 ]; then
        cat "$output" >&2
        die "making the system tables failed (exit code $status)"
    fi
    rm -f "$output"
}

start_temporary_server() {
    local deadline
    # Flushing at each commit would only cost time: what is cut off here is
    # thrown away anyway, and a finished folder is synced as a whole.
    "$server" "$@" --datadir="$UNFINISHED" --skip-networking --socket="$INIT_SOCKET" \
        --pid-file="$RUNDIR/init.pid" --loose-mysqlx=0 --innodb-flush-log-at-trx-commit=0 \
        </dev/null &
    temp_pid=$!
    deadline=$((SECONDS + START_WAIT))
    until sql 'SELECT 1;' >/dev/null 2>&1; do
        kill -0 "$temp_pid" 2>/dev/null || die "the temporary server ended early; see above"
        [ "$SECONDS" -lt "$deadline" ] || die "the temporary server isn't up after $START_WAIT s"
        run sleep 0.2
    done
}

stop_temporary_server() {
    local status=0
    kill -TERM "$temp_pid"
    wait "$temp_pid" || status=$?
    [ "$status" -eq 0 ] || die "the temporary server ended with exit code $status"
    temp_pid=''
}

make_accounts() {
    local text
    text="SET @@SESSION.sql_log_bin = 0;
SET @@SESSION.sql_mode = 'STRICT_ALL_TABLES';"
    if [ "$flavour" = mariadb ]; then
        # Its tables come with more roots, without a password, for 127.0.0.1,
        # ::1 and the host's name.
        text+="
DELETE FROM mysql.global_priv
    WHERE Host <> 'localhost' OR User NOT IN ('root', 'mariadb.sys');
DELETE FROM mysql.proxies_priv WHERE Host <> 'localhost' OR User <> 'root';
FLUSH PRIVILEGES;"
    fi
    text+="
DROP DATABASE IF EXISTS test;
ALTER USER 'root'@'localhost' IDENTIFIED BY $(quote_text "$MYSQL_ROOT_PASSWORD");"
    if [ -n "$MYSQL_ROOT_HOST" ] && [ "$MYSQL_ROOT_HOST" != localhost ]; then
        local root
        root="'root'@$(quote_text "$MYSQL_ROOT_HOST")"
        text+="
CREATE USER $root IDENTIFIED BY $(quote_text "$MYSQL_ROOT_PASSWORD");
GRANT ALL ON *.* TO $root WITH GRANT OPTION;"
    fi
    if [ -n "$MYSQL_DATABASE" ]; then
        text+="
CREATE DATABASE IF NOT EXISTS $(quote_name "$MYSQL_DATABASE");"
    fi
    if [ -n "$MYSQL_USER" ]; then
        text+="
CREATE USER $(quote_text "$MYSQL_USER")@'%' IDENTIFIED BY $(quote_text "$MYSQL_PASSWORD");"
        if [ -n "$MYSQL_DATABASE" ]; then
            text+="
GRANT ALL ON $(quote_name_for_grant "$MYSQL_DATABASE").* TO $(quote_text "$MYSQL_USER")@'%';"
        fi
    fi
    # The client's own message would quote the statement near an error, and
    # with it a password: only its number is shown.
    local errors
    if ! errors=$(sql "$text" 2>&1); then
        errors=$(grep -o '^ERROR [0-9]* ([0-9A-Z]*)' <<<"$errors" || true)
        die "the server refused to make the accounts: ${errors:-no error number};" \
            "check MYSQL_DATABASE, MYSQL_USER and MYSQL_ROOT_HOST"
    fi
    root_password=$MYSQL_ROOT_PASSWORD
}

run_init_files() {
    local file LC_ALL=C
    for file in "$INITDIR"/*; do
        init_file=${file##*/}
        # No "|| die" here: it would switch off "set -e" within a sourced script.
        case $init_file in
            *.sh) log "running $init_file"; run init_sh_file "$file" </dev/null ;;
            *.sql) log "running $init_file"; run init_sql_file "$file" </dev/null ;;
            *.sql.gz) log "running $init_file"; run init_sql_gz_file "$file" </dev/null ;;
            *) log "ignoring $init_file" ;;
        esac
    done
    init_file=''
}

initialise() {
    log "making a new $flavour data folder"
    read_environment
    mkdir -m 0750 "$UNFINISHED"
    make_system_tables "$@"
    start_temporary_server "$@"
    make_accounts
    run_init_files
    stop_temporary_server
    if [ -n "${MYSQL_RANDOM_ROOT_PASSWORD:-}" ]; then
        log "GENERATED ROOT PASSWORD: $MYSQL_ROOT_PASSWORD"
    fi
    # All of it must be on the disk before the name says that it is finished.
    run sync -f "$UNFINISHED"
    mv -T "$UNFINISHED" "$READY"
    publish
    log "the new data folder is complete"
}

put_into_place() {
    local name=${1##*/}
    if [ -e "$DATADIR/$name" ] || [ -L "$DATADIR/$name" ]; then
        die "can't move $1 to $DATADIR: something is there already"
    fi
    mv -T "$1" "$DATADIR/$name"
}

# Moves a finished data folder into place, or what an earlier start left of it.
# "mysql" comes last: it is what makes a data folder count as complete.
publish() {
    local entry
    for entry in "$READY"/* "$READY"/.[!.]*; do
        [ "${entry##*/}" = mysql ] || put_into_place "$entry"
    done
    if [ -d "$READY/mysql" ]; then put_into_place "$READY/mysql"; fi
    rmdir "$READY"
    run sync -f "$DATADIR"
}

# --- the data folder at a start ----------------------------------------------

lock_data_folder() {
    # The lock is on the folder itself and stays with the server, which inherits
    # the open file: never two of them on one data folder.
    local status=0
    exec 9<"$DATADIR"
    run flock -E 75 -w "$LOCK_WAIT" 9 || status=$?
    case $status in
        0) ;;
        75) die "another server has been using $DATADIR for the last $LOCK_WAIT s" ;;
        *) log "this file system can't lock $DATADIR; going on without" ;;
    esac
}

# Hidden files and lost+found belong to the file system, not to a database.
is_empty() {
    local entry
    for entry in "$DATADIR"/*; do
        [ "${entry##*/}" = lost+found ] || return 1
    done
}

check_flavour() {
    if [ "$flavour" = mysql ] && [ -e "$DATADIR/aria_log_control" ]; then
        die "$DATADIR was made by MariaDB, this is MySQL; nothing was changed"
    fi
    if [ "$flavour" = mariadb ] && [ -e "$DATADIR/mysql.ibd" ]; then
        die "$DATADIR was made by MySQL, this is MariaDB; nothing was changed"
    fi
}

prepare_data_folder() {
    if [ -e "$UNFINISHED" ]; then
        log "an earlier initialisation was cut off; starting it over"
        run rm -rf --one-file-system -- "$UNFINISHED"
    fi
    if [ -d "$READY" ]; then
        log "an earlier start was cut off while it put the new data folder into place; carrying on"
        publish
    fi
    if [ -d "$DATADIR/mysql" ]; then
        check_flavour
        log "using the data folder that is there"
    elif is_empty; then
        initialise "$@"
    else
        die "$DATADIR isn't empty, but holds no complete database; nothing was changed"
    fi
}

check_folders() {
    local folder
    for folder in "$DATADIR" "$RUNDIR" "${TMPDIR:-/tmp}"; do
        [ -d "$folder" ] || die "$folder is missing"
        [ -w "$folder" ] || die "$folder isn't writable for uid $(id -u)"
    done
}

# As root, hand the folders to mysql and start over as mysql.
become_mysql() {
    local folder
    for folder in "$DATADIR" "$RUNDIR"; do
        mkdir -p "$folder"
        find "$folder" ! -user mysql -exec chown -h mysql:mysql '{}' +
    done
    exec setpriv --reuid=mysql --regid=mysql --init-groups -- "${BASH_SOURCE[0]}" "$@"
}

main() {
    # Options alone, or nothing, mean the server; anything else is simply run.
    case ${1:-} in
        '' | -*) set -- mysqld "$@" ;;
        mysqld | mariadbd) ;;
        *) exec "$@" ;;
    esac
    find_programs
    shift

    local option
    for option in "$@"; do
        case $option in
            --help | -\? | --version | -V | --verbose | --print-defaults | --validate-config)
                exec "$server" "$@" ;;
            --datadir* | -h*)
                die "the data folder of this image is $DATADIR; mount what you want there" ;;
        esac
    done

    if [ "$(id -u)" -eq 0 ]; then become_mysql mysqld "$@"; fi

    umask 0027
    trap on_signal TERM INT
    trap on_exit EXIT
    # With "unlimited" open files MariaDB would size a table of its own by that.
    if [ "$(ulimit -Sn)" = unlimited ] || [ "$(ulimit -Sn)" -gt 65536 ]; then
        ulimit -Sn 65536
    fi
    check_folders
    lock_data_folder
    prepare_data_folder "$@"
    forget_environment
    trap - TERM INT EXIT
    # exec: the server becomes PID 1 and gets SIGTERM itself.
    exec "$server" "$@"
}

main "$@"
