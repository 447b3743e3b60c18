"""Licences of a release."""

import pytest

from stages.config.errors import BuildError
from stages.hub.licences import strictest
from stages.hub.parts import Licence


@pytest.mark.parametrize(
    ("licences", "expected"),
    [
        (["apache-2.0", "apache-2.0"], "apache-2.0"),
        (["MIT", "CC-BY-4.0"], "cc-by-4.0"),
        (["cc-by-nc-4.0", "apache-2.0"], "cc-by-nc-4.0"),
        (["llama3", "cc-by-nc-4.0"], "cc-by-nc-4.0"),
        (["cc0-1.0", "unknown", "cc-by-nc-sa-4.0"], "unknown"),
    ],
)
def test_strictest_of_several_licences_is_chosen(licences: list[str], expected: str) -> None:
    each = [Licence(of=f"source {i}", licence=one) for i, one in enumerate(licences)]
    assert strictest(each, "profile") == expected
    assert strictest(each[::-1], "profile") == expected


def test_strictest_licence_without_a_place_is_refused_with_its_owner() -> None:
    each = [
        Licence(of="source a", licence="mit"),
        Licence(of="generator g", licence="proprietary"),
    ]
    with pytest.raises(BuildError, match=r"p.yaml: .* generator g is 'proprietary'.*cc-by-nc-4.0"):
        strictest(each, "p.yaml")
