"""The settings and their types: `Build` is params.yaml, `Profile` is profiles/<profile>.yaml.

What each setting does is said where people change it: in params.yaml and the profiles.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    model_validator,
)

Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
# YAML reads an unquoted all-digit commit as a number.
Revision = Annotated[str, BeforeValidator(str)]


class Section(BaseModel):
    """A section of settings: unknown keys are errors, values are not coerced, nothing changes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SourceFile(Section):
    path: str
    """a data file, or a folder that may hold one named after the source"""


Reference = Annotated[
    str,
    Field(
        pattern=r"^(sources|translations|extracted|sequences|evolved|datasets|benchmarks|testsets)"
        r"/[a-z0-9-]+$"
    ),
]
"""a table that is built: its folder and its name"""


class Made(Section):
    """A table that is made from others."""

    generator: Name | None = None
    """which of the profile's `generators` makes it; None: the profile's `generator`"""

    @property
    def parents(self) -> tuple[Reference, ...]:
        """The tables it is made from. Its rows come from the first one."""
        raise NotImplementedError


class Reads(Made):
    reads: Reference

    @property
    def parents(self) -> tuple[Reference, ...]:
        return (self.reads,)


class By(Reads):
    method: str
    """a module of the verb's methods"""


class Translates(By):
    translations: Annotated[list[Name], Field(min_length=1)]
    """one for each language"""

    @property
    def parents(self) -> tuple[Reference, ...]:
        return (self.reads, *(f"translations/{name}" for name in self.translations))


class Captions(By):
    captions: Reference

    @property
    def parents(self) -> tuple[Reference, ...]:
        return (self.reads, self.captions)


class Chains(By):
    tasks: Reference

    @property
    def parents(self) -> tuple[Reference, ...]:
        return (self.reads, self.tasks)


class Ablates(By):
    against: Reference

    @property
    def parents(self) -> tuple[Reference, ...]:
        return (self.reads, self.against)


class Lengthens(Reads):
    """A test set of prompts that have grown, each through some iterations."""

    mix: Annotated[list[Share], Field(min_length=1)]
    """the share of prompts that stop after iteration 1, 2, ..."""
    seed: int

    @model_validator(mode="after")
    def _sums_to_one(self) -> "Lengthens":
        if abs(sum(self.mix) - 1) > 1e-9:
            raise ValueError(f"shares that sum to 1, found {sum(self.mix):g}")
        return self


class ModelOf(Section):
    dataset: Name
    training: Name | None = None
    """which of the profile's `trainings` or `vision_trainings`; None: its `training`"""


class Compares(Section):
    """Two models whose answers to the same items are held against each other."""

    model: Name
    against: Name


class Packages(Section):
    """What is packaged for release."""

    datasets: list[Name]
    models: list[Name]

    @property
    def references(self) -> list[str]:
        """`datasets/NAME` and `models/NAME`."""
        return [f"{kind}/{one}" for kind, names in self for one in names]

    @property
    def groups(self) -> dict[str, list[str]]:
        """What a command may name: `datasets`, `models`, or one of them -> its references."""
        kinds = {kind: [f"{kind}/{one}" for one in names] for kind, names in self}
        return kinds | {one: [one] for one in self.references}


class Thresholds(Section):
    max_quarantined: Share
    max_unusable: Share
    max_truncated: Share
    max_too_long: Share
    max_repeated_queries: Share
    max_near_duplicates: Share
    max_overlap: Share
    max_leaks: Share
    max_faulty_texts: Share
    max_broken_ends: Share
    max_forbidden_tasks: Share
    max_other_language: Share
    max_personal: Share
    max_drift: Share


class Build(Section):
    """params.yaml: the active profile, the graph of datasets, and what all profiles share."""

    profile: Name
    sources: dict[Name, SourceFile]
    translations: dict[Name, SourceFile]
    extracted: dict[Name, Reads]
    sequences: dict[Name, Reads]
    evolved: dict[Name, Reads]
    answered: dict[Name, Reads]
    composed: dict[Name, By]
    translated: dict[Name, Translates]
    captioned: dict[Name, Captions]
    chained: dict[Name, Chains]
    ablated: dict[Name, Ablates]
    split: dict[Name, By]
    benchmarks: list[Name]
    testsets: list[Name]
    lengthened: dict[Name, Lengthens]
    posed: dict[Name, Reads]
    models: dict[Name, ModelOf]
    scores: dict[Name, list[Name]]
    """model -> the benchmarks and test sets that it is scored on"""
    references: dict[Name, list[Name]]
    """the same, of models that are not trained here"""
    compared: dict[Name, Compares]
    packages: Packages
    attempts: PositiveInt
    thresholds: Thresholds

    @property
    def upstreams(self) -> dict[Reference, SourceFile]:
        """Every table that comes from outside."""
        return {
            **{f"sources/{name}": one for name, one in self.sources.items()},
            **{f"translations/{name}": one for name, one in self.translations.items()},
        }

    @property
    def tables(self) -> dict[Reference, tuple[str, Made]]:
        """Every table that is made from others: the verb that makes it, and its settings."""
        kinds: list[tuple[str, str, Mapping[str, Made]]] = [
            ("extracted", "extract", self.extracted),
            ("sequences", "sequence", self.sequences),
            ("evolved", "evolve", self.evolved),
            ("datasets", "respond", self.answered),
            ("datasets", "compose", self.composed),
            ("datasets", "translate", self.translated),
            ("datasets", "caption", self.captioned),
            ("datasets", "chain", self.chained),
            ("datasets", "ablate", self.ablated),
            ("datasets", "split", self.split),
            ("benchmarks", "lengthen", self.lengthened),
            ("benchmarks", "pose", self.posed),
        ]
        return {
            f"{folder}/{name}": (verb, made)
            for folder, verb, section in kinds
            for name, made in section.items()
        }

    @property
    def datasets(self) -> list[Name]:
        """Every finished dataset, in the order of the reports."""
        return [one.partition("/")[2] for one in self.tables if one.startswith("datasets/")]

    @property
    def scored(self) -> dict[Name, list[Name]]:
        """Every model that is scored, trained here or not -> its benchmarks and test sets."""
        return {**self.scores, **self.references}

    def items_of(self, benchmark: Name) -> Reference:
        """The table of items that a benchmark or test set asks."""
        folder = "testsets" if benchmark in self.testsets else "benchmarks"
        return f"{folder}/{benchmark}"

    def iteration(self, name: str) -> int:
        """Which iteration a sequence is: 1, or one more than the sequence that it reads."""
        kind, _, parent = self.sequences[name].reads.partition("/")
        return 1 + self.iteration(parent) if kind == "sequences" else 1


class Source(Section):
    origin: Literal["world", "hub", "file"]
    """where rows come from when params.yaml names no file; `file`: from nowhere else"""
    shape: Literal["alpaca", "flan", "messages", "tasks", "vqa", "captions"]
    columns: dict[str, str] = {}
    """the shape's name of a column -> the upstream's, where they differ"""
    rows: PositiveInt | None
    repo: str = ""
    revision: Revision = ""
    split: str = "train"
    only: dict[str, str] = {}
    """the part of the repository that is the source: column -> how its text begins"""
    translates: Name | None = None
    """of the world: the source whose rows these are in another language, row for row"""
    licence: str
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]


class Sampling(Section):
    """Sampling parameters; part of a request's identity."""

    temperature: Annotated[float, Field(ge=0)]
    top_p: Share
    top_k: Annotated[int, Field(ge=-1)]
    max_tokens: PositiveInt


class Generator(Section):
    name: str
    revision: Revision
    ledger: str = ""
    """an exported ledger that ships with its replies; the revision is then what the ledger says"""
    licence: str
    sampling: Sampling
    max_tokens_if_truncated: PositiveInt | None


class Benchmark(Section):
    queries_per_length: PositiveInt
    longest_chain: PositiveInt
    seed: int


Part = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]


class Shots(Section):
    """Solved examples that a test set shows before each question."""

    count: PositiveInt
    """shown before each question"""
    files: str = ""
    """path in the repository, as in the test set; of the world: not needed"""
    revision: Revision = ""
    """where they stand at another revision than the test set; empty: the same"""


class QuestionSet(Section):
    kind: Literal[
        "alpaca-eval",
        "arc",
        "bbh",
        "commonsense-qa",
        "gqa",
        "gsm8k",
        "human-eval",
        "mgsm",
        "mmlu",
        "summarise",
        "vqav2",
        "xquad",
    ]
    """what the records look like, and how they are asked"""
    origin: Literal["world", "hub", "file", "none"]
    """where records come from when there is no file for them; `file`: from nowhere else; `none`:
    the profile does without, and the test set is empty"""
    parts: list[Part] = []
    """files of their own: languages, or tasks; one file where there are none"""
    rows: PositiveInt | None
    """questions, drawn by `seed`; the same ones in every part; null: all"""
    seed: int
    repo: str = ""
    revision: Revision = ""
    files: str = ""
    """path in the repository, or a pattern with `*`; `{part}` stands for the part, `{table}` for
    each table that the kind joins"""
    shots: Shots | None = None
    licence: str


class Lora(Section):
    """Low-rank adapters in place of full parameters; they are merged into the saved model."""

    rank: PositiveInt
    alpha: PositiveInt
    dropout: Share
    targets: Annotated[list[str], Field(min_length=1)]
    """names of the linear layers that are adapted, such as q_proj"""


class Training(Section):
    base: str
    revision: Revision
    template: Literal["tulu", "alpaca"]
    epochs: Annotated[float, Field(gt=0)]
    batch: PositiveInt
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["linear", "cosine"]
    warm_up: Share
    weight_decay: Annotated[float, Field(ge=0)]
    max_length: PositiveInt
    max_steps: PositiveInt | None
    packing: bool = False
    """rows share a sequence of `max_length` tokens and do not see each other"""
    lora: Lora | None = None
    order: Literal["length", "random"] = "length"
    """`length`: rows of an update are of like length, which saves padding; `random`: as drawn"""
    precision: Literal["float32", "bfloat16"]
    seed: int


class VisionTraining(Section):
    """Fine-tuning of InstructBLIP on a dataset with images: the Q-Former learns."""

    base: str
    revision: Revision
    also_train: list[Literal["query_tokens", "language_projection"]] = []
    """what learns beside the Q-Former; image encoder and language model never do"""
    epochs: Annotated[float, Field(gt=0)]
    batch: PositiveInt
    learning_rate: Annotated[float, Field(gt=0)]
    warm_up: Annotated[int, Field(ge=0)]
    """steps"""
    weight_decay: Annotated[float, Field(ge=0)]
    max_prompt: PositiveInt
    """tokens of a prompt; longer ones are cut, and counted"""
    max_answer: PositiveInt
    max_steps: PositiveInt | None
    beams: PositiveInt
    """with the two below: how the model answers; saved in its generation_config.json"""
    repetition_penalty: Annotated[float, Field(gt=0)]
    length_penalty: float
    order: Literal["length", "random"] = "length"
    """`length`: rows of an update are of like length, which saves padding; `random`: as drawn"""
    precision: Literal["float32", "bfloat16"]
    seed: int


class ReferenceModel(Section):
    """A model that is scored as it is."""

    name: str
    revision: Revision
    template: Literal["tulu", "alpaca"] | None = None
    """of ours, for a base that has none; None: its own, or its server's"""


PEOPLE = "people"
"""the judge of open-ended answers where labels in inputs/labels/ are to be all that counts"""


class AlpacaEval(Section):
    """AlpacaEval 2: preferences against a baseline, with the length of answers controlled."""

    revision: Revision
    """of tatsu-lab/alpaca_eval, where the baseline's answers are"""


class CodeSamples(Section):
    """Programs that a model writes for one item, of which some may pass."""

    count: Annotated[int, Field(ge=10)]
    """at least the 10 of pass@10"""
    temperature: Annotated[float, Field(gt=0)]
    top_p: Share


class Evaluation(Section):
    max_tokens: PositiveInt
    """of an answer"""
    judge: Name | None = None
    """which of the profile's `generators` judges open-ended answers, or `people`; None: the
    `generator`"""
    judgements: PositiveInt = 1
    """how often each answer is judged; several show the spread"""
    alpaca_eval: AlpacaEval | None = None
    """whether the judge, behind an OpenAI-compatible server, also runs AlpacaEval 2"""
    run_code: bool = False
    """whether code that a model wrote is run, in a sandbox; without it, it is not scored"""
    code_samples: CodeSamples | None = None
    """where code is run: more programs for each item, for pass@10; None: the greedy one alone"""


class Audit(Section):
    parser: str
    """how verb and object of added tasks are found: `word-lists`, or the name of a spaCy model"""
    previous: dict[Name, str] = {}
    """dataset -> folder of a release of it, whose figures it is compared with"""
    compare_with_paper: bool
    """whether the generator is one whose option shares should be those of the paper"""


class Publish(Section):
    target: Literal["folder", "hub"]
    namespace: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$")]
    names: dict[str, Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]] = {}
    """datasets/NAME or models/NAME -> its repository, where that is not called NAME"""
    tag: Annotated[str, Field(pattern=r"^v[0-9]+(\.[0-9]+)*$")]
    private: bool
    base_licences: dict[str, str] = {}
    """base model -> its licence, for models that are packaged"""


class Server(Section):
    """An OpenAI-compatible server, or a fleet behind one address."""

    url: Annotated[str, Field(pattern=r"^https?://[^@\s]+$")]
    """up to and including the version: http://127.0.0.1:8000/v1"""
    key_variable: Annotated[str, Field(pattern=r"^[A-Za-z_]*[A-Za-z0-9_]*$")]
    """the environment variable that holds the key; empty: the server asks for none"""
    concurrency: PositiveInt
    """most requests under way at once; it adapts below that"""
    requests_per_minute: PositiveInt | None
    timeout: Annotated[float, Field(gt=0)]
    """seconds for one request"""
    patience: Annotated[float, Field(gt=0)]
    """seconds without a single reply after which the stage stops"""


class Vllm(Section):
    tensor_parallel: PositiveInt
    memory: Annotated[float, Field(gt=0, le=1)]
    """share of the device's memory that it may take"""
    context: PositiveInt | None
    """tokens of prompt and reply together; null: the model's own"""


class Ray(Section):
    address: str
    """`auto` for the cluster that this machine belongs to, `local` for this machine alone"""
    replicas: PositiveInt
    inside: Literal["vllm", "openai"]


class Price(Section):
    """US dollars for a million tokens."""

    prompt: Annotated[float, Field(ge=0)]
    completion: Annotated[float, Field(ge=0)]


EngineName = Literal["world", "replay", "transformers", "instructblip", "vllm", "openai", "ray"]


class Runtime(Section):
    """How the build runs. Never part of an identity: no stage depends on it."""

    engine: EngineName
    engines: dict[Name, EngineName] = {}
    """of generators and references that another engine runs"""
    servers: dict[Name, Server] = {}
    """of generators and references that have an OpenAI-compatible server of their own"""
    evaluation_engine: Literal["transformers", "vllm", "openai", "ray"] = "transformers"
    """what runs the models that are scored"""
    device: Literal["auto", "cpu", "cuda", "mps"]
    device_batch: PositiveInt
    gradient_checkpointing: bool
    generation_batch: PositiveInt
    vllm: Vllm | None = None
    openai: Server | None = None
    ray: Ray | None = None
    price: Price | None = None

    def of(self, name: Name, otherwise: EngineName) -> "Runtime":
        """How a model that the profile names runs: `otherwise` is the engine of most."""
        own = {
            "engine": self.engines.get(name, otherwise),
            "openai": self.servers.get(name, self.openai),
        }
        return self.model_copy(update=own)


class Profile(Section):
    """profiles/<profile>.yaml: sizes, models, engines, targets."""

    releasable: bool
    sources: dict[Name, Source]
    generator: Generator
    generators: dict[Name, Generator] = {}
    references: dict[Name, ReferenceModel] = {}
    benchmarks: dict[Name, Benchmark]
    testsets: dict[Name, QuestionSet]
    training: Training
    trainings: dict[Name, Training] = {}
    vision_trainings: dict[Name, VisionTraining] = {}
    audit: Audit
    evaluation: Evaluation
    publish: Publish
    runtime: Runtime

    @property
    def recipes(self) -> dict[Name, Training | VisionTraining]:
        """Those that a model may name."""
        return {**self.trainings, **self.vision_trainings}


class Settings(Section):
    build: Build
    profile: Profile

    def generator(self, reference: Reference) -> tuple[Generator, Runtime]:
        """The model that makes a table, and how it runs: `engine` is the one that runs it."""
        return self._generator(self.build.tables[reference][1].generator)

    @property
    def judge(self) -> tuple[Generator, Runtime]:
        """The model that judges open-ended answers, and how it runs."""
        return self._generator(self.profile.evaluation.judge)

    def _generator(self, name: Name | None) -> tuple[Generator, Runtime]:
        profile, runtime = self.profile, self.profile.runtime
        if name is None:
            return profile.generator, runtime
        return profile.generators[name], runtime.of(name, runtime.engine)

    def reference(self, name: Name) -> tuple[ReferenceModel, Runtime]:
        """A model that is scored as it is, and how it runs."""
        runtime = self.profile.runtime
        return self.profile.references[name], runtime.of(name, runtime.evaluation_engine)

    def kind(self, benchmark: Name) -> str:
        """How a benchmark is asked and scored: the kind of a test set, or one of ours."""
        if benchmark in self.build.testsets:
            return self.profile.testsets[benchmark].kind
        if benchmark in self.build.lengthened:
            return "seqeval"
        return "chains" if benchmark in self.build.posed else "world"

    def training(self, model: Name) -> Training | VisionTraining:
        """The recipe of a model."""
        name = self.build.models[model].training
        return self.profile.recipes[name] if name else self.profile.training


def is_commit(revision: str) -> bool:
    """Whether a revision is a full commit hash, the only kind that cannot move."""
    return re.fullmatch(r"[0-9a-f]{40}", revision) is not None
