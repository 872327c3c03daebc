"""The products of `entrawatch deploy`: their options, and the parts of a deployment that these make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Callable, NamedTuple

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from entrawatch.deploy.run import Part


class Product(NamedTuple):
    """One product.

    :param add: adds its options.
    :param parts: where it is, in words, and what is deployed there.
    """

    help: str
    add: Callable[[argparse.ArgumentParser], None]
    parts: Callable[[argparse.Namespace, Mapping[str, str]], tuple[str, list[Part]]]


def _add_elastic(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("Elastic")
    group.add_argument("--kibana-url", default="", metavar="URL", help="Kibana's address (default: $KIBANA_URL)")
    group.add_argument("--space", default="", help="the Kibana space (default: the default one)")
    group.add_argument(
        "--api-key-env", default="ELASTIC_API_KEY", metavar="NAME",
        help="environment variable with the API key (default ELASTIC_API_KEY)",
    )  # fmt: skip
    group.add_argument("--api-key-file", type=Path, metavar="FILE", help="or the file it is in, readable by you only")


def _elastic(arguments: argparse.Namespace, environ: Mapping[str, str]) -> tuple[str, list[Part]]:
    from entrawatch.deploy import elastic, elastic_parts, settings
    from entrawatch.deploy.content import package
    from entrawatch.deploy.rest import Connection, Rest
    from entrawatch.deploy.run import Part
    from entrawatch.redaction import hide

    url = settings.address("--kibana-url", arguments.kibana_url, "KIBANA_URL", environ)
    key = settings.secret("--api-key-file", arguments.api_key_file, arguments.api_key_env, environ)
    hide(elastic.spellings(key.reveal()))
    made = package("elastic", arguments.content, arguments.rules)
    rest = Rest(
        Connection(
            url, lambda: elastic.headers(key.reveal()), elastic.ADVICE, settings.bundle(arguments.ca_bundle),
            arguments.timeout,
        )
    )  # fmt: skip
    rules = elastic.KibanaRules(rest, arguments.space, enable=arguments.enable)
    where = f"Kibana {url}, space {arguments.space or 'default'}"
    return where, [Part(rules, elastic_parts.rules(made))]


PRODUCTS: dict[str, Product] = {
    "elastic": Product("Detection rules into Elastic Security (Kibana).", _add_elastic, _elastic),
}
