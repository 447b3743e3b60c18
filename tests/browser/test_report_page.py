"""The report's pages in headless Chromium: strangers' text does nothing, and everything works."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.config.paths import Paths
from stages.report import report
from stages.rows.parquet import RowWriter, read_rows, schema_of
from stages.rows.quarantine import Quarantined, write_quarantine
from stages.rows.row import SCHEMA_WITH_IMAGE, Picture, Row
from tests.browser.chromium import Chromium, chromium
from tests.report_tree import change_audit, check, spoil_answers, write_all_scores, write_build

pytestmark = pytest.mark.browser

PAGES = (
    "index", "scores", "paper", "datasets/alpaca-it", "datasets/alpaca-sit", "scores/world",
    "scores/mmlu",
)  # fmt: skip
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')

# Ends an attribute, an element, a script and a comment, then tries every way to run that there is;
# each would change the title, ask something, complain or send something.
_RUN = "document.title='taken';alert('taken');console.error('taken')"
HOSTILE = (
    f"\"'></p></details></style></script></textarea>--><script>{_RUN}</script><!--<script>"
    f'--></script><img src=x onerror="{_RUN}"><svg onload="{_RUN}"></svg>'
    f'<a href="javascript:{_RUN}">{{{{ 7 * 7 }}}}</a>'
    f'<iframe srcdoc="<script>parent.{_RUN}</script>"></iframe>'
    '<link rel=stylesheet href="file:///nowhere.css">'
    "\u202e\u2066\u200f\x07\x1b[31m\u2028\u2029'+alert(1)+'${alert(1)}"
)
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with its report. One row of `alpaca-sit` fails a check; `alpaca-it` has pictures."""
    root = tmp_path_factory.mktemp("build")
    write_build(root)
    with chdir(root):
        paths = Paths("sample")
        failed = check("x", "Texts", success=False, failing_rows=1, examples=["alpaca:00000007"])
        change_audit(paths, "alpaca-sit", checks=[check("rows", "Rows"), failed])
        add_pictures(paths)
        write_all_scores(paths)
        report("all")
    return root


def add_pictures(paths: Paths) -> None:
    table = paths.table("datasets/alpaca-it")
    rewrite(table, lambda row: replace(row, image=Picture(PIXEL, "x.png")), SCHEMA_WITH_IMAGE)


def rewrite(table: Path, change: Callable[[Row], Row], schema: pa.Schema | None = None) -> None:
    rows = [change(row) for row in read_rows(table)]
    with RowWriter(table, schema or schema_of(table)) as out:
        out.write(rows)


@pytest.fixture(scope="module")
def site(root: Path) -> Path:
    return root / "data" / "sample" / "report"


@pytest.fixture(scope="module")
def hostile(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a build whose every text is hostile: rows, ledgers, quarantine, audit."""
    spoilt = tmp_path_factory.mktemp("hostile")
    copytree(root, spoilt, dirs_exist_ok=True)
    with chdir(spoilt):
        paths = Paths("sample")
        spoil(paths)
        report("all")
    return spoilt / "data" / "sample" / "report"


def spoil(paths: Paths) -> None:
    for reference in (
        "sources/alpaca", "sequences/alpaca-1", "sequences/alpaca-2", "datasets/alpaca-it",
        "datasets/alpaca-sit",
    ):  # fmt: skip
        taken = Quarantined(f"x {HOSTILE}", "respond", HOSTILE, HOSTILE, "{}")
        rewrite(paths.table(reference), spoil_row)
        write_quarantine(paths.table(reference), [taken])
        spoil_ledger(paths.ledger_export(reference))
    for name in ("alpaca-it", "alpaca-sit"):
        path = paths.folder("audit", name) / "validation.json"
        path.write_text(json.dumps(spoil_audit(json.loads(path.read_text("utf-8")))), "utf-8")
    spoil_answers(paths, HOSTILE)


def spoil_row(row: Row) -> Row:
    events = tuple(
        replace(
            event, step=HOSTILE, option=HOSTILE, outcome=f"{event.outcome} {HOSTILE}",
            instruction=f"{event.instruction} {HOSTILE}",
        )
        for event in row.history
    )  # fmt: skip
    return replace(
        row, system=HOSTILE, instruction=f"{row.instruction} {HOSTILE}", history=events,
        output=f"{row.output} {HOSTILE}", input=HOSTILE, language=HOSTILE, source=HOSTILE,
        origin=replace(row.origin, repo=HOSTILE),
    )  # fmt: skip


def spoil_ledger(path: Path) -> None:
    if not path.is_file():
        return
    table = pq.read_table(path)
    context = json.dumps([["system", HOSTILE, []], [HOSTILE, HOSTILE, []]])
    texts = {"context": context} | dict.fromkeys(
        ("prompt", "reply", "detail", "model", "revision", "outcome"), HOSTILE
    )
    for name, text in texts.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, pa.array([text] * table.num_rows))
    pq.write_table(table, path)


def spoil_audit(verdict: dict[str, Any]) -> dict[str, Any]:
    for number, one in enumerate(verdict["checks"]):
        one |= {"what": HOSTILE, "observed": HOSTILE, "expected": HOSTILE, "group": HOSTILE}
        one |= {"examples": [HOSTILE, "alpaca:00000001"], "success": number > 0}
    verdict["statistics"] |= {
        "languages": {HOSTILE: 20, "en": 20},
        "token": HOSTILE,
        "requests": {HOSTILE: {"asked": 1, "retries": 0, "outcomes": {}}},
        "added_tasks": {
            "verbs": [{"verb": HOSTILE, "rows": 1, "objects": [{"noun": HOSTILE, "rows": 1}]}],
            "rows": 1, "parsed": 1, "parser": HOSTILE,
        },
        "overlap": [{"testset": HOSTILE, "items": 1, "items_found": 1, "rows": 1}],
        "personal": {HOSTILE: 1},
        "drift": [{"figure": HOSTILE, "before": HOSTILE, "now": 1}],
    }  # fmt: skip
    return verdict


def open_everything(browser: Chromium) -> None:
    for _ in range(3):  # what is opened may hold what can be opened
        browser.run("document.querySelectorAll('details').forEach(one => one.open = true)")
        browser.settle()


def open_page(browser: Chromium, page: Path) -> None:
    browser.narrow(1280)
    browser.prefer("light")
    browser.open(page.as_uri())
    browser.settle()


def test_hostile_text_runs_where_it_is_not_escaped(browser: Chromium, tmp_path: Path) -> None:
    # The control: without it the tests below could pass for want of a working payload.
    page = tmp_path / "page.html"
    page.write_text(f"<title>as it was</title><p>{HOSTILE}</p>", "utf-8")
    open_page(browser, page)
    browser.run("new Promise(done => setTimeout(done, 300))")
    assert browser.run("document.title") == "taken"
    assert browser.told("Page.javascriptDialogOpening")
    assert browser.complaints()
    assert len(browser.requested()) > 1


@pytest.mark.parametrize("name", PAGES)
def test_hostile_text_does_nothing(browser: Chromium, hostile: Path, name: str) -> None:
    page = hostile / f"{name}.html"
    open_page(browser, page)
    title = browser.run("document.title")
    open_everything(browser)
    assert browser.run("document.title") == title != "taken"
    assert browser.complaints() == []
    pictures = (hostile / "pictures").as_uri()
    others = [url for url in browser.requested() if not url.startswith(pictures)]
    assert others == [page.as_uri()]
    scripts = browser.run("[...document.scripts].map(one => one.id + one.type).join()")
    assert scripts == ("dataapplication/json," if name.startswith("datasets") else "")
    assert browser.run("document.querySelectorAll('iframe,link,svg[onload],[onerror]').length") == 0
    if name.startswith("datasets"):
        shown = browser.run("document.querySelector('#list').textContent")
        assert shown.count("<script>document.title='taken'") > 100
        assert browser.run("document.querySelectorAll('a[href^=javascript]').length") == 0


def test_hostile_text_does_nothing_even_without_the_policy(
    browser: Chromium, hostile: Path, tmp_path: Path
) -> None:
    text, replaced = POLICY.subn("", (hostile / "datasets/alpaca-sit.html").read_text("utf-8"))
    assert replaced == 1
    page = tmp_path / "unprotected.html"
    page.write_text(text, "utf-8")
    open_page(browser, page)
    open_everything(browser)
    assert browser.run("document.title").startswith("alpaca-sit")
    assert browser.complaints() == []


def test_policy_stops_scripts_even_where_text_is_not_escaped(
    browser: Chromium, site: Path, tmp_path: Path
) -> None:
    text = (site / "index.html").read_text("utf-8")
    page = tmp_path / "broken.html"
    page.write_text(text.replace("</main>", f"{HOSTILE}</main>"), "utf-8")
    open_page(browser, page)
    assert browser.run("document.title") == "Build report: sample"
    assert not browser.told("Page.javascriptDialogOpening")


def test_hostile_answers_do_nothing_even_without_the_policy(
    browser: Chromium, hostile: Path, tmp_path: Path
) -> None:
    text, replaced = POLICY.subn("", (hostile / "scores/world.html").read_text("utf-8"))
    assert replaced == 1
    page = tmp_path / "unprotected.html"
    page.write_text(text, "utf-8")
    open_page(browser, page)
    open_everything(browser)
    assert browser.run("document.title") == "world: sample"
    assert browser.complaints() == []
    shown = browser.run("document.querySelector('#answers').textContent")
    assert shown.count("<script>document.title='taken'") > 100
    assert browser.run("document.querySelectorAll('#answers a, #answers img').length") == 0


@pytest.mark.parametrize("name", PAGES)
def test_page_loads_without_a_complaint_and_asks_for_nothing(
    browser: Chromium, site: Path, name: str
) -> None:
    open_page(browser, site / f"{name}.html")
    assert browser.complaints() == []
    assert browser.requested() == [(site / f"{name}.html").as_uri()]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_not_wider_than_a_phone(browser: Chromium, hostile: Path, name: str) -> None:
    open_page(browser, hostile / f"{name}.html")
    browser.narrow(360)
    open_everything(browser)
    page = "document.documentElement"
    assert browser.run(f"{page}.scrollWidth - {page}.clientWidth") == 0


def test_page_has_both_colour_schemes(browser: Chromium, site: Path) -> None:
    open_page(browser, site / "index.html")
    grounds = []
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        ground = browser.run("getComputedStyle(document.body).backgroundColor")
        grounds.append([int(part) for part in re.findall(r"\d+", ground)])
    assert min(grounds[0][:3]) > 230
    assert max(grounds[1][:3]) < 40


def visible(browser: Chromium) -> int:
    return browser.run("entries.filter(one => one.element.checkVisibility()).length")


def type_into_search(browser: Chromium, text: str) -> None:
    browser.press("/")
    for letter in text:
        browser.press(letter)


def test_search_finds_rows_by_their_text_and_esc_clears_it(browser: Chromium, site: Path) -> None:
    open_page(browser, site / "datasets" / "alpaca-sit.html")
    assert visible(browser) == 40
    type_into_search(browser, "capital COUNTRY 17".lower())
    assert visible(browser) == 1
    assert browser.run("document.querySelector('#count').textContent") == "1 of 40 shown"
    browser.press("Escape")
    assert visible(browser) == 40
    assert browser.run("document.activeElement.id") == "search"
    browser.press("Escape")
    assert browser.run("document.activeElement === document.body")


def choose(browser: Chromium, name: str, value: str) -> None:
    browser.run(
        f"(() => {{ const one = document.querySelector('[data-filter={name}]'); one.value = "
        f"'{value}'; one.dispatchEvent(new Event('input', {{bubbles: true}})) }})()"
    )


def test_filters_take_rows_by_path_outcome_and_tasks(browser: Chromium, site: Path) -> None:
    open_page(browser, site / "datasets" / "alpaca-sit.html")
    choose(browser, "tasks", "1")
    held = visible(browser)
    assert 0 < held < 40
    choose(browser, "outcome", "held")
    assert visible(browser) == held
    choose(browser, "outcome", "rewritten")
    assert visible(browser) == 0
    choose(browser, "tasks", "")
    choose(browser, "outcome", "")
    choose(browser, "path", "prefix → decompose")
    paths = browser.run(
        "[...new Set(entries.filter(one => !one.element.hidden)"
        ".map(one => one.element.querySelector('.path').textContent))].join()"
    )
    assert paths == "prefix → decompose"


def test_row_opens_by_keyboard_to_its_life(browser: Chromium, site: Path) -> None:
    open_page(browser, site / "datasets" / "alpaca-sit.html")
    browser.press("j")
    browser.press("j")
    browser.press("k")
    browser.press("ArrowDown")
    assert browser.run("entries.findIndex(one => one.focus === document.activeElement)") == 1
    browser.press("Enter")
    browser.settle()
    life = browser.run("entries[1].element.querySelector('.life').innerText")
    for told in (
        "alpaca:00000001", "source", "Name the capital of country 1.", "upstream answer",
        "sequence 1 prefix, rewritten", "sequence 2 decompose, rewritten", "asked model at 1",
        "Answer 0 of alpaca:00000001", "nothing against this row", "release in none",
    ):  # fmt: skip
        assert told in life, told
    new = browser.run("[...entries[1].element.querySelectorAll('ins')].map(one => one.textContent)")
    assert [text.strip() for text in new] == ["Then do task 1 as well.", "Then do task 2 as well."]
    browser.run("entries[1].element.querySelector('.asked').open = true")
    browser.settle()
    turns = browser.run("entries[1].element.querySelector('.turns').innerText").split("\n")
    assert "classify 1 alpaca:00000001" in turns
    assert "So the option is: B" in turns
    browser.press("Escape")
    assert browser.run("entries[1].element.open") is False
    assert browser.run("document.activeElement === entries[1].focus")


def test_row_that_a_check_names_opens_from_there(browser: Chromium, site: Path) -> None:
    open_page(browser, site / "datasets" / "alpaca-sit.html")
    assert browser.run("document.querySelector('.examples').closest('details').open")
    browser.run("document.querySelector('.examples a').click()")
    browser.settle()
    assert browser.run("document.querySelector('.row[open] .id code').textContent") == (
        "alpaca:00000007"
    )


def test_address_of_a_row_opens_it(browser: Chromium, site: Path) -> None:
    browser.open((site / "datasets" / "alpaca-sit.html").as_uri() + "#row=alpaca%3A00000011")
    browser.settle()
    opened = "[...document.querySelectorAll('.row[open] .id code')].map(one => one.textContent)"
    assert browser.run(opened) == ["alpaca:00000011"]


def test_picture_of_a_row_is_shown(browser: Chromium, site: Path) -> None:
    open_page(browser, site / "datasets" / "alpaca-it.html")
    browser.run("entries[0].element.open = true")
    browser.settle()
    browser.run("document.querySelector('.picture').decode()")
    assert browser.run("document.querySelector('.picture').naturalWidth") == 1
    assert browser.complaints() == []


def names(browser: Chromium) -> list[str]:
    return browser.run(
        "[...document.querySelectorAll('#datasets tbody tr')].filter(one => !one.hidden)"
        ".map(one => one.dataset.name)"
    )


def sort_by(browser: Chromium, heading: str) -> None:
    browser.run(
        "[...document.querySelectorAll('#datasets th button')]"
        f".find(one => one.textContent === '{heading}').click()"
    )


def test_table_of_datasets_sorts_and_filters(browser: Chromium, site: Path) -> None:
    open_page(browser, site / "index.html")
    assert names(browser) == ["alpaca-sit", "alpaca-it"]  # the one with an error first
    sort_by(browser, "dataset")
    assert names(browser) == ["alpaca-it", "alpaca-sit"]
    sort_by(browser, "tasks, mean")
    assert names(browser) == ["alpaca-sit", "alpaca-it"]
    sort_by(browser, "tasks, mean")
    assert names(browser) == ["alpaca-it", "alpaca-sit"]
    assert browser.run("document.querySelectorAll('[aria-sort=ascending]').length") == 1
    choose(browser, "verdict", "failed")
    assert names(browser) == ["alpaca-sit"]
    browser.run("document.querySelector('#datasets a').focus()")
    browser.press("j")
    assert browser.run("document.activeElement.textContent") == "alpaca-sit"


def test_everything_that_can_be_used_takes_the_focus_and_shows_it(
    browser: Chromium, site: Path
) -> None:
    open_page(browser, site / "datasets" / "alpaca-sit.html")
    reached = []
    for _ in range(40):
        browser.press("Tab")
        reached.append(
            browser.run(
                "(() => { const one = document.activeElement; return [one.tagName + one.className,"
                " getComputedStyle(one).outlineStyle, one.checkVisibility()] })()"
            )
        )
    assert {tuple(state) for _, *state in reached} <= {("solid", True), ("auto", True)}
    assert {"Askip", "SUMMARY", "INPUT", "SELECT", "DIVscroll"} <= {name for name, *_ in reached}


def test_page_without_scripts_shows_the_audit_and_says_what_is_missing(
    browser: Chromium, site: Path
) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open((site / "datasets" / "alpaca-sit.html").as_uri())
        text = browser.run("document.body.innerText")
        hidden = browser.run("document.querySelector('#filters').checkVisibility()")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
    assert "Browsing the rows needs scripts" in text
    assert "1 error" in text
    assert "Tasks" in text
    assert hidden is False


def test_print_shows_every_check_and_no_controls(browser: Chromium, site: Path) -> None:
    open_page(browser, site / "datasets" / "alpaca-sit.html")
    browser.run("document.querySelectorAll('details.group').forEach(one => one.open = false)")
    browser.run("entries[3].element.open = true")
    browser.settle()
    browser.prefer("dark", "print")
    heights = browser.run(
        "['.checks', '.row[open] .life', '.row:not([open])', '#filters', '.contents', '.figures']"
        ".map(one => document.querySelector(one).getBoundingClientRect().height)"
    )
    assert [height > 0 for height in heights] == [True, True, False, False, False, False]
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"


def test_answers_open_by_keyboard(browser: Chromium, site: Path) -> None:
    open_page(browser, site / "scores" / "world.html")
    answers = "document.querySelectorAll('.item')"
    assert browser.run(f"{answers}.length") == 40
    browser.run(f"{answers}[0].querySelector('summary').focus()")
    browser.press("Enter")
    browser.settle()
    assert browser.run(f"{answers}[0].open")
    told = browser.run(f"{answers}[0].innerText")
    assert "Reference of 1-" in told
    assert "alpaca-sit" in told
    browser.press("Tab")
    on_the_next = f"document.activeElement === {answers}[1].querySelector('summary')"
    assert browser.run(on_the_next)


@pytest.mark.parametrize("name", ["scores", "paper"])
def test_name_of_a_line_stays_in_sight_while_a_wide_table_is_scrolled(
    browser: Chromium, site: Path, name: str
) -> None:
    open_page(browser, site / f"{name}.html")
    browser.narrow(360)
    wide = "[...document.querySelectorAll('.scroll')].find(one => one.scrollWidth > 400)"
    browser.run(f"{wide}.scrollLeft = 80")
    browser.settle()
    moved = browser.run(
        f"(() => {{ const one = {wide}; const cell = one.querySelector('tbody th');"
        " return cell.getBoundingClientRect().left - one.getBoundingClientRect().left })()"
    )
    assert abs(moved) < 2


def test_curves_are_told_apart_in_both_colour_schemes(browser: Chromium, site: Path) -> None:
    open_page(browser, site / "scores.html")
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        colours = browser.run(
            "[1, 2].map(one => getComputedStyle("
            "document.querySelector(`figure .stroke-curve-${one}`)).stroke)"
        )
        assert len(set(colours)) == 2
        assert "none" not in colours


def test_print_has_the_scores_and_the_whole_of_the_papers_tables(
    browser: Chromium, site: Path
) -> None:
    open_page(browser, site / "paper.html")
    browser.narrow(794)  # A4 at 96 dots per inch
    browser.prefer("dark", "print")
    widest = browser.run(
        "Math.max(...[...document.querySelectorAll('.beside')]"
        ".map(one => one.getBoundingClientRect().right))"
    )
    assert widest <= 794
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
