# Sourced by the programs in this directory, which set `here` to it: find the checkout, set it up, run from it.
# shellcheck shell=sh disable=SC2154

# A standard stream that is closed would be taken by the first file that is opened. Writing to an output that was closed
# stays an error.
(: <&0) 2>/dev/null || exec 0</dev/null
(: >&1) 2>/dev/null || exec 1</dev/null
(: >&2) 2>/dev/null || exec 2>/dev/null

root=$(dirname "$here")
program=$(basename "$(readlink -f "$0")")
venv_python="$root/.venv/bin/python"

say() {
    printf '%s: %s\n' "$program" "$1" >&2
}

# The answer to --version, for programs that must give it before anything is installed.
tell_version() {
    sed -n "s/^__version__ = \"\(.*\)\"/$program \1/p" "$root/dirk_gevent/__init__.py"
}

# Run `python -m dirk_gevent.cli "$@"` from the checkout's own environment, in this process.
run() {
    if ! is_set_up run; then
        say "not set up yet: type $root/bin/dirk-up (sets up and starts everything) or $root/bin/dirk-setup"
        exit 2
    fi
    PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
    export PYTHONPATH
    exec "$venv_python" -P -m dirk_gevent.cli "$@"
}

# Whether .venv holds what this setup.py asks for. $1: run, or test (the suite's, too). Where the checkout lies makes no
# difference: programs find its code themselves, so one that was moved or copied needs nothing.
is_set_up() {
    [ -x "$venv_python" ] && [ -e "$root/setup.py" ] || return 1
    # Earlier releases wrote the checkout's path before the sum.
    case $(cat "$root/.venv/.dirk-$1" 2>/dev/null) in
        *"$(cksum < "$root/setup.py")") return 0 ;;
    esac
    "$venv_python" "$here/.installed.py" "$root/setup.py" "$1" 2>/dev/null
}

# Make .venv and install DirkDB with its dependencies into it, unless that is done. $1: run, or test (the suite's, too).
set_up() {
    is_set_up "$1" && return
    wanted=$(cksum < "$root/setup.py")
    if ! works "$venv_python"; then
        find_python
        say "making $root/.venv with $python"
        said=$("$python" -m venv --clear "$root/.venv" 2>&1) ||
            fail "$(why_not "could not make $root/.venv" "$said" "$(printf '%s' "$said" | tail -n 1)")"
    fi
    rm -f "$root/.venv/.dirk-run" "$root/.venv/.dirk-test"
    extras=""
    [ "$1" = test ] && extras="[test]"
    say "installing into .venv, once: a minute or so"
    # Its retries are dozens of lines: they go to a file, which stays only when it fails.
    pip_log="$root/.venv/pip.log"
    (: > "$pip_log") 2>/dev/null || fail "$(why_not "could not write into $root/.venv" "" "is its disk there?")"
    PIP_RETRIES=2 PIP_TIMEOUT=10 "$venv_python" -m pip install -qq --disable-pip-version-check --no-input \
        -e "$root$extras" > "$pip_log" 2>&1 ||
        fail "$(why_not "could not install what DirkDB needs" "$(cat "$pip_log")" "is there a network?") pip's own words are in $pip_log"
    rm -f "$pip_log"
    cuts_statements || fail "this Python cuts statements wrongly ($("$venv_python" -VV)): remove $root/.venv, install another Python 3.11 or later, and try again"
    [ "$1" = test ] && printf '%s\n' "$wanted" > "$root/.venv/.dirk-test"
    printf '%s\n' "$wanted" > "$root/.venv/.dirk-run"
}

# A sentence: $1, what failed, and why, by $2, what was said of it, and by what can be written now; else $3.
why_not() {
    case $2 in
        *"No space left on device"* | *"quota exceeded"*) is_full=yes ;;
        *) is_full=no ;;
    esac
    if ! (mkdir -p "$root/.venv" && [ -w "$root/.venv" ]) 2>/dev/null && [ $is_full = no ]; then
        printf '%s' "$1: $root/.venv may not be written by this user."
        return
    fi
    # A line or two fit on many a full disk.
    dd if=/dev/zero of="$root/.venv/.room" bs=65536 count=16 2>/dev/null || is_full=yes
    rm -f "$root/.venv/.room"
    if [ $is_full = yes ]; then
        printf '%s' "$1: the disk of $root/.venv is full, or that of ${TMPDIR:-/tmp}."
    else
        printf '%s' "$1: $3"
    fi
}

# Whether what was installed cuts statements as it should. Regular expressions were wrong in some releases of Python: a
# statement inside a comment was run.
cuts_statements() {
    (cd "$root" && "$venv_python" -c '
from dirk_gevent.protocol.splitter import StatementSplitter
text = b"select 1 -- once; delete from t\n;select 2 /* ; */, \x27;\x27;\n"
wanted = [b"select 1 -- once; delete from t", b"select 2 /* ; */, \x27;\x27"]
raise SystemExit(3 if StatementSplitter().feed(text) != wanted else 0)')
    [ $? -ne 3 ]
}

# Whether $1 is a Python of at least 3.11 that can make and fill an environment.
works() {
    is_new_enough "$1" && "$1" -c 'import venv, ensurepip' 2>/dev/null
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# Set `python` to one that works, or say what is missing and leave.
find_python() {
    old=""
    for python in python3 python3.11 python3.12 python3.13 python3.14; do
        if works "$python"; then
            return
        fi
        if is_new_enough "$python"; then
            old=$python
        fi
    done
    if [ -n "$old" ]; then
        say "$old has no venv module: type apt install python3-venv (as root), then this again"
    else
        say "Python 3.11 or later is needed and not found: type apt install python3 python3-venv (as root)"
    fi
    exit 2
}

fail() {
    say "$1"
    exit 1
}
