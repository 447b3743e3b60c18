"""What the model is asked for a chain: summaries, and whether a task fits behind another."""

import re
from dataclasses import dataclass

from stages.llm.client import Step, Unusable
from stages.llm.prompts import FewShot
from stages.llm.request import Prompt
from stages.methods.chain.catalogue import Task
from stages.methods.chain.labels import has_label
from stages.methods.replies import strip_quotes

_SUMMARISE = FewShot("chain/summarise")
_COMPOSE = FewShot("chain/compose")
_CONDENSE = FewShot("chain/condense")

_SUMMARY = re.compile(r"[\s*_]*Summary[*_]*:[*_]*\s*(\S.*?)\s*")
_NOT_IMPERATIVE = re.compile(r"(?:in this|the task|this task|you|your|given|it|there)\b", re.I)
_LONGEST_SUMMARY = 45  # words; 35 are asked for
_LEAST = 12  # words that a summary may have, however short the definition is
_VERDICT = re.compile(r"^[\s*_]*Composable[*_]*:[*_\s]*(yes|no)[*_.]*[ \t]*$", re.M | re.I)
_OUTPUT = re.compile(r"\s*[*_]*Output[*_]*:[*_]*[ \t\n]*(\S.*?)\s*", re.DOTALL)
_LONGEST_EXAMPLE = 400  # characters; enough to see what kind of text it is


@dataclass(frozen=True, slots=True)
class Pair:
    """A task that could follow another: what the other is, what it gave, and the task."""

    first: str
    """the definition of the task in front"""
    output: str
    second: Task


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the model said of a pair."""

    output: str | None
    """the second task's output; None: the two do not compose"""


def _render_summarise(definition: str) -> Prompt:
    return _SUMMARISE.render(definition=definition)


def _parse_summary(text: str, reply: str) -> str:
    """One imperative sentence in the last line. Raises Unusable, with what is wrong with it."""
    lines = [line for line in reply.splitlines() if line.strip()]
    found = _SUMMARY.fullmatch(lines[-1])
    if not found or sum(map(bool, map(_SUMMARY.fullmatch, lines))) > 1:
        raise Unusable("no-summary")
    summary = strip_quotes(found[1].strip("*_ "))
    if not summary:
        raise Unusable("no-summary")
    words = len(summary.split())
    if words > min(_LONGEST_SUMMARY, max(_LEAST, len(text.split()))):
        raise Unusable("too-long")
    if _NOT_IMPERATIVE.match(summary):
        raise Unusable("not-imperative")
    if has_label(summary):
        raise Unusable("label")
    summary = summary[0].upper() + summary[1:]
    return summary if summary.endswith((".", "!", "?", ".)", '."', ".'")) else f"{summary}."


def _parse_summarise(definition: str, reply: str) -> str:
    summary = _parse_summary(definition, reply)
    if " and then " in summary:  # it would look like two links of a chain
        raise Unusable("and-then")
    return summary


def _render_condense(instruction: str) -> Prompt:
    return _CONDENSE.render(instruction=instruction)


def _parse_condense(instruction: str, reply: str) -> str:
    summary = _parse_summary(instruction, reply)
    if len(summary.split()) >= len(instruction.split()):
        raise Unusable("no-shorter")
    return summary


def _render_compose(pair: Pair) -> Prompt:
    example_input, example_output = map(_cut, pair.second.example)
    return _COMPOSE.render(
        first=pair.first,
        output=pair.output,
        second=pair.second.definition,
        example_input=example_input,
        example_output=example_output,
    )


def _parse_compose(pair: Pair, reply: str) -> Verdict:
    """A verdict and, with a yes, an output. Raises Unusable where it is not one of the two.

    An output that is the input again is a no: nothing was left to do.
    """
    verdicts = list(_VERDICT.finditer(reply))
    if len(verdicts) != 1:
        raise Unusable("no-verdict")
    behind = reply[verdicts[0].end() :]
    if verdicts[0][1].lower() == "no":
        if behind.strip():
            raise Unusable("no-and-more")
        return Verdict(None)
    found = _OUTPUT.fullmatch(behind)
    if not found:
        raise Unusable("no-output")
    output = found[1]
    if has_label(output):
        raise Unusable("label")
    answers = pair.second.answers
    if answers and output not in answers:
        raise Unusable("unknown-answer")
    if output.split() == pair.output.split():
        return Verdict(None)
    return Verdict(output)


def _cut(text: str) -> str:
    if len(text) <= _LONGEST_EXAMPLE:
        return text
    return text[:_LONGEST_EXAMPLE].rpartition(" ")[0] + " ..."


SUMMARISE: Step[str, str] = Step("summarise", _render_summarise, _parse_summarise)
CONDENSE: Step[str, str] = Step("condense", _render_condense, _parse_condense)
COMPOSE: Step[Pair, Verdict] = Step("compose", _render_compose, _parse_compose)
