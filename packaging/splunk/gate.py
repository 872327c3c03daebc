"""Judges AppInspect's reports: python packaging/splunk/gate.py whole=REPORT.json own=REPORT.json.

"whole" is the app as it is shipped, "own" a copy whose lib/ has our package alone: with requests beside it, AppInspect
4.3.1 sees neither verify=False nor plain http in our code. AppInspect's exit code says nothing of use: 0 with a failed
check, and with --ci never 0, for UCC's warnings do not go away. So: whatever is not a success must stand here, with its
reason and the files it may be about; what stands here and is not reported any more must go.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

#: results that need no reason
_FINE = {"success", "not_applicable"}
_FILE = re.compile(r"File: (\S+)")
_BOTH = ("whole", "own")
_UI = r"appserver/static/js/build/entry_page\.js"


class Allowed(NamedTuple):
    """A warning that we know.

    :param reason: why it is none of ours, or harmless.
    :param files: what every file it names matches.
    :param where: the reports that have it.
    """

    reason: str
    files: str = r"(?!)"
    where: tuple[str, ...] = _BOTH


ALLOWED = {
    "check_for_indexer_synced_configs": Allowed("tells that indexers do not get inputs.conf: right so",
                                                r"default/inputs\.conf"),
    "check_for_splunk_js": Allowed("a notice about telemetry, for UCC's pages", _UI),
    "check_for_splunk_js_header_and_footer_view": Allowed("UCC's pages", _UI),
    "check_for_python_script_existence": Allowed("counts Python files"),
    "check_collections_conf": Allowed("tells that there is a collection", r"default/collections\.conf"),
    "check_for_modular_inputs": Allowed("tells that there is an input", r"README/inputs\.conf\.spec"),
    "check_for_custom_mako_templates": Allowed(
        "UCC's one page template: Splunk 10.4 deprecates them, UCC 6.6 still has it", r"appserver/templates/base\.html"
    ),
    "check_for_possible_threading": Allowed(
        "one thread a stream, a dozen, that end with the run; solnlib and msal have parts that are not used here",
        r"lib/entrawatch/ingest/runner\.py|lib/(solnlib|msal)/\S+",
    ),
    "check_for_insecure_http_calls_in_python": Allowed(
        "a URL is prepared to be judged, and not sent: it may be anything", r"lib/entrawatch/graph/client\.py"
    ),
    "check_python_sdk_version": Allowed(
        "splunk-sdk 3 needs Python 3.13, and Splunk's 3.9 is served too", r"lib/splunklib/\S+|lib/splunk_sdk-\S+",
        ("whole",),
    ),
    "check_hostnames_and_ips": Allowed("Azure's metadata address, and comments", r"lib/(?!entrawatch/)\S+", ("whole",)),
    "check_for_supported_tls": Allowed("solnlib's talk with splunkd on the same host", r"lib/solnlib/\S+", ("whole",)),
    "check_ucc_dependencies": Allowed("tells which libraries there are", r"lib/(solnlib|splunktaucclib)/\S+",
                                      ("whole",)),
}  # fmt: skip


def faults(which: str, report: dict[str, object]) -> list[str]:
    """What keeps a report from passing, a line each.

    :param which: whole or own.
    """
    summary = report["reports"][0]
    found, seen = [], set()
    for check in (check for group in summary["groups"] for check in group["checks"]):
        if check["result"] in _FINE:
            continue
        seen.add(check["name"])
        allowed = ALLOWED.get(check["name"]) if check["result"] == "warning" else None
        messages = [" ".join(message["message"].split()) for message in check["messages"]]
        if allowed is None or which not in allowed.where:
            found.append(f"{which}: {check['result']} {check['name']}: {' | '.join(messages)}")
        else:
            found += [f"{which}: {check['name']}: {text}" for text in messages if _other_file(text, allowed)]
    gone = [name for name, allowed in ALLOWED.items() if which in allowed.where and name not in seen]
    found += [f"{which}: {name} is not reported any more; take it out of the list" for name in gone]
    if summary["summary"]["skipped"]:
        found.append(f"{which}: {summary['summary']['skipped']} checks were skipped: the archive itself is malformed")
    return found


def _other_file(text: str, allowed: Allowed) -> bool:
    return any(not re.fullmatch(allowed.files, name) for name in _FILE.findall(text))


def main(arguments: list[str]) -> int:
    """The command."""
    found = []
    for argument in arguments:
        which, _, path = argument.partition("=")
        found += faults(which, json.loads(Path(path).read_text(encoding="utf-8")))
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
