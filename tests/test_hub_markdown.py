"""Untrusted text in Markdown, read back by a Markdown parser."""

import json
import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from stages.hub.markdown import code, fence, plain, pretty_json
from stages.texts.visible import visible

TEXT = st.text(
    st.sampled_from("`|\\ \n\ra#*_[]()<>~$&;!-=1.") | st.characters(codec="utf-8"), max_size=12
)
MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})


def cells(cell: str) -> list:
    tokens = MARKDOWN.parse(f"| a | b |\n|---|---|\n| {cell} | end |\n")
    assert [token.type for token in tokens].count("tr_open") == 2
    inline = [token for token in tokens if token.type == "inline"]
    assert len(inline) == 4 and inline[3].content == "end"
    return inline[2].children


@given(TEXT)
@example("``` | \\| `")
@example("|")
def test_code_any_text_is_one_code_span_in_one_cell(text: str) -> None:
    (token,) = cells(code(text))
    if not visible(text).strip():
        assert token.content == "-"
        return
    assert token.type == "code_inline"
    assert token.content.strip() == visible(text).strip()


@given(TEXT)
@example("\\|")
@example("<b>&amp;")
def test_plain_any_text_is_only_text_in_one_cell(text: str) -> None:
    children = cells(plain(text))
    assert {child.type for child in children} <= {"text", "text_special"}
    assert "".join(child.content for child in children) == visible(text).strip()


@given(st.recursive(TEXT, lambda inner: st.dictionaries(TEXT, inner, max_size=3), max_leaves=5))
@example("```\n```")
def test_fence_any_json_is_one_block_that_reads_back(value: object) -> None:
    (token,) = MARKDOWN.parse(fence(pretty_json(value), "json"))
    assert token.type == "fence" and token.info == "json"
    assert json.loads(token.content) == value


@given(TEXT)
def test_visible_leaves_no_character_that_cannot_be_seen(text: str) -> None:
    assert not {unicodedata.category(one)[0] for one in visible(text)} & {"C"}
    assert "\u2028" not in visible(text)
