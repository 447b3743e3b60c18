"""The dataset card: a YAML header and a text, all of it computed from the manifest and one row."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages.hub.manifest import DatasetManifest
from stages.hub.markdown import code, fence, plain, pretty_json
from stages.hub.parts import ParquetFile
from stages.llm.exchange import EXPORT
from stages.rows.row import SCHEMA

CARD = "README.md"

_SIZES = (
    ("n<1K", 1_000),
    ("1K<n<10K", 10_000),
    ("10K<n<100K", 100_000),
    ("100K<n<1M", 1_000_000),
    ("1M<n<10M", 10_000_000),
    ("10M<n<100M", 100_000_000),
    ("100M<n<1B", 1_000_000_000),
)

FIELDS = {
    "id": "name of the row, the same from the source to here",
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
}
"""What each published column means; every column has to be here."""

# BibTeX of upstream sources, by Hub repository.
_CITATIONS = {
    "tatsu-lab/alpaca": """@misc{alpaca,
  title = {Stanford {Alpaca}: An Instruction-following {LLaMA} Model},
  author = {Taori, Rohan and Gulrajani, Ishaan and Zhang, Tianyi and Dubois, Yann and Li, Xuechen
            and Guestrin, Carlos and Liang, Percy and Hashimoto, Tatsunori B.},
  year = {2023},
  howpublished = {\\url{https://github.com/tatsu-lab/stanford_alpaca}}
}""",
}
_CITATIONS["yahma/alpaca-cleaned"] = _CITATIONS["tatsu-lab/alpaca"]


def render_card(manifest: DatasetManifest, example: dict) -> str:
    """The text of README.md; `example` is one record of the row schema."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown; every text passes one of the filters below
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        code=code, fence=fence, plain=plain, json=pretty_json, n=_count, share=_share
    )
    origins = [origin for source in manifest.sources for origin in source.origins]
    kinds = sorted({origin.kind for origin in origins})
    title = _title(manifest, kinds)
    repos = sorted({origin.repo for origin in origins if origin.kind == "hub"})
    return environment.get_template("card.md.jinja").render(
        header=yaml.safe_dump(_header(manifest, title, repos), sort_keys=False, allow_unicode=True),
        manifest=manifest,
        title=title,
        example=example,
        is_rewritten=all(
            event["outcome"] == "rewritten"
            for event in example["history"]
            if event["step"] == "sequence"
        ),
        address=manifest.address,
        fields=[(field.name, _spelt(field.type), FIELDS[field.name]) for field in SCHEMA],
        kinds=kinds,
        replies_are_computed=all(one.facts.get("engine") == "world" for one in manifest.engines),
        chained=sum(rows for tasks, rows in manifest.tasks.items() if int(tasks) > 1),
        iterations=max((one.iteration for one in manifest.outcomes), default=0),
        # The nested ones are in the manifest.
        statistics={
            name: value
            for name, value in manifest.statistics.items()
            if isinstance(value, str | int | float)
        },
        failed=[check for check in manifest.checks if not check.success],
        citations=list(dict.fromkeys(_CITATIONS[repo] for repo in repos if repo in _CITATIONS)),
    )


def _spelt(kind: pa.DataType) -> str:
    """A type for readers: `list of {role, content}`."""
    if pa.types.is_list(kind):
        return f"list of {_spelt(kind.value_type)}"
    if pa.types.is_struct(kind):
        return f"{{{', '.join(field.name for field in kind)}}}"
    return str(kind)


def _title(manifest: DatasetManifest, kinds: Sequence[str]) -> str:
    """`alpaca-sit` -> `Alpaca-SIT`; what only bears the name of a known dataset says so."""
    words = manifest.name.split("-")
    title = "-".join(word.upper() if len(word) <= 3 else word.capitalize() for word in words)
    return f"{title} (built-in world)" if kinds == ["world"] else title


def _header(manifest: DatasetManifest, title: str, repos: Sequence[str]) -> dict[str, Any]:
    return {
        "license": manifest.licence,
        "language": sorted(manifest.languages),
        "pretty_name": title,
        "size_categories": [size_category(manifest.rows)],
        "task_categories": ["text-generation"],
        "annotations_creators": ["machine-generated"],
        **({"source_datasets": list(repos)} if repos else {}),
        "tags": ["synthetic", "instruction-tuning", "sequential-instructions", "seqsmith"],
        "configs": [_config("default", "data/train-*"), _config("ledger", "ledger/ledger-*")],
        "dataset_info": [
            _info("default", SCHEMA, manifest.data),
            _info("ledger", EXPORT, manifest.ledger),
        ],
    }


def size_category(rows: int) -> str:
    """The bracket that the Hub files a dataset of so many rows under; known below 10**9."""
    return next(name for name, limit in _SIZES if rows < limit)


def _config(name: str, path: str) -> dict[str, Any]:
    return {"config_name": name, "data_files": [{"split": "train", "path": path}]}


def _info(name: str, schema: pa.Schema, files: Sequence[ParquetFile]) -> dict[str, Any]:
    size = sum(file.arrow_bytes for file in files)
    return {
        "config_name": name,
        "features": _features(schema),
        "splits": [
            {"name": "train", "num_bytes": size, "num_examples": sum(file.rows for file in files)}
        ],
        "download_size": sum(file.bytes for file in files),
        "dataset_size": size,
    }


def _features(fields: pa.Schema | pa.StructType) -> list[dict[str, Any]]:
    """The columns as the Hub writes `features`."""
    return [{"name": field.name, **_feature(field.type)} for field in fields]


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_struct(kind):
        return {"struct": _features(kind)}
    if not pa.types.is_list(kind):
        return {"dtype": str(kind)}
    inner = kind.value_type
    return {"list": _features(inner) if pa.types.is_struct(inner) else str(inner)}


def _count(number: int) -> str:
    return f"{number:,}"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
