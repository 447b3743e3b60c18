"""Publishing to the Hub: the real clients, in their own process, against the stand-in."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.package import package
from tests.loopback_hub import Hub, Repo, loopback_hub, run_against
from tests.release_tree import come_from, write_build, write_profile
from tests.test_hub_publish import commit_all, receipt

pytestmark = pytest.mark.pipeline

TOKEN = "hf_neverToBeWritten"
REPO = "datasets/tester/alpaca-sit"
TARGET = {"releasable": True, "target": "hub", "namespace": "tester", "tag": "v1.0"}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub, and a packaged release beside it that is ready to go there."""
    monkeypatch.chdir(tmp_path)
    paths = write_build(tmp_path, **TARGET)
    come_from(paths, "yahma/alpaca-cleaned", "1" * 40)
    package("datasets/alpaca-sit")
    commit_all(tmp_path)
    with loopback_hub(TOKEN, "tester") as hub:
        yield hub


def published(root: Path) -> Path:
    return root / "data/sample/published/datasets/alpaca-sit"


def publish(hub: Hub, root: Path, **environment: str) -> tuple[int, str]:
    """The exit status and all output of `python -m stages.publish datasets/alpaca-sit`."""
    return run(hub, root, "-m", "stages.publish", "datasets/alpaca-sit", **environment)


def rehearse(hub: Hub, root: Path, **environment: str) -> str:
    program = (
        "from stages.hub.rehearsal import rehearse; print(rehearse('datasets/alpaca-sit').text)"
    )
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if "home" not in path.parts}
    status, output = run(hub, root, "-c", program, **environment)
    assert status == 0, output
    after = {path: path.stat().st_mtime_ns for path in root.rglob("*") if "home" not in path.parts}
    assert after == before
    assert all(one.startswith(("GET", "HEAD")) for one in hub.requests)
    return output


def run(hub: Hub, root: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    return run_against(hub, root, TOKEN, *arguments, **environment)


def sent(hub: Hub) -> list[str]:
    """What was asked of the Hub that changes it."""
    changing = ("/repos/create", "/commit/", "/tag/", "PUT ")
    return [one for one in hub.requests if any(part in one for part in changing)]


def test_push_makes_one_commit_reads_it_back_and_then_tags_it(hub: Hub, tmp_path: Path) -> None:
    status, output = publish(hub, tmp_path)
    assert status == 0, output
    repo = hub.repos[REPO]
    assert repo.private
    assert repo.tags == {"v1.0": repo.main}
    assert repo.commits[repo.main].message == "alpaca-sit v1.0"
    assert len(repo.commits) == 2  # the Hub's own first one, and ours
    release = tmp_path / "data/sample/release/datasets/alpaca-sit"
    files = repo.commits[repo.main].files
    for path in release.rglob("*"):
        if path.is_file():
            assert files[path.relative_to(release).as_posix()] == path.read_bytes()
    assert files.keys() == set(receipt(published(tmp_path))["files"]) | {
        ".gitattributes",
        "provenance.json",
    }
    assert receipt(published(tmp_path))["commit"] == repo.main
    assert (published(tmp_path) / "provenance.json").read_bytes() == files["provenance.json"]
    # Everything was fetched again, and by `datasets` too, before the tag was made.
    tagged = next(i for i, one in enumerate(hub.requests) if "/tag/" in one)
    fetched = [one for one in hub.requests[:tagged] if one.startswith("GET") and "/resolve/" in one]
    assert sum(one.endswith(".parquet") for one in fetched) >= 4


def test_push_of_the_same_content_again_sends_nothing(hub: Hub, tmp_path: Path) -> None:
    assert publish(hub, tmp_path)[0] == 0
    first = receipt(published(tmp_path))
    hub.requests.clear()
    published(tmp_path).with_suffix(".json").unlink()
    (tmp_path / "notes.txt").write_text("a later commit")
    commit_all(tmp_path)
    status, output = publish(hub, tmp_path)
    assert status == 0, output
    assert sent(hub) == []
    assert receipt(published(tmp_path)) == first


def test_push_that_comes_back_damaged_is_not_tagged_and_can_be_repeated(
    hub: Hub, tmp_path: Path
) -> None:
    hub.damaged.add("data/train-00000-of-00001.parquet")
    status, output = publish(hub, tmp_path)
    assert status == 1
    assert "does not give back the release (1 changed, such as 'data/train-00000" in output
    assert len(hub.repos[REPO].commits) == 2
    assert hub.repos[REPO].tags == {}
    assert not published(tmp_path).exists()
    assert not published(tmp_path).with_suffix(".json").exists()

    hub.damaged.clear()
    status, output = publish(hub, tmp_path)
    assert status == 0, output
    assert hub.repos[REPO].tags == {"v1.0": hub.repos[REPO].main}
    assert len(hub.repos[REPO].commits) == 2


def test_push_whose_tag_is_refused_leaves_no_tag_and_no_receipt(hub: Hub, tmp_path: Path) -> None:
    hub.refused["POST .*/tag/"] = 403
    status, output = publish(hub, tmp_path)
    assert status == 1
    assert "the Hub refuses the token (403: refused by the test for Bearer ***)" in output
    assert hub.repos[REPO].tags == {}
    assert not published(tmp_path).with_suffix(".json").exists()


def test_push_of_other_content_under_the_same_tag_is_refused(hub: Hub, tmp_path: Path) -> None:
    assert publish(hub, tmp_path)[0] == 0
    before = hub.repos[REPO].main
    paths = write_build(tmp_path, 9, **TARGET)
    come_from(paths, "yahma/alpaca-cleaned", "1" * 40)
    package("datasets/alpaca-sit")
    status, output = publish(hub, tmp_path)
    assert status == 1
    assert "the tag v1.0 names other content" in output
    assert hub.repos[REPO].main == before

    # Under the next tag it is one more commit, and nothing of the old content is left.
    hub.repos[REPO].commits[before].files["data/train-00001-of-00002.parquet"] = b"old"
    write_profile(tmp_path, **TARGET | {"tag": "v1.1"})
    package("datasets/alpaca-sit")
    commit_all(tmp_path)
    status, output = publish(hub, tmp_path)
    assert status == 0, output
    repo = hub.repos[REPO]
    assert repo.tags == {"v1.0": before, "v1.1": repo.main}
    assert "data/train-00001-of-00002.parquet" not in repo.commits[repo.main].files


def test_push_without_credentials_is_refused(hub: Hub, tmp_path: Path) -> None:
    status, output = publish(hub, tmp_path, HF_TOKEN="")
    assert status == 1
    assert "there is no token for the Hub. Set HF_TOKEN" in output
    assert sent(hub) == []


def test_push_with_a_wrong_token_is_refused(hub: Hub, tmp_path: Path) -> None:
    status, output = publish(hub, tmp_path, HF_TOKEN="hf_wrong")
    assert status == 1
    assert "the Hub refuses the token (401" in output
    assert hub.repos == {}


def test_push_when_the_hub_is_away_is_refused_with_a_sentence(hub: Hub, tmp_path: Path) -> None:
    status, output = publish(hub, tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert status == 1
    assert "the Hub cannot be reached" in output


def test_push_through_xet_that_fails_ends_with_a_sentence(hub: Hub, tmp_path: Path) -> None:
    # The stand-in does not speak Xet, which the real Hub does.
    status, output = publish(hub, tmp_path, HF_HUB_DISABLE_XET="0")
    assert status == 1
    assert "error: tester/alpaca-sit: the Hub cannot be reached" in output
    assert hub.repos[REPO].tags == {}
    assert not published(tmp_path).with_suffix(".json").exists()


@pytest.mark.parametrize("is_private", [False, True])
def test_push_to_a_repository_of_another_visibility_is_refused(
    hub: Hub, tmp_path: Path, is_private: bool
) -> None:
    hub.repos[REPO] = Repo(private=is_private)
    hub.repos[REPO].commit("initial commit", {})
    write_profile(tmp_path, **TARGET | {"private": not is_private})
    package("datasets/alpaca-sit")
    commit_all(tmp_path)
    status, output = publish(hub, tmp_path)
    assert status == 1
    asked = "public" if is_private else "private"
    assert f"but the profile asks for a {asked} one" in output
    assert f"or set publish.private to {str(is_private).lower()}." in output
    assert sent(hub) == []


def test_rehearsal_says_what_a_push_then_sends(hub: Hub, tmp_path: Path) -> None:
    hub.repos[REPO] = Repo(private=True)
    parent = hub.repos[REPO].commit("theirs", {"old.txt": b"old", "README.md": b"theirs"}).oid
    output = rehearse(hub, tmp_path)
    assert "refused" not in output
    assert "repository  tester/alpaca-sit, a dataset, which is there, private\n" in output
    assert f"commit      'alpaca-sit v1.0' after {parent}\n" in output
    assert "tag         v1.0\n" in output
    assert "deleted     1 files that are no part of the release\n  old.txt\n" in output
    listed = set(re.findall(r"^  ([0-9a-f]{64}) +([0-9,]+)  (.+)$", output, re.MULTILINE))

    assert publish(hub, tmp_path)[0] == 0
    commit = hub.repos[REPO].commits[hub.repos[REPO].main]
    assert (commit.message, commit.parent) == ("alpaca-sit v1.0", parent)
    assert listed == {
        (hashlib.sha256(data).hexdigest(), f"{len(data):,}", path)
        for path, data in commit.files.items()
    }


def test_rehearsal_names_what_is_there_and_what_the_tag_names(hub: Hub, tmp_path: Path) -> None:
    assert "which would be made, private\n" in rehearse(hub, tmp_path)
    assert publish(hub, tmp_path)[0] == 0
    hub.requests.clear()
    assert "holds datasets/alpaca-sit at the tag v1.0 already: nothing" in rehearse(hub, tmp_path)

    write_profile(tmp_path, **TARGET | {"tag": "v1.1"})
    package("datasets/alpaca-sit")
    commit_all(tmp_path)
    output = rehearse(hub, tmp_path)
    assert (
        "sent        3 files" in output
    )  # card, manifest and provenance name the tag or the commit
    assert "there       2 files with this content already, which are not sent" in output

    hub.repos[REPO].tags["v1.1"] = hub.repos[REPO].tags["v1.0"]
    output = rehearse(hub, tmp_path)
    assert (
        "refused     tester/alpaca-sit: the tag v1.1 names other content (3 files differ" in output
    )


def test_rehearsal_lists_every_refusal_and_needs_no_hub(hub: Hub, tmp_path: Path) -> None:
    write_profile(tmp_path, **TARGET | {"releasable": False})
    output = rehearse(hub, tmp_path, HF_TOKEN="")
    assert hub.requests == []
    assert "whether it is there is not known (there is no token), private\n" in output
    assert output.count("\nrefused     ") == 3
    for reason in ("is not releasable", "changes that are not committed", "there is no token"):
        assert reason in output
    assert "sent        5 files" in output

    output = rehearse(hub, tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert "whether it is there is not known (the Hub did not tell)" in output
    assert "refused     tester/alpaca-sit: the Hub cannot be reached (ConnectError)" in output
