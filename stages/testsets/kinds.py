"""The kinds of test sets, by the names that profiles use."""

from stages.testsets.choices import ARC, COMMONSENSE_QA, MMLU
from stages.testsets.mathematics import GSM8K, MGSM
from stages.testsets.open_ended import ALPACA_EVAL, BBH, HUMAN_EVAL, SUMMARISE
from stages.testsets.pictures import GQA, VQAV2
from stages.testsets.question import Kind
from stages.testsets.xquad import XQUAD

KINDS: dict[str, Kind] = {
    "alpaca-eval": ALPACA_EVAL,
    "arc": ARC,
    "bbh": BBH,
    "commonsense-qa": COMMONSENSE_QA,
    "gqa": GQA,
    "gsm8k": GSM8K,
    "human-eval": HUMAN_EVAL,
    "mgsm": MGSM,
    "mmlu": MMLU,
    "summarise": SUMMARISE,
    "vqav2": VQAV2,
    "xquad": XQUAD,
}
