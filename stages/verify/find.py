"""Which release is meant: one of this project by its name, a folder, or one on the Hub."""

from pathlib import Path

from stages.config.command import pick
from stages.config.errors import BuildError
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.hub.manifest import MANIFEST
from stages.hub.pull.check import Checked, check_release
from stages.hub.pull.pull import pull


def find_release(target: str) -> Checked:
    """The release `target`, every file of which is the one that its manifest lists.

    `datasets/NAME` and `models/NAME` are those of this project: what was packaged, else what was
    published to a folder. A NAME alone is a dataset. Everything else is pulled. Raises BuildError.
    """
    kind, slash, name = target.rpartition("/")
    is_ours = not slash or (kind in ("datasets", "models") and "@" not in name)
    if Path(target).is_dir() or not is_ours:
        return pull(target, None).checked
    return check_release(_folder(f"{kind or 'datasets'}/{name}"))


def _folder(reference: str) -> Path:
    build = load_settings().build
    names = [
        *(f"datasets/{one}" for one in build.datasets),
        *(f"models/{one}" for one in build.models),
    ]
    pick("release", reference, dict.fromkeys(names))
    paths = Paths(build.profile)
    folders = [paths.folder(kind, reference) for kind in ("release", "published")]
    for folder in folders:
        if (folder / MANIFEST).is_file():
            return folder
    raise BuildError(
        f"{reference} has no release in {' or '.join(map(str, folders))}. Make one: python -m "
        f"stages.package {reference}"
    )
