#!/usr/bin/env bash
# What the tests need beside Python: a browser that opens the hunt's report and the Splunk app's pages, a PostgreSQL
# server that runs the SQL, libmagic for Splunk's validator of apps, and npm for Microsoft's parser of KQL.
# Debian's packages, installed when they are missing and this user may; otherwise one line says what to install.
set -euo pipefail
packages=()
command -v chromium >/dev/null || command -v google-chrome >/dev/null || packages+=(chromium)
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || packages+=(postgresql)
compgen -G '/usr/lib/*/libmagic.so.1' >/dev/null || compgen -G '/usr/lib*/libmagic.so.1' >/dev/null || packages+=(libmagic1)
command -v npm >/dev/null || packages+=(nodejs npm)
[ ${#packages[@]} -gt 0 ] || exit 0
as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi
if command -v apt-get >/dev/null && { [ ${#as_root[@]} -eq 0 ] || sudo -n true 2>/dev/null; }; then
    echo "installing ${packages[*]}"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
else
    echo "the tests need ${packages[*]}: apt-get install ${packages[*]} (as root), then make test again" >&2
    exit 1
fi
