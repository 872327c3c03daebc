"""The app's pages without Splunk Web: a server that gives the browser what it would, and hands its REST calls to UCC's
own handlers, which run on Splunk's interpreter against the tests' splunkd."""

from __future__ import annotations

import json
import mimetypes
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

    from .running import Splunk

_SCRIPTS = {
    "entrawatch_account": "entrawatch_rh_account.py",
    "entrawatch_entrawatch": "entrawatch_rh_entrawatch.py",
    "entrawatch_settings": "entrawatch_rh_settings.py",
}
_SETTINGS = {
    "BUILD_NUMBER": "1", "BUILD_PUSH_NUMBER": 0, "LOCALE": "en-US", "MRSPARKLE_ROOT_PATH": "", "USERNAME": "admin",
    "SPLUNKD_PATH": "/en-US/splunkd/__raw", "SERVER_ZONEINFO": "UTC", "SPLUNKD_FREE_LICENSE": False, "FORM_KEY": "k",
    "VERSION_LABEL": "10.2.0", "JS_LOGGER_MODE": "None", "UI_UNIX_START_TIME": 0, "DISPATCH_TIME_FORMAT": "%s.%Q",
}  # fmt: skip
_I18N = "window._=function(s){return s};window.gettext=window._;window.ngettext=function(a,b,n){return n==1?a:b};"
_PLAIN = {
    "/en-US/config": f"window.$C={json.dumps(_SETTINGS)};",
    "/en-US/i18ncatalog": "",
}
#: what the pages ask splunkd itself
_SPLUNKD = {
    "data/indexes": [("main", {}), ("entra", {})],
    "server/info": [("server-info", {"version": "10.2.0", "instance_type": "splunk"})],
}


class Pages:
    """Serves the app's pages from `with` to the end of it.

    :ivar posted: path and form of every POST.
    """

    def __init__(self, splunk: Splunk) -> None:
        self.splunk = splunk
        self.posted: list[tuple[str, dict[str, str]]] = []
        handler = type("Handler", (_Handler,), {"pages": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/en-US/app/entrawatch"

    def __enter__(self) -> Pages:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def file(self, path: str) -> Path | None:
        """What Splunk Web serves below the app's own paths."""
        root = self.splunk.app / "appserver"
        if re.fullmatch(r"/en-US/app/entrawatch/(configuration|inputs)", path):
            return root / "templates/base.html"
        found = re.fullmatch(r"/en-US/static/(?:@[^/]+/)?app/entrawatch/(.+)", path)
        file = root / "static" / found[1] if found else None
        return file if file and file.is_file() else None

    def rest(self, method: str, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and body of a call to splunkd."""
        endpoint, _, name = path.partition("/")
        if endpoint not in _SCRIPTS:
            return 200, _body(_SPLUNKD.get(path, []))
        if method == "POST":
            self.posted.append((path, dict(form)))
        action = {"GET": "list", "DELETE": "remove"}.get(method, "edit" if name else "create")
        done = self.splunk.handler(_SCRIPTS[endpoint], action, name or form.pop("name", None), **form)
        if done.returncode:
            return 400, {"messages": [{"type": "ERROR", "text": done.stderr.strip().splitlines()[-1]}]}
        return 201 if action == "create" else 200, _body(json.loads(done.stdout).items())


def _body(entries: Any) -> dict[str, Any]:
    acl = {"app": "entrawatch", "can_write": True, "removable": True}
    made = [
        {"name": name, "id": f"https://splunkd/{name}", "content": content, "acl": acl} for name, content in entries
    ]
    return {"entry": made, "messages": [], "paging": {"total": len(made), "perPage": 30, "offset": 0}}


class _Handler(BaseHTTPRequestHandler):
    pages: Pages

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _all(self) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        file = self.pages.file(path)
        rest = re.fullmatch(r"/en-US/splunkd/__raw/services(?:NS/[^/]+/[^/]+)?/(.+?)/?", path)
        if file:
            self._send(200, mimetypes.guess_type(file.name)[0] or "text/plain", file.read_bytes())
        elif rest:
            form = dict(parse_qsl(body, keep_blank_values=True))
            form.pop("output_mode", None)
            status, answer = self.pages.rest(self.command, unquote(rest[1]), form)
            self._send(status, "application/json", json.dumps(answer).encode())
        elif path.endswith("/js/i18n.js"):
            self._send(200, "text/javascript", _I18N.encode())
        else:
            self._send(200 if path in _PLAIN else 404, "text/javascript", _PLAIN.get(path, "").encode())

    do_GET = do_POST = do_DELETE = _all  # noqa: N815 - http.server's names

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
