"""Publishes a release to the Hugging Face Hub: one commit, read back, and only then a tag."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from httpx2 import Client, Timeout
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    RepoFile,
    get_token,
    set_client_factory,
    snapshot_download,
)
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.utils._http import default_client_factory
from huggingface_hub.utils.tqdm import disable_progress_bars

from stages.config.errors import BuildError
from stages.hub.errors import HUB_ERRORS, explained
from stages.hub.folders import whole_folder
from stages.hub.load_back import load_back
from stages.hub.manifest import ATTRIBUTES, MANIFEST, Manifest, differences
from stages.hub.provenance import PROVENANCE, Provenance, provenance_bytes, read_provenance
from stages.hub.push import Entry, Push, There, push_of

_PATIENCE = 300.0  # seconds; without a limit a Hub that says nothing would be waited for for good


def publish_to_hub(
    release: Path, manifest: Manifest, provenance: Provenance, private: bool, target: Path
) -> tuple[str, Provenance]:
    """Push the release to the repository and the tag that its manifest names.

    What the Hub gives back is left in `target`. Returns the commit on the Hub and the provenance
    that stands there. Where the tag already names this content nothing is sent. The token is the
    environment's or that of the Hub's own login. Raises BuildError when the tag names other
    content, the Hub refuses, or what it gives back is not the release; it sets no tag then.
    """
    repo, token = manifest.address.path, get_token()
    if token is None:
        raise BuildError(no_token(repo))
    disable_progress_bars()
    set_client_factory(_client)
    with whole_folder(target) as folder:
        try:
            commit = _publish(HfApi(), release, manifest, provenance, private, folder)
        except BuildError as error:  # of loading back, which repeats what the Hub said
            raise BuildError(str(error).replace(token, "***")) from None
        except HUB_ERRORS as error:
            raise explained(repo, error, token) from None
        return commit, read_provenance(folder)


def no_token(repo: str) -> str:
    return (
        f"{repo}: there is no token for the Hub. Set HF_TOKEN in the environment, or log in with "
        "`hf auth login`."
    )


def other_content(manifest: Manifest, found: str) -> str:
    return (
        f"{manifest.address.path}: the tag {manifest.address.revision} names other content "
        f"({found}). A tag never moves: raise `publish.tag` in the profile, package and publish "
        "again."
    )


def other_visibility(manifest: Manifest, there: There) -> str:
    is_there, asked = ("private", "public") if there.private else ("public", "private")
    return (
        f"{manifest.address.path}: the repository on the Hub is {is_there}, but the profile asks "
        f"for a {asked} one. Change it there, or set publish.private to "
        f"{str(there.private).lower()}."
    )


def look(api: HfApi, manifest: Manifest) -> tuple[There | None, bool]:
    """The repository at the commit that the tag names, else at its head; whether it has the tag.

    Asks and changes nothing. None without a repository.
    """
    repo, tag = manifest.address.path, manifest.address.revision
    try:
        tags = api.list_repo_refs(repo, repo_type=manifest.kind).tags
    except RepositoryNotFoundError as error:
        if error.response.status_code != 404:  # 401 comes as this error too
            raise
        return None, False
    tagged = next((one.target_commit for one in tags if one.name == tag), None)
    return _there(api, manifest, tagged), tagged is not None


def _client() -> Client:
    client = default_client_factory()
    client.timeout = Timeout(_PATIENCE)
    return client


def _publish(
    api: HfApi,
    release: Path,
    manifest: Manifest,
    provenance: Provenance,
    private: bool,
    folder: Path,
) -> str:
    """Publish unless that was done before; the commit, whose files are then in `folder`."""
    repo, tag = manifest.address.path, manifest.address.revision
    there, is_tagged = look(api, manifest)
    if there and is_tagged:
        if found := _download(repo, there.commit, release, manifest, folder):
            raise BuildError(other_content(manifest, found))
        return there.commit

    if there is None:
        api.create_repo(repo, repo_type=manifest.kind, private=private)
        there = _there(api, manifest, None)
    if there.private != private:
        raise BuildError(other_visibility(manifest, there))
    push = push_of(release, manifest, provenance, private, there)
    commit = _commit(api, release, manifest, provenance, push)
    if found := _download(repo, commit, release, manifest, folder):
        raise BuildError(
            f"{repo}: commit {commit} does not give back the release ({found}). It was not "
            "tagged. Publish again."
        )
    load_back(repo, commit, release, manifest)
    api.create_tag(repo, tag=tag, revision=commit, repo_type=manifest.kind)
    return commit


def _there(api: HfApi, manifest: Manifest, commit: str | None) -> There:
    """The repository at a commit, at its head when that is None."""
    repo, kind = manifest.address.path, manifest.kind
    info = api.repo_info(repo, repo_type=kind)
    commit = commit or str(info.sha)
    listed = api.list_repo_tree(repo, repo_type=kind, revision=commit, recursive=True)
    files = [
        Entry(path=one.path, blob=one.blob_id, sha256=one.lfs.sha256 if one.lfs else None)
        for one in listed
        if isinstance(one, RepoFile)
    ]
    return There(commit=commit, private=bool(info.private), files=files)


def _commit(
    api: HfApi, release: Path, manifest: Manifest, provenance: Provenance, push: Push
) -> str:
    """Make the commit; its hash, that of its parent when there is nothing to change."""
    if push.parent and not push.sent and not push.deleted:
        return push.parent
    contents = {PROVENANCE: provenance_bytes(provenance)}
    commit = api.create_commit(
        push.repo,
        [
            *(CommitOperationDelete(path) for path in push.deleted),
            *(
                CommitOperationAdd(file.path, contents.get(file.path, release / file.path))
                for file in push.sent
            ),
        ],
        commit_message=push.message,
        repo_type=manifest.kind,
        parent_commit=push.parent,
    )
    return commit.oid


def _download(repo: str, commit: str, release: Path, manifest: Manifest, folder: Path) -> str:
    """Fetch all files at a commit; says how they differ from the release, else nothing."""
    with TemporaryDirectory() as cache:  # an empty one: what is compared has to come from the Hub
        snapshot_download(
            repo, repo_type=manifest.kind, revision=commit, local_dir=folder, cache_dir=cache
        )
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    (folder / ATTRIBUTES).unlink(missing_ok=True)
    try:
        read_provenance(folder)
        if (folder / MANIFEST).read_bytes() != (release / MANIFEST).read_bytes():
            return f"another {MANIFEST}"
    except (OSError, ValueError):
        return f"no {MANIFEST} and {PROVENANCE} that can be read"
    return differences(folder, manifest, PROVENANCE)
