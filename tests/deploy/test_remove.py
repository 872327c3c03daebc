"""Taking all of ours out of a product again: `--remove`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, NamedTuple

import pytest
from tests.deploy import arm, kibana, splunkd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.commands import Done
    from tests.deploy.conftest import Content

VARIABLES = {"SPLUNK_TOKEN": splunkd.TOKEN, "ELASTIC_API_KEY": kibana.KEY, "AZURE_ACCESS_TOKEN": arm.TOKEN}


class Product(NamedTuple):
    """One product.

    :param options: how it is reached, its address behind them.
    :param edit: somebody changes an object of ours by hand.
    :param unmark: somebody has an object of their own there, of that name or id, without our mark.
    """

    server: Callable[[Path], Any]
    options: tuple[str, ...]
    edit: Callable[[Any, str], None]
    unmark: Callable[[Any, str], None]


def _place() -> tuple[str, ...]:
    return ("--subscription", arm.SUBSCRIPTION, "--resource-group", "soc", "--workspace", "soc-logs")


PRODUCTS = {
    "splunk": Product(
        splunkd.Splunkd,
        ("--url",),
        lambda server, key: server.searches[key].update(cron_schedule="1 * * * *"),
        lambda server, key: server.searches[key].update({"args.entrawatch": "", "search": "| theirs"}),
    ),
    "elastic": Product(
        kibana.Kibana,
        ("--kibana-url",),
        lambda server, key: server.edit(key, interval="7m"),
        lambda server, key: server.edit(key, setup="Ask the SOC.", query="theirs"),
    ),
    "sentinel": Product(
        arm.Arm,
        (*_place(), "--management-url"),
        lambda server, key: server.change(key, severity="Low"),
        lambda server, key: server.change(key, query="Theirs"),
    ),
}


@pytest.fixture(params=PRODUCTS)
def product(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(product: str, tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "server").mkdir()
    with PRODUCTS[product].server(tmp_path / "server") as running:
        yield running


@pytest.fixture
def deploy(
    call: Callable[..., Done], content: Content, product: str, server: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)

    def run(*options: object) -> Done:
        return call("deploy", product, *PRODUCTS[product].options, server.url, "--ca-bundle", server.ca_file,
                    "--content", content.folder, *options)  # fmt: skip

    return run


def there(server: Any) -> dict[str, Any]:
    """What of a kind that is ours stands there."""
    kinds = [getattr(server, name, {}) for name in ("searches", "rules")]
    return {key: one for kind in kinds for key, one in kind.items()}


def test_all_of_ours_goes_and_nothing_else(deploy: Callable[..., Done], product: str, server: Any) -> None:
    others = set(there(server))
    deploy("--yes")
    macros = set(getattr(server, "macros", ()))
    assert bool(macros) == (product == "splunk")
    ours = set(there(server)) - others
    edited = guest(server)
    PRODUCTS[product].edit(server, edited)
    before = set(there(server))
    planned = deploy("--remove", "--plan")
    assert (planned.code, set(there(server))) == (0, before)
    assert len(planned.told("-")) == len(ours)
    done = deploy("--remove", "--yes")
    assert (done.code, set(there(server)) - others) == (0, {edited})
    assert "with --overwrite-drift also" in done.out
    assert deploy("--remove", "--overwrite-drift", "--yes").code == 0
    assert set(there(server)) == others
    assert deploy("--remove", "--check").code == 0
    assert set(getattr(server, "macros", ())) == macros  # the administrator's


def guest(server: Any) -> str:
    """A rule of ours, as the product identifies it."""
    named = {
        key: one.get("properties", one).get("displayName", one.get("name", key)) for key, one in there(server).items()
    }
    return sorted(key for key, name in named.items() if "Guest" in name)[0]


@pytest.mark.parametrize("asked", ["--remove", "--prune"])
def test_what_has_a_name_of_ours_and_not_our_mark_is_never_deleted(
    asked: str, deploy: Callable[..., Done], content: Content, product: str, server: Any
) -> None:
    content.release()
    deploy("--yes")
    PRODUCTS[product].unmark(server, guest(server))
    foreign = {guest(server): there(server)[guest(server)]}
    content.remove("guest-invited")
    done = deploy(asked, "--overwrite-drift", "--yes")
    (line,) = [line for line in done.told("-") if line.endswith(": kept, it was not put there by deploy")]
    assert "Guest" in line
    assert "kept: never deleted by this command" in done.out
    assert "--prune deletes them" not in done.out
    assert done.code == 0
    assert {key: one for key, one in there(server).items() if asked == "--remove" or key in foreign} == foreign


class Terminal:
    """A person who is asked and says yes; the world goes on while they think."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self._meanwhile = meanwhile

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        self._meanwhile()
        return "y\n"


@pytest.mark.parametrize("edit", ["edit", "unmark"])
def test_what_somebody_changed_since_the_plan_is_not_deleted(
    edit: str, deploy: Callable[..., Done], product: str, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy("--yes")
    key, ours = guest(server), len(there(server))
    change = getattr(PRODUCTS[product], edit)
    monkeypatch.setattr("sys.stdin", Terminal(lambda: change(server, key)))
    done = deploy("--remove")
    (line,) = done.told("x")
    assert "meanwhile" in line
    assert (done.code, set(there(server))) == (3, {key})
    assert len(done.told("*")) == ours - 1


def test_what_somebody_deleted_since_the_plan_is_done(
    deploy: Callable[..., Done], server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy("--yes")

    def gone() -> None:
        for name in ("rules", "searches"):
            getattr(server, name, {}).pop(key, None)

    key = guest(server)
    monkeypatch.setattr("sys.stdin", Terminal(gone))
    done = deploy("--remove")
    assert (done.code, done.told("x"), there(server)) == (0, [], {})


@pytest.mark.parametrize("more", [("--rules", "guest-invited"), ("--assets", "dashboard")], ids=lambda more: more[0])
def test_a_part_cannot_be_removed(call: Callable[..., Done], more: tuple[str, ...]) -> None:
    done = call("deploy", "elastic", "--remove", "--plan", *more)
    assert (done.code, done.line) == (
        2,
        "entrawatch: --remove: takes all rules out and nothing else; leave --rules and --assets out",
    )
