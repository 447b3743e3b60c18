"""The paper's tables as data: a file each under tables/, with the published figures that we have.

A row names its model of ours, so that a model of another name is added in one line. A figure that
is not there was not transcribed: nothing here is ever made up or used in a computation.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from stages.config.errors import BuildError

_FOLDER = Path(__file__).parent / "tables"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Part):
    """What is measured: a metric of ours on a benchmark of ours, or on some of its groups."""

    name: str
    benchmark: str
    """of ours; `none` where we have no such benchmark"""
    metric: str
    """as published, where there is such a scoring"""
    against: str | None = None
    """a model that the answers are held against, by a judge"""
    strict: str | None = None
    """the scoring that a careful user would trust, where it is another one"""
    group: str | None = None
    """a group, a pattern with `*`, or `!` and the one that is left out; None: all items"""
    published: bool = True
    """whether the paper has this column"""
    each: tuple[str, ...] = ()
    """stands for a column each; `{}` in name and group is filled in"""

    def columns(self) -> Iterator["Column"]:
        """Itself, or those that it stands for."""
        if not self.each:
            yield self
        for value in self.each:
            filled = {
                "name": self.name.format(value),
                "group": self.group and self.group.format(value),
                "each": (),
            }
            yield self.model_copy(update=filled)


class PaperRow(_Part):
    """A model of the paper, and the one of ours that stands beside it."""

    name: str
    ours: str | None = None
    in_paper: bool = True
    published: dict[str, int | float] = {}
    """column -> figure, in per cent or points, with the digits that are printed"""


class PaperTable(_Part):
    """One table or figure of a paper."""

    label: str
    title: str
    about: str
    source: str
    """where its figures come from"""
    certain: bool = True
    """False: what the table holds is inferred, or not known"""
    columns: tuple[Column, ...] = ()
    rows: tuple[PaperRow, ...] = ()
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _expand(self) -> Self:
        columns = tuple(each for column in self.columns for each in column.columns())
        object.__setattr__(self, "columns", columns)
        printed = {column.name for column in columns if column.published}
        for row in self.rows:
            if unknown := row.published.keys() - printed:
                raise ValueError(f"row '{row.name}': no published column {sorted(unknown)}")
            if row.published and not row.in_paper:
                raise ValueError(f"row '{row.name}' is not in the paper and has figures of it")
        return self


def read_tables(folder: Path = _FOLDER) -> dict[str, PaperTable]:
    """File name -> table: tables, then figures, then those of another paper.

    Raises BuildError for a file with a mistake.
    """
    tables = {}
    for path in sorted(folder.glob("*.yaml"), key=_order):
        try:
            tables[path.stem] = PaperTable.model_validate(yaml.safe_load(path.read_text("utf-8")))
        except (yaml.YAMLError, ValidationError) as error:
            raise BuildError(f"{path}: {error}") from error
    return tables


def _order(path: Path) -> tuple[bool, bool, str]:
    return (not path.stem.startswith("table-"), not path.stem.startswith("figure-"), path.stem)
