"""The world: every chain can be written, read, answered and checked; the checker is fair."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.methods.replies import read_new_instruction, read_option
from stages.methods.seq_instruct import CLASSIFY, OPTIONS, REWRITE, Chosen
from stages.rows.row import Origin, Row
from stages.world.chains import answer_chain, is_held_out, read_chain, tasks_about, write_chain
from stages.world.checker import check
from stages.world.oracle import NoAnswer, reply
from stages.world.passages import draw_passage, read_passage
from stages.world.strangers import add_after, add_before, answer_stranger
from stages.world.tasks import TASKS, Ask, draw_ask
from stages.world.vocabulary import VELAN

seeds = st.integers(0, 2**32).map(random.Random)


def draw_chain(rng: random.Random, length: int):
    passage = draw_passage(rng)
    return passage, [
        draw_ask(rng, task, passage) for task in rng.sample(tasks_about("text"), length)
    ]


def ask(name: str, argument: str = "") -> Ask:
    return Ask(TASKS[name], 0, argument)


def test_world_has_at_least_fourteen_tasks_in_several_phrasings() -> None:
    assert len(TASKS) >= 14
    assert all(len(set(task.phrasings)) >= 3 for task in TASKS.values())


def test_velan_words_are_all_different() -> None:
    assert len(set(VELAN.values())) == len(VELAN)


@given(seeds)
def test_passage_written_is_read_back(rng: random.Random) -> None:
    passage = draw_passage(rng)
    assert read_passage(passage.text) == passage
    assert read_passage(passage.text.upper()) is None


@given(seeds, st.integers(1, 6))
def test_chain_written_is_read_back_and_its_answer_is_exact(
    rng: random.Random, length: int
) -> None:
    passage, asks = draw_chain(rng, length)
    assert read_chain(write_chain(asks, rng)) == asks
    score = check(answer_chain(asks, passage), asks, passage)
    assert (score.right, score.attempted, score.exact) == (length, length, True)


@given(seeds, st.sampled_from(["count", "day after", "velan word"]))
def test_task_about_nothing_is_read_back_and_answered(rng: random.Random, name: str) -> None:
    one = draw_ask(rng, TASKS[name], None)
    assert read_chain(write_chain([one], rng)) == [one]
    assert check(one.answer(None), [one], None).exact


@given(seeds, st.integers(2, 5), st.data())
def test_answer_without_one_part_scores_one_less(
    rng: random.Random, length: int, data: st.DataObject
) -> None:
    passage, asks = draw_chain(rng, length)
    missing = data.draw(st.integers(0, length - 1))
    rest = asks[:missing] + asks[missing + 1 :]
    # A part may be answered by chance where another gives the same text: leave those out.
    answers = [one.answer(passage) for one in asks]
    if len(set(answers)) == length and not {"rename", "repeat"} <= {one.task.name for one in asks}:
        score = check(answer_chain(rest, passage), asks, passage)
        assert score.right == length - 1
        assert not score.exact


LEO = "On Friday, Leo counted 7 orange stones and 41 white bells in Berlin."


@pytest.mark.parametrize(
    ("answer", "right", "attempted", "exact"),
    [
        ("Leo\nBerlin\n41", 3, 3, True),
        ("1. Leo\n2. Berlin\n3. 41", 3, 3, True),
        ("- Leo.\n\n- Berlin.\n\n- 41", 3, 3, True),
        ("Leo, Berlin, 41", 3, 3, True),
        ("Leo; Berlin and then 41.", 3, 3, True),
        ("Leo\nBerlin\n7", 2, 3, False),
        ("Leo\nParis\n41", 2, 3, False),
        ("Leo\n41", 2, 2, False),
        ("41\nBerlin\nLeo", 1, 1, False),  # the order counts
        ("Leo\nBerlin\n41\nThat is all.", 3, 3, False),
        (LEO, 0, 0, False),  # a sentence that mentions the name does not answer with it
        ("", 0, 0, False),
        ("I cannot say.", 0, 0, False),
    ],
)
def test_check_scores_by_content_whatever_the_layout(
    answer: str, right: int, attempted: int, exact: bool
) -> None:
    score = check(answer, [ask("who"), ask("where"), ask("larger")], read_passage(LEO))
    assert (score.right, score.attempted, score.exact) == (right, attempted, exact)


def test_check_of_an_answer_of_several_lines_needs_all_of_them() -> None:
    asks = [ask("who"), ask("things")]
    assert check("Leo\nstones\nbells", asks, read_passage(LEO)).exact
    assert check("Leo\nstones", asks, read_passage(LEO)).right == 1


@given(seeds)
def test_wrong_sentence_of_the_right_kind_is_an_attempt_but_not_right(rng: random.Random) -> None:
    passage, other = draw_passage(rng), draw_passage(rng)
    if passage.text != other.text:
        score = check(other.text, [ask("repeat")], passage)
        assert (score.right, score.attempted) == (0, 1)
    # Capitals and Velan are not the English sentence.
    assert check(passage.text.upper(), [ask("repeat")], passage).attempted == 0
    assert check(passage.velan, [ask("repeat")], passage).attempted == 0


def make_row(instruction: str, input: str) -> Row:
    return Row("w:1", instruction, input, "", "w", Origin("world", "r", 0))


@settings(max_examples=200)
@given(seeds, st.integers(1, 3))
def test_oracle_rewrites_chains_by_one_task_and_answers_them_right(
    rng: random.Random, length: int
) -> None:
    passage, asks = draw_chain(rng, length)
    row = make_row(write_chain(asks, rng), passage.text)
    choice = reply(CLASSIFY.render(row).messages[-1].content, "", 1)
    option = OPTIONS[read_option(choice)]
    if option == "hold":
        return
    rewrite = reply(REWRITE.render(Chosen(row, option)).messages[-1].content, "", 1)
    grown = read_chain(read_new_instruction(rewrite))
    assert grown is not None
    assert len(grown) == length + 1
    names = [one.task.name for one in grown]
    assert len(set(names)) == len(names)
    kept = [one for one in grown if one in asks]
    assert kept == asks  # nothing lost, order kept
    added = next(index for index, one in enumerate(grown) if one not in asks)
    assert {"prefix": added == 0, "suffix": added == length, "decompose": added < length}[option]
    for pair in ((added - 1, added), (added, added + 1)):
        if pair[0] >= 0 and pair[1] <= length:
            assert not is_held_out(grown[pair[0]].task, grown[pair[1]].task)
    response = reply(make_row(write_chain(grown, rng), passage.text).query, "", 1)
    assert check(response, grown, passage).exact


@settings(max_examples=200)
@given(seeds, st.integers(1, 3), st.booleans())
def test_oracle_knows_a_passage_inside_the_instruction_and_leaves_it_in_its_place(
    rng: random.Random, length: int, passage_first: bool
) -> None:
    passage, asks = draw_chain(rng, length)

    def lay_out(chain: str) -> str:
        parts = [chain, passage.text]
        return "\n\n".join(reversed(parts) if passage_first else parts)

    row = make_row(lay_out(write_chain(asks, rng)), "")
    option = OPTIONS[read_option(reply(CLASSIFY.render(row).messages[-1].content, "", 1))]
    if option == "hold":
        return
    chosen = Chosen(row, option)
    rewrite = REWRITE.parse(chosen, reply(REWRITE.render(chosen).messages[-1].content, "", 1))
    first, _, last = rewrite.partition("\n\n")
    chain, kept = (last, first) if passage_first else (first, last)
    grown = read_chain(chain)
    assert kept == passage.text
    assert grown and len(grown) == length + 1
    assert check(reply(rewrite, "", 1), grown, passage).exact


def test_oracle_with_another_text_beside_the_task_goes_by_the_reference() -> None:
    assert reply("Name the city.\n\nNobody went anywhere.", "None.", 1) == "None."


def test_oracle_repeats_its_reply_and_varies_it_with_the_attempt() -> None:
    rng = random.Random(1)
    passage, asks = draw_chain(rng, 1)
    row = make_row(write_chain(asks, rng), passage.text)
    message = REWRITE.render(Chosen(row, "prefix")).messages[-1].content
    assert reply(message, "", 1) == reply(message, "", 1)
    assert len({reply(message, "", attempt) for attempt in range(1, 9)}) > 1


STRANGER = 'Write a haiku about rain.\n\nUse the word "roof".'


@given(seeds, st.lists(st.sampled_from([add_before, add_after]), max_size=2))
def test_oracle_on_an_unknown_row_adds_only_what_it_can_compute(rng, additions) -> None:
    grown = STRANGER
    for add in additions:
        grown = add(grown, rng)
        assert STRANGER in grown
    answer = answer_stranger(f"{grown}\n\nSome input.", "Soft rain\non my roof")
    parts = answer.split("\n\n")
    assert len(parts) == 1 + len(additions)
    assert parts[additions.count(add_before)] == "Soft rain\non my roof"


def test_oracle_counts_words_of_the_request_below_and_of_the_answer() -> None:
    query = (
        "First, count the words of the request below. Then do this: Name a colour.\n\n"
        "After that, count the words of your answer. Finally, name the longest word of your answer."
    )
    # The request below has 3 + 8 + 8 words: all that stands below counts, the tasks after it too.
    assert (
        reply(query, "Deep blue", 1) == "Words: 19\n\nDeep blue\n\nWords: 2\n\nLongest word: Deep"
    )


def test_oracle_without_a_reference_for_an_unknown_row_has_no_answer() -> None:
    with pytest.raises(NoAnswer):
        reply("Write a haiku about rain.", "", 1)
