"""The `instructblip` engine: answers questions about a picture, one process on one device."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby

import orjson
import PIL
import torch
import transformers
from safetensors import SafetensorError
from transformers import (
    GenerationConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
    LogitsProcessorList,
    PreTrainedTokenizerBase,
    RepetitionPenaltyLogitsProcessor,
)
from transformers.utils.logging import disable_progress_bar

from stages.llm.engines.local import LocalEngine, all_ends
from stages.llm.request import Completion, Request
from stages.models.instructblip import (
    Question,
    encode_question,
    load_processor,
    pad_left,
    pad_right,
    see,
)
from stages.models.unreadable import unreadable


class InstructBlipEngine(LocalEngine):
    """An InstructBLIP.

    A request is one question of the user's about one picture, at temperature 0. How many beams are
    searched, how repetitions are punished and how length is rewarded the model's own
    generation_config.json says, which is part of the model's identity and so of every key. Which
    requests share a batch depends on the set of requests, never on their order; neighbours matter
    only through the rounding of matrix products.
    """

    window = 512
    """rows whose pictures are in memory at once: 80 MB of photos"""

    def _generate(self, requests: Sequence[Request]) -> Iterator[list[tuple[Request, Completion]]]:
        asked: list[tuple[Request, Question]] = []
        for request in requests:
            question = encode_question(self._processor, request.prompt.messages[-1].content)
            if fault := self._fault(request, question):
                yield [(request, self._rejected(question, fault))]
            else:
                asked.append((request, question))
        # Longest first: what does not fit into memory fails at once, not at the end.
        asked.sort(key=lambda one: (one[0].sampling.max_tokens, -len(one[1].ids), one[0].key))
        for cap, group in groupby(asked, lambda one: one[0].sampling.max_tokens):
            together = list(group)
            for start in range(0, len(together), self._batch):
                yield self._answer(together[start : start + self._batch], cap)

    def _fault(self, request: Request, question: Question) -> str:
        """Why a request cannot be answered; empty when it can, if its picture is one."""
        prompt, config = request.prompt, self._network.config
        if prompt.schema or prompt.continuation:
            return "this engine takes no output schema and gives no likelihoods"
        if len(prompt.messages) > 1 or len(prompt.messages[0].images) != 1:
            return "InstructBLIP answers one question about one picture, without a system prompt"
        if request.sampling.temperature > 0:
            return "this engine does not draw: it takes temperature 0 alone"
        needed = len(question.ids) + request.sampling.max_tokens
        context = getattr(config.text_config, "max_position_embeddings", needed)
        if needed > context:
            return (
                f"the question of {len(question.ids)} tokens and an answer of up to "
                f"{request.sampling.max_tokens} do not fit into the model's {context}"
            )
        longest = config.qformer_config.max_position_embeddings
        if len(question.qformer_ids) > longest:
            return (
                f"the question of {len(question.qformer_ids)} tokens does not fit into the "
                f"Q-Former's {longest}"
            )
        return ""

    def _rejected(self, question: Question, fault: str) -> Completion:
        return Completion("", "rejected", len(question.ids), 0, self._facts, fault)

    def _answer(
        self, asked: Sequence[tuple[Request, Question]], cap: int
    ) -> list[tuple[Request, Completion]]:
        """Completions of requests with the same cap on tokens."""
        rejected, shown, pixels = [], [], []
        for request, question in asked:
            try:
                pixels.append(see(self._processor, [request.prompt.messages[0].images[0].data]))
                shown.append((request, question))
            except ValueError as error:
                rejected.append((request, self._rejected(question, f"the picture {error}")))
        if not shown:
            return rejected
        with self._memory(len(shown)):
            replies = self._reply(torch.cat(pixels), [question for _, question in shown], cap)
        answered = [
            (request, self._read(len(question.ids), reply))
            for (request, question), reply in zip(shown, replies, strict=True)
        ]
        return [*rejected, *answered]

    @torch.inference_mode()
    def _reply(
        self, pixels: torch.Tensor, questions: Sequence[Question], cap: int
    ) -> list[list[int]]:
        """The tokens of each answer, filled up to the longest."""
        network = self._network
        ids = [question.ids for question in questions]
        # Padded on the left, where answers must begin together; the Q-Former's on the right, as in
        # training, since it counts its positions from the left.
        qformer_ids = [question.qformer_ids for question in questions]
        inputs = {
            "pixel_values": pixels.to(network.dtype),
            "input_ids": pad_left(ids, self._pad),
            "attention_mask": pad_left([[1] * len(one) for one in ids], 0),
            "qformer_input_ids": pad_right(qformer_ids, 0),
            "qformer_attention_mask": pad_right([[1] * len(one) for one in qformer_ids], 0),
        }
        width = inputs["input_ids"].shape[1]
        # The library would punish what stands in the question too, and the picture's places.
        penalty = RepetitionPenaltyLogitsProcessor(self._penalty, width)
        output = network.generate(
            **{name: values.to(self._device) for name, values in inputs.items()},
            generation_config=self._decoding(cap),
            logits_processor=LogitsProcessorList([penalty] if self._penalty != 1 else []),
        )
        return output[:, width:].tolist()

    @cached_property
    def _processor(self) -> InstructBlipProcessor:
        queries = self._network.config.num_query_tokens
        try:
            return load_processor(self._source, self._revision, queries)
        except (OSError, ValueError) as error:
            raise unreadable("processor", self._source, error) from error

    @property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        return self._processor.tokenizer

    @cached_property
    def _network(self) -> InstructBlipForConditionalGeneration:
        try:
            disable_progress_bar()  # of reading weights; downloads keep theirs
            network = InstructBlipForConditionalGeneration.from_pretrained(
                self._source, revision=self._revision, use_safetensors=True, dtype="auto"
            )
        except (OSError, ValueError, SafetensorError) as error:
            raise unreadable("weights", self._source, error) from error
        return network.eval().to(self._device)

    def _decoding(self, cap: int) -> GenerationConfig:
        """What the model's folder says of beams; of anything that draws, nothing is taken."""
        own = self._network.generation_config
        return GenerationConfig(
            do_sample=False,
            max_new_tokens=cap,
            num_beams=self._beams,
            length_penalty=1.0 if own.length_penalty is None else own.length_penalty,
            eos_token_id=sorted(self._ends),
            pad_token_id=self._pad,
        )

    @cached_property
    def _beams(self) -> int:
        return self._network.generation_config.num_beams or 1

    @cached_property
    def _penalty(self) -> float:
        return self._network.generation_config.repetition_penalty or 1.0

    @cached_property
    def _ends(self) -> set[int]:
        own = self._network.generation_config.eos_token_id
        return all_ends(own, self._tokenizer.eos_token_id)

    @cached_property
    def _pad(self) -> int:
        pad = self._tokenizer.pad_token_id
        return min(self._ends) if pad is None else pad

    @cached_property
    def _facts(self) -> str:
        return orjson.dumps(
            {
                "engine": "instructblip",
                "transformers": transformers.__version__,
                "torch": torch.__version__,
                "pillow": PIL.__version__,
                "device": self._device.type,
                "dtype": str(self._network.dtype).removeprefix("torch."),
                "beams": self._beams,
            }
        ).decode()
