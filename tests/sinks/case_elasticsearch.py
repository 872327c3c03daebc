"""Elasticsearch in the conformance suite: the official client against the server of elastic_server.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from entrawatch.config.model import SinkConfig
from entrawatch.sinks import build

from .cases import SinkCase
from .elastic_server import ElasticServer, Refusal, error
from .events import event
from .fakes import FakeClock

if TYPE_CHECKING:
    from pathlib import Path


class ElasticsearchCase(SinkCase):
    """A cluster on loopback."""

    poison = (event(666, user={"name": "poison"}), "failed to parse")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        pytest.importorskip("elasticsearch")
        self.elastic = ElasticServer(refuse=self.refused)
        self.elastic.__enter__()

    @staticmethod
    def refused(document: dict[str, Any], _: int) -> Refusal:
        poisoned = document.get("user", {}).get("name") == "poison"
        return (400, {"type": "document_parsing_exception", "reason": "failed to parse"}) if poisoned else None

    def make(self) -> Any:
        options = {"hosts": self.elastic.url, "batch_bytes": 4096}
        return build(SinkConfig("es", "elasticsearch", options), state_dir=self.folder, clock=FakeClock())

    def stored(self) -> list[dict[str, Any]]:
        return self.elastic.documents()

    def same(self, item: dict[str, Any]) -> dict[str, Any]:
        event_ = {**item["event"], "ingested": "2026-11-24T12:00:00.000Z"}
        return {**item, "event": event_, "data_stream": {**item["data_stream"], "namespace": "entrawatch"}}

    def break_it(self) -> bool:
        self.elastic.faults.extend([error(503, "cluster_block_exception", "no master")] * 50)
        return True

    def mend(self) -> None:
        self.elastic.faults.clear()

    def tear_down(self) -> None:
        self.elastic.__exit__()


CASES = [("elasticsearch", ElasticsearchCase)]
