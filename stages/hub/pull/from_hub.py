"""Fetches a release from the Hugging Face Hub: what is there and right already stays."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from httpx2 import HTTPError  # what huggingface_hub raises when the Hub cannot be reached
from huggingface_hub import GitRefs, HfApi, get_token
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from huggingface_hub.hf_api import RepoFile

from stages.config.errors import BuildError
from stages.config.settings import is_commit
from stages.hub.errors import HUB_ERRORS
from stages.hub.manifest import MANIFEST, DatasetManifest, ModelManifest
from stages.hub.provenance import PROVENANCE
from stages.hub.pull.address import KINDS, Wanted, folder_of, newest
from stages.hub.pull.check import Kind, Pulled, names, read_pulled
from stages.hub.pull.untrusted import (
    MOST_FILES,
    OURS,
    PULLED,
    read_untrusted,
    refuse_endless,
    refuse_programs,
    shown,
    walk,
)
from stages.rows.parquet import file_hash

_CLIENTS_OWN = ".cache"  # where huggingface_hub keeps its notes on a download


class Fetched(NamedTuple):
    """What was fetched, and where it is now."""

    folder: Path
    files: int
    bytes: int
    kept: int
    """files that were there and right already"""
    left: list[str]
    """files of the repository that the manifest does not list"""
    notes: list[str]
    """sentences about what was chosen"""


def fetch_release(wanted: Wanted, to: Path | None) -> Fetched:
    """Fetch the release to `to`, by default to `pulled/`.

    Files that are there with the right hash stay; a cut connection is taken up where it was cut;
    MANIFEST is written last, so that a folder with one is whole. Raises BuildError when the Hub
    does not give the release, or gives something that must not be used.
    """
    with _sentences(wanted):
        api = HfApi()
        kind, refs = _find(api, wanted)
        revision, notes = _choose(wanted, refs)
        where = f"{wanted.repo}@{revision}"
        commit = api.repo_info(wanted.repo, repo_type=kind, revision=revision).sha or ""
        if not is_commit(commit):
            raise BuildError(f"{where}: the Hub does not say which commit this is.")
        pulled = Pulled(kind=kind, repo=wanted.repo, revision=revision, commit=commit)
        sizes = _list(api, where, pulled)
        if MANIFEST not in sizes:
            raise BuildError(f"{where}: has no {MANIFEST}, so it is no release of Seqsmith.")
        folder = to or folder_of(kind, wanted.repo, revision)
        with TemporaryDirectory(prefix="seqsmith-") as place:
            said = Path(place)
            manifest = _read_manifest(api, where, pulled, sizes, said)
            _refuse(where, manifest, sizes)
            _refuse_folder(where, pulled, manifest, folder)
            files, size = _fetch(api, where, pulled, manifest, said, folder)
    left = sorted(sizes.keys() - manifest.files.keys() - OURS)
    kept = len(manifest.files) - files
    return Fetched(folder, files, size, kept, left, notes)


@contextmanager
def _sentences(wanted: Wanted) -> Iterator[None]:
    """The errors of the client as sentences."""
    try:
        yield
    except HUB_ERRORS as error:
        wrapped = error.__cause__ if isinstance(error, LocalEntryNotFoundError) else None
        cause = wrapped if isinstance(wrapped, HUB_ERRORS) else error
        raise BuildError(f"{wanted}: {_sentence(cause)}") from None


def _sentence(error: Exception) -> str:
    again = "what has arrived is not fetched twice"
    if isinstance(error, HfHubHTTPError):
        return _refusal(error, again)
    if isinstance(error, HTTPError | ConnectionError | LocalEntryNotFoundError):
        return (
            f"the Hub cannot be reached ({type(error).__name__}). Pull again: {again}. Or use what "
            "was pulled before: --offline."
        )
    if isinstance(error, OSError) and error.errno is not None:
        return (
            f"cannot be written ({error.strerror}). Make the folder writable or free some space, "
            f"then pull again: {again}."
        )
    return f"did not arrive whole ({_safe(str(error))}). Pull again: {again}."


def _refusal(error: HfHubHTTPError, again: str) -> str:
    status = error.response.status_code
    said = f"{status}: {_safe(error.server_message)}" if error.server_message else f"{status}"
    if isinstance(error, GatedRepoError):
        return (
            f"the Hub asks for an agreement before it gives this out ({said}). Accept it on the "
            "page of the repository, and log in with `hf auth login`."
        )
    if status in (401, 403):
        return (
            f"the Hub refuses to give it ({said}). If it is private, use a token that may read it: "
            "`hf auth login`, or HF_TOKEN in the environment."
        )
    if status == 429:
        return f"the Hub asks for fewer calls ({said}). Pull again in some minutes: {again}."
    return f"the Hub answered {said}. Pull again later: {again}."


def _safe(text: str) -> str:
    """What the Hub said, for the terminal; servers may repeat the credentials they were sent."""
    token = get_token()
    return shown(text.replace(token, "***") if token else text)


def _find(api: HfApi, wanted: Wanted) -> tuple[Kind, GitRefs]:
    """Whether it is a dataset or a model, and its tags and branches."""
    found: dict[Kind, GitRefs] = {}
    for kind in [wanted.kind] if wanted.kind else KINDS.values():
        try:
            found[kind] = api.list_repo_refs(wanted.repo, repo_type=kind)
        except GatedRepoError:
            raise
        except RepositoryNotFoundError:
            continue
    if not found:
        raise BuildError(
            f"{wanted.repo}: there is no such {wanted.kind or 'dataset or model'} on the Hub, or "
            "it is private. Check the name; if it is private, log in with `hf auth login`."
        )
    if len(found) > 1:
        raise BuildError(
            f"{wanted.repo}: is a dataset and a model. Say which: seqsmith pull datasets/{wanted} "
            f"or seqsmith pull models/{wanted}"
        )
    return found.popitem()


def _choose(wanted: Wanted, refs: GitRefs) -> tuple[str, list[str]]:
    """The revision to take, and what to say about it."""
    tags = [tag.name for tag in refs.tags]
    if wanted.revision in tags or is_commit(wanted.revision):
        return wanted.revision, []
    if not wanted.revision and (tag := newest(tags)):
        return tag, [f"No tag was asked for; {tag} is the newest."]
    if not wanted.revision or wanted.revision in [branch.name for branch in refs.branches]:
        branch = wanted.revision or "main"
        why = "" if wanted.revision else "It has no version tag. "
        return branch, [
            f"{why}{branch} is a branch and can move: name the commit where it matters."
        ]
    known = f"It has {shown(', '.join(sorted(tags)))}." if tags else "It has no tags."
    raise BuildError(f"{wanted.repo}: has no tag '{wanted.revision}'. {known}")


def _list(api: HfApi, where: str, pulled: Pulled) -> dict[str, int]:
    """The files of a repository at a commit, with their sizes."""
    tree = api.list_repo_tree(
        pulled.repo, repo_type=pulled.kind, revision=pulled.commit, recursive=True
    )
    files = (entry for entry in tree if isinstance(entry, RepoFile))
    sizes = {entry.path: entry.size for entry in islice(files, MOST_FILES + len(OURS) + 1)}
    if len(sizes) > MOST_FILES + len(OURS):
        raise BuildError(f"{where}: has more than {MOST_FILES:,} files, so it is not fetched.")
    return sizes


def _read_manifest(
    api: HfApi, where: str, pulled: Pulled, sizes: dict[str, int], said: Path
) -> DatasetManifest | ModelManifest:
    """The manifest, which is left in `said` beside the provenance where there is one."""
    for name in (MANIFEST, PROVENANCE):
        if name in sizes:
            refuse_endless(where, sizes[name])
            _download(api, pulled, name, said)
    manifest = read_untrusted(where, said / MANIFEST)
    if manifest.kind != pulled.kind:
        raise BuildError(
            f"{where}: is a {pulled.kind} on the Hub, but its {MANIFEST} is that of a "
            f"{manifest.kind}. Do not use it."
        )
    return manifest


def _refuse(where: str, manifest: DatasetManifest | ModelManifest, sizes: dict[str, int]) -> None:
    """Raise BuildError for what need not be fetched to be known as wrong."""
    if manifest.kind == "model":
        refuse_programs(where, sizes)
    if missing := [path for path in manifest.files if path not in sizes]:
        raise BuildError(
            f"{where}: lacks files that its {MANIFEST} lists: {names(missing)}. Ask its owner to "
            "publish it again."
        )
    if changed := [path for path, file in manifest.files.items() if file.bytes != sizes[path]]:
        raise BuildError(
            f"{where}: has files of another size than its {MANIFEST} says: {names(changed)}. They "
            "were changed after it was published. Nothing was fetched."
        )


def _refuse_folder(
    where: str, pulled: Pulled, manifest: DatasetManifest | ModelManifest, folder: Path
) -> None:
    """Raise BuildError unless the release may be put into `folder`, and has room there."""
    if folder.exists():
        is_folder = folder.is_dir()
        before = read_pulled(folder) if is_folder else None
        if before is None and not (is_folder and not any(folder.iterdir())):
            raise BuildError(
                f"{folder}: is there already, and no release that was pulled. Name another folder: "
                "--to FOLDER."
            )
        if before and (before.kind, before.repo) != (pulled.kind, pulled.repo):
            raise BuildError(
                f"{folder}: holds {before.kind}s/{before.repo}. Name another folder: --to FOLDER."
            )
        walk(str(folder), folder)
    needed = sum(
        file.bytes for path, file in manifest.files.items() if not (folder / path).is_file()
    )
    free = shutil.disk_usage(next(one for one in folder.absolute().parents if one.exists())).free
    if needed > free:
        raise BuildError(
            f"{where}: needs {needed / 1e9:,.1f} GB more, and there are {free / 1e9:,.1f} GB where "
            f"{folder} is. Free some space, or name a folder elsewhere: --to FOLDER."
        )


def _fetch(
    api: HfApi,
    where: str,
    pulled: Pulled,
    manifest: DatasetManifest | ModelManifest,
    said: Path,
    folder: Path,
) -> tuple[int, int]:
    """Bring the folder to the release; how many files, and bytes, were fetched."""
    shutil.rmtree(folder / _CLIENTS_OWN, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    before = folder / MANIFEST
    if before.is_file() and before.read_bytes() != (said / MANIFEST).read_bytes():
        _remove_others(folder, manifest)
        before.unlink()
    (folder / PULLED).write_text(pulled.model_dump_json(indent=2) + "\n", "utf-8")

    files = size = 0
    damaged = []
    for path, file in manifest.files.items():
        target = folder / path
        if target.is_file() and file_hash(target) == file.sha256:
            continue
        target.unlink(missing_ok=True)
        before.unlink(missing_ok=True)
        _download(api, pulled, path, folder)
        files, size = files + 1, size + file.bytes
        if file_hash(target) != file.sha256:
            target.unlink()
            damaged.append(path)
    shutil.rmtree(folder / _CLIENTS_OWN, ignore_errors=True)
    if damaged:
        raise BuildError(
            f"{where}: came with other bytes than its {MANIFEST} says, and was removed again: "
            f"{names(damaged)}. Pull again; if that does not help, the file was changed on the Hub."
        )
    for name in (PROVENANCE, MANIFEST):
        if (said / name).is_file():
            shutil.copyfile(said / name, folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    return files, size


def _remove_others(folder: Path, manifest: DatasetManifest | ModelManifest) -> None:
    """Remove the files of what the branch or tag named before, as far as they are no more."""
    for path in walk(str(folder), folder) - manifest.files.keys() - OURS:
        (folder / path).unlink()


def _download(api: HfApi, pulled: Pulled, path: str, folder: Path) -> None:
    # The client's shared cache is left out: what is compared has to come from the Hub.
    api.hf_hub_download(
        pulled.repo,
        path,
        repo_type=pulled.kind,
        revision=pulled.commit,
        local_dir=folder,
        cache_dir=folder / _CLIENTS_OWN,
    )
