"""The report: what the files say is on the pages and in the summary, and nothing is made up."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
import yaml

from stages.config.errors import BuildError
from stages.config.paths import Paths
from stages.report import report
from stages.rows.quarantine import Quarantined
from tests.quality_tree import rewrite
from tests.report_tree import (
    BENCHMARKS,
    HOSTILE,
    answered,
    change_audit,
    check,
    choose_scores,
    judged,
    spoil_all_texts,
    world,
    write_all_scores,
    write_audit,
    write_build,
    write_scores,
)

VOID = {"meta", "br", "img", "link", "input", "hr"}
PAGES = (
    "index", "scores", "paper", "datasets/alpaca-it", "datasets/alpaca-sit", "scores/world",
    "scores/seqeval", "scores/mmlu",
)  # fmt: skip


class Checker(HTMLParser):
    """Collects tags and attributes, and checks that every element is closed in its place."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.data: dict[str, Any] = {}
        """what the script of the page reads"""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append("data" if ("id", "data") in attrs else tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() in (tag, "data")
        self.text += " "  # what stands in two cells is two words

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "data":
            self.data = json.loads(data)
        elif not self.open or self.open[-1] not in ("script", "style"):
            self.text += data


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    write_build(tmp_path)
    monkeypatch.chdir(tmp_path)
    return Paths("sample")


def build(paths: Paths, page: str = "datasets/alpaca-sit") -> Checker:
    report("all")
    return read(paths, page)


def read(paths: Paths, page: str = "datasets/alpaca-sit") -> Checker:
    checker = Checker()
    checker.feed((paths.folder("report") / f"{page}.html").read_text("utf-8"))
    assert checker.open == []
    return checker


def summary(paths: Paths) -> str:
    return (paths.folder("report") / "summary.txt").read_text("utf-8")


def words(text: str) -> str:
    return " ".join(text.split())


def test_pages_and_summary_show_the_counts_of_the_datasets(tree: Paths) -> None:
    taken = Quarantined("alpaca:00000003", "respond", "unanswered: blank", "No word of it.", "{}")
    rewrite(
        tree,
        "datasets/alpaca-sit",
        lambda row: None if row.id == taken.id else row,
        quarantined=(taken,),
    )
    write_audit(tree, "alpaca-sit")
    page = words(build(tree).text)
    assert "unanswered: blank datasets/alpaca-sit 1 alpaca:00000003 No word of it." in page
    assert "rows in 40 rows out 39 quarantined 1" in page
    row = next(line for line in summary(tree).splitlines() if line.startswith(" alpaca-sit"))
    assert row.split() == ["alpaca-sit", "39", "2.41", "14", "1", "3/3"]
    index = words(read(tree, "index").text)
    assert "alpaca-sit passed 40 39 – 1 2.41 8.2 99 alpaca respond" in index


def test_index_lists_the_datasets_with_errors_and_warnings_first(tree: Paths) -> None:
    build(tree)
    for name, severity in (("alpaca-it", "warning"), ("alpaca-sit", "error")):
        failed = check("rows", "Conservation", severity=severity, success=False)
        change_audit(tree, name, checks=[failed])
    report("all")
    index = words(read(tree, "index").text)
    assert "1 with errors, 1 with warnings only, 0 passed" in index
    assert index.index("alpaca-sit 1 error") < index.index("alpaca-it 1 warning")


def test_scores_that_were_not_run_are_said_to_be_so(tree: Paths) -> None:
    write_scores(tree, "world", {"alpaca-sit": world(0.9)})
    write_scores(tree, "mmlu", {"alpaca-sit": []})
    overview = words(build(tree, "scores").text)
    assert "world sub-tasks right 100 not run 52.7 % 45.1–60.3" in overview
    assert "mmlu – not run not run" in overview
    assert "model score all alpaca-it not run alpaca-sit not run" in words(
        read(tree, "scores/mmlu").text
    )
    lines = summary(tree).splitlines()
    assert re.search(
        r"world +sub-tasks right +100 +not run +52\.7 % \(45\.1-60\.3\)\n", summary(tree)
    )
    assert any(re.fullmatch(r" mmlu +not run +not run", line) for line in lines)


def test_overview_shows_the_main_metric_of_each_benchmark_and_what_is_unanswered(
    tree: Paths,
) -> None:
    write_all_scores(tree)
    overview = words(build(tree, "scores").text)
    assert "benchmark items alpaca-it alpaca-sit world" in overview
    assert "world sub-tasks right 100 23.7 % 16.7–31.0 10 truncated 52.7 %" in overview
    assert "seqeval quality, 1 to 5 32 2.88 2.78–2.97 3.98 3.88–4.07" in overview
    assert "alpaca-it alpaca-it 6,000 1,000 3 0.250" in overview
    made = json.loads((tree.folder("report") / "report.json").read_text("utf-8"))
    assert [one["name"] for one in made["benchmarks"]] == list(BENCHMARKS)
    assert made["models"][0]["loss"][0] == [10, 2.7273]


def test_models_that_are_compared_have_differences_and_p_values(tree: Paths) -> None:
    write_all_scores(tree)
    overview = words(build(tree, "scores").text)
    assert "world sub-tasks right 100 71 0 +33.4 +27.3 to +39.7 < 0.001" in overview
    assert "alpaca-sit wins 75.0 %" in overview
    assert "same verdict in both orders in 75.0 %" in overview
    # On its own page a benchmark has all metrics, in the overview those of the headline.
    assert "quality, 1 to 5, as published" not in overview
    assert "quality, 1 to 5, as published 32 32 0 +1.10" in words(read(tree, "scores/seqeval").text)


def test_comparison_that_was_not_run_is_said_to_be_so(tree: Paths) -> None:
    write_scores(tree, "world", {"alpaca-it": world(0.4)})
    assert "alpaca-sit against alpaca-it not run" in words(build(tree, "scores").text)


def test_page_of_a_benchmark_has_every_group_and_answers_of_all_models(tree: Paths) -> None:
    write_all_scores(tree)
    page = words(build(tree, "scores/world").text)
    assert re.search(r"2 tasks 20 alpaca-it 30\.0 % \S+ 2 truncated 40\.0 %", page)
    assert "query 3-06 Do 3 tasks about passage 3-06. reference Reference of 3-06" in page
    assert "alpaca-it sub-tasks right 1 of 3 followed 1 all exact 0 Answer to 3-06" in page
    assert "alpaca-it truncated sub-tasks right" in page
    assert len(re.findall(r"query \d-\d\d", page)) == 40
    assert all(page.count(f"query {tasks}-") == 8 for tasks in range(1, 6))


def test_long_and_blank_answers_are_shown_in_part(tree: Paths) -> None:
    long = replace(answered("1", "g", {}), answer="no " * 9_000, prompt="why " * 9_000)
    blank = replace(answered("2", "g", {}), answer="", outcome="failed")
    write_scores(tree, "world", {"alpaca-it": [long, blank]})
    page = words(build(tree, "scores/world").text)
    assert "and 25,500 characters more" in page
    assert "and 33,000 characters more" in page
    assert "alpaca-it failed blank" in page
    assert (tree.folder("report") / "scores" / "world.html").stat().st_size < 60_000


def test_chains_of_growing_length_and_losses_are_drawn(tree: Paths) -> None:
    write_all_scores(tree)
    page = build(tree, "scores")
    assert page.tags.count("figure") == 3 + 2 + 1  # the world's three metrics, SeqEval's two, loss
    told = words(page.text)
    assert re.search(r"tasks alpaca-it alpaca-sit 1 40\.0 \(\S+\) 90\.0", told)
    assert re.search(r"iteration alpaca-it alpaca-sit 1 3\.25 \(\S+\) 4\.35", told)
    assert "step alpaca-it alpaca-sit 10 2.727 3.636" in told


def test_paper_stands_beside_ours_and_the_page_says_what_ours_are(tree: Paths) -> None:
    write_all_scores(tree)
    page = words(build(tree, "paper").text)
    assert "not comparable with the published figures" in page
    assert "profile sample : base model base/none, data of world, and all tests drawn" in page
    assert "Alpaca SIT ours: alpaca-sit 4.659 4.100" in page
    assert "strict 3.975" in page
    made = json.loads((tree.folder("report") / "scores.json").read_text("utf-8"))
    assert made["profile"] == "sample"
    tables = {table["key"]: table for table in made["tables"]}
    assert list(tables)[:12] == [f"table-{number:02}" for number in range(1, 13)]
    row = next(row for row in tables["table-03"]["rows"] if row["name"] == "alpaca, iteration 2")
    assert [row["cells"][2][part] for part in ("published", "reason")] == [30.39, None]
    assert row["cells"][2]["ours"]["mean"] == pytest.approx(25.0)


def test_other_models_have_a_line_in_the_summary(tree: Paths) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
    params["models"]["third"] = {"dataset": "alpaca-it"}
    params["scores"]["third"] = ["seqeval"]
    Path("params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    write_scores(tree, "seqeval", {"third": judged(3.0)})
    report("all")
    assert re.search(r" third +seqeval +quality, 1 to 5 +32 +2\.38 \(", summary(tree))
    assert re.search(r" seqeval +not run +not run", summary(tree))


def test_build_without_scores_says_so(tree: Paths) -> None:
    choose_scores(Path(), ())
    params = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
    params |= {"scores": {}, "compared": {}}
    Path("params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    assert "No model is scored" in build(tree, "scores").text
    assert "scores, with" not in summary(tree)


def test_summary_is_narrow_short_and_plain(tree: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    write_all_scores(tree)
    build(tree)
    lines = summary(tree).splitlines()
    assert len(lines) < 40
    assert max(map(len, lines)) <= 100
    assert "\x1b" not in summary(tree)
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert all(line.strip() in printed for line in lines)


def test_report_is_the_same_bytes_on_every_run_and_names_no_machine(tree: Paths) -> None:
    write_all_scores(tree)
    build(tree)
    folder = tree.folder("report")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    report("all")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert not any(str(Path.cwd()).encode() in content for content in before.values())
    assert sorted(path.relative_to(folder).as_posix() for path in before) == [
        "datasets/alpaca-it.html", "datasets/alpaca-sit.html", "index.html", "paper.html",
        "report.json", "scores.html", "scores.json", "scores/mmlu.html", "scores/seqeval.html",
        "scores/world.html", "scores/xquad.html", "summary.txt",
    ]  # fmt: skip


@pytest.mark.parametrize("folder", ["datasets", "scores"])
def test_page_of_what_is_no_more_goes(tree: Paths, folder: str) -> None:
    build(tree)
    stale = tree.folder("report") / folder / "gone.html"
    stale.write_text("old", "utf-8")
    report("all")
    assert not stale.exists()


@pytest.mark.parametrize("name", PAGES)
def test_page_needs_nothing_from_elsewhere(tree: Paths, name: str) -> None:
    write_all_scores(tree)
    page = build(tree, name)
    loaded = {"src", "srcset", "data", "poster", "action"}
    assert not {attribute for attribute, _ in page.attributes} & loaded
    assert not {"link", "img", "iframe", "object", "embed"} & set(page.tags)
    file = tree.folder("report") / f"{name}.html"
    links = [value for attribute, value in page.attributes if attribute == "href"]
    assert len(links) > 3
    for link in links:
        target, _, anchor = link.partition("#")
        assert not target or (file.parent / target).exists(), link
        if target and anchor:
            assert f'id="{anchor}"' in (file.parent / target).read_text("utf-8"), link
    ids = {value for attribute, value in page.attributes if attribute == "id"}
    anchors = {link[1:] for link in links if link.startswith("#")}
    assert {anchor for anchor in anchors if not anchor.startswith("row=")} <= ids
    text = file.read_text("utf-8")
    assert "url(" not in text
    assert "@import" not in text


@pytest.mark.parametrize("name", PAGES)
def test_policy_names_the_script_and_the_styles_and_lets_in_no_other(
    tree: Paths, name: str
) -> None:
    page = build(tree, name)
    policy = next(value for _, value in page.attributes if value.startswith("default-src"))
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect" not in policy
    assert not [value for attribute, value in page.attributes if attribute == "style"]


def test_hostile_text_is_only_ever_text(tree: Paths) -> None:
    write_all_scores(tree)
    build(tree)
    tags = {name: set(read(tree, name).tags) for name in PAGES}
    spoil_all_texts(tree)
    report("all")
    for name in PAGES:
        page = read(tree, name)
        # Where something is quarantined there is a plot of it.
        assert set(page.tags) - tags[name] <= {"figure", "figcaption", "svg", "g", "path", "text",
                                               "line", "rect", "bdi", "code"}  # fmt: skip
        assert not [attribute for attribute, _ in page.attributes if attribute.startswith("on")]
    answers = read(tree, "scores/world").text
    assert answers.count(HOSTILE) > 100
    page = read(tree)
    assert sum(HOSTILE in text for text in page.data["texts"]) > 30
    assert all(row["language"] == HOSTILE for row in page.data["rows"])


def test_data_of_a_page_cannot_end_its_element(tree: Paths) -> None:
    build(tree)
    sign = "</script><!--<script>\u2028\u2029&lt;"
    rewrite(tree, "datasets/alpaca-it", lambda row: replace(row, output=sign))
    report("all")
    text = (tree.folder("report") / "datasets" / "alpaca-it.html").read_text("utf-8")
    data = text.partition('id="data">')[2].partition("</script>")[0]
    assert not set(data) & set("<>&\u2028\u2029")
    assert sign in json.loads(data)["texts"]


def test_rows_carry_their_lives(tree: Paths) -> None:
    page = build(tree)
    texts = page.data["texts"]
    assert len(page.data["rows"]) == 40
    row = next(row for row in page.data["rows"] if row["id"] == "alpaca:00000001")
    steps = [(stage["table"], stage["step"], stage["outcome"]) for stage in row["stages"]]
    assert steps == [
        ("sources/alpaca", "source", ""),
        ("sequences/alpaca-1", "sequence 1", "rewritten"),
        ("sequences/alpaca-2", "sequence 2", "rewritten"),
        ("datasets/alpaca-sit", "respond", "answered"),
    ]
    second = row["stages"][2]
    assert [texts[text] for is_new, text in second["query"] if is_new] == [
        " Then do task 2 as well."
    ]
    first_asked, second_asked = second["asked"]
    assert texts[first_asked["reply"]] == "So the option is: A"
    assert [(role, texts[text]) for role, text in second_asked["turns"]] == [
        ("user", "rewrite 2 alpaca:00000001")
    ]
    assert texts[row["stages"][3]["answer"]].startswith("Answer 0 of alpaca:00000001")


def test_text_of_a_million_characters_is_shown_in_part(tree: Paths) -> None:
    build(tree)
    long = "alpaca:00000004"
    rewrite(
        tree,
        "datasets/alpaca-it",
        lambda row: replace(row, output="long " * 200_000) if row.id == long else row,
    )
    report("all")
    file = tree.folder("report") / "datasets" / "alpaca-it.html"
    assert file.stat().st_size < 1_000_000
    texts = read(tree, "datasets/alpaca-it").data["texts"]
    assert any(text.endswith("and 990,000 characters more") for text in texts)


def test_page_of_long_texts_keeps_to_its_budget(tree: Paths) -> None:
    build(tree)
    rewrite(
        tree,
        "datasets/alpaca-it",
        lambda row: replace(row, output=f"{row.id} ü " * 10_000, instruction=f"{row.id} " * 10_000),
    )
    report("all")
    file = tree.folder("report") / "datasets" / "alpaca-it.html"
    assert 100_000 < file.stat().st_size < 2_000_000


def test_paper_stands_beside_ours_for_its_sources_alone(tree: Paths) -> None:
    assert "296.2" in build(tree).text
    params = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
    text = yaml.safe_dump(params).replace("sources/alpaca", "sources/mine")
    params = yaml.safe_load(text)
    params["sources"] = {"mine": params["sources"]["alpaca"]}
    Path("params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    profile = yaml.safe_load(Path("profiles/sample.yaml").read_text("utf-8"))
    profile["sources"] = {"mine": profile["sources"]["alpaca"]}
    Path("profiles/sample.yaml").write_text(yaml.safe_dump(profile), "utf-8")
    for file in list(tree.folder("sources").iterdir()):
        file.rename(file.with_name(file.name.replace("alpaca", "mine")))
    page = build(tree)
    assert "296.2" not in page.text
    assert "arXiv" not in page.text


def test_iteration_that_a_dataset_answers_has_its_output_lengths(tree: Paths) -> None:
    build(tree)
    made = json.loads((tree.folder("report") / "report.json").read_text("utf-8"))
    it, sit = made["datasets"]
    assert [one["ours"]["words_out"] for one in sit["iterations"]] == [
        it["statistics"]["words_out"],
        None,
        sit["statistics"]["words_out"],
    ]


def test_failed_check_stands_open_and_first_with_links_to_its_rows(tree: Paths) -> None:
    failed = check(
        "x", "Texts", success=False, failing_rows=9, examples=["alpaca:00000007", "gone"]
    )
    change_audit(tree, "alpaca-sit", checks=[check("rows", "Rows"), check("y", "Texts"), failed])
    report("all")
    text = (tree.folder("report") / "datasets" / "alpaca-sit.html").read_text("utf-8")
    assert '<a href="#row=alpaca%3A00000007"><code>alpaca:00000007</code></a>' in text
    assert ">gone</a>" not in text
    assert text.count('<details class="group" open>') == 1
    page = words(read(tree).text)
    assert "Texts 1 of 2 failed" in page
    assert "and 7 more" in page
    assert page.index("Rows all 1 passed") < page.index("The x are") < page.index("The y are")


def test_checks_without_headings_stand_under_one(tree: Paths) -> None:
    plain = [check("x", ""), check("y", "")]
    for one in plain:
        del one["group"]
    change_audit(tree, "alpaca-sit", checks=plain)
    assert "Rules all 2 passed" in words(build(tree).text)


def test_statistics_that_are_there_are_shown(tree: Paths) -> None:
    build(tree)
    assert "Overlap with test sets" not in read(tree).text
    change_audit(
        tree,
        "alpaca-sit",
        statistics={
            "lengths": {
                "query": {"edges": [0, 10, 20], "rows": [11, 29]},
                "output": {"edges": [0, 1, 10, 100], "rows": [0, 31, 9]},
            },
            "added_tasks": {
                "verbs": [{"verb": "do", "rows": 26, "objects": [{"noun": "task", "rows": 25}]}],
                "rows": 26,
                "parsed": 25,
                "parser": "a parser",
            },
            "overlap": [{"testset": "gsm8k", "items": 1319, "items_found": 2, "rows": 5}],
            "near_duplicates": {"groups": 3, "rows": 7},
            "personal": {"e-mail address": 4},
            "ledger": {
                "replies": 12345, "prompt_tokens": 23456, "completion_tokens": 34567,
                "engines": [{"facts": {"engine": "fake"}, "replies": 12345}], "cost": 1.5,
            },
            "drift": [{"figure": "mean tasks", "before": 2.25, "now": 2.5}],
        },
    )  # fmt: skip
    report("all")
    page = words(read(tree).text)
    for told in (
        "tokens rows 0 to 10 11 10 to 20 29",
        "0 to 1 0 1 to 10 31 10 to 100 9",
        "do task 25 26 25 of 26 added tasks, by a parser.",
        "gsm8k 1,319 2 5",
        "near-duplicates, in 3 groups 7 e-mail address 4",
        "replies 12,345 tokens in prompts 23,456 tokens in replies 34,567 cost, US dollars 1.50",
        "engine fake 12,345",
        "mean tasks 2.25 2.5",
    ):
        assert told in page, told
    index = words(read(tree, "index").text)
    assert re.search(r"alpaca-sit passed 40 40 – – 2\.\d\d 8\.2 99 5 alpaca", index)


def test_page_names_the_command_for_great_expectations_own_pages(tree: Paths) -> None:
    report("all")
    assert "seqsmith audit alpaca-sit --data-docs FOLDER" in read(tree).text


def test_release_folder_is_named_where_there_is_one(tree: Paths) -> None:
    (tree.folder("release", "datasets/alpaca-sit")).mkdir(parents=True)
    page = build(tree)
    assert "data/sample/release/datasets/alpaca-sit" in page.text
    assert "not packaged" in read(tree, "datasets/alpaca-it").text
    assert "release  data/sample/release/datasets/alpaca-sit" in summary(tree)


def test_missing_audit_is_an_error_with_its_name(tree: Paths) -> None:
    rmtree(tree.folder("audit"))
    with pytest.raises(BuildError, match="alpaca-it/validation.json: no such file"):
        report("all")


def test_report_on_anything_but_all_is_an_error(tree: Paths) -> None:
    with pytest.raises(BuildError, match="No report is called 'alpaca-sit'"):
        report("alpaca-sit")
