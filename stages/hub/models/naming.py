"""What licences ask of a model before it goes to the Hub: a name that tells, and a fitting base."""

from collections.abc import Sequence

from stages.config.errors import BuildError
from stages.hub.licences import TERMS
from stages.hub.parts import Licence


def refuse_model(name: str, base: Licence, others: Sequence[Licence], reference: str) -> None:
    """Raise BuildError when a model must not be called `name` on the Hub, or not be there at all.

    `base` is the licence of its base, `others` are those of its dataset, `reference` is
    `models/NAME` as in params.yaml.
    """
    for one in (base, *others):
        terms = TERMS[one.licence.lower()]
        if terms.only_for and one.licence.lower() != base.licence.lower():
            raise BuildError(
                f"{reference}: the licence of {one.of}, {one.licence}, forbids to improve other "
                f"language models with its replies than {terms.only_for}, and the licence of "
                f"{base.of} is {base.licence}. Publish it to a folder, or fine-tune another base."
            )
        if terms.begins and not _begins(name, terms.begins):
            beginning = terms.begins.replace(" ", "-")  # names on the Hub have no spaces
            raise BuildError(
                f"{reference}: the licence of {one.of}, {one.licence}, asks that the name of the "
                f"model begins with '{terms.begins}', but its repository is to be called "
                f"'{name}'. Name it in the profile: publish.names: "
                f"{{{reference}: {beginning}-{name}}}."
            )


def _begins(name: str, beginning: str) -> bool:
    """Whether a name begins so, with the same words: Llama-30B is no Llama 3."""
    found = name.replace("-", " ").lower()
    return found.startswith(beginning.lower()) and not found[len(beginning) :][:1].isdigit()
