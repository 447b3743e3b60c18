"""Visual question answering: answer about an image, or describe it first (paper, section 3)."""

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path

from stages.config.errors import BuildError
from stages.llm.client import Client
from stages.llm.tables import Method
from stages.rows.parquet import read_rows
from stages.rows.quarantine import LEFT_OUT, Quarantined, take_out
from stages.rows.row import Row
from stages.sources.vqa import image_key

INSTRUCTION = "First describe the image, then answer the input question based on the image"


def answer(tables: Sequence[Path]) -> Method:
    """The rows as they are, of those that `describe` has: so the two differ in nothing else."""
    captions = _captions(tables)

    async def answered(row: Row, client: Client) -> Row | Quarantined:
        return _refused(row, captions) or row.after("compose", "kept", option="answer")

    return answered


def describe(tables: Sequence[Path]) -> Method:
    """Each row asks for a description first, and a caption of its image comes before the answer.

    The caption keeps its case and punctuation, and is not cut.
    """
    captions = _captions(tables)

    async def described(row: Row, client: Client) -> Row | Quarantined:
        if refused := _refused(row, captions):
            return refused
        caption = choose(row.id, captions[_key(row)])
        return row.after(
            "compose",
            "composed",
            option="describe",
            instruction=INSTRUCTION,
            output=f"{caption}\n{row.output}",
            tasks=row.tasks + 1,
        )

    return described


def choose(row_id: str, captions: Collection[str]) -> str:
    """The caption of a row: by hash, so that neither their order nor other captions matter.

    The questions about an image mostly get different captions.
    """
    return min(captions, key=lambda text: hashlib.sha256(f"{row_id}\0{text}".encode()).digest())


def _captions(tables: Sequence[Path]) -> dict[str, list[str]]:
    """The captions of each image; those of all 123,287 images of COCO take 90 MB."""
    if len(tables) != 2:
        raise BuildError(
            f"params.yaml: a dataset about images reads {len(tables)} tables. Give two: the one "
            "with the questions, then the one with the captions."
        )
    return {row.input: row.output.split("\n") for row in read_rows(tables[1])}


def _key(row: Row) -> str:
    return image_key(row.image.path) if row.image else ""


def _refused(row: Row, captions: Collection[str]) -> Quarantined | None:
    """Why a row cannot be composed; None when it can."""
    if row.image is None:
        reason, detail = "no-image", "The row has no picture."
    elif _key(row) not in captions:
        reason, detail = f"{LEFT_OUT}no caption", f"No caption is of image {row.image.path}."
    else:
        return None
    return take_out(row, "compose", reason, detail)
