"""Publishing to a folder: copied, verified, loaded back; and what is never published."""

import errno
import json
import subprocess
from pathlib import Path

import pytest

from stages.config.errors import BuildError
from stages.config.paths import Paths
from stages.hub import to_folder
from stages.hub.errors import explained
from stages.package import package
from stages.publish import publish
from stages.rows.parquet import file_hash
from tests.release_tree import CHECK, come_from, write_audit, write_build, write_profile


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.chdir(tmp_path)
    paths = write_build(tmp_path)
    package("datasets/alpaca-sit")
    return paths


@pytest.fixture
def published(build: Paths) -> Path:
    return build.folder("published", "datasets/alpaca-sit")


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit_all(root: Path) -> str:
    """Put everything but data/ and ledgers under Git; the commit."""
    if not (root / ".git").is_dir():
        git(root, "init", "-q")
        (root / ".gitignore").write_text("data/\nledger.sqlite*\nhome/\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "all", "--allow-empty")
    return git(root, "rev-parse", "HEAD")


def receipt(published: Path) -> dict:
    return json.loads(published.with_suffix(".json").read_text("utf-8"))


def refused(match: str) -> None:
    with pytest.raises(BuildError, match=match) as caught:
        publish("datasets/alpaca-sit")
    assert "\n" not in str(caught.value)


def test_publish_to_a_folder_copies_every_file_and_writes_a_receipt(
    build: Paths, published: Path, tmp_path: Path
) -> None:
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\n")
    commit = commit_all(tmp_path)
    publish("datasets/alpaca-sit")
    release = build.folder("release", "datasets/alpaca-sit")
    files = {path.relative_to(release) for path in release.rglob("*") if path.is_file()}
    for path in files:
        assert (published / path).read_bytes() == (release / path).read_bytes()
    assert {path.relative_to(published) for path in published.rglob("*") if path.is_file()} == (
        files | {Path("provenance.json")}
    )
    provenance = {
        "git_commit": commit,
        "git_dirty": False,
        "dvc_lock_sha256": file_hash(tmp_path / "dvc.lock"),
        "manifest_sha256": file_hash(release / "manifest.json"),
    }
    assert json.loads((published / "provenance.json").read_text()) == provenance
    found = receipt(published)
    assert found["provenance"] == provenance
    assert (found["target"], found["commit"]) == ("folder", None)
    assert found["released"] == "datasets/alpaca-sit"
    assert found["files"] == {
        str(path): {
            "sha256": file_hash(release / path),
            "bytes": (release / path).stat().st_size,
        }
        for path in files
    }


def test_publish_the_same_content_after_another_commit_changes_nothing(
    published: Path, tmp_path: Path
) -> None:
    commit_all(tmp_path)
    publish("datasets/alpaca-sit")
    before = {path: path.stat().st_mtime_ns for path in published.rglob("*")}
    first = receipt(published)
    (tmp_path / "notes.txt").write_text("something else")
    commit_all(tmp_path)
    publish("datasets/alpaca-sit")
    assert {path: path.stat().st_mtime_ns for path in published.rglob("*")} == before
    assert receipt(published) == first


def test_publish_over_a_damaged_copy_replaces_it(build: Paths, published: Path) -> None:
    publish("datasets/alpaca-sit")
    (published / "README.md").write_text("nothing")
    (published / "stray.txt").write_text("left over")
    publish("datasets/alpaca-sit")
    release = build.folder("release", "datasets/alpaca-sit")
    assert (published / "README.md").read_bytes() == (release / "README.md").read_bytes()
    assert not (published / "stray.txt").exists()


def test_publish_needs_no_network(
    build: Paths, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*arguments: object) -> None:
        raise AssertionError(f"connects to {arguments}")

    monkeypatch.setattr("socket.socket.connect", no_network)
    publish("datasets/alpaca-sit")
    assert receipt(published)["released"] == "datasets/alpaca-sit"


def test_publish_copy_with_other_bytes_is_refused_and_leaves_the_old_one(
    build: Paths, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("datasets/alpaca-sit")
    before = (published / "README.md").read_bytes()
    come_from(build, "yahma/alpaca-cleaned", "1" * 40)
    package("datasets/alpaca-sit")

    def careless(source: str, target: str) -> None:
        content = Path(source).read_bytes()
        Path(target).write_bytes(content[:-1] + b"?" if "train" in target else content)

    monkeypatch.setattr(to_folder.shutil, "copyfile", careless)
    refused("the copy is not the release: 1 changed, such as 'data/train-")
    assert (published / "README.md").read_bytes() == before


def test_publish_data_that_do_not_load_are_refused(
    build: Paths, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A release whose card contradicts its data, with a manifest that vouches for both.
    release = build.folder("release", "datasets/alpaca-sit")
    card = (release / "README.md").read_text("utf-8")
    (release / "README.md").write_text(card.replace("- name: tasks\n", "- name: jobs\n"), "utf-8")
    found = json.loads((release / "manifest.json").read_text())
    found["card"] |= {
        "sha256": file_hash(release / "README.md"),
        "bytes": (release / "README.md").stat().st_size,
    }
    (release / "manifest.json").write_text(json.dumps(found))
    refused("`datasets` cannot load the configuration 'default'")
    assert not published.exists()


def test_publish_release_that_was_changed_by_hand_is_refused(build: Paths) -> None:
    (build.folder("release", "datasets/alpaca-sit") / "README.md").write_text("better")
    refused("is not what its manifest says: 1 changed, such as 'README.md'")


def test_publish_without_a_release_is_refused(build: Paths) -> None:
    (build.folder("release", "datasets/alpaca-sit") / "manifest.json").unlink()
    refused(r"manifest.json: no such file. Make the release first: python -m stages.package")


def test_publish_failed_audit_is_refused(build: Paths) -> None:
    write_audit(build, success=False, checks=[CHECK | {"success": False}])
    package("datasets/alpaca-sit")
    refused("its audit failed: No output is blank.")


def test_publish_failed_warning_is_published(build: Paths, published: Path) -> None:
    write_audit(build, checks=[CHECK | {"success": False, "severity": "warning"}])
    package("datasets/alpaca-sit")
    publish("datasets/alpaca-sit")
    assert receipt(published)["released"] == "datasets/alpaca-sit"


def test_publish_profile_that_is_not_releasable_never_goes_to_the_hub(
    build: Paths, tmp_path: Path
) -> None:
    write_profile(tmp_path, target="hub", namespace="tester")
    refused("profile 'sample' is not releasable")


def test_publish_to_the_hub_without_a_namespace_is_refused(build: Paths, tmp_path: Path) -> None:
    write_profile(tmp_path, releasable=True, target="hub")
    refused("publish.namespace is empty in profiles/sample.yaml")


def test_publish_to_the_hub_outside_of_git_is_refused(
    build: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    write_profile(tmp_path, releasable=True, target="hub", namespace="tester")
    refused("no Git commit to name as its origin")


def test_publish_to_the_hub_from_a_dirty_tree_is_refused(build: Paths, tmp_path: Path) -> None:
    write_profile(tmp_path, releasable=True, target="hub", namespace="tester")
    commit_all(tmp_path)
    (tmp_path / "params.yaml").open("a").write("# changed\n")
    refused("the Git tree has changes that are not committed")


def test_publish_to_the_hub_of_rows_without_a_licence_is_refused(
    build: Paths, tmp_path: Path
) -> None:
    come_from(build, "mine.json", "2" * 64)
    write_profile(tmp_path, releasable=True, target="hub", namespace="tester")
    package("datasets/alpaca-sit")
    commit_all(tmp_path)
    refused("the licence of source alpaca is not known, so it is not published on the Hub")


@pytest.mark.parametrize(
    ("licences", "reason"),
    [
        ([], "its manifest names no licence"),
        ([("source alpaca", "")], "the licence of source alpaca is missing"),
        ([("source alpaca", "proprietary")], "nothing made with it can be released"),
        (
            [("source alpaca", "cc-by-nc-4.0"), ("source wiki", "cc-by-sa-4.0")],
            "which also asks for non-commercial. No release can meet both",
        ),
    ],
)
def test_publish_licences_that_do_not_allow_it_are_refused(
    build: Paths, licences: list[tuple[str, str]], reason: str
) -> None:
    # As a manifest could have them that an older version, or another hand, wrote.
    path = build.folder("release", "datasets/alpaca-sit") / "manifest.json"
    found = json.loads(path.read_text("utf-8"))
    found["licences"] = [{"of": of, "licence": licence} for of, licence in licences]
    path.write_text(json.dumps(found), "utf-8")
    refused(reason)


def test_publish_card_that_names_another_place_is_refused(build: Paths, tmp_path: Path) -> None:
    write_profile(tmp_path, releasable=True, target="hub", namespace="tester", tag="v2.0")
    commit_all(tmp_path)
    refused(
        "its card says to load it from 'data/sample/published/datasets/alpaca-sit', "
        "but profile 'sample'"
    )


def test_error_of_the_hub_is_told_from_one_of_this_machine() -> None:
    error = explained(
        "tester/x", OSError("Consistency check failed: hf_secret is short"), "hf_secret"
    )
    assert "the Hub answered what cannot be understood (OSError: Consistency check" in str(error)
    assert "hf_secret" not in str(error)
    with pytest.raises(OSError, match="No space left on device"):
        explained("tester/x", OSError(errno.ENOSPC, "No space left on device"), "hf_secret")
