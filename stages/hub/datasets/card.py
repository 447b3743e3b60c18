"""The dataset card: a YAML header and a text, all of it computed from the manifest and one row."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from stages.hub.datasets.citations import cite
from stages.hub.datasets.header import render_header
from stages.hub.datasets.prompts import text_of
from stages.hub.datasets.steps import step_of, tell
from stages.hub.licences import notices
from stages.hub.manifest import DatasetManifest
from stages.hub.markdown import card_template, titled
from stages.rows.quarantine import LEFT_OUT
from stages.rows.row import IMAGE, SCHEMA, SCHEMA_WITH_IMAGE

CARD = "README.md"

FIELDS = {
    "id": "name of the row, the same from the source to here; what was made of one row goes on "
    "behind a `#`",
    "instruction": "what to do, without the material to do it with",
    "input": "the material; may be empty",
    "output": "the response",
    "messages": "the row as a chat, for trainers",
    "tasks": "1, and those that steps added; nobody counted the tasks in the text",
    "history": "what each step did: the option chosen, instruction and input before, the keys in "
    "the ledger of all requests made, the outcome",
    "language": "ISO 639 code of the source, or of the input where that was translated",
    "source": "which source the row comes from",
    "origin": "where it stands upstream: repository or file, revision, row from 0",
    "system": "system prompt; may be empty",
    "placement": "whether the input stands `before` or `after` the instruction in the chat",
    "further": "the further exchanges of a dialogue, query and response; mostly none",
    "image": "the picture that the row is about, PNG or JPEG, with its file name",
}
"""What each published column means; every column has to be here."""


def render_card(manifest: DatasetManifest, example: dict, changes: int) -> str:
    """The text of README.md; `example` is one record, which `changes` steps have changed."""
    schema = SCHEMA_WITH_IMAGE if IMAGE.name in example else SCHEMA
    origins = [origin for source in manifest.sources for origin in source.origins]
    kinds = sorted({origin.kind for origin in origins})
    title = _title(manifest, kinds)
    repos = sorted({origin.repo for origin in origins if origin.kind == "hub"})
    by_name = {table.name: table for table in manifest.tables}
    lineage = [by_name[name] for name in manifest.lineage]
    beside = [table for table in manifest.tables if table.name not in manifest.lineage]
    steps = [step_of(table) for table in lineage[1:]]
    also = [step_of(table) for table in beside if table.parents]
    statistics = manifest.statistics
    return card_template(Path(__file__).parent / "card.md.jinja").render(
        header=render_header(
            manifest, title, repos, (tag for step in steps for tag in step.tags), schema
        ),
        manifest=manifest,
        title=title,
        about=list(dict.fromkeys(step.rows for step in steps if step.rows)),
        example=_shown(example),
        changes=changes,
        picture=_picture(example),
        address=manifest.address,
        fields=[(field.name, _spelt(field), FIELDS[field.name]) for field in schema],
        kinds=kinds,
        engines=sorted({str(one.facts.get("engine")) for one in manifest.engines}),
        lineage=lineage,
        told=tell(lineage[1:]),
        beside=beside,
        told_beside=tell([table for table in beside if table.parents]),
        prompts=[(prompt, text_of(prompt.name).rstrip()) for prompt in manifest.prompts],
        bare=sum(file.rows for file in manifest.ledger)
        - sum(prompt.replies for prompt in manifest.prompts),
        left_out=LEFT_OUT,
        # The nested ones are in the manifest.
        statistics={
            name: value
            for name, value in statistics.items()
            if isinstance(value, str | int | float)
        },
        overlap=[one for one in statistics.get("overlap", []) if one["items"]],
        failed=[check for check in manifest.checks if not check.success],
        limits=list(dict.fromkeys(limit for step in steps for limit in step.limits)),
        notices=notices(manifest.licences),
        citations=cite((key for step in (*steps, *also) for key in step.cites), repos),
    )


def _shown(example: dict) -> dict[str, Any]:
    """The example as JSON can hold it: a picture is named, not shown."""
    if IMAGE.name not in example:
        return example
    picture = example[IMAGE.name]
    return example | {IMAGE.name: {"bytes": "...", "path": picture["path"]}}


def _picture(example: dict) -> int:
    """Bytes of the example's picture; 0 where it has none."""
    return len(example[IMAGE.name]["bytes"]) if IMAGE.name in example else 0


def _spelt(field: pa.Field) -> str:
    """A type for readers: `list of {role, content}`."""
    return "image" if field == IMAGE else _spelt_type(field.type)


def _spelt_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {_spelt_type(kind.value_type)}"
    if pa.types.is_struct(kind):
        return f"{{{', '.join(field.name for field in kind)}}}"
    return str(kind)


def _title(manifest: DatasetManifest, kinds: Sequence[str]) -> str:
    """`alpaca-sit` -> `Alpaca-SIT`; what only bears the name of a known dataset says so."""
    title = titled(manifest.name)
    return f"{title} (built-in world)" if kinds == ["world"] else title
