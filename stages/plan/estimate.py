"""What a plan will cost: requests, tokens, time and price, from the ledger's own figures."""

from collections.abc import Sequence
from dataclasses import dataclass

from stages.config.settings import Price
from stages.llm.ledger import Run
from stages.plan.walk import Count

_RECENT = 5  # runs of a stage that count: a faster machine shows soon
_CHARACTERS = 4  # in a token, where no run tells


@dataclass(frozen=True, slots=True)
class Estimate:
    """For one stage. Tokens and seconds are None where no run of the model tells."""

    requests: int
    """that would be asked in all: the certain ones, and those that depend on their replies"""
    prompt_tokens: int
    completion_tokens: int | None
    seconds: float | None


def estimate(count: Count, usual: float, runs: Sequence[Run]) -> Estimate:
    """The cost of a stage whose rows usually take `usual` requests each; `runs`: oldest first."""
    stopped = count.rows - count.complete
    likely = count.waiting * usual + max(stopped * usual - count.partial, len(count.missing))
    requests = round(likely)
    stage = count.reference.split("/")[1]
    told = [run for run in runs if run.stage.split()[-1] == stage] or list(runs)
    told = told[-_RECENT:]
    asked = sum(run.requests for run in told)
    if not asked:
        characters = sum(count.missing.values()) / max(1, len(count.missing))
        return Estimate(requests, round(requests * characters / _CHARACTERS), None, None)

    def mean(figures: list[float]) -> float:
        return sum(figures) / asked

    return Estimate(
        requests,
        round(requests * mean([run.prompt_tokens for run in told])),
        round(requests * mean([run.completion_tokens for run in told])),
        requests * mean([run.seconds for run in told]),
    )


def dollars(estimates: Sequence[Estimate], price: Price | None) -> float | None:
    """What the estimates cost; None without a price."""
    if price is None:
        return None
    prompt = sum(one.prompt_tokens for one in estimates)
    completion = sum(one.completion_tokens or 0 for one in estimates)
    return (prompt * price.prompt + completion * price.completion) / 1e6
