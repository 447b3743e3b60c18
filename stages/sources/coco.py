"""The files of VQAv2 and COCO as they are published: questions, annotations, images, captions."""

import gzip
import hashlib
import json
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.config.errors import BuildError
from stages.rows.parquet import file_hash
from stages.sources.shape import Refusal, Shape
from stages.sources.upstream import Upstream
from stages.sources.vqa import image_key

_JSON = (".json", ".gz", ".gzip")
_IMAGES = (".jpg", ".jpeg", ".png")
_GZIP = b"\x1f\x8b"


def find_vqa(path: Path, source: str) -> Path | None:
    """The folder of VQAv2 that `sources.<source>.path` means: itself, or its part named `source`.

    None where there is no file of questions.
    """
    for folder in (path, path / source):
        if folder.is_dir() and _named(folder, "question"):
            return folder
    return None


def open_vqa(folder: Path, shape: Shape) -> Upstream:
    """The questions of a folder, each with its answers and its image.

    Beside one file of questions and one of annotations, JSON or gzip of it, are the images, in
    that folder or up to two below it. Raises BuildError where a file is missing or broken.
    """
    questions, annotations = _only(folder, "question"), _only(folder, "annotat")
    images = index_images(folder)
    hashes = f"{file_hash(questions)} {file_hash(annotations)}"
    revision = hashlib.sha256(hashes.encode()).hexdigest()
    records = with_images(_questions(questions, annotations), images, "image_id")
    return Upstream(questions.name, revision, records, shape)


def find_images(path: Path, source: str) -> Path:
    """The folder of images that `sources.<source>.path` means: its part named `source`, or it."""
    return folder if (folder := path / source).is_dir() else path


def with_images(
    records: Iterable[object], images: Mapping[str, Path], column: str
) -> Iterator[object]:
    """The records, each with the image whose number its `column` holds; None where none has it.

    `images`: as `index_images` finds them. One is in memory at a time.
    """
    shown: Path | None = None
    data = b""
    for record in records:
        if not isinstance(record, dict):
            yield record
            continue
        image = images.get(image_key(str(record.get(column))))
        if image and image != shown:  # the questions of an image mostly stand together
            shown, data = image, read_bytes(image)
        yield {**record, "image": {"bytes": data, "path": image.name} if image else None}


def index_images(folder: Path) -> dict[str, Path]:
    """The images of a folder, its subfolders and theirs, by `image_key`.

    Raises BuildError when two have the same one.
    """
    images: dict[str, Path] = {}
    for path in image_files(folder):
        other = images.setdefault(image_key(path.name), path)
        if other != path:
            raise BuildError(f"{other} and {path} are both image {image_key(path.name)}. Keep one.")
    return images


def image_files(folder: Path) -> list[Path]:
    """The images of a folder, its subfolders and theirs, sorted."""
    # By pattern, which goes through links: rglob does not.
    paths = (path for depth in ("*", "*/*", "*/*/*") for path in folder.glob(depth))
    return sorted(path for path in paths if path.suffix.lower() in _IMAGES)


def read_bytes(path: Path) -> bytes:
    """A whole file. Raises BuildError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BuildError(
            f"{path}: cannot be read ({error.strerror or error}). Make sure that the file is whole "
            "and that you may read it."
        ) from error


def is_captions(path: Path) -> bool:
    """Whether a file is one of COCO's captions: an object, where other files hold an array."""
    if path.suffix.lower() != ".json":
        return False
    with path.open("rb") as file:
        return file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def open_captions(path: Path, shape: Shape) -> Upstream:
    """The captions of each image. Raises BuildError where the file is broken."""
    return Upstream(path.name, file_hash(path), _captions(path), shape)


def _questions(questions: Path, annotations: Path) -> Iterator[object]:
    answers: dict[object, dict[str, Any]] = {}
    for found in _read(annotations, "annotations"):
        number = found.get("question_id")
        if number in answers:
            detail = f"question {number} is annotated twice"
            yield Refusal("repeated-annotation", detail, found)
        else:
            answers[number] = found
    for question in _read(questions, "questions"):
        answer = answers.pop(question.get("question_id"), {})
        yield {
            "question_id": question.get("question_id"),
            "image_id": question.get("image_id"),
            "question": question.get("question"),
            "answers": answer.get("answers"),
            "multiple_choice_answer": answer.get("multiple_choice_answer"),
        }
    for number, left in answers.items():
        yield Refusal("no-question", f"an annotation is of question {number}, which is none", left)


def _captions(path: Path) -> Iterator[object]:
    captions: dict[object, list[object]] = {}
    for image in _read(path, "images"):
        captions.setdefault(image.get("id"), [])
    for annotation in _read(path, "annotations"):
        captions.setdefault(annotation.get("image_id"), []).append(annotation.get("caption"))
    for number, found in captions.items():
        yield {"image_id": number, "captions": found}


def _named(folder: Path, word: str) -> list[Path]:
    return sorted(
        file
        for file in folder.iterdir()
        if word in file.name.lower() and file.suffix.lower() in _JSON and file.is_file()
    )


def _only(folder: Path, word: str) -> Path:
    found = _named(folder, word)
    if len(found) == 1:
        return found[0]
    names = f": {', '.join(file.name for file in found)}" if found else ""
    raise BuildError(
        f"{folder}: holds {len(found)} files with '{word}' in the name{names}. Put one file of "
        "questions and one of annotations there, those of VQAv2's training set, and the images."
    )


def _read(path: Path, key: str) -> list[dict[str, Any]]:
    """The list of objects that a file has under `key`."""
    text = read_bytes(path)
    try:
        if text.startswith(_GZIP):
            text = gzip.decompress(text)
        found = json.loads(text, object_hook=_slim)
    except (ValueError, EOFError, OSError, zlib.error, RecursionError) as error:
        raise BuildError(f"{path}: not valid JSON, nor gzip of it: {error}.") from None
    records = found.get(key) if isinstance(found, dict) else None
    if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
        raise BuildError(
            f"{path}: has no list of objects '{key}', as the files of VQAv2 and COCO have. Put the "
            "file there as it was published."
        )
    return records


def _slim(found: dict[str, Any]) -> object:
    """An annotator's answer as text alone, once in memory however often it is given.

    The annotations of VQAv2's training set take 0.35 GB so, and 1.6 GB as they are.
    """
    if found.keys() == {"answer", "answer_confidence", "answer_id"}:
        answer = found["answer"]
        return sys.intern(answer) if type(answer) is str else answer
    return found
