"""The rules that a dataset must meet, as sentences; Great Expectations checks them."""

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity

from stages.config.settings import Thresholds

# An error fails the build; a warning is shown.
ERROR, WARNING = FailureSeverity.CRITICAL, FailureSeverity.WARNING


def columns_of_a_row() -> list[Expectation]:
    """About `gather.columns`: without these nothing else can be checked."""
    return [
        never("other_column", "The columns are those of a row: names, types, order."),
        never("null_cells", "No cell is null."),
    ]


def conservation(limits: Thresholds) -> list[Expectation]:
    """About `Facts.accounts`: what became of each row upstream."""
    return [
        never("unaccounted", "Source rows are kept or quarantined; none is new."),
        rarely("quarantined", limits.max_quarantined, "Few rows are quarantined."),
        rarely("cut", limits.max_truncated, "Few responses were cut short."),
    ]


def answered_rows(limits: Thresholds, max_length: int, unit: str) -> list[Expectation]:
    """About `Facts.rows` of any dataset that was answered."""
    return [
        gxe.ExpectTableRowCountToBeBetween(
            min_value=1, notes="The dataset has rows.", meta={"name": "rows"}
        ),
        gxe.ExpectColumnValuesToBeUnique(
            column="id", notes="No id occurs twice.", meta={"name": "unique_id"}
        ),
        never("blank_instruction", "No instruction is blank."),
        never("blank_output", "No output is blank."),
        never("other_messages", "The messages say what system, query and output say."),
        never("leaked_marker", "No prompt marker leaked into an instruction."),
        # A model may say "so the option is B" of its own accord: one in 100,000 must stop no build.
        never("marker_in_output", "No output looks as if a prompt marker leaked.", WARNING),
        never("out_of_order", "The history is the steps of the build, in order."),
        never("other_start", "The history starts at the row of the source."),
        never("changed_unasked", "Only a step that says so changes a query."),
        never("miscounted_tasks", "Tasks are one, and those that steps added."),
        never("missing_reply", "All requests named are in the exported ledgers."),
        never("other_reply", "The output is what the model replied."),
        rarely(
            "too_long",
            limits.max_too_long,
            f"Few rows exceed {max_length:,} {unit}.",
            WARNING,
        ),
        rarely(
            "repeated_query", limits.max_repeated_queries, "Few rows repeat the query of another."
        ),
    ]


def sequences(limits: Thresholds) -> list[Expectation]:
    """About `Facts.rows` of a dataset that Seq-Instruct made, besides `answered_rows`."""
    return [
        never("unknown_option", "Options are decompose, prefix, suffix or hold."),
        never("thawed", "Rows freeze after the iteration that held them."),
        never("empty_rewrite", "A rewrite differs from what it rewrote."),
        rarely("held_unusable", limits.max_unusable, "Few rows are held for want of a good reply."),
        never("shorter_rewrite", "A rewrite is no shorter than what it rewrote.", WARNING),
    ]


def never(column: str, sentence: str, severity: FailureSeverity = ERROR) -> Expectation:
    """`column` is false in every row."""
    return rarely(column, 0.0, sentence, severity)


def rarely(
    column: str, share: float, sentence: str, severity: FailureSeverity = ERROR
) -> Expectation:
    """`column` is true in at most this share of the rows."""
    return gxe.ExpectColumnValuesToBeInSet(
        column=column,
        value_set=[False],
        mostly=1 - share,
        severity=severity,
        notes=sentence,
        meta={"name": column},
    )
