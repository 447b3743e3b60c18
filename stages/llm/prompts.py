"""Few-shot prompts: a YAML file of texts and demonstrations becomes the chat that a model sees."""

import hashlib
import math
from itertools import permutations
from pathlib import Path

import yaml
from jinja2 import Environment, StrictUndefined

from stages import prompts
from stages.llm.request import Message, Prompt

# Values are data: they are filled in and never read as templates. Not HTML, so nothing is escaped.
_JINJA = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False)  # noqa: S701


class FewShot:
    """A prompt file: `system`, `question` (a Jinja template) and `demonstrations`.

    Each demonstration becomes a user turn, rendered with the template of the question, and an
    assistant turn. Their order is drawn anew for each request, from a hash of the request itself:
    no order is favoured over the whole data set, and each request has the same one on every run.
    """

    def __init__(self, name: str) -> None:
        path = Path(prompts.__path__[0]) / f"{name}.yaml"
        texts = yaml.safe_load(path.read_text(encoding="utf-8"))
        self._question = _JINJA.from_string(texts["question"])
        # No question uses Jinja's own functions, and copying them is two thirds of rendering.
        self._question.globals = {}
        turns = []
        for demonstration in texts["demonstrations"]:
            reply = demonstration.pop("reply")
            turns.append(
                (
                    Message("user", self._question.render(demonstration)),
                    Message("assistant", reply),
                )
            )
        system = Message("system", texts["system"])
        # All orders at once: 120 for five demonstrations, which share their messages.
        self._contexts = [
            (system, *(message for turn in order for message in turn))
            for order in permutations(turns)
        ]
        assert len(self._contexts) == math.factorial(len(turns))

    def render(self, **fields: str) -> Prompt:
        """The chat that ends with the question about `fields`."""
        question = self._question.render(fields)
        digest = hashlib.sha256(question.encode("utf-8")).digest()
        context = self._contexts[int.from_bytes(digest[:8]) % len(self._contexts)]
        return Prompt((*context, Message("user", question)))
