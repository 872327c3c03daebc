"""content/ is what the catalogue says: generated, whole, and never edited."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrawatch.cli.main import main
from entrawatch.dialects import DIALECTS
from entrawatch.packages.content import OWNED, content
from entrawatch.packages.queries import FOLDERS
from entrawatch.packages.tree import drift, write
from entrawatch.packages.versions import LOCK, load_lock
from entrawatch.rules.catalogue import load_catalogue

CONTENT = Path(__file__).parents[2] / "content"
CATALOGUE = load_catalogue(CONTENT / "catalogue")
RELEASED = load_lock(CONTENT / LOCK)
TREE = content(CATALOGUE, RELEASED)


def test_the_committed_content_is_what_the_catalogue_says() -> None:
    assert drift(CONTENT, TREE, OWNED).lines() == []


def test_every_rule_stands_in_every_language_or_among_the_refusals() -> None:
    refused = {tuple(line.split("\t")[:2]) for line in TREE["queries/refusals.tsv"].decode().splitlines()[1:]}
    for folder, ending in FOLDERS.values():
        for slug in CATALOGUE.rules:
            assert (f"queries/{folder}/{slug}.{ending}" in TREE) != ((folder, slug) in refused), (folder, slug)
    assert set(DIALECTS) == {name for name, _ in FOLDERS}


def test_the_same_rules_give_the_same_bytes() -> None:
    assert content(load_catalogue(CONTENT / "catalogue"), RELEASED) == TREE


def test_sentinel_takes_ascii_and_ten_thousand_characters() -> None:
    queries_ = {path: text for path, text in TREE.items() if path.startswith("queries/kql/")}
    assert len(queries_) == len(CATALOGUE.rules)
    for path, text in queries_.items():
        assert text.isascii(), path
        assert len(text) <= 10_000, path


@pytest.mark.parametrize(
    "path",
    sorted(
        path
        for path in TREE
        if path.startswith("queries/") and path.rpartition(".")[2] in {"spl", "esql", "kql", "sql"}
    ),
)
def test_a_query_names_its_rule_and_ends_in_a_newline(path: str) -> None:
    text = TREE[path].decode()
    assert text.endswith("\n")
    slug = Path(path).stem
    assert slug in text.splitlines()[0] or slug.startswith("baseline-")


def test_writing_makes_the_folder_hold_the_tree_and_checking_says_what_does_not(tmp_path: Path) -> None:
    tree = {"splunk/a.spl": b"one\n", "elastic/deep/b.json": b"two\n"}
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "catalogue" / "mine.yml").write_text("kept")
    assert drift(tmp_path, tree, OWNED).missing == ("elastic/deep/b.json", "splunk/a.spl")
    write(tmp_path, tree, OWNED)
    assert drift(tmp_path, tree, OWNED).lines() == []
    (tmp_path / "splunk" / "a.spl").write_bytes(b"edited\n")
    (tmp_path / "splunk" / "stray.spl").write_bytes(b"x")
    (tmp_path / "elastic" / "deep" / "b.json").unlink()
    assert drift(tmp_path, tree, OWNED).lines() == [
        "elastic/deep/b.json: missing", "splunk/a.spl: changed", "splunk/stray.spl: left over",
    ]  # fmt: skip
    write(tmp_path, tree, OWNED)
    assert drift(tmp_path, tree, OWNED).lines() == []
    assert (tmp_path / "catalogue" / "mine.yml").read_text() == "kept"


def test_the_command_checks_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "catalogue").symlink_to(CONTENT / "catalogue")
    assert main(["build", "--check", "--content", str(tmp_path)]) == 1
    assert f"{tmp_path}/queries/spl/brute-force.spl: missing" in capsys.readouterr().out
    assert main(["build", "--content", str(tmp_path)]) == 0
    assert f"{tmp_path}/queries/spl/brute-force.spl: written" in capsys.readouterr().out
    (tmp_path / "queries" / "spl" / "brute-force.spl").write_bytes(b"edited\n")
    (tmp_path / "queries" / "stray").write_bytes(b"")
    for arguments, code, said in (
        (["--check"], 1, ["queries/spl/brute-force.spl: changed", "queries/stray: left over"]),
        ([], 0, ["queries/spl/brute-force.spl: rewritten", "queries/stray: removed"]),
        (["--check"], 0, []),
    ):
        assert main(["build", *arguments, "--content", str(tmp_path)]) == code
        *told, last = capsys.readouterr().out.splitlines()
        assert told == [f"{tmp_path}/{line}" for line in said]
        ends = (" written or removed", " not as the rules say") if said else (" files as built",)
        assert last.endswith(ends)
    assert main(["build", "--check", "--content", str(tmp_path)]) == 0
    assert main(["build", "--content", str(tmp_path / "nowhere")]) == 2
