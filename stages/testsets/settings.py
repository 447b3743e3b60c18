"""The settings of test sets: where each comes from, and how SeqEval grows."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from stages.config.settings import Reads, Revision, Section, Share

Part = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]


class QuestionSet(Section):
    kind: Literal[
        "alpaca-eval",
        "arc",
        "bbh",
        "commonsense-qa",
        "gqa",
        "gsm8k",
        "human-eval",
        "mgsm",
        "mmlu",
        "summarise",
        "vqav2",
        "xquad",
    ]
    """what the records look like, and how they are asked"""
    origin: Literal["world", "hub", "file", "none"]
    """where records come from when there is no file for them; `file`: from nowhere else; `none`:
    the profile does without, and the test set is empty"""
    parts: list[Part] = []
    """files of their own: languages, or tasks; one file where there are none"""
    rows: PositiveInt | None
    """questions, drawn by `seed`; the same ones in every part; null: all"""
    seed: int
    repo: str = ""
    revision: Revision = ""
    files: str = ""
    """path in the repository; `{part}` stands for the part"""
    licence: str


class Lengthens(Reads):
    """A test set of prompts that have grown, each through some iterations."""

    mix: Annotated[list[Share], Field(min_length=1)]
    """the share of prompts that stop after iteration 1, 2, ..."""
    seed: int

    @model_validator(mode="after")
    def _sums_to_one(self) -> "Lengthens":
        if abs(sum(self.mix) - 1) > 1e-9:
            raise ValueError(f"shares that sum to 1, found {sum(self.mix):g}")
        return self
