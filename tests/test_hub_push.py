"""Publishing to the Hub: the real clients, in their own process, against the stand-in."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.package import package
from tests.conftest import ROOT
from tests.loopback_hub import Hub, loopback_hub
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
    """The exit status and all output of `python -m stages.publish alpaca-sit`."""
    done = subprocess.run(
        [sys.executable, "-m", "stages.publish", "datasets/alpaca-sit"],
        cwd=root,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
            "PYTHONPATH": str(ROOT),
            "HF_ENDPOINT": hub.url,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HOME": str(root / "home"),
            "HF_TOKEN": TOKEN,
            **environment,
        },
        capture_output=True,
        text=True,
    )
    output = done.stdout + done.stderr
    assert TOKEN not in output
    assert "Traceback" not in output
    written = [path for path in root.rglob("*") if path.is_file()]
    assert [path for path in written if TOKEN.encode() in path.read_bytes()] == []
    return done.returncode, output


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
    assert "the Hub refuses the token (403: refused by the test)" in output
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
