"""Opens the model of a profile: its engine, behind the ledger."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from stages.config.paths import ledger_file
from stages.config.settings import (
    PEOPLE,
    CodeSamples,
    Generator,
    Runtime,
    Sampling,
    Settings,
    VisionTraining,
)
from stages.llm.client import Client
from stages.llm.engines import Engine
from stages.llm.exchange import import_ledger, model_in
from stages.llm.ledger import Ledger
from stages.llm.progress import StageProgress
from stages.llm.request import ModelId, SamplingParams
from stages.models.identity import identify


@contextmanager
def open_generator(settings: Settings, reference: str, label: str, rows: int) -> Iterator[Client]:
    """The model that makes the table `reference`; `label` and `rows` are for the progress."""
    with _open(*settings.generator(reference), settings.build.attempts, label, rows) as client:
        yield client


@contextmanager
def open_judge(settings: Settings, label: str, answers: int) -> Iterator[Client | None]:
    """The model that judges open-ended answers; None where people alone do."""
    if settings.profile.evaluation.judge == PEOPLE:
        yield None
        return
    with _open(*settings.judge, settings.build.attempts, label, answers) as client:
        yield client


@contextmanager
def open_scored(
    settings: Settings,
    model: str,
    folder: Path,
    label: str,
    items: int,
    samples: CodeSamples | None = None,
) -> Iterator[Client]:
    """The model of that name: the one trained in `folder`, or one of the profile's references.

    It answers greedily, or draws as `samples` says. It is asked once: asked again, a greedy model
    says the same, and another sample is another attempt.
    """
    most = settings.profile.evaluation.max_tokens
    temperature, top_p = (samples.temperature, samples.top_p) if samples else (0.0, 1.0)
    sampling = Sampling(temperature=temperature, top_p=top_p, top_k=-1, max_tokens=most)
    with _find(settings, model, folder) as (name, revision, runtime):
        scored = Generator(
            name=name,
            revision=revision,
            licence="",
            sampling=sampling,
            max_tokens_if_truncated=None,
        )
        unpriced = runtime.model_copy(update={"price": None})  # the price is the generator's
        with _open(scored, unpriced, 1, label, items) as client:
            yield client


@contextmanager
def _find(settings: Settings, model: str, folder: Path) -> Iterator[tuple[str, str, Runtime]]:
    """A model that is scored: its folder, or its name and revision; and how it runs."""
    runtime = settings.profile.runtime
    if model not in settings.build.references:
        is_vision = isinstance(settings.training(model), VisionTraining)
        engine = "instructblip" if is_vision else runtime.evaluation_engine
        yield str(folder), "", runtime.model_copy(update={"engine": engine})
        return
    reference, own = settings.reference(model)
    if not reference.template:
        yield reference.name, reference.revision, own
        return
    # Imported here because it takes seconds, and most models have a template.
    from stages.llm.as_it_is import with_template  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="seqsmith-") as place:
        made = with_template(reference.name, reference.revision, reference.template, Path(place))
        yield str(made), "", own


@contextmanager
def _open(
    generator: Generator, runtime: Runtime, attempts: int, label: str, rows: int
) -> Iterator[Client]:
    price = runtime.price
    dollars = (price.prompt / 1e6, price.completion / 1e6) if price else None
    with (
        Ledger(ledger_file()) as ledger,
        StageProgress(label, rows, dollars) as progress,
    ):
        if generator.ledger:
            import_ledger(Path(generator.ledger), ledger)
        with Client(
            engine=open_engine(generator, runtime),
            ledger=ledger,
            sampling=SamplingParams(**generator.sampling.model_dump()),
            attempts=attempts,
            progress=progress,
            max_tokens_if_truncated=generator.max_tokens_if_truncated,
        ) as client:
            yield client


def open_engine(generator: Generator, runtime: Runtime) -> Engine:
    """The engine that runs the generator. It starts with the first request that it gets."""
    # Imported one by one: an engine that is not used must not cost its libraries.
    name, revision = generator.name, generator.revision
    match runtime.engine:
        case "world":
            from stages.llm.engines.world import WorldEngine  # noqa: PLC0415

            return WorldEngine()
        case "replay":
            from stages.llm.engines.replay import ReplayEngine  # noqa: PLC0415
            from stages.llm.engines.world import WORLD  # noqa: PLC0415

            if generator.ledger:
                return ReplayEngine(model_in(Path(generator.ledger)))
            return ReplayEngine(WORLD if name == "world" else ModelId(name, revision))
        case "transformers":
            from stages.llm.engines.transformers import TransformersEngine  # noqa: PLC0415

            return TransformersEngine(name, revision, runtime.device, runtime.generation_batch)
        case "instructblip":
            from stages.llm.engines.instructblip import InstructBlipEngine  # noqa: PLC0415

            return InstructBlipEngine(name, revision, runtime.device, runtime.generation_batch)
        case "vllm":
            from stages.llm.engines.vllm import VllmEngine  # noqa: PLC0415

            assert runtime.vllm  # checked with the settings
            return VllmEngine(name, revision, runtime.vllm)
        case "openai":
            from stages.llm.engines.openai import OpenAIEngine  # noqa: PLC0415

            assert runtime.openai
            # A folder is served under its own name: vllm serve FOLDER --served-model-name NAME.
            served = identify(name, "") if Path(name).is_dir() else ModelId(name, revision)
            return OpenAIEngine(served, runtime.openai)
        case "ray":
            from stages.llm.engines.ray import RayEngine  # noqa: PLC0415

            assert runtime.ray
            inside = runtime.model_copy(update={"engine": runtime.ray.inside})
            # A server has its own devices.
            gpus = runtime.vllm.tensor_parallel if inside.engine == "vllm" and runtime.vllm else 0
            return RayEngine(partial(open_engine, generator, inside), runtime.ray, gpus)
