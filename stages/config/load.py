"""Reads params.yaml and the active profile into typed settings; every mistake has its line."""

from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from stages.config.errors import BuildError
from stages.config.lineage import lineage
from stages.config.settings import (
    PEOPLE,
    Build,
    EngineName,
    Profile,
    Settings,
    Source,
    is_commit,
)
from stages.config.shapes import SHAPES

Location = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


def load_settings(root: Path = Path()) -> Settings:
    """The settings of the active profile. Raises BuildError with all mistakes found."""
    build = _read(root / "params.yaml", Build)
    profiles = sorted(path.stem for path in (root / "profiles").glob("*.yaml"))
    if build.profile not in profiles:
        raise BuildError(
            f"params.yaml: profile '{build.profile}' does not exist."
            f"{_nearest(build.profile, profiles)} The profiles are: {', '.join(profiles)}."
        )
    path = root / "profiles" / f"{build.profile}.yaml"
    settings = Settings(build=build, profile=_read(path, Profile))
    _check_references(settings, path)
    return settings


def _read(path: Path, model: type[Model]) -> Model:
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = _lines(node, path) if node else {}
        return model.model_validate(yaml.safe_load(text) or {})
    except FileNotFoundError:
        raise BuildError(
            f"{path}: no such file. Run from the root of the repository, where params.yaml is."
        ) from None
    except (OSError, UnicodeDecodeError, yaml.reader.ReaderError) as error:
        raise BuildError(
            f"{path}: cannot be read ({error}). Save it as a text file in UTF-8."
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise BuildError(f"{path}{where}: not valid YAML: {error.problem}.") from None
    except ValidationError as error:
        mistakes = [_sentence(path, model, lines, mistake) for mistake in error.errors()]
        raise BuildError("\n".join(mistakes)) from None


def _lines(node: yaml.Node, path: Path, at: Location = ()) -> dict[Location, int]:
    """The line, from 1, of every key. Raises BuildError for a key that is given twice."""
    lines = {at: node.start_mark.line + 1}
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                raise BuildError(
                    f"{path}, line {line}: '{key.value}' is already set in line {seen[key.value]}. "
                    "Keep one of the two."
                )
            seen[key.value] = line
            lines.update(_lines(value, path, (*at, key.value)))
            lines[*at, key.value] = line
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines.update(_lines(value, path, (*at, index)))
    return lines


def _sentence(path: Path, model: type[BaseModel], lines: dict[Location, int], mistake: Any) -> str:
    at: Location = tuple(part for part in mistake["loc"] if part != "[key]")
    known = at
    while known not in lines and known:
        known = known[:-1]
    where = f"{path}, line {lines.get(known, 1)}: '{'.'.join(map(str, at))}'"
    siblings = _names(model, at[:-1])
    if mistake["type"] == "extra_forbidden":
        return (
            f"{where} is not a setting.{_nearest(str(at[-1]), siblings)} "
            f"Known here: {', '.join(siblings)}."
        )
    if mistake["type"] == "missing":
        return f"{where} is missing; all of these are needed: {', '.join(siblings)}."
    expected = mistake["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    hint = ""
    if mistake["type"] == "literal_error":
        choices = mistake["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        hint = _nearest(str(mistake["input"]), choices)
    # An address may hold a password.
    found = "another" if at[-1:] == ("url",) else repr(mistake["input"])
    return f"{where}: found {found}, expected {expected}.{hint}"


def _names(model: type[BaseModel], at: Location) -> list[str]:
    """The setting names that are valid inside the section at `at`."""
    section: Any = model
    for part in at:
        if isinstance(section, type) and issubclass(section, BaseModel):
            section = section.model_fields[str(part)].annotation
        else:  # dict[Name, Section] or list[Section]: the last type argument
            section = section.__args__[-1]
        if isinstance(section, UnionType):  # Section | None
            section = section.__args__[0]
    if isinstance(section, type) and issubclass(section, BaseModel):
        return list(section.model_fields)
    return []


def _nearest(found: str, valid: Iterable[str]) -> str:
    close = get_close_matches(found, list(valid), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def _check_references(settings: Settings, path: Path) -> None:
    """Every name that one section uses must be defined in another, and nothing reads itself."""
    build, profile = settings.build, settings.profile
    tables = [
        *build.upstreams,
        *(f"testsets/{name}" for name in build.testsets),
        *build.tables,
    ]
    makers = (
        build.answered, build.composed, build.translated, build.captioned, build.chained,
        build.ablated, build.split,
    )  # fmt: skip
    asked = [*build.benchmarks, *build.lengthened, *build.posed, *build.testsets]
    finished = Counter(name for section in makers for name in section)
    uses: list[tuple[str, str, Iterable[str]]] = [
        *(
            (f"{one}.reads", parent, tables)
            for one, (_, made) in build.tables.items()
            for parent in made.parents
        ),
        *(
            (f"{one}.generator", made.generator, profile.generators)
            for one, (_, made) in build.tables.items()
            if made.generator
        ),
        *(
            (f"models.{key}.dataset", one.dataset, build.datasets)
            for key, one in build.models.items()
        ),
        *(
            (f"models.{key}.training", one.training, profile.recipes)
            for key, one in build.models.items()
            if one.training
        ),
        *(("scores", model, build.models) for model in build.scores),
        *(
            (f"{section}.{model}", benchmark, asked)
            for section, scored in (("scores", build.scores), ("references", build.references))
            for model, benchmarks in scored.items()
            for benchmark in benchmarks
        ),
        *(
            (f"compared.{key}", model, build.scored)
            for key, one in build.compared.items()
            for model in (one.model, one.against)
        ),
        *(("packages.datasets", name, build.datasets) for name in build.packages.datasets),
        *(("packages.models", name, build.models) for name in build.packages.models),
        *(("publish.names", name, build.packages.references) for name in profile.publish.names),
    ]
    mistakes = [
        f"params.yaml: '{key}' names '{used}', which nothing makes.{_nearest(used, defined)}"
        for key, used, defined in uses
        if used not in defined
    ]
    mistakes += [
        f"params.yaml: the dataset '{name}' is made twice, by two sections. Keep one of them."
        for name, times in finished.items()
        if times > 1
    ]
    mistakes += [
        f"params.yaml: '{name}' is among 'sources' and among 'translations'. Keep one of them."
        for name in build.sources
        if name in build.translations
    ]
    mistakes += [
        f"{path}: '{kind}.{name}' is missing; params.yaml has a {kind[:-1]} of that name."
        for kind, names in (
            ("sources", [*build.sources, *build.translations]),
            ("benchmarks", build.benchmarks),
            ("testsets", build.testsets),
            ("references", build.references),
        )
        for name in names
        if name not in getattr(profile, kind)
    ]
    mistakes += [
        f"{path}: 'sources.{name}.translates' names '{one.translates}', which is no source of the "
        f"profile.{_nearest(one.translates, profile.sources)}"
        for name, one in profile.sources.items()
        if one.translates and one.translates not in profile.sources
    ]
    for name, source in profile.sources.items():
        mistakes += _check_columns(f"{path}: 'sources.{name}.columns", source)
    mistakes += [
        f"{path}: '{name}' is among 'trainings' and among 'vision_trainings'. Keep one of them."
        for name in profile.trainings
        if name in profile.vision_trainings
    ]
    mistakes += [
        f"params.yaml: '{name}' is among 'models' and among 'references'. Keep one of them."
        for name in build.references
        if name in build.models
    ]
    mistakes += _check_judge(path, settings)
    mistakes += _check_engines(path, profile)
    if profile.releasable:
        pinned = {
            **{
                f"sources.{name}.revision": one.revision
                for name, one in profile.sources.items()
                if one.origin != "file"  # whose revision is its hash
            },
            "generator.revision": profile.generator.revision,
            **{
                f"generators.{name}.revision": one.revision
                for name, one in profile.generators.items()
                # A ledger names the revision; a judge makes nothing that is released.
                if not one.ledger and name != profile.evaluation.judge
            },
            **{
                f"testsets.{name}.revision": one.revision
                for name, one in profile.testsets.items()
                if one.origin == "hub"
            },
            **{
                f"references.{name}.revision": one.revision
                for name, one in profile.references.items()
                if one.revision  # a hosted model has none, a folder its hash
            },
            "training.revision": profile.training.revision,
            **{f"trainings.{name}.revision": one.revision for name, one in profile.recipes.items()},
        }
        mistakes += [
            f"{path}: '{key}' is '{revision}', which can move. A releasable profile pins every "
            "revision to a commit of 40 hexadecimal digits."
            for key, revision in pinned.items()
            if not is_commit(revision)
        ]
    if mistakes:
        raise BuildError("\n".join(mistakes))
    for dataset in build.datasets:
        lineage(build, f"datasets/{dataset}")


def _check_judge(path: Path, settings: Settings) -> list[str]:
    """The mistakes in who judges open-ended answers, and how."""
    evaluation, generators = settings.profile.evaluation, settings.profile.generators
    name = evaluation.judge
    if name == PEOPLE:
        return []
    if name and name not in generators:
        return [
            f"{path}: 'evaluation.judge' names '{name}', which is none of 'generators'."
            f"{_nearest(name, generators)}"
        ]
    judge, runtime = settings.judge
    mistakes = []
    # The world's oracle draws from the number of the attempt, whatever the temperature.
    if evaluation.judgements > 1 and not judge.sampling.temperature and runtime.engine != "world":
        mistakes.append(
            f"{path}: 'evaluation.judgements' is {evaluation.judgements}, but the judge "
            f"'{judge.name}' answers at temperature 0 and would say the same each time. Give it a "
            "temperature above 0, or judge once."
        )
    if evaluation.alpaca_eval and (runtime.engine != "openai" or not runtime.openai):
        mistakes.append(
            f"{path}: 'evaluation.alpaca_eval' needs a judge behind an OpenAI-compatible server, "
            f"and '{judge.name}' runs on the engine '{runtime.engine}'. docs/judging.md has an "
            "example."
        )
    return mistakes


def _check_engines(path: Path, profile: Profile) -> list[str]:
    """The mistakes in which engine runs which model, and in what the engines need."""
    runtime = profile.runtime
    runs: dict[str, tuple[str, EngineName]] = {
        "generator": (profile.generator.name, runtime.engine),
        **{
            f"generators.{name}": (one.name, runtime.of(name, runtime.engine).engine)
            for name, one in profile.generators.items()
        },
        **{
            f"references.{name}": (one.name, runtime.of(name, runtime.evaluation_engine).engine)
            for name, one in profile.references.items()
        },
    }
    served = {
        f"{section}.{name}" for section in ("generators", "references") for name in runtime.servers
    }
    known = [*profile.generators, *profile.references]
    mistakes = [
        f"{path}: 'runtime.{setting}' names '{name}', which is none of 'generators' and none of "
        f"'references'.{_nearest(name, known)}"
        for setting, names in (("engines", runtime.engines), ("servers", runtime.servers))
        for name in names
        if name not in known
    ]
    mistakes += [
        f"{path}: '{name}' is among 'generators' and among 'references', and 'runtime' tells them "
        "apart by their names. Rename one of them."
        for name in profile.references
        if name in profile.generators
    ]
    mistakes += [
        f"{path}: 'references.{name}.template' is set, but a server renders its prompts itself. "
        "Leave it out, or run the model on another engine."
        for name, one in profile.references.items()
        if one.template and runs[f"references.{name}"][1] == "openai"
    ]
    engines = {
        *(engine for name, (_, engine) in runs.items() if name not in served),
        runtime.evaluation_engine,
    }
    needed = {engine: engine for engine in engines}
    if runtime.ray:
        needed.setdefault(runtime.ray.inside, "ray")
    mistakes += [
        f"{path}: 'runtime.{engine}' is missing; the engine '{needed[engine]}' needs it. "
        "docs/engines.md lists its settings."
        for engine in ("vllm", "openai", "ray")
        if engine in needed and getattr(runtime, engine) is None
    ]
    mistakes += [
        f"{path}: the engine '{engine}' cannot run the model '{name}' of '{key}'. The engine "
        "'world' runs the model 'world', and no other engine does, except that 'replay' replays "
        "any."
        for key, (name, engine) in runs.items()
        if (engine == "world") != (name == "world") and engine != "replay"
    ]
    return mistakes


def _check_columns(where: str, source: Source) -> list[str]:
    """The mistakes in the names that a source's columns are given."""
    shape = SHAPES[source.shape]
    ours = (*shape.needed, *shape.optional)
    mistakes = [
        f"{where}.{name}' is no column of the shape {source.shape}.{_nearest(name, ours)} "
        f"Known here: {', '.join(ours)}."
        for name in source.columns
        if name not in ours
    ]
    theirs = [source.columns.get(name, name) for name in {*shape.needed, *source.columns}]
    mistakes += [
        f"{where}': '{name}' stands for two columns of the shape {source.shape}. Map each of "
        f"{', '.join(shape.needed)} to a column of its own."
        for name in sorted({name for name in theirs if theirs.count(name) > 1})
    ]
    return mistakes
