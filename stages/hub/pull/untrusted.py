"""What a release from elsewhere may not do: leave its folder, have no end, or bring programs."""

import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from stages.config.errors import BuildError
from stages.hub.manifest import ATTRIBUTES, MANIFEST, DatasetManifest, ModelManifest, parse_manifest
from stages.hub.provenance import PROVENANCE
from stages.texts.visible import visible

PULLED = "pulled.json"
"""what pulling writes beside the files of a release: where they came from"""
OURS = frozenset({MANIFEST, PROVENANCE, PULLED, ATTRIBUTES})
"""what may stand beside the files that a manifest lists"""

MOST_BYTES = 16 * 1024**2
"""of a manifest; that of a dataset in 10,000 shards has 5 MB"""
MOST_FILES = 10_000
"""in a release; those of the paper have about ten, a model of 70B parameters forty"""

_LONGEST_PATH = 200
# Names that every file system takes and no shell, terminal or pattern reads otherwise.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=-]*(?<!\.)")
_KINDS = {
    "dataset": {".parquet", ".json", ".md"},
    "model": {".safetensors", ".json", ".jinja", ".md", ".model", ".txt"},
}
_NOTICES = {"LICENSE", "NOTICE"}
# Weights as pickles, which run code when they are loaded, and code.
_PROGRAMS = {
    ".bin", ".ckpt", ".dll", ".h5", ".joblib", ".keras", ".msgpack", ".npy", ".npz", ".pickle",
    ".pkl", ".pt", ".pt2", ".pth", ".py", ".pyc", ".sh", ".so",
}  # fmt: skip


def read_untrusted(where: str, path: Path) -> DatasetManifest | ModelManifest:
    """The manifest in the file `path`, which `where` names in errors; it is safe to act on.

    Raises BuildError when there is none, it is none of this version, it is endless, or a path in it
    is not one of a release.
    """
    if not path.is_file():
        raise BuildError(f"{where}: has no {MANIFEST}, so it is no release of Seqsmith.")
    refuse_endless(where, path.stat().st_size)
    try:
        manifest = parse_manifest(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = shown(".".join(map(str, first["loc"]))) or "the file"
        raise BuildError(
            f"{where}: its {MANIFEST} is not one that this version of Seqsmith reads: {place}: "
            f"{shown(first['msg'])}. Ask for a release that is whole, or use the version that "
            "made it."
        ) from None
    paths = [file.path for file in manifest.content]
    check_paths(where, manifest.kind, [*paths, *([manifest.card.path] if manifest.card else [])])
    return manifest


def refuse_endless(where: str, size: int) -> None:
    """Raise BuildError when a manifest of `size` bytes is too large to be read."""
    if size > MOST_BYTES:
        raise BuildError(
            f"{where}: its {MANIFEST} has {size:,} bytes, and {MOST_BYTES:,} are the most that are "
            "read. No release of Seqsmith has such a manifest."
        )


def check_paths(where: str, kind: str, paths: Collection[str]) -> None:
    """Raise BuildError unless all paths of a release lie inside of its folder, and none twice."""
    if len(paths) > MOST_FILES:
        raise BuildError(
            f"{where}: lists {len(paths):,} files, and {MOST_FILES:,} are the most that are read."
        )
    folded: dict[str, str] = {name.casefold(): name for name in OURS}
    for path in paths:
        if reason := _fault(path):
            raise BuildError(f"{where}: lists the file '{shown(path)}', {reason}. Do not use it.")
        if path.casefold() in folded:
            other = folded[path.casefold()]
            raise BuildError(
                f"{where}: lists the file '{path}' beside '{other}', and both would be one file "
                "where case does not count. Do not use it."
            )
        folded[path.casefold()] = path
        name = PurePosixPath(path)
        if name.suffix.lower() not in _KINDS[kind] and name.name not in _NOTICES:
            raise BuildError(
                f"{where}: lists the file '{path}'. The files of a {kind} end in "
                f"{', '.join(sorted(_KINDS[kind]))}; nothing else is used, since it could run code."
            )
    for path in paths:
        for folder in PurePosixPath(path.casefold()).parents:
            if folder.as_posix() in folded:
                raise BuildError(
                    f"{where}: lists '{folded[folder.as_posix()]}' as a file, and '{path}' inside "
                    "of it. Do not use it."
                )


def _fault(path: str) -> str:
    """Why a path is not one of a release; empty when it is."""
    if len(path) > _LONGEST_PATH:
        return f"a path of more than {_LONGEST_PATH} characters"
    if path.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", path):
        return "which is not relative to the release"
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "which may lead out of the release"
    if not all(_NAME.fullmatch(part) for part in parts):
        return (
            "whose name has other characters than letters, digits and _ . + = -, or begins or ends "
            "with a dot"
        )
    return ""


def refuse_programs(where: str, paths: Iterable[str]) -> None:
    """Raise BuildError when one of the files beside a model is a program or a pickle."""
    for path in paths:
        if PurePosixPath(path).suffix.lower() in _PROGRAMS:
            raise BuildError(
                f"{where}: has the file '{shown(path)}', which can run code when it is loaded. "
                "Models come as safetensors alone. Do not use it."
            )


def walk(where: str, folder: Path) -> set[str]:
    """All files below `folder`, relative to it; hidden folders, such as .git, are left out.

    Raises BuildError for a link, which may lead elsewhere, and for too many files.
    """
    found: set[str] = set()
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink():
                inside = shown(path.relative_to(folder).as_posix())
                raise BuildError(
                    f"{where}: '{inside}' is a symbolic link, and a release has none: it may lead "
                    "anywhere. Remove it and pull again."
                )
        found.update(Path(parent, name).relative_to(folder).as_posix() for name in files)
        if len(found) > MOST_FILES + len(OURS):
            raise BuildError(f"{where}: has more than {MOST_FILES:,} files.")
    return found


def shown(text: str, longest: int = 200) -> str:
    """Text from elsewhere for the terminal: on one line, unseen characters escaped, and cut."""
    text = visible(text[: longest + 1])
    return text if len(text) <= longest else f"{text[:longest]}..."
