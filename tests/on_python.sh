#!/usr/bin/env bash
# Runs tests on another interpreter: tests/on_python.sh py39|py313 TEST…
# Looks for it in $PY39 / $PY313, on PATH and among pyenv's versions. Where there is none it says so on the last
# line and succeeds, unless CI is set: there a missing interpreter is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1 && shift
version=${name/py3/3.}
find_python() {
    local given=${name^^}
    if [ -n "${!given:-}" ]; then echo "${!given}"; return; fi
    command -v "python$version" 2>/dev/null && "python$version" -c '' 2>/dev/null && return
    ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python 2>/dev/null | sort -V | tail -1
}
python=$(find_python | tail -1)
if [ -z "$python" ] || ! "$python" -c '' 2>/dev/null; then
    echo "NOT RUN: no Python $version found; set ${name^^}=/path/to/python$version to test the rooms Splunk loads on it"
    [ -z "${CI:-}" ] || exit 1
    exit 0
fi
venv=.cache/$name
if [ setup.cfg -nt "$venv/.installed" ] || [ tests/on_python.sh -nt "$venv/.installed" ]; then
    "$python" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[runtime-test]'
    # The recorder for 3.9 asks for urllib3 1 and works with 2, which is what the product gets there without it.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps 'urllib3>=2'
    touch "$venv/.installed"
fi
echo "== $("$venv/bin/python" --version)"
exec "$venv/bin/python" -m pytest -n auto "$@"
