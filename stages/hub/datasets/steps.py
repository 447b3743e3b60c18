"""What each verb does to rows, in words for a card: one file for each verb in card_texts/."""

from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path

import yaml
from jinja2 import Environment, StrictUndefined
from pydantic import BaseModel, ConfigDict

from stages.config.errors import BuildError
from stages.hub.markdown import code
from stages.hub.parts import Table

_JINJA = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - texts of ours


class Step(BaseModel):
    """The texts about a verb, or about one of its methods."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    does: str
    """what it does to the rows of `{{ before }}`; `{{ others }}` are the other tables it reads"""
    rows: str = ""
    """what the rows are because of it, for the head of the card"""
    limits: list[str] = []
    cites: list[str] = []
    """keys of citations.yaml"""
    tags: list[str] = []
    """on the Hub"""


class Told(BaseModel):
    """Some tables in a row that were made in the same way, and how."""

    tables: list[str]
    verb: str
    text: str


def step_of(table: Table) -> Step:
    """The texts about how a table was made. Raises BuildError where there are none."""
    method = table.settings.get("method", table.made_by)
    texts = _texts(table.made_by)
    if method not in texts:
        raise BuildError(
            f"{table.name}: the card has no words for '{table.made_by}' by '{method}'. Write them "
            f"in stages/hub/datasets/card_texts/{table.made_by}.yaml."
        )
    return texts[method]


def tell(tables: Sequence[Table]) -> list[Told]:
    """How tables were made, one after the other; neighbours made alike are told of once."""
    # Only the first of them names the table that it reads: the others read the one before.
    return [
        Told(tables=[one.name for one in group], verb=group[0].made_by, text=_told(group[0]))
        for group in (list(found) for _, found in groupby(tables, _likeness))
    ]


def _likeness(table: Table) -> tuple[str, str, str]:
    return table.made_by, table.settings.get("method", ""), str(table.parents[1:])


def _told(table: Table) -> str:
    before, *others = map(code, table.parents)
    return _JINJA.from_string(step_of(table).does).render(before=before, others=_listed(others))


def _listed(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


@cache
def _texts(verb: str) -> dict[str, Step]:
    path = Path(__file__).parent / "card_texts" / f"{verb}.yaml"
    if not path.is_file():
        return {}
    texts = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: Step.model_validate(one) for name, one in texts.items()}
