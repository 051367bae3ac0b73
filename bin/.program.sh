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
    if [ ! -x "$venv_python" ]; then
        say "not set up yet: type $root/bin/dirk-up (sets up and starts everything) or $root/bin/dirk-setup"
        exit 2
    fi
    PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
    export PYTHONPATH
    exec "$venv_python" -P -m dirk_gevent.cli "$@"
}

# Make .venv and install DirkDB with its dependencies into it, unless that is done. $1: run, or test (the suite's, too).
set_up() {
    wanted="$root $(cksum < "$root/setup.py")"
    if [ -x "$venv_python" ] && [ "$(cat "$root/.venv/.dirk-$1" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    if ! works "$venv_python"; then
        find_python
        say "making $root/.venv with $python"
        "$python" -m venv --clear "$root/.venv" || fail "python -m venv failed, see above"
    fi
    extras=""
    [ "$1" = test ] && extras="[test]"
    say "installing into .venv, once: a minute or so"
    # Its retries are dozens of lines: they go to a file, which stays only when it fails.
    pip_log="$root/.venv/pip.log"
    PIP_RETRIES=2 PIP_TIMEOUT=10 "$venv_python" -m pip install -qq --disable-pip-version-check --no-input \
        -e "$root$extras" > "$pip_log" 2>&1 ||
        fail "could not install what DirkDB needs: is there a network? pip's own words are in $pip_log"
    rm -f "$pip_log"
    cuts_statements || fail "this Python cuts statements wrongly ($("$venv_python" -VV)): remove $root/.venv, install another Python 3.11 or later, and try again"
    [ "$1" = test ] && printf '%s\n' "$wanted" > "$root/.venv/.dirk-test"
    printf '%s\n' "$wanted" > "$root/.venv/.dirk-run"
}

# Whether what was installed cuts statements as it should. Regular expressions were wrong in some releases of Python: a
# statement inside a comment was run.
cuts_statements() {
    (cd "$root" && "$venv_python" -c '
from dirk_gevent.protocol import StatementSplitter
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
