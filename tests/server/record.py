"""Writes packages/audits_through_pipeline.jsonl: our pipeline, run by Elasticsearch on Elastic's documents."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from entrawatch.packages.elastic_assets_integration import PIPELINE, pipelines
from packages.elastic_shape import RECORDED, processor, records, stored

from . import painless


def simulated(scripts: painless.PainlessServer, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the pipeline makes of documents.

    :raises AssertionError: it fails for one.
    """
    made: list[dict[str, Any]] = []
    definition = {"processors": pipelines()[PIPELINE]["processors"]}  # 7.10 has no _meta in a pipeline
    for start in range(0, len(documents), 500):
        asked = {"pipeline": definition, "docs": [{"_source": one} for one in documents[start : start + 500]]}
        for answer in scripts.ask("POST", "/_ingest/pipeline/_simulate", asked)["docs"]:
            assert "doc" in answer, answer
            assert "error" not in answer["doc"]["_source"], answer["doc"]["_source"]["error"]
            made.append(answer["doc"]["_source"])
    return made


def lines(scripts: painless.PainlessServer) -> list[str]:
    """The file's lines."""
    given = records()
    made = simulated(scripts, [stored(record) for record in given])
    head = json.dumps({"processor": processor()})
    return [head, *(json.dumps(pair, sort_keys=True, separators=(",", ":")) for pair in zip(given, made))]


def main() -> None:
    """Start the server, run, write."""
    with tempfile.TemporaryDirectory() as folder:
        painless.install(Path(folder) / "home")
        node = painless.PainlessServer(Path(folder) / "home", Path(folder) / "data")
        node.start()
        try:
            RECORDED.write_text("\n".join(lines(node)) + "\n", encoding="utf-8")
        finally:
            node.kill()


if __name__ == "__main__":
    main()
