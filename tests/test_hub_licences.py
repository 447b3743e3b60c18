"""Licences of a release: which one it states, what it has to say, what is refused."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.errors import BuildError
from stages.hub.licences import ALIKE, BY_STRICTNESS, FORBIDDING, TERMS, notices, strictest
from stages.hub.parts import Licence


def owned(licences: list[str]) -> list[Licence]:
    return [Licence(of=f"source {i}", licence=one) for i, one in enumerate(licences)]


def outcome(licences: list[Licence]) -> str:
    """What comes of them: a licence, or the sentence that refuses them."""
    try:
        return strictest(licences, "profile")
    except BuildError as refusal:
        return str(refusal)


@pytest.mark.parametrize(
    ("licences", "expected"),
    [
        (["apache-2.0", "apache-2.0"], "apache-2.0"),
        (["MIT", "CC-BY-4.0"], "cc-by-4.0"),
        (["cc-by-nc-4.0", "apache-2.0"], "cc-by-nc-4.0"),
        (["llama3", "cc-by-nc-4.0"], "cc-by-nc-4.0"),
        (["cc0-1.0", "unknown", "cc-by-nc-sa-4.0"], "unknown"),
        (["cc-by-nc-4.0", "cc-by-nc-sa-4.0"], "cc-by-nc-sa-4.0"),
        (["cc-by-sa-4.0", "odc-by", "llama3"], "cc-by-sa-4.0"),
        (["cc-by-4.0", "llama3"], "llama3"),
    ],
)
def test_strictest_of_several_licences_is_chosen(licences: list[str], expected: str) -> None:
    each = owned(licences)
    assert strictest(each, "profile") == expected
    assert strictest(each[::-1], "profile") == expected


@given(st.lists(st.sampled_from([*TERMS, *FORBIDDING, "", "mine-1.0"]), min_size=1, max_size=4))
def test_licences_give_the_same_outcome_in_every_order(licences: list[str]) -> None:
    assert len({outcome(list(order)) for order in permutations(owned(licences))}) == 1


@given(st.lists(st.sampled_from(BY_STRICTNESS), min_size=1, max_size=6))
def test_licence_of_a_release_asks_for_all_that_its_parts_ask_for(licences: list[str]) -> None:
    found = outcome(owned(licences))
    if found not in TERMS:
        assert any(ALIKE in TERMS[one].asks for one in licences)
        return
    assert BY_STRICTNESS.index(found) >= max(map(BY_STRICTNESS.index, licences))
    if found != "unknown":
        assert TERMS[found].asks >= frozenset().union(*(TERMS[one].asks for one in licences))
    said = " ".join(notices(owned(licences)))
    for one in licences:
        assert TERMS[one].product in said and TERMS[one].begins in said


@pytest.mark.parametrize(
    ("licences", "names"),
    [
        (["cc-by-sa-4.0", "cc-by-nc-4.0"], ["cc-by-sa-4.0", "cc-by-nc-4.0"]),
        (["mit", "cc-by-nc-sa-4.0", "cc-by-sa-4.0"], ["cc-by-nc-sa-4.0", "cc-by-sa-4.0"]),
    ],
)
def test_licences_of_which_one_forbids_what_another_asks_are_refused_by_name(
    licences: list[str], names: list[str]
) -> None:
    with pytest.raises(
        BuildError, match=r"^p.yaml: source \d has .* also asks for non-comm"
    ) as found:
        strictest(owned(licences), "p.yaml")
    assert all(f"'{name}'" in str(found.value) for name in names)
    assert "'mit'" not in str(found.value)


@pytest.mark.parametrize("licence", list(FORBIDDING))
def test_licence_that_lets_nothing_be_released_is_refused_with_the_reason(licence: str) -> None:
    with pytest.raises(BuildError, match=f"p.yaml: the licence of source 0 is '{licence}', so no"):
        strictest(owned([licence, "mit"]), "p.yaml")


def test_licence_that_is_missing_is_refused_with_its_owner() -> None:
    with pytest.raises(BuildError, match=r"p.yaml: the licence of source 1 is missing\."):
        strictest(owned(["mit", " "]), "p.yaml")


def test_notice_of_llama_3_names_the_product_the_prefix_and_what_is_forbidden() -> None:
    (notice,) = notices(owned(["llama3", "mit", "Llama3"]))
    assert notice.startswith("**Built with Meta Llama 3.**")
    assert "a name that begins with `Llama 3`" in notice
    assert "to improve large language models other than Meta Llama 3" in notice
    (later,) = notices(owned(["llama3.1", "llama3.3"]))
    assert later.startswith("**Built with Llama.**")
    assert "forbids" not in later
    assert notices(owned(["cc-by-nc-sa-4.0", "unknown"])) == []


def test_strictest_licence_without_a_place_is_refused_with_its_owner() -> None:
    each = [Licence(of="source a", licence="mit"), Licence(of="generator g", licence="gemma")]
    with pytest.raises(BuildError, match=r"p.yaml: .* generator g is 'gemma'.*cc-by-nc-4.0"):
        strictest(each, "p.yaml")
