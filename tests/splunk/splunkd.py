"""A splunkd for tests, as much of it as splunklib, solnlib and UCC's REST handlers ask for: configuration files and
storage/passwords, in memory, on loopback.

Answers are Atom feeds or JSON by `output_mode` (https://docs.splunk.com/Documentation/Splunk/latest/RESTUM). Each
closes its connection: splunklib closes an HTTP/1.1 connection that does not before it reads the body.
"""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.etree import ElementTree as ET

KEY = "the-session-key-of-the-tests"
_ATOM, _REST = "http://www.w3.org/2005/Atom", "http://dev.splunk.com/ns/rest"
_PATH = re.compile(r"/services(?:NS/[^/]+/[^/]+)?/(.+?)/?$")
Stanzas = dict[str, dict[str, str]]


class Splunkd:
    """Answers from `with` to the end of it.

    :ivar confs: file's name → stanza → its values.
    :ivar passwords: realm and user → clear text.
    :ivar inputs: what was posted to data/inputs/entrawatch.
    :ivar asked: method and path of every request.
    """

    def __init__(self) -> None:
        self.confs: dict[str, Stanzas] = {}
        self.passwords: dict[tuple[str, str], str] = {}
        self.inputs: Stanzas = {}
        self.asked: list[tuple[str, str]] = []
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"splunkd": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.uri = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Splunkd:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, form: dict[str, str]) -> tuple[int, list[tuple[str, dict[str, Any]]]]:
        """Status and entries."""
        if path.startswith("storage/passwords"):
            return self._passwords(method, unquote(path[len("storage/passwords") :].lstrip("/")), form)
        if path == "server/info":
            return 200, [
                ("server-info", {"version": "10.2.0", "instance_type": "splunk", "product_type": "enterprise"})
            ]
        if path == "data/inputs/entrawatch" or path.startswith("data/inputs/entrawatch/"):
            return _stanzas(self.inputs, method, unquote(path[len("data/inputs/entrawatch") :].lstrip("/")), form)
        found = re.fullmatch(r"(?:configs/conf-|properties/)([^/]+)(?:/(.+))?", path)
        if found is None or found[1] not in self.confs:
            return 404, []
        return _stanzas(self.confs[found[1]], method, unquote(found[2] or ""), form)

    def _passwords(self, method: str, name: str, form: dict[str, str]) -> tuple[int, list[tuple[str, dict[str, Any]]]]:
        if method == "POST" and not name:
            key = form.get("realm", ""), form["name"]
            if key in self.passwords:
                return 409, []
            self.passwords[key] = form["password"]
            return 201, [self._password(key)]
        if not name:
            return 200, [self._password(key) for key in self.passwords]
        named = [key for key in self.passwords if self._password(key)[0] == name]
        if not named:
            return 404, []
        entries = [self._password(key) for key in named]
        if method == "DELETE":
            del self.passwords[named[0]]
        elif method == "POST":
            self.passwords[named[0]] = form["password"]
        return 200, entries

    def _password(self, key: tuple[str, str]) -> tuple[str, dict[str, Any]]:
        realm, user = key
        values = {"realm": realm, "username": user, "clear_password": self.passwords[key], "encr_password": "$7$…"}
        return f"{realm}:{user}:", values


def _stanzas(
    stanzas: Stanzas, method: str, name: str, form: dict[str, str]
) -> tuple[int, list[tuple[str, dict[str, Any]]]]:
    if method == "POST" and not name:
        name = form.pop("name")
        if name in stanzas:
            return 409, []
        stanzas[name] = form
        return 201, [(name, dict(form))]
    if not name or name == "_reload":
        return 200, [(key, dict(values)) for key, values in stanzas.items()]
    if name not in stanzas:
        return 404, []
    if method == "POST":
        stanzas[name].update(form)
    entries = [(name, dict(stanzas[name]))]
    if method == "DELETE":
        del stanzas[name]
    return 200, entries


class _Handler(BaseHTTPRequestHandler):
    splunkd: Splunkd
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _all(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        found = _PATH.match(parts.path)
        with self.splunkd.lock:
            self.splunkd.asked.append((self.command, self.path))
            status, entries = 404, []
            if self.headers.get("Authorization") != f"Splunk {KEY}":
                status = 401
            elif found:
                form = dict(parse_qsl(body, keep_blank_values=True))
                as_json = {**query, **form}.get("output_mode") == "json"
                form.pop("output_mode", None)
                status, entries = self.splunkd.answer(self.command, found[1], form)
        if status >= 400:
            self._send(status, "text/xml", _messages(f"{self.command} {parts.path}: {status}"))
        elif as_json:
            self._send(status, "application/json", _json(entries))
        else:
            self._send(status, "text/xml", _feed(parts.path.rstrip("/"), entries))

    do_GET = do_POST = do_DELETE = _all  # noqa: N815 - http.server's names

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _messages(text: str) -> bytes:
    root = ET.Element("response")
    ET.SubElement(ET.SubElement(root, "messages"), "msg", type="ERROR").text = text
    return ET.tostring(root)


_ACL = {"app": "entrawatch", "owner": "nobody", "sharing": "app", "can_write": "1", "modifiable": "1", "perms": None}


def _json(entries: list[tuple[str, dict[str, Any]]]) -> bytes:
    made = [{"name": name, "content": content, "acl": _ACL} for name, content in entries]
    return json.dumps({"entry": made, "messages": [], "paging": {"total": len(made), "offset": 0}}).encode()


def _feed(base: str, entries: list[tuple[str, dict[str, Any]]]) -> bytes:
    root = ET.Element(f"{{{_ATOM}}}feed")
    ET.SubElement(root, f"{{{_ATOM}}}title").text = "entries"
    for name, content in entries:
        entry = ET.SubElement(root, f"{{{_ATOM}}}entry")
        link = f"{base}/{quote(name, safe='')}" if not base.endswith(quote(name, safe="")) else base
        ET.SubElement(entry, f"{{{_ATOM}}}title").text = name
        ET.SubElement(entry, f"{{{_ATOM}}}id").text = link
        for relation in ("alternate", "edit"):
            ET.SubElement(entry, f"{{{_ATOM}}}link", href=link, rel=relation)
        ET.SubElement(entry, f"{{{_ATOM}}}content", type="text/xml").append(_dict({**content, "eai:acl": _ACL}))
    return ET.tostring(root)


def _dict(values: dict[str, Any]) -> ET.Element:
    made = ET.Element(f"{{{_REST}}}dict")
    for name, value in values.items():
        key = ET.SubElement(made, f"{{{_REST}}}key", name=name)
        if isinstance(value, dict):
            key.append(_dict(value))
        else:
            key.text = "" if value is None else str(value)
    return made
