"""The `transformers` engine: one process, one device; for laptops and for tiny models."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import orjson
import torch
import transformers
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.utils.logging import disable_progress_bar

from stages.llm.engines.chat_template import need_chat_template
from stages.llm.engines.local import LocalEngine, all_ends
from stages.llm.request import Completion, Likelihood, Request, SamplingParams
from stages.models.chat import encode_prompts
from stages.models.continuation import encode_continuations
from stages.models.unreadable import unreadable

_FIRST = 16
"""tokens that every row of a batch gets before rows that have ended leave it"""


class TransformersEngine(LocalEngine):
    """A text model.

    Requests are answered in batches of similar length; which requests share a batch depends on the
    set of requests, never on their order. Each request draws from its own random numbers, so that
    its neighbours matter only through the rounding of matrix products, which a library may do
    differently for 128 rows than for one.

    Likelihoods of several continuations of one prompt share a batch, and the prompt is read once.
    """

    window = 4_000

    def _generate(self, requests: Sequence[Request]) -> Iterator[list[tuple[Request, Completion]]]:
        texts = [request for request in requests if not request.prompt.continuation]
        likelihoods = [request for request in requests if request.prompt.continuation]
        if texts:
            yield from self._write(texts)
        if likelihoods:
            yield from self._judge(likelihoods)

    def _write(self, asked: Sequence[Request]) -> Iterator[list[tuple[Request, Completion]]]:
        """The answers to requests for a text."""
        prompts = encode_prompts(self._tokenizer, [_chat(request) for request in asked])
        fitting = []
        for index, (request, prompt) in enumerate(zip(asked, prompts, strict=True)):
            if refusal := self._refuse(request, len(prompt), request.sampling.max_tokens):
                yield [(request, refusal)]
            else:
                fitting.append(index)
        # Longest first: what does not fit into memory fails at once, not at the end.
        fitting.sort(key=lambda index: (-len(prompts[index]), asked[index].key))
        for batch in _batches(fitting, asked, self._batch):
            together = [asked[index] for index in batch]
            with self._memory(len(together)):
                completions = self._answer(together, [prompts[index] for index in batch])
            yield list(zip(together, completions, strict=True))

    def _judge(self, requests: Sequence[Request]) -> Iterator[list[tuple[Request, Completion]]]:
        """The likelihoods of continuations."""
        chats = [_chat(request) for request in requests]
        texts = [request.prompt.continuation for request in requests]
        continued: dict[tuple[int, ...], list[tuple[Request, list[int]]]] = {}
        for request, (prompt, continuation) in zip(
            requests, encode_continuations(self._tokenizer, chats, texts), strict=True
        ):
            refusal = self._refuse(request, len(prompt), len(continuation) + 1)
            if not continuation:
                detail = "the continuation has no tokens"
                refusal = Completion("", "rejected", len(prompt), 0, self._facts, detail)
            if refusal:
                yield [(request, refusal)]
            else:
                continued.setdefault(tuple(prompt), []).append((request, continuation))
        for prompts in _whole_batches(continued, self._batch):
            shared = [continued[prompt] for prompt in prompts]
            rows = sum(map(len, shared))
            with self._memory(rows):
                found = self._measure(prompts, [[ids for _, ids in group] for group in shared])
            asked = [
                (request, len(prompt))
                for prompt, group in zip(prompts, shared, strict=True)
                for request, _ in group
            ]
            yield [
                (request, Completion(one.to_reply(), "answered", length, one.tokens, self._facts))
                for (request, length), one in zip(asked, found, strict=True)
            ]

    def _refuse(self, request: Request, asked: int, roomy: int) -> Completion | None:
        """Why a prompt of `asked` tokens, and `roomy` more, cannot be put to the model."""
        context = getattr(self._network.config, "max_position_embeddings", None)
        if request.prompt.schema or any(m.images for m in request.prompt.messages):
            detail = "this engine takes neither images nor an output schema"
        elif context is None or asked + roomy <= context:
            return None
        else:
            detail = (
                f"the prompt of {asked} tokens and an answer of up to {roomy} do not fit into the "
                f"model's {context}"
            )
        return Completion("", "rejected", asked, 0, self._facts, detail)

    @torch.inference_mode()
    def _measure(
        self, prompts: Sequence[tuple[int, ...]], continuations: Sequence[Sequence[list[int]]]
    ) -> list[Likelihood]:
        """The likelihoods of the continuations of each prompt, in order.

        The prompts are read once, and what was read is repeated for each continuation.
        """
        counts = torch.tensor([len(group) for group in continuations])
        owner = torch.arange(len(prompts)).repeat_interleave(counts).to(self._device)
        flat = [ids for group in continuations for ids in group]
        pad = self._tokenizer.pad_token_id
        width, reach = max(map(len, prompts)), max(map(len, flat))
        read = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
        mask, read = read.to(self._device), read.sum(dim=1)
        ids = torch.tensor([[pad] * (width - len(p)) + [*p] for p in prompts]).to(self._device)
        known = self._network(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),
            logits_to_keep=1,
            use_cache=reach > 1,
        )
        logits = known.logits.index_select(0, owner)  # of the first token
        wanted = torch.tensor([one + [pad] * (reach - len(one)) for one in flat]).to(self._device)
        if reach > 1:
            known.past_key_values.batch_select_indices(owner)
            steps = torch.arange(reach - 1)
            own = torch.tensor([len(one) for one in flat])[:, None] - 1 > steps
            further = self._network(
                input_ids=wanted[:, :-1],
                attention_mask=torch.cat([mask.index_select(0, owner), own.to(mask)], dim=1),
                position_ids=(read.repeat_interleave(counts)[:, None] + steps).to(self._device),
                past_key_values=known.past_key_values,
            )
            logits = torch.cat([logits, further.logits], dim=1)
        logprobs = torch.log_softmax(logits.float(), dim=-1)
        each = logprobs.gather(-1, wanted[..., None])[..., 0].double().cpu()
        best = (logprobs.argmax(dim=-1) == wanted).cpu()
        return [
            Likelihood(float(row[: len(one)].sum()), bool(hit[: len(one)].all()), len(one))
            for one, row, hit in zip(flat, each, best, strict=True)
        ]

    @torch.inference_mode()
    def _answer(
        self, requests: Sequence[Request], prompts: Sequence[list[int]]
    ) -> list[Completion]:
        """Completions, in order, of requests with the same sampling parameters.

        The library keeps a row in the batch until all have ended: with answers of which the longest
        is 40 times as long as most, half of the time went into padding. So all rows get a few
        tokens, those that have not ended are read again and get as many more, and so on.
        """
        most, reach = requests[0].sampling.max_tokens, 0
        replies: list[list[int]] = [[] for _ in prompts]
        going = list(range(len(prompts)))
        while going and reach < most:
            done, reach = reach, min(most, max(_FIRST, 2 * reach))
            read = [prompts[row] + replies[row] for row in going]
            written = self._extend([requests[row] for row in going], read, done, reach)
            for row, tokens in zip(going, written, strict=True):
                replies[row] += tokens
            going = [row for row in going if self._ends.isdisjoint(replies[row])]
        return [self._read(len(p), reply) for p, reply in zip(prompts, replies, strict=True)]

    def _extend(
        self, requests: Sequence[Request], read: Sequence[list[int]], done: int, reach: int
    ) -> list[list[int]]:
        """Tokens `done` to `reach` of the answers; `read` ends with those before."""
        width, pad = max(map(len, read)), self._tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (width - len(one)) + one for one in read])
        mask = torch.tensor([[0] * (width - len(one)) + [1] * len(one) for one in read])
        output = self._network.generate(
            input_ids=ids.to(self._device),
            attention_mask=mask.to(self._device),
            max_new_tokens=reach - done,
            logits_processor=_processors(requests, width - done),
        )
        return output[:, width:].tolist()

    @cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        try:
            tokenizer = AutoTokenizer.from_pretrained(self._source, revision=self._revision)
        except (OSError, ValueError) as error:
            raise unreadable("tokenizer", self._source, error) from error
        need_chat_template(tokenizer, self._source)
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    @cached_property
    def _network(self) -> PreTrainedModel:
        try:
            disable_progress_bar()  # of reading weights; downloads keep theirs
            network = AutoModelForCausalLM.from_pretrained(
                self._source, revision=self._revision, use_safetensors=True, dtype="auto"
            )
        except (OSError, ValueError, SafetensorError) as error:
            raise unreadable("weights", self._source, error) from error
        # Only what the request says decides how tokens are drawn: a model's own habits, such as a
        # repetition penalty, are not in the key of a request.
        network.generation_config = GenerationConfig(
            do_sample=False,
            eos_token_id=sorted(
                all_ends(network.generation_config.eos_token_id, self._tokenizer.eos_token_id)
            ),
            pad_token_id=self._tokenizer.pad_token_id,
        )
        return network.eval().to(self._device)

    @cached_property
    def _ends(self) -> set[int]:
        return set(self._network.generation_config.eos_token_id)

    @cached_property
    def _facts(self) -> str:
        return orjson.dumps(
            {
                "engine": "transformers",
                "transformers": transformers.__version__,
                "torch": torch.__version__,
                "device": self._device.type,
                "dtype": str(self._network.dtype).removeprefix("torch."),
            }
        ).decode()


class SeededSampling(LogitsProcessor):
    """Leaves one token for each row, drawn with the row's own random numbers.

    Generation stays greedy around it: what the library would draw from one generator for the
    whole batch would make each row depend on its neighbours.
    """

    def __init__(self, seeds: Sequence[int], max_tokens: int, prompt_length: int) -> None:
        self._prompt_length = prompt_length
        self._uniform = torch.stack(
            [torch.rand(max_tokens, generator=torch.Generator().manual_seed(s)) for s in seeds]
        )

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        step = input_ids.shape[1] - self._prompt_length
        cumulative = torch.softmax(scores.float(), dim=-1).cumsum(dim=-1)
        point = self._uniform[:, step, None].to(scores.device) * cumulative[:, -1:]
        # The first token whose cumulative probability exceeds the point: none of probability 0.
        drawn = torch.searchsorted(cumulative, point, right=True)
        drawn = drawn.clamp(max=scores.shape[-1] - 1)
        return torch.full_like(scores, -torch.inf).scatter(1, drawn, 0.0)


def _processors(requests: Sequence[Request], prompt_length: int) -> LogitsProcessorList:
    sampling, processors = requests[0].sampling, LogitsProcessorList()
    if sampling.temperature == 0:
        return processors
    processors.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k > 0:
        processors.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        processors.append(TopPLogitsWarper(sampling.top_p))
    seeds = [request.seed for request in requests]
    processors.append(SeededSampling(seeds, sampling.max_tokens, prompt_length))
    return processors


def _batches(indices: Sequence[int], requests: Sequence[Request], size: int) -> Iterator[list[int]]:
    """Groups of at most `size` neighbours in `indices` with equal sampling parameters."""
    by_sampling: dict[SamplingParams, list[int]] = {}
    for index in indices:
        by_sampling.setdefault(requests[index].sampling, []).append(index)
    for group in by_sampling.values():
        for start in range(0, len(group), size):
            yield group[start : start + size]


def _whole_batches(
    groups: Mapping[tuple[int, ...], Sequence[tuple[Request, list[int]]]], size: int
) -> Iterator[list[tuple[int, ...]]]:
    """Prompts, longest first, as many as have no more than `size` continuations together."""
    batch: list[tuple[int, ...]] = []
    rows = 0
    for prompt in sorted(groups, key=lambda prompt: (-len(prompt), prompt)):
        if batch and rows + len(groups[prompt]) > size:
            yield batch
            batch, rows = [], 0
        batch.append(prompt)
        rows += len(groups[prompt])
    if batch:
        yield batch


def _chat(request: Request) -> list[dict[str, str]]:
    return [{"role": m.role, "content": m.content} for m in request.prompt.messages]
