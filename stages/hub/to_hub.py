"""Publishes a release to the Hugging Face Hub: one commit, read back, and only then a tag."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from httpx2 import HTTPError  # what huggingface_hub raises when the Hub cannot be reached
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    get_token,
    snapshot_download,
)
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from huggingface_hub.utils.tqdm import disable_progress_bars

from stages.config.errors import BuildError
from stages.hub.folders import whole_folder
from stages.hub.load_back import load_back
from stages.hub.manifest import MANIFEST, Manifest, differences
from stages.hub.provenance import PROVENANCE, Provenance, read_provenance, write_provenance

_ATTRIBUTES = ".gitattributes"  # the Hub's own


def publish_to_hub(
    release: Path, manifest: Manifest, provenance: Provenance, private: bool, target: Path
) -> tuple[str, Provenance]:
    """Push the release to the repository and the tag that its manifest names.

    What the Hub gives back is left in `target`. Returns the commit on the Hub and the provenance
    that stands there. Where the tag already names this content nothing is sent. The token is the
    environment's or that of the Hub's own login. Raises BuildError when the tag names other
    content, the Hub refuses, or what it gives back is not the release; there is no tag then.
    """
    repo = manifest.address.path
    if get_token() is None:
        raise BuildError(
            f"{repo}: there is no token for the Hub. Set HF_TOKEN in the environment, or log in "
            "with `hf auth login`."
        )
    disable_progress_bars()
    with whole_folder(target) as folder:
        # The Hub's errors are OSErrors too, which outside of this folder mean a full disk.
        try:
            commit = _publish(HfApi(), release, manifest, provenance, private, folder)
        except HFValidationError as error:
            raise BuildError(f"{repo}: not a name for a repository on the Hub: {error}") from error
        except HfHubHTTPError as error:
            raise BuildError(_refusal(repo, error)) from error
        except (HTTPError, LocalEntryNotFoundError, ConnectionError) as error:
            raise BuildError(
                f"{repo}: the Hub cannot be reached ({type(error).__name__}). Publish again later; "
                "what is already there is not sent twice."
            ) from error
        return commit, read_provenance(folder)


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
    if commit := _tagged(api, manifest):
        if found := _download(repo, commit, release, manifest, folder):
            raise BuildError(
                f"{repo}: the tag {tag} names other content ({found}). A tag never moves: "
                "raise `publish.tag` in the profile, package and publish again."
            )
        return commit

    api.create_repo(repo, repo_type=manifest.kind, private=private, exist_ok=True)
    commit = _commit(api, release, manifest, provenance)
    if found := _download(repo, commit, release, manifest, folder):
        raise BuildError(
            f"{repo}: commit {commit} does not give back the release ({found}). It was not "
            "tagged. Publish again."
        )
    load_back(repo, commit, release, manifest)
    api.create_tag(repo, tag=tag, revision=commit, repo_type=manifest.kind)
    return commit


def _tagged(api: HfApi, manifest: Manifest) -> str | None:
    """The commit that the tag names; None when there is no such tag or repository."""
    repo, tag = manifest.address.path, manifest.address.revision
    try:
        tags = api.list_repo_refs(repo, repo_type=manifest.kind).tags
    except RepositoryNotFoundError:
        return None
    return next((one.target_commit for one in tags if one.name == tag), None)


def _commit(api: HfApi, release: Path, manifest: Manifest, provenance: Provenance) -> str:
    """One commit that makes the repository the release, and nothing else; returns its hash."""
    repo, tag = manifest.address.path, manifest.address.revision
    head = api.repo_info(repo, repo_type=manifest.kind).sha
    ours = {*manifest.files, MANIFEST, PROVENANCE, _ATTRIBUTES}
    there = api.list_repo_files(repo, repo_type=manifest.kind, revision=head)
    with TemporaryDirectory() as folder:
        write_provenance(Path(folder), provenance)
        commit = api.create_commit(
            repo,
            [
                *(CommitOperationDelete(path) for path in sorted(set(there) - ours)),
                *(CommitOperationAdd(path, release / path) for path in manifest.files),
                CommitOperationAdd(MANIFEST, release / MANIFEST),
                CommitOperationAdd(PROVENANCE, Path(folder) / PROVENANCE),
            ],
            commit_message=f"{manifest.name} {tag}",
            repo_type=manifest.kind,
            parent_commit=head,
        )
    return commit.oid


def _download(repo: str, commit: str, release: Path, manifest: Manifest, folder: Path) -> str:
    """Fetch all files at a commit; says how they differ from the release, else nothing."""
    with TemporaryDirectory() as cache:  # an empty one: what is compared has to come from the Hub
        snapshot_download(
            repo, repo_type=manifest.kind, revision=commit, local_dir=folder, cache_dir=cache
        )
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    (folder / _ATTRIBUTES).unlink(missing_ok=True)
    try:
        read_provenance(folder)
        if (folder / MANIFEST).read_bytes() != (release / MANIFEST).read_bytes():
            return f"another {MANIFEST}"
    except (OSError, ValueError):
        return f"no {MANIFEST} and {PROVENANCE} that can be read"
    return differences(folder, manifest, PROVENANCE)


def _refusal(repo: str, error: HfHubHTTPError) -> str:
    status = error.response.status_code
    said = f": {error.server_message}" if error.server_message else ""
    if status in (401, 403):
        return (
            f"{repo}: the Hub refuses the token ({status}{said}). Use one that may write to "
            f"'{repo.partition('/')[0]}'."
        )
    return (
        f"{repo}: the Hub answered {status}{said}. Nothing was tagged. Publish again; what is "
        "already there is not sent twice."
    )
