"""The command line, installed as `seqsmith`; stages themselves run as `python -m stages.<verb>`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from stages.config.errors import BuildError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Seqsmith builds instruction-tuning datasets. `dvc repro` builds; these commands "
    "look at what it makes, publish it, fetch and verify it.",
)


@app.command()
def check() -> None:
    """Check params.yaml and the active profile, and say what they build.

    Example: seqsmith check
    """
    # Pydantic takes 0.1 s, and --help must not pay for it.
    from stages.config.load import load_settings  # noqa: PLC0415

    build = load_settings().build
    print(f"Settings are valid. Profile {build.profile} builds:")
    tables = ("sources", "extracted", "sequences", "evolved", "datasets")
    for kind in (*tables, "benchmarks", "models", "scores"):
        print(f"  {kind:<11} {', '.join(getattr(build, kind)) or '-'}")


@app.command()
def summary() -> None:
    """Print the summary of the last build of the active profile.

    Example: seqsmith summary
    """
    from stages.config.load import load_settings  # noqa: PLC0415
    from stages.config.paths import Paths, must_exist  # noqa: PLC0415

    path = must_exist(Paths(load_settings().build.profile).folder("report") / "summary.txt")
    print(path.read_text(encoding="utf-8"), end="")


@app.command()
def score(
    kind: Annotated[str, typer.Argument(help="What was asked: xquad, mgsm, commonsense-qa, ...")],
    files: Annotated[list[Path], typer.Argument(help="Answers: .json, .jsonl[.gz], .parquet.")],
    gold: Annotated[Path | None, typer.Option(help="The questions, in the same order.")] = None,
    against: Annotated[Path | None, typer.Option(help="Other answers, tested in pairs.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the scores as JSON.")] = None,
    seed: Annotated[int, typer.Option(help="Of the resampled items.")] = 0,
) -> None:
    """Score stored answers as published and strictly, with intervals; no model is asked.

    Example: seqsmith score xquad answers_de.jsonl --gold xquad.en.json
    """
    from stages.quality.summary import console  # noqa: PLC0415
    from stages.terminal.scores_text import scores  # noqa: PLC0415

    console().print(scores(kind, files, gold, against, json, seed))


@app.command()
def audit(
    dataset: Annotated[str, typer.Argument(help="A dataset; without one, all of them.")] = "",
    data_docs: Annotated[
        Path | None,
        typer.Option(help="Audit the dataset again and write Great Expectations' pages here."),
    ] = None,
) -> None:
    """Show the verdicts of the last audit; exit with 1 when a check of severity error failed.

    Example: seqsmith audit alpaca-sit
    """
    from stages.config.load import load_settings  # noqa: PLC0415
    from stages.config.paths import Paths  # noqa: PLC0415
    from stages.quality.summary import console  # noqa: PLC0415
    from stages.terminal.verdicts import verdicts  # noqa: PLC0415

    if data_docs and not dataset:
        raise BuildError("--data-docs is about one dataset. Name it: seqsmith audit alpaca-sit ...")
    settings = load_settings()
    paths = Paths(settings.build.profile)
    shown, failed = verdicts(settings, paths, dataset)
    console().print(shown)
    if data_docs:
        from stages.quality.audit import audit as audit_again  # noqa: PLC0415
        from stages.quality.audit import open_measures  # noqa: PLC0415
        from stages.terminal.data_docs import write_data_docs  # noqa: PLC0415

        measures = open_measures(settings, paths)
        suites = audit_again(settings, paths, dataset, measures).suites
        print(f"data docs  {write_data_docs(data_docs, dataset, suites)}")
    if failed:
        sys.exit(1)


@app.command()
def plan(
    target: Annotated[
        str, typer.Argument(help="A dataset or a sequence; without one, every dataset.")
    ] = "",
) -> None:
    """Say what a build would ask the model, why, and what that would take.

    The rows of the sources as they are now meet the ledger; nothing is asked and nothing written.

    Example: seqsmith plan alpaca-sit
    """
    from rich.console import Console  # noqa: PLC0415

    from stages.config.load import load_settings  # noqa: PLC0415
    from stages.plan.plan import plan as make_plan  # noqa: PLC0415

    Console().print(make_plan(load_settings(), target))


@app.command()
def show(
    row: Annotated[str, typer.Argument(help="The id of a row, or the beginning of one.")],
) -> None:
    """Tell the life of a row: source, iterations, requests and replies, audit, release.

    Example: seqsmith show alpaca:0a1b2c3d
    """
    from rich.console import Console  # noqa: PLC0415

    from stages.config.load import load_settings  # noqa: PLC0415
    from stages.config.paths import Paths  # noqa: PLC0415
    from stages.quality.life import lives  # noqa: PLC0415
    from stages.terminal.life_text import life_text  # noqa: PLC0415

    build = load_settings().build
    for life in lives(build, Paths(build.profile), row):
        Console().print(life_text(life))


@app.command()
def diff(
    dataset: Annotated[str, typer.Argument(help="A dataset.")],
    rev: Annotated[str, typer.Argument(help="A Git revision, or the folder of a release.")],
    other_rev: Annotated[
        str, typer.Argument(help="What it is compared with; without one, the working tree.")
    ] = ".",
    json: Annotated[Path | None, typer.Option(help="Write the comparison as JSON.")] = None,
    page: Annotated[Path | None, typer.Option(help="Write it as one HTML page.")] = None,
    examples: Annotated[int, typer.Option(min=0, help="Rows shown for each cause.")] = 3,
) -> None:
    """Say which rows of a dataset differ between two revisions or releases, and why.

    Example: seqsmith diff alpaca-sit HEAD~1
    """
    from rich.console import Console  # noqa: PLC0415

    from stages.diff.diff import diff as make_diff  # noqa: PLC0415

    text = make_diff(dataset, rev, other_rev, json=json, page=page, examples=examples)
    Console().print(text)


@app.command()
def publish(
    name: Annotated[str, typer.Argument(help="datasets/NAME, models/NAME, datasets or models.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say exactly what would be sent, and send nothing.")
    ] = False,
) -> None:
    """Publish packaged releases as the profile says: to a folder, or to the Hugging Face Hub.

    Example: seqsmith publish datasets/alpaca-sit --dry-run
    """
    # The Hub's client takes half a second to import, and --help must not pay for it.
    from stages.hub.rehearsal import rehearse  # noqa: PLC0415
    from stages.publish import publish as publish_release  # noqa: PLC0415

    if not dry_run:
        publish_release(name)
        return
    rehearsal = rehearse(name)
    print(rehearsal.text)
    if rehearsal.refusals:
        sys.exit(1)


@app.command()
def pull(
    release: Annotated[
        str, typer.Argument(help="OWNER/NAME[@TAG] on the Hub, or the folder of a release.")
    ],
    to: Annotated[
        Path | None, typer.Option(help="Where it goes; without it, pulled/datasets/OWNER/NAME@TAG.")
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Use what was pulled before, and ask nobody.")
    ] = False,
) -> None:
    """Fetch a published dataset or model, check every file of it, and say what it is.

    Without a tag the newest version is taken. What is there and right already is not fetched
    again. docs/pulling.md says what is refused.

    Example: seqsmith pull OWNER/alpaca-sit@v1.0
    """
    from stages.hub.pull.pull import pull as pull_release  # noqa: PLC0415
    from stages.hub.pull.pull import pull_offline  # noqa: PLC0415
    from stages.hub.pull.text import release_text  # noqa: PLC0415
    from stages.quality.summary import console  # noqa: PLC0415

    console().print(release_text((pull_offline if offline else pull_release)(release, to)))


@app.command()
def verify(
    release: Annotated[
        str, typer.Argument(help="datasets/NAME, models/NAME, a folder, or OWNER/NAME[@TAG].")
    ],
    keep: Annotated[Path | None, typer.Option(help="Rebuild in this folder, and leave it.")] = None,
) -> None:
    """Rebuild a released dataset from its sources and its ledger, and compare; no model is asked.

    Says "bit for bit", "same content, other bytes", or which rows differ and why, and then exits
    with 1. docs/verifying.md has more.

    Example: seqsmith verify datasets/alpaca-sit
    """
    from stages.quality.summary import console  # noqa: PLC0415
    from stages.verify.verify import verify as make_again  # noqa: PLC0415

    verdict = make_again(release, keep)
    console().print(verdict.shown)
    if not verdict.holds:
        sys.exit(1)


@app.command()
def doctor() -> None:
    """Say what this machine lacks for the active profile; exit with 1 when something is missing.

    Nothing is built, downloaded or changed, and no credential is shown.

    Example: seqsmith doctor
    """
    from stages.config.load import load_settings  # noqa: PLC0415
    from stages.doctor.examine import examine  # noqa: PLC0415
    from stages.doctor.shown import shown  # noqa: PLC0415
    from stages.quality.summary import console  # noqa: PLC0415

    settings = load_settings()
    findings = examine(settings)
    console().print(shown(settings.build.profile, findings))
    if any(finding.state == "missing" for finding in findings):
        sys.exit(1)


@app.command(name="import")
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(help="Exported ledgers, *.ledger.parquet, or folders of releases."),
    ],
) -> None:
    """Take the replies of exported ledgers into the local one, so that they need not be asked.

    Example: seqsmith import pulled/datasets/OWNER/alpaca-sit@v1.0
    """
    from stages.config.paths import ledger_file  # noqa: PLC0415
    from stages.hub.pull.pull import ledgers_in  # noqa: PLC0415
    from stages.llm.exchange import import_ledger  # noqa: PLC0415
    from stages.llm.ledger import Ledger  # noqa: PLC0415

    with Ledger(ledger_file()) as ledger:
        for file in (one for path in files for one in ledgers_in(path)):
            read, new = import_ledger(file, ledger)
            print(f"{file}: {read:,} replies, {new:,} of them new, in {ledger.path}")


def main() -> None:
    """Run the command line; errors are sentences."""
    try:
        app()
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
