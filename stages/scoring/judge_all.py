"""Has all open-ended answers of a model judged: by the profile's judge, and by AlpacaEval 2."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.config.settings import Settings
from stages.llm.exchange import export_ledger
from stages.llm.open import open_judge
from stages.scoring.alpaca_eval import run_alpaca_eval
from stages.scoring.judge import judge_answers
from stages.scoring.labels import find_labels
from stages.scoring.marks import Marked


def judge_all(
    settings: Settings, model: str, answers: Mapping[str, Sequence[Marked]], replies: Path
) -> dict[str, tuple[list[Marked], dict[str, Any]]]:
    """Benchmark -> its answers with marks, and what is to be known of who marked them.

    The judge's replies go to the Parquet file `replies`; where there is nothing to judge, or people
    alone do, there is none.
    """
    if not answers:
        return {}
    evaluation, judged = settings.profile.evaluation, {}
    with open_judge(settings, f"judge {model}", sum(map(len, answers.values()))) as judge:
        for one, given in answers.items():
            found = judge_answers(given, judge, evaluation.judgements, find_labels(one))
            judged[one] = (found.marked, {"judge": found.report})
        if judge:
            export_ledger(judge.ledger, judge.used, replies)
    if evaluation.alpaca_eval:
        for one, (marked, report) in judged.items():
            if settings.kind(one) == "alpaca-eval":
                compared, figures = run_alpaca_eval(settings, marked)
                judged[one] = (compared, {**report, "alpaca_eval": figures})
    return judged
