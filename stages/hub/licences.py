"""Licences: which one a release carries when its sources and its generator have several.

A table of what each licence asks, as far as releases need it, and no legal advice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from stages.config.errors import BuildError
from stages.hub.parts import Licence

UNKNOWN = "unknown"
"""stands for a licence that nobody stated"""

NOTICE, CREDIT, ALIKE, NON_COMMERCIAL = "notice", "credit", "share-alike", "non-commercial"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a licence asks of whoever passes the work, or a changed version of it, on."""

    asks: frozenset[str]
    product: str = ""
    """it also asks to say `Built with ...`"""
    begins: str = ""
    """it also asks that models trained with the product's replies have names that begin so"""
    only_for: str = ""
    """it also forbids to improve other language models than these with the product's replies"""


def _terms(*asks: str) -> Terms:
    return Terms(frozenset(asks))


def _llama(product: str, begins: str, only_for: str = "") -> Terms:
    return Terms(frozenset({NOTICE, CREDIT}), product, begins, only_for)


# By Hub id, each asking at least as much as the one before. The Llama licences bind whoever ran the
# model, and what they ask for is said beside the licence of the release. They add no terms to it
# that share-alike would forbid, so they stand below share-alike.
TERMS = {
    "cc0-1.0": _terms(),
    "mit": _terms(NOTICE),
    "bsd-3-clause": _terms(NOTICE),
    "apache-2.0": _terms(NOTICE),
    "odc-by": _terms(NOTICE, CREDIT),
    "cc-by-3.0": _terms(NOTICE, CREDIT),
    "cc-by-4.0": _terms(NOTICE, CREDIT),
    # From 3.1 on replies may train other models, which then bear the name.
    "llama3.3": _llama("Llama", "Llama"),
    "llama3.2": _llama("Llama", "Llama"),
    "llama3.1": _llama("Llama", "Llama"),
    "llama3": _llama("Meta Llama 3", "Llama 3", "Meta Llama 3 and what is derived from it"),
    "cc-by-sa-4.0": _terms(NOTICE, CREDIT, ALIKE),
    "cc-by-nc-4.0": _terms(NOTICE, CREDIT, NON_COMMERCIAL),
    # Terms that have no id on the Hub, such as those of LLaMA and what is made of it.
    "other": _terms(NOTICE, CREDIT, NON_COMMERCIAL),
    "cc-by-nc-sa-4.0": _terms(NOTICE, CREDIT, ALIKE, NON_COMMERCIAL),
    UNKNOWN: _terms(),
}
BY_STRICTNESS = tuple(TERMS)

_NO_CHANGES = "it allows no changed versions to be passed on, and a release is one"
# Licences under which nothing can be released.
FORBIDDING = {
    "cc-by-nd-4.0": _NO_CHANGES,
    "cc-by-nc-nd-4.0": _NO_CHANGES,
    # Of hosted models, whose terms mostly forbid to train other models with their replies.
    "proprietary": "it grants nobody the right to pass on what it covers",
}


def strictest(licences: Sequence[Licence], where: str) -> str:
    """The strictest of the licences; `where` is the file that names them.

    Raises BuildError for one that is missing or has no place in the order, that lets nothing be
    released, and for two that contradict each other.
    """
    # Sorted, so that of several faults the same one is named whatever the order.
    named = sorted(licences, key=lambda one: (one.of, one.licence))
    known = sorted(((_id(one, where), one.of) for one in named), key=_rank)
    for (alike, owner), (other, of) in permutations(known, 2):
        missing = TERMS[other].asks - TERMS[alike].asks
        # Share-alike: what is made of it is passed on under it alone, and no further term is added.
        if ALIKE in TERMS[alike].asks and missing:
            raise BuildError(
                f"{where}: {owner} has the licence '{alike}', under which alone what is made of it "
                f"may be passed on, and {of} has '{other}', which also asks for "
                f"{', '.join(sorted(missing))}. No release can meet both: leave one of them out."
            )
    return known[-1][0]


def notices(licences: Sequence[Licence]) -> list[str]:
    """What the card must say because a licence asks for it, a sentence or more for each product."""
    terms = {TERMS[one.licence.lower()] for one in licences}
    return [_notice(one) for one in sorted(terms, key=lambda one: one.product) if one.product]


def _notice(terms: Terms) -> str:
    text = (
        f"**Built with {terms.product}.** A model that is trained with this and passed on must "
        f"have a name that begins with `{terms.begins}`, and come with the licence and this notice."
    )
    if terms.only_for:
        text += (
            " The licence forbids using the model's replies to improve large language models other "
            f"than {terms.only_for}."
        )
    return text


def _id(one: Licence, where: str) -> str:
    """The Hub id of a licence that something may be released under. Raises BuildError."""
    name = one.licence.strip().lower()
    if not name:
        raise BuildError(
            f"{where}: the licence of {one.of} is missing. Name it, or say '{UNKNOWN}', under "
            "which a release can go to a folder but not to the Hub."
        )
    if name in FORBIDDING:
        raise BuildError(
            f"{where}: the licence of {one.of} is '{one.licence}', so nothing made with it can be "
            f"released: {FORBIDDING[name]}. Build without {one.of}."
        )
    if name not in TERMS:
        raise BuildError(
            f"{where}: the licence of {one.of} is '{one.licence}', which cannot be compared. "
            f"Known: {', '.join(BY_STRICTNESS)}. Name one of them, or give yours its place in "
            "stages/hub/licences.py."
        )
    return name


def _rank(one: tuple[str, str]) -> tuple[int, str]:
    return BY_STRICTNESS.index(one[0]), one[1]
