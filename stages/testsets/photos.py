"""The pictures of test items, which name them only: from a folder, the Hub, or the world."""

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from tempfile import SpooledTemporaryFile

import pyarrow as pa
import pyarrow.parquet as pq

from stages.config.errors import BuildError
from stages.rows.row import WORLD
from stages.sources.coco import image_files, index_images, read_bytes
from stages.sources.pictures import ROWS_AT_ONCE
from stages.sources.vqa import image_key
from stages.testsets.item import Item
from stages.world.scenes import draw, scene

FetchPicture = Callable[[Item], bytes]
"""the encoded picture that an item names. Raises BuildError when it is not to be had"""

_IN_MEMORY = 32 * 1024**2  # bytes of pictures that need no file


def open_photos(name: str, given: Path) -> FetchPicture:
    """What fetches the pictures of the test set `name`; nothing is read yet.

    `given` is the folder of the user's files. COCO's photos are found by their number and GQA's by
    their name in `given/name`, up to two folders deep. A picture of GQA that is not there comes
    from the table of the repository that the item names, at its revision; the world draws its own.
    """
    folder = _Folder(given / name)
    tables = _Tables(name)

    def fetch(item: Item) -> bytes:
        kind, _, number = str(item.meta.get("image", "")).partition("/")
        if item.row.origin.repo == WORLD:
            return draw(scene(int(number)))
        if found := folder.find(kind, number):
            return read_bytes(found)
        file, row = item.meta.get("image_file"), item.meta.get("image_row")
        if isinstance(file, str) and isinstance(row, int):
            return tables.read(item, file, row)
        raise BuildError(
            f"{folder.path}: holds no picture of image {number}, which {item.row.id} is about. Put "
            f"{_wanted(kind, number)} there; it may lie in a folder there, such as val2014."
        )

    return fetch


def _wanted(kind: str, number: str) -> str:
    if kind == "coco":
        return f"COCO_val2014_{number.zfill(12)}.jpg, of COCO's photos of 2014,"
    return f"{number}.jpg"


class _Folder:
    """The user's pictures. Only their names are in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, kind: str, number: str) -> Path | None:
        if kind == "coco":
            return self._numbered.get(image_key(number))
        return self._named.get(number)

    @cached_property
    def _numbered(self) -> Mapping[str, Path]:
        return index_images(self.path) if self.path.is_dir() else {}

    @cached_property
    def _named(self) -> Mapping[str, Path]:
        """By the whole name: GQA has a picture 713 and may have one n713."""
        return {path.stem: path for path in image_files(self.path)}


class _Tables:
    """Tables of pictures on the Hub, each read once, when its first picture is asked for.

    Memory holds about 200 bytes for each picture and one batch of the table; a temporary file, in
    the folder that TMPDIR names, the pictures themselves: 398 of GQA's testdev take 60 MB.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - lives as long as the items
        self._places: dict[tuple[str, str, str], list[tuple[int, int]]] = {}

    def read(self, item: Item, file: str, row: int) -> bytes:
        """The picture in a row, from 0, of a file of the item's repository."""
        origin = item.row.origin
        where = (origin.repo, origin.revision, file)
        if where not in self._places:
            self._places[where] = self._keep(self._download(*where), file)
        places = self._places[where]
        if not 0 <= row < len(places) or not places[row][1]:
            raise BuildError(
                f"{file} of {origin.repo}: has no picture in row {row}, where {item.row.id} has "
                f"its own; it has {len(places):,} rows. Make the test set again: `dvc repro`."
            )
        start, length = places[row]
        self._file.seek(start)
        return self._file.read(length)

    def _download(self, repo: str, revision: str, file: str) -> Path:
        if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", repo):
            raise BuildError(
                f"testsets.{self._name}: its items name pictures in {file}, a table of a "
                f"repository on the Hub, but come from {repo}. Put the pictures into a folder."
            )
        # Imported here because it takes half a second and most builds need no Hub.
        from httpx2 import HTTPError  # noqa: PLC0415
        from huggingface_hub import HfApi  # noqa: PLC0415

        try:
            found = HfApi().hf_hub_download(repo, file, repo_type="dataset", revision=revision)
            return Path(found)
        except (HTTPError, OSError, ValueError) as error:
            said = (
                str(error).strip().splitlines()[0].rstrip(".")
                if str(error).strip()
                else repr(error)
            )
            raise BuildError(
                f"testsets.{self._name}: {file} of {repo} at revision '{revision}', which holds "
                f"its pictures, cannot be loaded from the Hub: {said}. Check the connection, or "
                f"put the pictures into inputs/{self._name}."
            ) from error

    def _keep(self, path: Path, file: str) -> list[tuple[int, int]]:
        """The pictures of a table, in the temporary file: start and length of each."""
        places = []
        try:
            with pq.ParquetFile(path, pre_buffer=False) as table:
                batches = table.iter_batches(batch_size=ROWS_AT_ONCE, columns=["image.bytes"])
                for batch in batches:
                    for record in batch.to_pylist():
                        data = (record.get("image") or {}).get("bytes") or b""
                        places.append((self._file.seek(0, 2), len(data)))
                        self._file.write(data)
        except (pa.ArrowException, OSError) as error:
            raise BuildError(
                f"{file}: not a readable table of pictures ({str(error).splitlines()[0]}). Delete "
                "it from the cache of the Hub, and run the stage again."
            ) from error
        return places
