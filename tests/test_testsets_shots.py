"""Solved examples: where they come from, that none is asked in the test, how they are shown."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest

from stages import testset as stage
from stages.config.errors import BuildError
from stages.config.paths import Paths
from stages.config.settings import QuestionSet, Shots
from stages.rows.measure import read_metrics
from stages.sources.upstream import Upstream
from stages.testsets.exemplars import read_exemplars
from stages.testsets.gather import gather
from stages.testsets.item import Item, read_items
from stages.testsets.kinds import KINDS
from stages.testsets.open import open_parts, open_shots
from stages.testsets.shots import choose, with_shots
from stages.testsets.world_exams import DRAW_SHOTS

EXEMPLARS = '''"""Prompts."""
import subprocess
EXEMPLAR_NUMBER_ANSWERS = [11, 29]
EXEMPLAR_EQUATION_SOLUTIONS = ["5 + 6 = 11.", "9 + 20 = 29."]
MGSM_EXEMPLARS = {
    "en": {
        "2": {"q": "Question: Ann had 9. How many?",
              "a": "Step-by-Step Answer: 9 + 20 is 29. " "The answer is 29."},
        "1": {"q": "Question: Roger has 5 "
              "balls. How many?", "a": "Step-by-Step Answer: 5 + 6 = 11. The answer is 11."},
    },
    "fr": {
        "1": {"q": "Question : Roger a 5 "
                   "balles.", "a": "R\u00e9ponse \u00e9tape par \u00e9tape : 5 + 6 = 11."},
        "2": {"q": "Question : Il y avait 9.", "a": "R\u00e9ponse \u00e9tape par \u00e9tape : 29."},
    },
    "zh": {
        "1": {"q": "问题：罗杰有5个球。", "a": "逐步解答：5 + 6 = 11。答案是 11。"},
        "2": {"q": "问题：服务器室有9台。", "a": "逐步解答：9 + 20 = 29。答案是 29。"},
    },
}
'''


def questions(
    kind: str, origin: str = "world", parts: tuple[str, ...] = (), **more: Any
) -> QuestionSet:
    return QuestionSet.model_validate(
        {"kind": kind, "origin": origin, "parts": list(parts), "rows": 6, "seed": 7,
         "licence": "mit"} | more
    )  # fmt: skip


def chosen(kind: str, count: int, parts: tuple[str, ...] = (), rows: int = 6) -> list[Item]:
    asked = questions(kind, parts=parts, rows=rows, shots=Shots(count=count))
    items = gather(kind, KINDS[kind], open_parts(kind, Path("none"), asked), rows, 7).items
    examples = open_shots(kind, Path("none"), asked)
    found = choose(gather("shots", KINDS[kind], examples, None, 7), items, count)
    assert not {one.row.query for one in found.shots} & {one.row.query for one in items}
    return found.shots


@pytest.mark.parametrize("kind", [kind for kind in DRAW_SHOTS if kind != "mgsm"])
def test_world_gives_each_group_its_number_of_examples(kind: str) -> None:
    groups = Counter(one.group for one in chosen(kind, 3))
    assert set(groups.values()) == {3}
    assert len(groups) == (4 if kind == "mmlu" else 1)


def test_examples_are_the_same_however_many_are_asked() -> None:
    assert chosen("gsm8k", 3, rows=2) == chosen("gsm8k", 3, rows=50)
    few, many = chosen("gsm8k", 3), chosen("gsm8k", 5)
    assert {one.row.id for one in few} < {one.row.id for one in many}


def test_example_that_is_asked_in_the_test_or_twice_is_not_shown() -> None:
    def made(name: str, *numbers: int) -> Any:
        records = iter([{"question": f"How many  is {n}?", "answer": f"#### {n}"} for n in numbers])
        parts = [("", Upstream("f", "r", records, KINDS["gsm8k"].shape))]
        return gather(name, KINDS["gsm8k"], parts, None, 7)

    items = made("gsm8k", 1, 2).items
    items = [
        replace(one, row=replace(one.row, instruction=f" {one.row.instruction}\n")) for one in items
    ]
    found = choose(made("shots", 5, 2, 4, 3, 1), items, 3)
    assert [one.references for one in found.shots] == [("5",), ("4",), ("3",)]
    assert found.refused == {"asked-in-the-test-set-or-twice": 1}
    assert choose(made("shots", 7), items, 3).shots[0].references == ("7",)


def test_users_file_comes_first_and_parts_go_together(tmp_path: Path) -> None:
    (tmp_path / "gsm8k.shots.jsonl").write_text(
        json.dumps({"question": "How many?", "answer": "One.\n#### 1"}) + "\n", "utf-8"
    )
    ((part, upstream),) = open_shots("gsm8k", tmp_path, questions("gsm8k"))
    assert (part, upstream.repo) == ("", "gsm8k.shots.jsonl")
    # It is no file of the test set itself.
    assert open_parts("gsm8k", tmp_path, questions("gsm8k"))[0][1].repo == "world"

    (tmp_path / "mgsm.shots.en.jsonl").write_text("{}\n", "utf-8")
    with pytest.raises(BuildError, match=r"no file for mgsm\.shots\.de"):
        open_shots("mgsm", tmp_path, questions("mgsm", parts=("en", "de")))


def test_without_a_setting_there_are_no_examples(tmp_path: Path) -> None:
    assert open_shots("gsm8k", tmp_path, questions("gsm8k")) == []
    nowhere = questions("gsm8k", origin="none", shots=Shots(count=2))
    assert open_shots("gsm8k", tmp_path, nowhere) == []


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (questions("gsm8k", origin="file", shots=Shots(count=2)), "Put gsm8k.shots.jsonl there"),
        (
            questions("gsm8k", origin="hub", repo="a/b", files="t.parquet", shots=Shots(count=2)),
            "names no `files`",
        ),
        (questions("human-eval", shots=Shots(count=2)), "no solved examples of 'human-eval'"),
    ],
)
def test_examples_that_cannot_be_had_get_a_sentence(
    tmp_path: Path, asked: QuestionSet, says: str
) -> None:
    with pytest.raises(BuildError, match=says):
        open_shots(asked.kind if asked.kind != "gsm8k" else "gsm8k", tmp_path, asked)


COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40


def test_hub_gives_them_at_their_own_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = []
    (tmp_path / "exemplars.py").write_text(EXEMPLARS, "utf-8")

    def download(hub: object, repo: str, name: str, repo_type: str, revision: str) -> str:
        wanted.append((repo, name, revision))
        return str(tmp_path / name)

    monkeypatch.setattr(huggingface_hub.HfApi, "hf_hub_download", download)
    asked = questions(
        "mgsm", origin="hub", parts=("en", "zh"), repo="a/mgsm", revision=COMMIT,
        files="mgsm_{part}.tsv", shots=Shots(count=2, files="exemplars.py", revision=OTHER),
    )  # fmt: skip
    parts = open_shots("mgsm", tmp_path / "none", asked)
    assert set(wanted) == {("a/mgsm", "exemplars.py", OTHER)}
    assert [(part, up.repo, up.revision) for part, up in parts] == [
        ("en", "a/mgsm", OTHER),
        ("zh", "a/mgsm", OTHER),
    ]
    found = gather("mgsm-shots", KINDS["mgsm"], parts, None, 7)
    assert found.quarantined == []
    assert Counter(one.group for one in found.items) == {
        f"{way} {part}": 2 for way in ("en-cot", "trans-cot") for part in ("en", "zh")
    }
    same = asked.model_copy(update={"shots": Shots(count=2, files="exemplars.py")})
    open_shots("mgsm", tmp_path / "none", same)
    assert wanted[-1][2] == COMMIT


def test_exemplars_are_read_in_order_without_labels_and_without_running_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "exemplars.py"
    path.write_text(EXEMPLARS + "\nraise SystemExit('it ran')\n", "utf-8")
    assert list(read_exemplars([("exemplars.py", path)], "en")) == [
        {"question": "Roger has 5 balls. How many?", "answer": "5 + 6 = 11. The answer is 11.",
         "answer_number": 11},
        {"question": "Ann had 9. How many?", "answer": "9 + 20 is 29. The answer is 29.",
         "answer_number": 29},
    ]  # fmt: skip
    assert next(read_exemplars([("exemplars.py", path)], "zh"))["question"] == "罗杰有5个球。"
    french = next(read_exemplars([("exemplars.py", path)], "fr"))
    assert (french["question"], french["answer"]) == ("Roger a 5 balles.", "5 + 6 = 11.")


@pytest.mark.parametrize(
    "source",
    ["", "MGSM_EXEMPLARS = f()", "MGSM_EXEMPLARS = {'en': {'1': 7}}\nEXEMPLAR_NUMBER_ANSWERS = [1]",
     "not python", EXEMPLARS.replace("[11, 29]", "[11]"), "x = (" * 5000],
)  # fmt: skip
def test_module_without_exemplars_gets_a_sentence(tmp_path: Path, source: str) -> None:
    path = tmp_path / "exemplars.py"
    path.write_text(source, "utf-8")
    with pytest.raises(BuildError, match="does not assign the solved examples of 'en'"):
        list(read_exemplars([("exemplars.py", path)], "en"))


def test_mgsm_shows_them_in_one_turn_with_the_english_solution(tmp_path: Path) -> None:
    path = tmp_path / "exemplars.py"
    path.write_text(EXEMPLARS, "utf-8")
    parts = [
        (part, Upstream("r", "1", read_exemplars([("e.py", path)], part), KINDS["mgsm"].shape))
        for part in ("en", "zh")
    ]
    shots = gather("mgsm-shots", KINDS["mgsm"], parts, None, 7).items
    tests = [
        (part, Upstream("r", "1", iter([{"question": text, "answer": None, "answer_number": 3}]),
                        KINDS["mgsm"].shape))
        for part, text in (("en", "What is 3?"), ("zh", "三是多少？"))
    ]  # fmt: skip
    items = gather("mgsm", KINDS["mgsm"], tests, None, 7).items
    shown = {one.group: one for one in with_shots(items, shots)}
    assert shown["trans-cot zh"].row.input == (
        "Question: 罗杰有5个球。\nAnswer: The question in English: Roger has 5 balls. How many?\n"
        "5 + 6 = 11.\nThe answer is: 11\n\n"
        "Question: 服务器室有9台。\nAnswer: The question in English: Ann had 9. How many?\n"
        "9 + 20 is 29.\nThe answer is: 29\n\n"
        "Question: 三是多少？\nAnswer:"
    )
    assert shown["en-cot zh"].row.input.startswith(
        "Question: 罗杰有5个球。\nAnswer: 5 + 6 = 11.\nThe answer is: 11\n\n"
    )
    for before in items:
        after = shown[before.group]
        assert after.row.query.startswith(before.row.instruction)
        assert replace(after, row=before.row) == before
        assert after.row.id == before.row.id
    assert with_shots(items, []) == items


def test_stage_writes_examples_and_says_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = questions("mmlu", shots=Shots(count=2), rows=8)
    testsets = {"mmlu": asked}
    settings = SimpleNamespace(
        build=SimpleNamespace(profile="sample", testsets=["mmlu"]),
        profile=SimpleNamespace(testsets=testsets),
    )
    monkeypatch.setattr(stage, "load_settings", lambda: settings)
    monkeypatch.chdir(tmp_path)
    stage.make("mmlu")
    paths = Paths("sample")
    shots = list(read_items(paths.table("testsets/mmlu.shots")))
    counts = read_metrics(paths.metrics("testsets/mmlu"))["shots"]
    assert set(counts["shown"].values()) == {2}
    assert sum(counts["shown"].values()) == len(shots) == 8
    assert "8 questions, 8 solved examples" in capsys.readouterr().out

    testsets["mmlu"] = asked.model_copy(update={"shots": None})
    stage.make("mmlu")
    assert list(read_items(paths.table("testsets/mmlu.shots"))) == []
    assert read_metrics(paths.metrics("testsets/mmlu"))["shots"]["shown"] == {}
