"""Memory: what training and answering take of the device, by the size of each model."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.config.settings import Settings, Training, VisionTraining
from stages.doctor.amounts import in_bytes, in_parameters
from stages.doctor.devices import Gpu
from stages.doctor.finding import Finding
from stages.doctor.roles import Role
from stages.rows.row import WORLD

SizeOf = Callable[[str, str], int | None]
"""parameters of a model at a revision; None where that is not known yet"""

LIBRARIES = 1e9
"""bytes beside the model; training the tiny model of the sample takes 0.64 GB in all"""
_SMALL = 50_000_000
"""parameters up to which a CPU will do"""
_SAVED = {"float32": 4, "bfloat16": 2}
_IN_PROCESS = ("transformers", "instructblip", "vllm")


@dataclass(frozen=True, slots=True)
class Load:
    """A model that has to fit."""

    what: str
    """training, or the engine"""
    model: str
    revision: str
    each: int
    """bytes for each parameter"""
    devices: int = 0
    """GPUs that it is spread over; 0: all that there are"""
    share: float = 1.0
    """of their memory that it may take"""


def loads(settings: Settings, roles: Sequence[Role]) -> list[Load]:
    """The models that this machine has to hold: in training, and where it answers itself."""
    recipes = [settings.training(name) for name in settings.build.models]
    found = [
        Load("training", recipe.base, recipe.revision, bytes_in_training(recipe))
        for recipe in recipes
    ]
    for role in roles:
        engine, vllm = role.runtime.engine, role.runtime.vllm
        if engine in _IN_PROCESS and role.model not in ("", WORLD):
            devices, share = 1, 1.0
            if engine == "vllm" and vllm:
                devices, share = vllm.tensor_parallel, vllm.memory
            # Models are saved in 16 bits unless they are small.
            found.append(Load(engine, role.model, role.revision, 2, devices, share))
    return list(dict.fromkeys(found))


def bytes_in_training(recipe: Training | VisionTraining) -> int:
    """For each parameter of the base: a text model is read in 32 bits whatever its precision; one
    that learns in full has a gradient and two moments of AdamW beside each weight.
    """
    if isinstance(recipe, VisionTraining):  # most of it is frozen
        return _SAVED[recipe.precision]
    return 4 if recipe.lora else 16


def is_heavy(load: Load, size_of: SizeOf) -> bool:
    """Whether a CPU is no place for it."""
    size = size_of(load.model, load.revision)
    return size is None or size > _SMALL


def memory(
    found: Sequence[Load], size_of: SizeOf, machine: int, gpus: Sequence[Gpu]
) -> Iterator[Finding]:
    """Whether each model fits into the memory of all GPUs, or of the machine where there is none.

    Activations come on top, and are left out: they follow from `runtime.device_batch`.
    """
    for load in found:
        what, size = f"memory, {load.what}", size_of(load.model, load.revision)
        room, here = _room(load, machine, gpus)
        if size is None:
            yield _unknown(what, load, here)
            continue
        takes = load.each * size + (0 if gpus else LIBRARIES)
        needed = f"{in_bytes(takes)}: {load.model}, {in_parameters(size)} parameters"
        if takes <= room:
            yield Finding(what, "ok", here, needed)
        else:
            yield Finding(what, "missing", here, needed, _advice(load))


def _room(load: Load, machine: int, gpus: Sequence[Gpu]) -> tuple[float, str]:
    if not gpus:
        return machine, f"{in_bytes(machine)}, the machine's"
    used = gpus[: load.devices or len(gpus)]
    room = load.share * sum(gpu.memory for gpu in used)
    return room, f"{in_bytes(room)} on {len(used)} GPU{'s' if len(used) > 1 else ''}"


def _unknown(what: str, load: Load, here: str) -> Finding:
    if load.revision:
        todo = f"To know it: hf download {load.model} config.json --revision {load.revision}"
        return Finding(what, "warning", here, f"not known yet: {load.model} is not here", todo)
    if Path(load.model).is_dir():
        todo = "See that it holds config.json and safetensors"
        return Finding(what, "warning", here, f"not known: the files of {load.model}", todo)
    todo = "Build it (base/tiny: python -m stages.pretrain tiny), or set its revision on the Hub"
    return Finding(what, "missing", f"no folder {load.model}", load.model, todo)


def _advice(load: Load) -> str:
    if load.what != "training":
        return "Use more GPUs (tensor_parallel), a server, or a smaller model: docs/engines.md"
    return "Use more GPUs, adapters (lora), or a smaller base: docs/training.md"


def gpus_asked(settings: Settings, roles: Sequence[Role]) -> int:
    """How many GPUs the profile asks for by number; 0: it takes what there is."""
    vllm = [role.runtime.vllm for role in roles if role.runtime.engine == "vllm"]
    asked = [options.tensor_parallel for options in vllm if options]
    return max([*asked, int(settings.profile.runtime.device == "cuda")])


def gpu(asked: int, is_small: bool, gpus: Sequence[Gpu]) -> Finding:
    """Whether there are as many GPUs as asked; with `is_small` a CPU holds the models as well."""
    names = ", ".join(sorted({one.name for one in gpus}))
    here = f"{len(gpus)}: {names}" if gpus else "none that torch can use"
    todo = "Run on a machine with them, or choose another engine or device: docs/engines.md"
    if len(gpus) < asked:
        return Finding("GPU", "missing", here, f"{asked}", todo)
    if gpus:
        return Finding("GPU", "ok", here, f"{asked}" if asked else "not asked for by number")
    if is_small:
        return Finding("GPU", "ok", here, "none")
    return Finding("GPU", "warning", here, "one, for models of this size", todo)
