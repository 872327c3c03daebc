#!/usr/bin/env bash
# The environments that build and check the Splunk app, in .cache/splunk-app: made when they are missing or their pins
# have changed. Called with the Python to make them of.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=$here/../../.cache/splunk-app
for name in tools appinspect; do
    venv=$cache/$name
    [ "$venv/.installed" -nt "$here/$name.txt" ] && continue
    echo "splunk app: the environment $name, once …" >&2
    "$1" -m venv --clear "$venv"
    # pip itself first: UCC 6.6.0 calls what pip 26.3 has no more, and then says that splunktaucclib is missing
    [ "$name" = appinspect ] || "$venv/bin/python" -m pip install --quiet --disable-pip-version-check pip==26.2
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --requirement "$here/$name.txt"
    touch "$venv/.installed"
done
