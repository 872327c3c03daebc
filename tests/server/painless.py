"""An Elasticsearch 7.10.2 that runs Painless and ingest pipelines, which no later one on Maven Central does.

Its Painless is Elastic's own, of the last version under a licence that let others put it there
(org.codelibs.elasticsearch.module). What it takes, later versions take: scripts are written within it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from .node import CACHE, HERE, SearchServer, resolve, run, version

if TYPE_CHECKING:
    from pathlib import Path

POM = HERE / "painless-pom.xml"


class PainlessServer(SearchServer):
    """The node; asked with `ask`, since the client of version 8 speaks to none of version 7."""

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to a request.

        :raises AssertionError: it is a refusal; the text is its reason.
        """
        text = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        asked = Request(f"{self.url}{path}", text, {"content-type": "application/json"}, method=method)
        try:
            with urlopen(asked, timeout=120) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise AssertionError(error.read().decode()[:3000]) from None

    def _command(self) -> list[str]:
        memory = ["-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        path = f"{self._home}/main:{jars()}/*"
        return ["java", *memory, "-cp", path, "PainlessServer", str(self._home), str(self._data), str(self._port)]


def jars() -> Path:
    """Where Maven puts the jars."""
    return CACHE.with_name("painless-server") / version(POM)


def install(home: Path) -> None:
    """Put what the node needs into a folder that does not exist yet."""
    resolve(jars(), POM)
    (home / "config").mkdir(parents=True)
    run("javac", "-cp", f"{jars()}/*", "-d", home / "main", HERE / "java" / "PainlessServer.java")
