#!/usr/bin/env bash
# Validators and engines of the rules' languages that pip cannot resolve in one step with the rest; all of them are for
# the tests alone and never shipped. Called with the Python of the environment that the tests run in.
set -euo pipefail
python=$1
# Elastic's parser and verifier of ES|QL (Elastic License 2.0). It declares Python 3.12 and runs on 3.11; with its
# dependencies resolved under that switch, pip would take versions of others that need 3.12, so: without.
"$python" -m pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python detection-rules-esql-py==0.1.0
# Microsoft's own parser and binder of KQL (MIT), which is only published for JavaScript.
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$root/.cache/kusto"
cp "$root/tests/rules/kusto/package.json" "$root/tests/rules/kusto/package-lock.json" "$root/.cache/kusto/"
npm ci --prefix "$root/.cache/kusto" --no-audit --no-fund --loglevel=error
