"""Pulling a release: the real client against the stand-in Hub, and releases that mean harm."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.errors import BuildError
from stages.hub.pull.address import newest, read_address
from stages.hub.pull.check import check_release
from stages.hub.pull.pull import Release, ledgers_in, pull, pull_offline
from stages.hub.pull.text import release_text
from stages.hub.pull.untrusted import check_paths
from stages.package import package
from stages.quality.summary import as_text
from stages.texts.visible import visible
from tests.conftest import ROOT
from tests.loopback_hub import Cut, Hub, loopback_hub
from tests.pull_tree import (
    NAME,
    REPO,
    TOKEN,
    Files,
    point_clients_at,
    published_files,
    put,
    with_manifest,
    write_files,
)
from tests.release_tree import files_of

FOLDER = Path(f"pulled/datasets/{NAME}@v1.0")
SHARD = "data/train-00000-of-00001.parquet"
LEDGER = "ledger/ledger-00000-of-00001.parquet"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return published_files(tmp_path_factory.mktemp("released"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, released: Files) -> Iterator[Hub]:
    """A Hub with the release under the tag v1.0, an empty folder, and clients that ask that Hub."""
    monkeypatch.chdir(tmp_path)
    with loopback_hub(TOKEN, "tester") as hub:
        put(hub, REPO, released, "v1.0")
        point_clients_at(hub.url, monkeypatch)
        yield hub


def told(release: Release) -> str:
    return as_text(release_text(release))


def downloads(hub: Hub) -> list[str]:
    """The paths whose content was asked for."""
    return [one.split("/resolve/")[1].partition("/")[2] for one in hub.requests if
            one.startswith("GET") and "/resolve/" in one]  # fmt: skip


def test_pull_takes_the_files_as_they_are_and_says_what_they_are(hub: Hub, released: Files) -> None:
    release = pull(f"{NAME}@v1.0", None)
    assert release.checked.folder == FOLDER
    assert files_of(FOLDER) == {**released, "pulled.json": (FOLDER / "pulled.json").read_bytes()}
    commit = hub.repos[REPO].main
    assert json.loads((FOLDER / "pulled.json").read_text()) == {
        "kind": "dataset", "repo": NAME, "revision": "v1.0", "commit": commit,
    }  # fmt: skip
    text = told(release)
    assert "alpaca-sit, 12 rows" in text
    assert f"{NAME} v1.0, commit {commit}" in text
    assert "cc-by-nc-4.0: source alpaca cc-by-nc-4.0, generator model apache-2.0" in text
    assert "alpaca, 12 rows from yahma/alpaca-cleaned at 111111111111" in text
    assert "models    model 1\n" in text
    assert "3 files, each with the hash that its manifest says" in text
    assert not (FOLDER / ".cache").exists()


def test_pull_again_fetches_no_file_of_the_release(hub: Hub) -> None:
    pull(f"{NAME}@v1.0", None)
    hub.requests.clear()
    release = pull(f"{NAME}@v1.0", None)
    assert downloads(hub) == ["manifest.json", "provenance.json"]
    assert "Fetched 0 files, 0 bytes, 3 were there." in told(release)


def test_pull_that_was_cut_off_goes_on_with_the_files_that_are_missing(hub: Hub) -> None:
    hub.refused[f"GET .*/{LEDGER}"] = 503
    with pytest.raises(BuildError, match="the Hub answered 503: refused by the test"):
        pull(f"{NAME}@v1.0", None)
    assert (FOLDER / SHARD).is_file()
    assert not (FOLDER / "manifest.json").exists()
    with pytest.raises(BuildError, match=f"interrupted. Go on: seqsmith pull {REPO}@v1.0"):
        pull_offline(f"{NAME}@v1.0", None)

    hub.refused.clear()
    hub.requests.clear()
    pull(f"{NAME}@v1.0", None)
    assert SHARD not in downloads(hub)
    assert LEDGER in downloads(hub)


def test_pull_mends_a_changed_file_and_fetches_no_other(hub: Hub, released: Files) -> None:
    pull(f"{NAME}@v1.0", None)
    flip(FOLDER / LEDGER)
    with pytest.raises(BuildError, match=f"changed: {LEDGER}. Pull it again"):
        pull_offline(f"{NAME}@v1.0", None)
    hub.requests.clear()
    pull(f"{NAME}@v1.0", None)
    assert downloads(hub) == ["manifest.json", "provenance.json", LEDGER]
    assert (FOLDER / LEDGER).read_bytes() == released[LEDGER]


def test_pull_that_mends_and_is_cut_off_leaves_no_release(hub: Hub) -> None:
    pull(f"{NAME}@v1.0", None)
    flip(FOLDER / LEDGER)
    hub.refused[f"GET .*/{LEDGER}"] = 503
    with pytest.raises(BuildError, match="answered 503"):
        pull(f"{NAME}@v1.0", None)
    assert not (FOLDER / "manifest.json").exists()


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_pull_of_a_damaged_download_names_the_file_and_keeps_nothing_of_it(hub: Hub) -> None:
    hub.damaged.add(SHARD)
    with pytest.raises(BuildError, match=f"came with other bytes .* removed again: {SHARD}"):
        pull(NAME, None)
    assert not (FOLDER / SHARD).exists()
    assert not (FOLDER / "manifest.json").exists()
    hub.damaged.clear()
    pull(NAME, None)


def test_pull_of_a_file_changed_on_the_hub_names_it(hub: Hub, released: Files) -> None:
    changed = bytearray(released[SHARD])
    changed[40] ^= 1
    put(hub, REPO, {**released, SHARD: bytes(changed)}, "v1.1")
    with pytest.raises(BuildError, match=f"came with other bytes .*: {SHARD}"):
        pull(f"{NAME}@v1.1", None)
    put(hub, REPO, {**released, SHARD: b"PAR1"}, "v1.2")
    hub.requests.clear()
    with pytest.raises(BuildError, match=f"of another size .*: {SHARD}.*Nothing was fetched"):
        pull(f"{NAME}@v1.2", None)
    assert SHARD not in downloads(hub)
    put(hub, REPO, {p: data for p, data in released.items() if p != SHARD}, "v1.3")
    with pytest.raises(BuildError, match=f"lacks files that its manifest.json lists: {SHARD}"):
        pull(f"{NAME}@v1.3", None)


def test_pull_of_a_changed_manifest_is_told_by_its_provenance(hub: Hub, released: Files) -> None:
    manifest = released["manifest.json"].replace(b"cc-by-nc-4.0", b"cc-by-sa-4.0")
    put(hub, REPO, {**released, "manifest.json": manifest}, "v1.1")
    with pytest.raises(BuildError, match="changed: manifest.json or provenance.json"):
        pull(NAME, None)


def test_pull_without_a_tag_takes_the_newest_and_says_so(hub: Hub, released: Files) -> None:
    for tag in ("v1.9", "v1.10", "latest", "v2-beta"):
        put(hub, REPO, released, tag)
    assert "No tag was asked for; v1.10 is the newest." in told(pull(NAME, None))
    assert Path(f"pulled/datasets/{NAME}@v1.10/manifest.json").is_file()


def test_pull_without_any_tag_takes_main_and_warns_that_it_can_move(
    hub: Hub, released: Files
) -> None:
    hub.repos[REPO].tags.clear()
    text = told(pull(NAME, None))
    assert pull_offline(NAME, None).checked.folder.name == "alpaca-sit@main"
    assert "It has no version tag. main is a branch and can move" in text


def test_pull_of_a_branch_that_has_moved_leaves_the_new_release_alone(
    hub: Hub, released: Files
) -> None:
    def rename(manifest: dict[str, Any]) -> None:
        manifest["data"][0]["path"] = "data/other.parquet"

    before = with_manifest(released, rename)
    before["data/other.parquet"] = before.pop(SHARD)
    put(hub, REPO, before)
    pull(f"{NAME}@main", None)
    put(hub, REPO, released)
    release = pull(f"{NAME}@main", None)
    folder = Path(f"pulled/datasets/{NAME}@main")
    assert files_of(folder).keys() == {*released, "pulled.json"}
    assert release.checked.unlisted == []


def test_pull_of_an_unknown_tag_names_those_there_are(hub: Hub) -> None:
    with pytest.raises(BuildError, match=r"has no tag 'v3'. It has v1.0."):
        pull(f"{NAME}@v3", None)


def test_pull_of_a_name_that_is_a_dataset_and_a_model_asks_which(hub: Hub, released: Files) -> None:
    put(hub, f"models/{NAME}", released, "v1.0")
    with pytest.raises(BuildError, match=f"Say which: seqsmith pull datasets/{NAME} or"):
        pull(NAME, None)
    assert pull(f"datasets/{NAME}", None).checked.folder == FOLDER
    with pytest.raises(BuildError, match="is a model on the Hub, but .* that of a dataset"):
        pull(f"models/{NAME}", None)


def test_pull_of_what_is_no_release_is_refused_before_anything_is_written(hub: Hub) -> None:
    put(hub, "datasets/tester/other", {"README.md": b"# other", "train.json": b"[]"})
    with pytest.raises(BuildError, match="has no manifest.json, so it is no release of Seqsmith"):
        pull("tester/other", None)
    assert not Path("pulled").exists()


def test_pull_names_files_that_the_manifest_does_not_list_and_leaves_them(
    hub: Hub, released: Files
) -> None:
    put(hub, REPO, {**released, "notes/a.txt": b"", "x\x1b[31m.csv": b""}, "v1.1")
    release = pull(NAME, None)
    assert release.left == ["notes/a.txt", "x\x1b[31m.csv"]
    text = told(release)
    assert "the manifest does not list notes/a.txt, x\\u001b[31m.csv" in text
    assert not (release.checked.folder / "notes").exists()


@pytest.mark.parametrize(
    ("what", "status", "said"),
    [
        ("GET /api/.*/refs", 403, "the Hub refuses to give it .403: refused by the test"),
        ("GET /api/.*/refs", 500, "the Hub answered 500"),
        ("GET /api/.*/revision/", 429, "asks for fewer calls"),
        ("GET /api/.*/tree/", 500, "the Hub answered 500"),
        ("HEAD .*/manifest.json", 500, "the Hub answered 500"),
        (f"HEAD .*/{SHARD}", 401, "the Hub refuses to give it .401"),
        (f"HEAD .*/{SHARD}", 403, "the Hub refuses to give it .403"),
        (f"HEAD .*/{SHARD}", 429, "asks for fewer calls"),
        (f"GET .*/{SHARD}", 403, "the Hub refuses to give it .403"),
        (f"GET .*/{SHARD}", 429, "asks for fewer calls"),
        (f"GET .*/{SHARD}", 500, "the Hub answered 500"),
    ],
)
def test_pull_that_the_hub_refuses_ends_with_a_sentence(
    hub: Hub, what: str, status: int, said: str
) -> None:
    hub.refused[what] = status
    with pytest.raises(BuildError, match=said) as refused:
        pull(f"{REPO}@v1.0", None)
    assert TOKEN not in str(refused.value)
    assert not (FOLDER / "manifest.json").exists()


def test_pull_of_a_private_release_without_a_token_says_to_log_in(
    hub: Hub, released: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(hub, "datasets/tester/secret", released, "v1.0", private=True)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(BuildError, match="no such dataset or model on the Hub, or it is private"):
        pull("tester/secret", None)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    pull("tester/secret", None)


def test_pull_when_the_hub_is_away_says_so(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    point_clients_at("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(BuildError, match="the Hub cannot be reached .ConnectError"):
        pull(NAME, None)


def test_pull_offline_uses_what_is_there_and_asks_nobody(hub: Hub, released: Files) -> None:
    with pytest.raises(BuildError, match="nothing of it is in pulled. Pull it once"):
        pull_offline(NAME, None)
    put(hub, REPO, released, "v1.2")
    pull(f"{NAME}@v1.0", None), pull(f"{NAME}@v1.2", None)
    hub.requests.clear()
    assert pull_offline(NAME, None).checked.folder.name == "alpaca-sit@v1.2"
    assert pull_offline(f"{REPO}@v1.0", None).checked.folder == FOLDER
    assert hub.requests == []
    write_files(Path(f"pulled/models/{NAME}@v1.0"), files_of(FOLDER))
    with pytest.raises(BuildError, match="a dataset and a model of that name were pulled"):
        pull_offline(f"{NAME}@v1.0", None)
    with pytest.raises(BuildError, match="@v1.1: nothing of it is in pulled"):
        pull_offline(f"{NAME}@v1.1", None)


def test_pull_to_a_folder_takes_it_only_when_it_is_empty_or_its_own(hub: Hub) -> None:
    Path("mine").mkdir()
    pull(NAME, Path("mine"))
    assert pull(NAME, Path("mine")).checked.folder == Path("mine")
    write_files(Path("full"), {"thesis.txt": b"years of work"})
    for taken in (Path("full"), Path("full/thesis.txt")):
        with pytest.raises(BuildError, match="is there already, and no release that was pulled"):
            pull(NAME, taken)
    assert files_of(Path("full")) == {"thesis.txt": b"years of work"}


def test_pull_to_a_folder_that_holds_another_release_leaves_it(hub: Hub, released: Files) -> None:
    put(hub, "datasets/tester/other", released, "v1.0")
    pull(NAME, Path("mine"))
    with pytest.raises(BuildError, match=f"mine: holds {REPO}. Name another folder"):
        pull("tester/other", Path("mine"))


def test_pull_of_a_branch_that_lost_its_provenance_keeps_none(hub: Hub, released: Files) -> None:
    pull(f"{NAME}@main", None)
    put(hub, REPO, {path: data for path, data in released.items() if path != "provenance.json"})
    release = pull(f"{NAME}@main", None)
    assert release.checked.provenance is None


def test_pull_into_a_folder_with_a_link_writes_nothing_behind_it(hub: Hub, tmp_path: Path) -> None:
    hub.refused[f"GET .*/{SHARD}"] = 500
    with pytest.raises(BuildError):
        pull(NAME, None)
    hub.refused.clear()
    shutil.rmtree(FOLDER / "data", ignore_errors=True)
    (tmp_path / "elsewhere").mkdir()
    (FOLDER / "data").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BuildError, match="'data' is a symbolic link"):
        pull(NAME, None)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.filterwarnings("ignore:Not enough free disk space")
def test_pull_larger_than_the_disk_is_refused_before_it_starts(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 9))
    with pytest.raises(BuildError, match="GB more, and there are 0.0 GB where pulled/"):
        pull(NAME, None)
    assert SHARD not in downloads(hub)


def test_pull_whose_connection_is_cut_takes_it_up_where_it_was_cut(
    hub: Hub, released: Files
) -> None:
    hub.cut[f"GET .*/{SHARD}"] = "halfway"
    hub.meanwhile[f"GET .*/{SHARD}"] = hub.cut.clear
    pull(NAME, None)
    assert downloads(hub).count(SHARD) == 2
    assert (FOLDER / SHARD).read_bytes() == released[SHARD]


@pytest.mark.parametrize("cut", ["unheard", "halfway"])
def test_pull_whose_connection_is_cut_again_and_again_says_so(hub: Hub, cut: Cut) -> None:
    hub.cut[f"GET .*/{LEDGER}"] = cut
    with pytest.raises(BuildError, match="cannot be reached|did not arrive whole"):
        pull(NAME, None)
    assert not (FOLDER / "manifest.json").exists()
    hub.cut.clear()
    pull(NAME, None)


# A folder as it lies.


def test_check_of_a_folder_gives_its_manifest_wherever_it_came_from(
    tmp_path: Path, released: Files
) -> None:
    unpublished = {path: data for path, data in released.items() if path != "provenance.json"}
    checked = check_release(write_files(tmp_path / "release", unpublished))
    assert checked.manifest.rows == 12
    assert (checked.provenance, checked.pulled, checked.unlisted) == (None, None, [])


@pytest.mark.parametrize("path", [SHARD, LEDGER, "README.md"])
def test_check_of_a_folder_with_a_changed_byte_names_the_file(
    tmp_path: Path, released: Files, path: str
) -> None:
    folder = write_files(tmp_path / "release", released)
    flip(folder / path)
    with pytest.raises(BuildError, match=f"changed: {path}"):
        check_release(folder)
    (folder / path).unlink()
    with pytest.raises(BuildError, match=f"missing: {path}"):
        check_release(folder)


def test_check_of_a_folder_names_what_else_is_there_but_nothing_hidden(
    tmp_path: Path, released: Files
) -> None:
    others = {"x.csv": b"", "data/y.csv": b"", ".git/config": b"", "data/.cache/z": b""}
    checked = check_release(write_files(tmp_path / "release", {**released, **others}))
    assert checked.unlisted == ["data/y.csv", "x.csv"]


def test_check_of_a_folder_with_endless_files_stops(
    tmp_path: Path, released: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = {f"x/{number}": b"" for number in range(20)}
    folder = write_files(tmp_path / "release", {**released, **others})
    monkeypatch.setattr("stages.hub.pull.untrusted.MOST_FILES", 10)
    with pytest.raises(BuildError, match="has more than 10 files"):
        check_release(folder)


def test_check_of_a_folder_with_a_link_refuses_it(tmp_path: Path, released: Files) -> None:
    folder = write_files(tmp_path / "release", released)
    (folder / SHARD).rename(tmp_path / "shard")
    (folder / SHARD).symlink_to(tmp_path / "shard")
    with pytest.raises(BuildError, match=f"'{SHARD}' is a symbolic link"):
        check_release(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one.update(format=99), "format: "),
        (lambda one: one.update({"\x1b[2J": 1}), r"\\u001b\[2J"),
        (lambda one: one.update(rows=10**6), "says 1,000,000 rows, but its files have 12"),
        (lambda one: one["data"][0].update(rows=99), "has 12 rows, but manifest.json says 99"),
        (lambda one: one["data"][0].update(path="../x.parquet"), "may lead out of the release"),
        (lambda one: one["data"].append(one["data"][0]), "would be one file"),
        (lambda one: one["card"].update(path="pulled.json"), "beside 'pulled.json'"),
    ],
)
def test_check_of_a_manifest_that_is_wrong_is_a_sentence(
    tmp_path: Path, released: Files, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    folder = write_files(tmp_path / "release", with_manifest(released, change))
    with pytest.raises(BuildError, match=said) as refused:
        check_release(folder)
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize(
    "text", [b"", b"null", b"[" * 100_000, b"{", b'{"kind": "dataset"}', b"\xff"]
)
def test_check_of_what_is_no_manifest_is_a_sentence(tmp_path: Path, text: bytes) -> None:
    write_files(tmp_path, {"manifest.json": text})
    with pytest.raises(BuildError, match="is not one that this version of Seqsmith reads"):
        check_release(tmp_path)


def test_check_of_an_endless_manifest_reads_none_of_it(tmp_path: Path) -> None:
    with (tmp_path / "manifest.json").open("wb") as file:
        file.truncate(5 * 10**9)
    with pytest.raises(BuildError, match="its manifest.json has 5,000,000,000 bytes"):
        check_release(tmp_path)


def test_pull_of_an_endless_manifest_does_not_fetch_it(
    hub: Hub, released: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.hub.pull.untrusted.MOST_BYTES", 1_000)
    with pytest.raises(BuildError, match="and 1,000 are the most that are read"):
        pull(NAME, None)
    assert downloads(hub) == []
    assert not Path("pulled").exists()


def test_pull_of_a_repository_with_endless_files_stops_listing_them(
    hub: Hub, released: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(hub, REPO, {**released, **{f"x/{n}": b"" for n in range(20)}}, "v1.1")
    monkeypatch.setattr("stages.hub.pull.from_hub.MOST_FILES", 10)
    with pytest.raises(BuildError, match="has more than 10 files"):
        pull(NAME, None)
    assert downloads(hub) == []


def test_paths_beyond_the_most_are_refused() -> None:
    with pytest.raises(BuildError, match="lists 10,001 files"):
        check_paths("x", "dataset", [f"{number}.parquet" for number in range(10_001)])


@pytest.mark.parametrize(
    "path",
    [
        "../x.json", "a/../../x.json", "/etc/x.json", "\\\\host\\x.json", "C:\\x.json", "C:x.json",
        "a\\..\\x.json", "./x.json", "a//x.json", "a/", "", ".git/x.json", "a/.cache/x.json",
        "x\n.json", "x\x1b[31m.json", "x\u202e.json", "~/x.json", "$HOME/x.json", "a b.json",
        "é.json", "x.json.", "*.json", "x" * 300 + ".json", "a:b.json", "-rf.json",
    ],
)  # fmt: skip
def test_path_that_leads_astray_is_refused(path: str) -> None:
    with pytest.raises(BuildError, match="lists the file") as refused:
        check_paths("x", "dataset", [path])
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "paths",
    [
        ["a.json", "A.json"], ["a/b.json", "a/B.json"], ["Manifest.JSON"], ["pulled.json"],
        ["a.json", "a.json/b.json"], ["A.json/b.json", "a.json"],
    ],
)  # fmt: skip
def test_paths_that_would_be_one_file_are_refused(paths: list[str]) -> None:
    with pytest.raises(BuildError):
        check_paths("x", "dataset", paths)


@pytest.mark.parametrize(
    "path", ["model.bin", "model.pt", "x.pkl", "run.py", "x.sh", "model", "model.safetensors.exe"]
)
@pytest.mark.parametrize("kind", ["dataset", "model"])
def test_path_of_a_program_is_refused(kind: str, path: str) -> None:
    with pytest.raises(BuildError, match="since it could run code"):
        check_paths("x", kind, [path])


@given(
    st.lists(st.text(alphabet=st.sampled_from("aA.\\/:~*\0\x1b\u202e -"), max_size=12), max_size=4)
)
def test_paths_that_are_let_through_stay_inside_and_apart(names: list[str]) -> None:
    paths = [f"{name}.json" for name in names]
    try:
        check_paths("x", "dataset", paths)
    except BuildError as refused:
        assert str(refused).isprintable()
        return
    root = "/a/release"
    resolved = [os.path.normpath(os.path.join(root, path)) for path in paths]
    assert all(one.startswith(f"{root}/") for one in resolved)
    assert len({one.casefold() for one in resolved}) == len(paths)
    assert all(path.isascii() and path.isprintable() and "\\" not in path for path in paths)


@given(st.text())
def test_address_is_read_or_refused_and_never_leads_out_of_the_folder(text: str) -> None:
    try:
        wanted = read_address(text)
    except BuildError as refused:
        assert visible(str(refused)) == str(refused)
        return
    assert ".." not in f"{wanted.repo}@{wanted.revision}".split("/")


@pytest.mark.parametrize(
    "text", ["../x", "a/..", "a/b/c/d", "/etc/passwd", "a/b@../c", "a/b@", "alpaca-sit", "a/b@x/y"]
)
def test_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BuildError, match="neither the folder of a release nor a repository"):
        read_address(text)


def test_newest_tag_is_the_highest_version() -> None:
    assert newest(["v1.9", "v1.10", "v1", "v2-rc1", "final"]) == "v1.10"
    assert newest(["v2", "v1.10"]) == "v2"
    assert newest(["final"]) == ""


def test_text_of_a_manifest_cannot_write_to_the_terminal(tmp_path: Path, released: Files) -> None:
    def attack(manifest: dict[str, Any]) -> None:
        manifest["name"] = "\x1b]0;owned\x07[red]x[/red]"
        manifest["sources"][0]["name"] = "a\rverified\u202e" + "y" * 1_000
        manifest["models"][0]["name"] = "[link=file:///etc/passwd]m[/link]"

    folder = write_files(tmp_path / "release", with_manifest(released, attack))
    text = told(pull(str(folder), None))
    assert "[red]x[/red]" in text
    assert "[link=file:///etc/passwd]m[/link]" in text
    assert all(line.isprintable() for line in text.splitlines())
    assert "yyy..." in text.replace("\n", "").replace(" ", "")


@pytest.mark.pipeline
def test_command_is_killed_and_goes_on(hub: Hub, released: Files, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from stages.hub.pull import from_hub\n"
        "real = from_hub._download\n"
        "def download(api, pulled, path, folder):\n"
        f"    if path == {LEDGER!r}: import os; os.kill(os.getpid(), 9)\n"
        "    real(api, pulled, path, folder)\n"
        "from_hub._download = download\n"
        f"from_hub.fetch_release(from_hub.Wanted(None, {NAME!r}, 'v1.0'), None)\n"
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        "PYTHONPATH": str(ROOT), "HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": TOKEN,
    }  # fmt: skip
    killed = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert killed.returncode == -9
    assert (FOLDER / SHARD).read_bytes() == released[SHARD]
    hub.requests.clear()
    pull(NAME, None)
    assert SHARD not in downloads(hub)
    assert files_of(FOLDER).keys() == {*released, "pulled.json"}
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in written if TOKEN.encode() in path.read_bytes()] == []


# A model.

MODEL = f"models/{NAME}"


@pytest.fixture(scope="module")
def released_model(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of a release of a tiny model."""
    # Imported here because it imports torch, and most of these tests need none.
    from tests.model_release_tree import make_tiny, write_model_build  # noqa: PLC0415

    root = tmp_path_factory.mktemp("model")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        write_model_build(root, make_tiny(tmp_path_factory.mktemp("tiny")))
        package(MODEL.replace("tester/", ""))
    return files_of(root / "data/sample/release/models/alpaca-sit")


@pytest.mark.pipeline
def test_pull_of_a_model_takes_it_and_says_what_it_was_made_of(
    hub: Hub, released_model: Files
) -> None:
    put(hub, MODEL, released_model, "v1.0")
    release = pull(f"{MODEL}@v1.0", None)
    folder = Path(f"pulled/{MODEL}@v1.0")
    assert files_of(folder).keys() == {*released_model, "pulled.json"}
    assert (folder / "model.safetensors").read_bytes() == released_model["model.safetensors"]
    text = told(release)
    assert "model      alpaca-sit, 4.1 MB" in text
    assert "made of    some/base 555555555555, fine-tuned on alpaca-sit" in text
    assert "scored on  world (" in text
    assert "commonsense-qa" not in text  # it was not run
    with pytest.raises(BuildError, match="is the release of a model, which has no ledger"):
        ledgers_in(folder)


@pytest.mark.pipeline
@pytest.mark.parametrize("name", ["pytorch_model.bin", "modeling_x.py", "sub/x.PKL"])
def test_pull_of_a_model_with_a_program_beside_it_is_refused(
    hub: Hub, released_model: Files, tmp_path: Path, name: str
) -> None:
    put(hub, MODEL, {**released_model, name: b"harm"}, "v1.0")
    with pytest.raises(BuildError, match=f"has the file '{name}', which can run code"):
        pull(f"{MODEL}@v1.0", None)
    assert not Path("pulled").exists()
    folder = write_files(tmp_path / "model", {**released_model, name: b"harm"})
    with pytest.raises(BuildError, match=f"has the file '{name}', which can run code"):
        check_release(folder)
