"""Publishing to a Hub that fails: each call of a push meets each fault, and is then repeated."""

import hashlib
import json
import os
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from stages.package import package
from tests.loopback_hub import Cut, Hub, Refused, loopback_hub
from tests.release_tree import come_from, write_build
from tests.test_hub_publish import commit_all
from tests.warm_publisher import Publisher, warm_publisher

pytestmark = pytest.mark.pipeline

TOKEN = "hf_neverToBeWritten"
REPO = "datasets/tester/alpaca-sit"
FILES = f"/{REPO}/resolve/HASH"
STATUSES = ("401", "403", "409", "429", "500")
CUTS = ("unheard", "unanswered")
REPEATED = ("500", "unanswered", "killed")

LOADING = [
    (f"HEAD {FILES}/README.md", 1),
    (f"GET {FILES}/README.md", 1),
    (f"HEAD {FILES}/alpaca-sit.py", 0),
    (f"GET /api/{REPO}/revision/HASH", 0),
    (f"HEAD {FILES}/.huggingface.yaml", 0),
    (f"GET /api/{REPO}/tree/HASH/data", 0),
    (f"GET /api/{REPO}/tree/HASH", 2),
    (f"HEAD {FILES}/dataset_infos.json", 0),
    (f"HEAD {FILES}/data/train-00000-of-00001.parquet", 1),
    (f"GET {FILES}/data/train-00000-of-00001.parquet", 1),
    (f"GET /api/{REPO}/tree/HASH/ledger", 0),
    (f"HEAD {FILES}/ledger/ledger-00000-of-00001.parquet", 1),
    (f"GET {FILES}/ledger/ledger-00000-of-00001.parquet", 1),
]
# The calls of a push, in order, and how many like them go before; a fault meets all later ones too.
CALLS = [
    (f"GET /api/{REPO}/refs", 0),
    ("POST /api/repos/create", 0),
    (f"GET /api/{REPO}", 0),
    (f"GET /api/{REPO}/tree/HASH", 0),
    ("POST /api/validate-yaml", 0),
    (f"POST /api/{REPO}/preupload/main", 0),
    (f"POST /{REPO}.git/info/lfs/objects/batch", 0),
    ("PUT /lfs/HASH", 0),
    ("PUT /lfs/HASH", 1),
    (f"POST /api/{REPO}/commit/main", 0),
    # Reading back: one file that is kept in Git and one that is not, for all.
    (f"GET /api/{REPO}/tree/HASH", 1),
    (f"HEAD {FILES}/README.md", 0),
    (f"GET {FILES}/README.md", 0),
    (f"HEAD {FILES}/data/train-00000-of-00001.parquet", 0),
    (f"GET {FILES}/data/train-00000-of-00001.parquet", 0),
    *LOADING,
    (f"POST /api/{REPO}/tag/HASH", 0),
]
ALIKE = (
    ".gitattributes",
    "ledger/ledger-00000-of-00001.parquet",
    "manifest.json",
    "provenance.json",
)
# Files that a release lacks. `datasets` asks for them, for each configuration anew, and takes most
# refusals for a no.
OPTIONAL = ("alpaca-sit.py", ".huggingface.yaml", "dataset_infos.json")
LOADING_AGAIN = [f"HEAD {FILES}/{name}" for name in OPTIONAL]
MEETINGS = [
    (call, spared, fault)
    for call, spared in CALLS
    for fault in (*STATUSES, *CUTS, "killed")
    if (call, fault) != (CALLS[-1][0], "unanswered")  # has a test of its own
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packaged release that is ready to go to the Hub."""
    root = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        paths = write_build(root, releasable=True, target="hub", namespace="tester", tag="v1.0")
        come_from(paths, "yahma/alpaca-cleaned", "1" * 40)
        package("datasets/alpaca-sit")
        commit_all(root)
    return root


@pytest.fixture(scope="module")
def server() -> Iterator[Hub]:
    with loopback_hub(TOKEN, "tester") as hub:
        yield hub


@pytest.fixture(scope="module")
def publisher(server: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publisher]:
    environment = {
        "HF_ENDPOINT": server.url,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DOWNLOAD_TIMEOUT": "1",
        "HF_HUB_ETAG_TIMEOUT": "1",
        "HF_TOKEN": TOKEN,
    }
    with warm_publisher(tmp_path_factory.mktemp("home"), environment) as publisher:
        yield publisher


@pytest.fixture
def hub(server: Hub, publisher: Publisher, built: Path) -> Hub:
    """The Hub without a repository, and a build of which nothing was published."""
    for state in (server.repos, server.large, server.requests, server.damaged):
        state.clear()
    mend(server)
    shutil.rmtree(published(built).parent, ignore_errors=True)
    shutil.rmtree(publisher.home, ignore_errors=True)
    return server


def published(root: Path) -> Path:
    return root / "data/sample/published/datasets/alpaca-sit"


def mend(hub: Hub) -> None:
    for faults in (hub.refused, hub.cut, hub.meanwhile):
        faults.clear()
    hub.spared = 0


def pattern(call: str) -> str:
    return f"^{re.escape(call).replace('HASH', '[0-9a-f]{40,64}')}$"


def must_be_absent(hub: Hub, root: Path, output: str) -> None:
    """No tag, no receipt, nothing left over, a sentence, and no token."""
    assert not (REPO in hub.repos and hub.repos[REPO].tags)
    assert list(published(root).parent.iterdir()) == []
    assert re.fullmatch(r"error: [^\n]+\.\n", output.splitlines(keepends=True)[-1]), output
    assert "Traceback" not in output
    assert TOKEN not in output


def must_be_whole(hub: Hub, root: Path, status: int, output: str) -> None:
    """One commit with the release, the tag on it, and the receipt."""
    assert status == 0, output
    repo = hub.repos[REPO]
    assert repo.tags == {"v1.0": repo.main}
    assert len(repo.commits) == 2  # the Hub's own first one, and ours
    receipt = json.loads(published(root).with_suffix(".json").read_text("utf-8"))
    assert receipt["commit"] == repo.main
    files = repo.commits[repo.main].files
    assert {path: hashlib.sha256(files[path]).hexdigest() for path in receipt["files"]} == {
        path: file["sha256"] for path, file in receipt["files"].items()
    }
    assert files.keys() - receipt["files"].keys() == {".gitattributes", "provenance.json"}


def publish(publisher: Publisher, root: Path) -> tuple[int, str]:
    return publisher.publish(root, "datasets/alpaca-sit")


def test_faults_are_injected_at_every_call_of_a_push(
    hub: Hub, publisher: Publisher, built: Path
) -> None:
    must_be_whole(hub, built, *publish(publisher, built))
    # Once a day the client asks for a list of programs that name themselves in its user agent.
    asked = [one for one in hub.requests if one != "GET /api/agent-harnesses"]
    made = Counter(re.sub("[0-9a-f]{40,64}", "HASH", one) for one in asked)
    read_back = [f"{verb} {FILES}/{path}" for verb in ("HEAD", "GET") for path in ALIKE]
    assert made == Counter([*(call for call, _ in CALLS), *LOADING_AGAIN, *read_back])


@pytest.mark.parametrize(("call", "spared", "fault"), MEETINGS)
def test_push_that_meets_a_fault_is_not_tagged_and_can_be_repeated(
    hub: Hub, publisher: Publisher, built: Path, call: str, spared: int, fault: str
) -> None:
    hub.spared = spared
    if fault in STATUSES:
        hub.refused[pattern(call)] = int(fault)
    elif fault == "killed":
        hub.meanwhile[pattern(call)] = lambda: os.kill(publisher.child, signal.SIGKILL)
    else:
        hub.cut[pattern(call)] = cast(Cut, fault)
    status, output = publish(publisher, built)
    if fault == "killed":
        assert status == -signal.SIGKILL
        assert not published(built).with_suffix(".json").exists()
    elif call.endswith(OPTIONAL) and fault in STATUSES and status == 0:
        must_be_whole(hub, built, status, output)
        return
    else:
        assert status == 1, output
        must_be_absent(hub, built, output)
        if fault in STATUSES and (call, spared) not in LOADING:
            assert f"({fault}: refused" in output or f"answered {fault}: refused" in output
    # A fault while loading leaves one and the same behind, whatever it is: a commit without a tag.
    if fault == "500" or (fault in REPEATED and (call, spared) not in LOADING):
        mend(hub)
        must_be_whole(hub, built, *publish(publisher, built))


@pytest.mark.parametrize("call", ["/refs$", "/preupload/", "/batch$", "/commit/", "/tree/"])
def test_push_to_what_is_no_hub_ends_with_a_sentence(
    hub: Hub, publisher: Publisher, built: Path, call: str
) -> None:
    def answer() -> None:
        raise Refused(200, "Welcome to the hotel's network")

    hub.meanwhile[call] = answer
    status, output = publish(publisher, built)
    assert status == 1, output
    must_be_absent(hub, built, output)


def test_push_whose_tag_is_set_but_never_answered_is_found_published_the_next_time(
    hub: Hub, publisher: Publisher, built: Path
) -> None:
    hub.cut["/tag/"] = "unanswered"
    status, output = publish(publisher, built)
    assert (status, "the Hub cannot be reached" in output) == (1, True)
    assert not published(built).with_suffix(".json").exists()
    mend(hub)
    hub.requests.clear()
    must_be_whole(hub, built, *publish(publisher, built))
    assert [one for one in hub.requests if not one.startswith(("GET", "HEAD"))] == []


def test_push_interrupted_during_the_upload_sends_only_the_rest_the_next_time(
    hub: Hub, publisher: Publisher, built: Path
) -> None:
    def interrupt() -> None:
        os.kill(publisher.child, signal.SIGKILL)
        raise Refused(500, "half of it came")

    hub.spared = 1
    hub.meanwhile["PUT /lfs/"] = interrupt
    assert publish(publisher, built)[0] == -signal.SIGKILL
    assert len(hub.large) == 1
    mend(hub)
    hub.requests.clear()
    must_be_whole(hub, built, *publish(publisher, built))
    assert sum(one.startswith("PUT") for one in hub.requests) == 1


@pytest.mark.parametrize("call", ["/tree/[0-9a-f]{40}$", "GET .*/README.md$", "GET .*parquet$"])
def test_push_whose_download_is_cut_off_for_good_is_not_tagged(
    hub: Hub, publisher: Publisher, built: Path, call: str
) -> None:
    hub.cut[call] = "halfway"
    status, output = publish(publisher, built)
    assert status == 1
    must_be_absent(hub, built, output)


def test_push_whose_download_is_cut_off_once_goes_on_where_it_stopped(
    hub: Hub, publisher: Publisher, built: Path
) -> None:
    hub.cut["GET .*parquet$"] = "halfway"
    hub.meanwhile["GET .*parquet$"] = hub.cut.clear
    must_be_whole(hub, built, *publish(publisher, built))


def test_push_to_a_repository_that_changes_meanwhile_is_refused_and_then_replaces_the_change(
    hub: Hub, publisher: Publisher, built: Path
) -> None:
    def commit() -> None:
        repo = hub.repos[REPO]
        repo.commit("theirs", {**repo.commits[repo.main].files, "theirs.txt": b"new"})

    hub.meanwhile["/commit/"] = commit
    status, output = publish(publisher, built)
    assert status == 1
    assert "somebody committed to the repository meanwhile (412: A commit has happened" in output
    must_be_absent(hub, built, output)
    mend(hub)
    status, output = publish(publisher, built)
    assert status == 0, output
    repo = hub.repos[REPO]
    assert repo.tags == {"v1.0": repo.main}
    assert [one.message for one in repo.commits.values()] == [
        "initial commit",
        "theirs",
        "alpaca-sit v1.0",
    ]
    assert "theirs.txt" not in repo.commits[repo.main].files


def test_push_tags_its_own_commit_though_another_has_followed(
    hub: Hub, publisher: Publisher, built: Path
) -> None:
    hub.meanwhile["/tag/"] = lambda: hub.repos[REPO].commit("theirs", {"theirs.txt": b"new"})
    status, output = publish(publisher, built)
    assert status == 0, output
    repo = hub.repos[REPO]
    assert repo.commits[repo.tags["v1.0"]].message == "alpaca-sit v1.0"
    assert repo.commits[repo.main].message == "theirs"


def test_push_whose_tag_somebody_sets_meanwhile_is_refused(
    hub: Hub, publisher: Publisher, built: Path
) -> None:
    theirs: list[str] = []

    def tag() -> None:
        theirs.append(hub.repos[REPO].commit("theirs", {"theirs.txt": b"new"}).oid)
        hub.repos[REPO].tags["v1.0"] = theirs[0]

    hub.meanwhile["/tag/"] = tag
    status, output = publish(publisher, built)
    assert (status, "409: Tag v1.0 exists" in output) == (1, True)
    mend(hub)
    status, output = publish(publisher, built)
    assert (status, "the tag v1.0 names other content" in output) == (1, True)
    assert hub.repos[REPO].tags == {"v1.0": theirs[0]}
    assert not published(built).with_suffix(".json").exists()


@pytest.mark.parametrize("call", ["/refs$", "/commit/", "GET .*/README.md$"])
def test_push_to_a_hub_that_says_nothing_ends_with_a_sentence(
    hub: Hub, publisher: Publisher, built: Path, call: str
) -> None:
    hub.meanwhile[call] = lambda: time.sleep(1.5)
    status, output = publish(publisher, built)
    assert (status, "the Hub was silent for too long" in output) == (1, True)
    must_be_absent(hub, built, output)
    time.sleep(1.6)  # what it was asked is still done
    mend(hub)
    must_be_whole(hub, built, *publish(publisher, built))
