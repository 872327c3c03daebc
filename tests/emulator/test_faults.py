"""Faults on order: what each does to a client, which requests it befalls, and how a file of them is read."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from tests.emulator.conftest import AUDITS, RISKS, SIGN_INS, audit, sign_in

from entrawatch.emulator.faults import ACTIONS, Fault, load_faults
from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Client, MovedClock

TEN = [audit(number, number) for number in range(10)]
IDS = [f"Directory_{number}" for number in range(10)]


def second_page(client: Client) -> requests.Response:
    """The second of two pages of five."""
    return client.get(client.get(AUDITS, top="5").json()["@odata.nextLink"])


ANSWERS = [
    (Fault("status", status=500), 500, "InternalServerError", {}),
    (Fault("status", status=502), 502, "BadGateway", {}),
    (Fault("status", status=503, retry_after=3), 503, "serviceNotAvailable", {"Retry-After": "3"}),
    (Fault("status", status=504), 504, "UnknownError", {}),
    (Fault("status", status=429), 429, "TooManyRequests", {}),
    (Fault("status", status=400, code="Odd", message="odd"), 400, "Odd", {}),
    (Fault("status", status=403), 403, "Authorization_RequestDenied", {}),
    (Fault("throttle", retry_after=2.128), 429, "TooManyRequests", {"Retry-After": "2.128"}),
    (Fault("throttle", retry_after="Tue, 10 Mar 2026 12:00:09 GMT"), 429, "TooManyRequests",
     {"Retry-After": "Tue, 10 Mar 2026 12:00:09 GMT"}),
    (Fault("licence"), 403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", {}),
    (Fault("unauthorized"), 401, "InvalidAuthenticationToken", {}),
    (Fault("expired_token"), 400, "BadRequest", {}),
    (Fault("expired_token", code="Directory_ExpiredPageToken", message="over"), 400, "Directory_ExpiredPageToken", {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "status", "code", "headers"), ANSWERS, ids=[f"{row[0].action} {row[1]} {row[3]}" for row in ANSWERS]
)
def test_an_answer_in_graphs_words(
    emulate: Callable[..., Any], fault: Fault, status: int, code: str, headers: dict[str, str]
) -> None:
    with emulate(TEN, faults=[fault]) as client:
        answer = client.get(AUDITS)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers.get("Retry-After") == headers.get("Retry-After")
    assert set(answer.json()["error"]["innerError"]) == {"date", "request-id", "client-request-id"}


def test_a_gateway_answers_no_json(emulate: Callable[..., Any]) -> None:
    with emulate(TEN, faults=[Fault("gateway", nth=(1,)), Fault("gateway", status=502)]) as client:
        answers = [client.get(AUDITS) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [403, 502]
    assert answers[0].headers["Content-Type"] == "text/html"
    with pytest.raises(ValueError, match="Expecting value"):
        answers[0].json()


def test_a_redirect_to_another_host(emulate: Callable[..., Any]) -> None:
    with emulate(TEN, faults=[Fault("redirect", host="evil.example")]) as client:
        answer = client.get(AUDITS, top="5")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"https://evil.example{AUDITS}?%24top=5")


BROKEN = [
    (Fault("drop"), requests.ConnectionError),
    (Fault("truncate"), requests.exceptions.ChunkedEncodingError),
    (Fault("wrong_length", count=10), requests.exceptions.ChunkedEncodingError),
    # more than gzip's trailer, without which the JSON may still be whole
    (Fault("wrong_length", count=-60), requests.exceptions.JSONDecodeError),
    (Fault("malformed"), requests.exceptions.JSONDecodeError),
]


@pytest.mark.parametrize(("fault", "error"), BROKEN, ids=[f"{f.action} {f.count}" for f, _ in BROKEN])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_an_answer_that_breaks(
    emulate: Callable[..., Any], fault: Fault, error: type[Exception], encoding: str
) -> None:
    many = [audit(number, number) for number in range(100)]
    expected = (error, requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError, ValueError)
    with emulate(many, faults=[Fault(**{**vars(fault), "nth": (1,)})]) as client:
        with pytest.raises(error if encoding == "identity" else expected):
            client.get(AUDITS, headers={"Accept-Encoding": encoding}).json()
        assert len(client.get(AUDITS).json()["value"]) == 100


def test_it_takes_its_time(emulate: Callable[..., Any], clock: MovedClock) -> None:
    with emulate(TEN, faults=[Fault("sleep", seconds=300)]) as client:
        assert client.ids(AUDITS) == IDS
    assert clock.passed == 300


def test_a_client_that_waits_is_let_go_when_the_emulator_stops() -> None:
    from tests.emulator.conftest import Client

    from entrawatch.emulator.server import Emulator

    started = time.monotonic()
    with Emulator(TEN, faults=[Fault("sleep", seconds=60)]) as emulator:
        client = Client(emulator)
        with client.session, pytest.raises(requests.ReadTimeout):
            client.session.get(emulator.url + AUDITS, timeout=0.1)
    assert time.monotonic() - started < 5


def test_a_link_that_repeats(emulate: Callable[..., Any]) -> None:
    with emulate(TEN, faults=[Fault("repeat_link", page="next")]) as client:
        link = client.get(AUDITS, top="5").json()["@odata.nextLink"]
        again = client.get(link).json()
    assert again["@odata.nextLink"] == link
    assert [record["id"] for record in again["value"]] == IDS[5:]


def test_a_link_to_another_host(emulate: Callable[..., Any]) -> None:
    with emulate(TEN, faults=[Fault("foreign_link", host="evil.example:444")]) as client:
        link = client.get(AUDITS, top="5").json()["@odata.nextLink"]
    assert link.startswith(f"https://evil.example:444{AUDITS}?$top=5&$skiptoken=")


def test_a_link_without_its_token(emulate: Callable[..., Any]) -> None:
    with emulate(TEN, faults=[Fault("empty_token_link")]) as client:
        answer = second_page(client)
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "Invalid Skip Token, skip token is null")


@pytest.mark.parametrize("page", ["first", "next", "any"])
def test_empty_pages_lose_nothing(emulate: Callable[..., Any], page: str) -> None:
    with emulate(TEN, faults=[Fault("empty_page", page=page, every=2)]) as client:
        pages = list(client.walk(AUDITS, top="3"))
        pages += client.walk(AUDITS, top="3")
    assert [] in pages
    assert [record["id"] for found in pages for record in found] == IDS * 2


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_record_comes_on_two_pages(emulate: Callable[..., Any], count: int) -> None:
    with emulate(TEN, faults=[Fault("duplicate", count=count, nth=(1,))]) as client:
        found = client.ids(AUDITS, top="5")
    assert found == IDS[:5] + IDS[5 - count :]


def test_the_last_page_has_no_link_by_which_a_record_could_come_again(emulate: Callable[..., Any]) -> None:
    with emulate(TEN, faults=[Fault("duplicate")]) as client:
        assert "@odata.nextLink" not in client.get(AUDITS).json()


def test_a_record_is_left_out_once(emulate: Callable[..., Any]) -> None:
    with emulate(TEN, faults=[Fault("omit", count=2, nth=(1,))]) as client:
        short, whole = client.ids(AUDITS), client.ids(AUDITS)
    assert len(short) == 8
    assert set(short) < set(IDS)
    assert whole == IDS


def test_the_order_of_a_page(emulate: Callable[..., Any]) -> None:
    with emulate(TEN, faults=[Fault("shuffle")]) as client:
        found = client.ids(AUDITS, top="5")
    assert found[:5] != IDS[:5]
    assert sorted(found[:5]) == IDS[:5]
    assert sorted(found) == IDS


def test_a_key_comes_twice(emulate: Callable[..., Any]) -> None:
    with emulate(TEN, faults=[Fault("duplicate_key")]) as client:
        answer = client.get(AUDITS)
    pairs = json.loads(answer.text, object_pairs_hook=lambda pairs: pairs)
    assert [key for key, _ in dict(pairs)["value"][0]].count("id") == 2
    assert [record["id"] for record in answer.json()["value"]] == IDS


def struck(client: Client, count: int, path: str = AUDITS, **options: str) -> list[int]:
    statuses = [client.get(path, **options).status_code for _ in range(count)]
    return [number for number, status in enumerate(statuses, 1) if status == 503]


CHOICES = [
    ({}, [1, 2, 3, 4, 5, 6]),
    ({"nth": (2, 5)}, [2, 5]),
    ({"nth": [1]}, [1]),
    ({"every": 3}, [3, 6]),
    ({"times": 2}, [1, 2]),
    ({"every": 2, "times": 2}, [2, 4]),
    ({"probability": 0.0}, []),
    ({"path": "/v1.0/auditlogs/*"}, [1, 2, 3, 4, 5, 6]),
    ({"path": "/beta/*"}, []),
    ({"stream": "directory_audits"}, [1, 2, 3, 4, 5, 6]),
    ({"stream": "provisioning"}, []),
    ({"page": "first"}, [1, 2, 3, 4, 5, 6]),
    ({"page": "next"}, []),
]


@pytest.mark.parametrize(("choice", "expected"), CHOICES, ids=[str(row[0]) for row in CHOICES])
def test_which_requests_it_befalls(emulate: Callable[..., Any], choice: dict[str, Any], expected: list[int]) -> None:
    with emulate(TEN, faults=[Fault("status", status=503, **choice)]) as client:
        assert struck(client, 6) == expected


def test_chance_comes_from_the_seed(emulate: Callable[..., Any]) -> None:
    def run(seed: int) -> list[int]:
        with emulate(TEN, seed=seed, faults=[Fault("status", status=503, probability=0.5)]) as client:
            return struck(client, 20)

    assert run(1) == run(1) != run(2)
    assert 2 < len(run(1)) < 18


@pytest.mark.parametrize(
    ("stream", "types", "hit"),
    [
        ("non_interactive", "nonInteractiveUser", True),
        ("non_interactive", "servicePrincipal", False),
        ("interactive", "interactiveUser", True),
        ("interactive", "nonInteractiveUser", False),
        ("managed_identity", "managedIdentity", True),
    ],
)
def test_a_sign_in_stream_is_told_by_its_filter(
    emulate: Callable[..., Any], stream: str, types: str, hit: bool
) -> None:
    with emulate([sign_in("interactive", 1, 1)], faults=[Fault("status", status=503, stream=stream)]) as client:
        found = struck(client, 1, SIGN_INS, filter=f"signInEventTypes/any(t: t eq '{types}')")
    assert found == ([1] if hit else [])


def test_the_token_endpoint_only_where_it_is_named(emulate: Callable[..., Any]) -> None:
    faults = [Fault("status", status=503), Fault("gateway", status=500, path="*/oauth2/*", nth=(2,))]
    with emulate(TEN, faults=faults) as client:
        assert client.token().status_code == 500
        assert client.token().status_code == 200


def test_the_licence_of_identity_protection_reads_otherwise(emulate: Callable[..., Any]) -> None:
    with emulate(faults=[Fault("licence")]) as client:
        assert client.get(RISKS).json()["error"]["message"] == "Your tenant is not licensed for this feature."


def test_several_faults_meet_on_one_page(emulate: Callable[..., Any]) -> None:
    with emulate(TEN, faults=[Fault("shuffle"), Fault("omit"), Fault("duplicate_key")]) as client:
        assert len(client.ids(AUDITS)) == 9


def test_every_action_is_tested_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in ACTIONS if f'"{name}"' not in text] == []


GOOD = """
seed: 7
faults:
  - {action: status, status: 503, stream: interactive, nth: [2, 5]}
  - action: throttle
    retry_after: 2.128
    probability: 0.25
"""


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_a_file_of_faults(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"faults.{form}"
    entries = [
        {"action": "status", "status": 503, "stream": "interactive", "nth": [2, 5]},
        {"action": "throttle", "retry_after": 2.128, "probability": 0.25},
    ]
    path.write_text(GOOD if form == "yaml" else json.dumps({"seed": 7, "faults": entries}))
    assert load_faults(path) == (
        (
            Fault("status", status=503, stream="interactive", nth=(2, 5)),
            Fault("throttle", retry_after=2.128, probability=0.25),
        ),
        7,
    )


WRONG = [
    ("faults: [{}]", ["faults[0]: action: missing"]),
    ("faults: [{action: explode}]", ["faults[0]: action: 'explode' is unknown; one of drop, duplicate"]),
    ("faults: [drop]", ["faults[0]: 'drop' is not a mapping"]),
    ("faults: [{action: drop, wen: 1}]", ["faults[0]: wen: unknown; one of action, path"]),
    ("faults: [{action: drop, status: 500}]", ["faults[0]: status: the action drop does not take it"]),
    ("faults: [{action: status}]", ["faults[0]: status: it needs a number from 300 to 599"]),
    ("faults: [{action: status, status: 200}]", ["faults[0]: status: it needs a number from 300 to 599"]),
    ("faults: [{action: status, status: '503'}]", ["faults[0]: status: '503' is not a whole number"]),
    ("faults: [{action: gateway, status: 99}]", ["faults[0]: status: it needs"]),
    ("faults: [{action: drop, nth: 2}]", ["faults[0]: nth: 2 is not a list of whole numbers"]),
    ("faults: [{action: drop, nth: [0]}]", ["faults[0]: nth: [0] is not a list of whole numbers from 1"]),
    ("faults: [{action: drop, nth: [yes]}]", ["faults[0]: nth: [True] is not a list"]),
    ("faults: [{action: drop, probability: 2}]", ["faults[0]: probability: 2 is not between 0 and 1"]),
    ("faults: [{action: drop, probability: yes}]", ["faults[0]: probability: True is not a number"]),
    ("faults: [{action: drop, times: -1}]", ["faults[0]: every, times: they are not negative"]),
    ("faults: [{action: drop, stream: signins}]", ["faults[0]: stream: 'signins' is unknown; one of interactive"]),
    ("faults: [{action: drop, page: last}]", ["faults[0]: page: 'last' is unknown; one of any, first, next"]),
    ("faults: [{action: sleep, seconds: -1}]", ["faults[0]: seconds: -1 is negative"]),
    ("faults: [{action: omit, count: -1}]", ["faults[0]: count: it must not be 0"]),
    ("faults: [{action: wrong_length, count: 0}]", ["faults[0]: count: it must not be 0"]),
    ("faults: [{action: drop, page: last, every: -1}, {}]",
     ["faults[0]: page", "faults[0]: every", "faults[1]: action: missing"]),
    ("faults: []\nseed: x\nfault: 1", ["fault: unknown; only faults and seed", "seed: 'x' is not a whole number"]),
    ("[]", ["no list of faults"]),
    ("", ["no list of faults"]),
    ("faults: 3", ["no list of faults"]),
    ("faults: [", ["line 1, column 10: neither YAML nor JSON: expected the node content, but found '<stream end>"]),
    ("seed: 1\nfaults:\n  - {action: drop", ["line 3, column 18: neither YAML nor JSON: expected ',' or '}', but got"]),
    ("faults: [{action: !!python/name:os.system x}]", ["line 1, column 19: neither YAML nor JSON: could not"]),
    ("faults: [{action: 2026-13-45}]", ["neither YAML nor JSON: month must be in 1..12"]),
    ("faults: \x07", ["neither YAML nor JSON: special characters are not allowed; docs"]),
    ("faults: " + "[" * 2000, ["neither YAML nor JSON: it is nested too deeply"]),
    (b"\xff\xfe\x00", ["it is no UTF-8 text (byte 1); save it as UTF-8"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "faults"), WRONG, ids=[repr(row[0])[:50] for row in WRONG])
def test_all_that_is_wrong_with_a_file_is_said_at_once(tmp_path: Path, text: Any, faults: list[str]) -> None:
    path = tmp_path / "faults.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load_faults(path)
    assert len(caught.value.faults) == len(faults)
    for found, expected in zip(caught.value.faults, faults):
        assert found.startswith(f"{path}: {expected}")
        assert "\n" not in found


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_faults(tmp_path / "none.yml")
