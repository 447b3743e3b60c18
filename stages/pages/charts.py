"""The plots of a dataset as SVG that needs no script: drawn by Vega-Lite at build time.

Vega measures text with a font that vl-convert brings along, so the bytes are the same on every
machine. Colours are drawn as the placeholders below, which `_for_the_page` makes into classes:
site.css says what they are in each colour scheme.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import altair as alt
import vl_convert
from markupsafe import Markup

from stages.rows.row import OPTIONS

WIDTH = 320
"""pixels, so that text keeps its size on a phone of 360"""

_BAR = 19  # pixels from one bar to the next
_MOST_BARS = 12
_MOST_TICKS = 7
_LONGEST_LABEL = 26  # characters
_NARROWEST = 0.1  # share that has room for its figure
_LETTER = 7  # pixels for one, at most: the page's font may be wider than Vega's

_INK, _QUIET, _LINE, _GROUND, _PLAIN = "#010101", "#020202", "#030303", "#040404", "#050505"
_SERIES = ("#0a0a01", "#0a0a02", "#0a0a03", "#0a0a04")
_CURVES = ("#0b0b01", "#0b0b02", "#0b0b03", "#0b0b04")  # stronger, since a line is thin
_CLASSES = {
    _INK: "ink", _QUIET: "quiet", _LINE: "line", _GROUND: "ground", _PLAIN: "plain",
    **{colour: f"series-{place}" for place, colour in enumerate(_SERIES, start=1)},
    **{colour: f"curve-{place}" for place, colour in enumerate(_CURVES, start=1)},
}  # fmt: skip
MOST_CURVES = len(_CURVES)
# What no XML may hold, and signs that turn the direction of what follows.
_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Chart:
    """A plot, and the figures that it shows."""

    title: str
    svg: Markup
    head: tuple[str, ...]
    """of the columns of the figures; all but the first are numbers"""
    rows: Sequence[tuple[str, ...]]


def charts(dataset: Mapping[str, Any]) -> list[Chart]:
    """The plots of one dataset of `overview`: those for which there are figures."""
    statistics = dataset["statistics"]
    found = []
    if len(statistics["tasks"]) > 1:
        found.append(tasks(statistics["tasks"]))
    for part in ("query", "output"):
        if lengths := statistics.get("lengths", {}).get(part):
            found.append(histogram(f"Length of the {part}", "tokens", **lengths))
    if shares := _option_shares(dataset["iterations"]):
        found.append(stacked("Options", "share of rows, by iteration", OPTIONS, shares))
        found.append(
            stacked("Outcomes", "share of rows, by iteration", _OUTCOMES, _outcome_shares(dataset))
        )
    if len(statistics["languages"]) > 1:
        found.append(bars("Languages", "language", statistics["languages"]))
    if verbs := statistics.get("added_tasks", {}).get("verbs"):
        found.append(bars("Verbs of added tasks", "verb (its objects)", _verbs(verbs)))
    if dataset["quarantined"]:
        found.append(bars("Taken out", "reason", _reasons(dataset["quarantined"])))
    return found


def tasks(counts: Mapping[str, int]) -> Chart:
    """How many rows have how many tasks."""
    records = [{"tasks": int(tasks), "rows": rows} for tasks, rows in counts.items()]
    base = alt.Chart(alt.Data(values=records)).encode(
        x=alt.X("tasks:O", title="tasks of a row", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("rows:Q", title="rows", axis=alt.Axis(tickCount=4, titlePadding=14)),
    )
    bar = base.mark_bar(color=_PLAIN, width={"band": 0.7})
    figure = base.mark_text(dy=-6, color=_INK, fontSize=11).encode(
        text=alt.Text("rows:Q", format=",")
    )
    figures = [(tasks, f"{rows:,}") for tasks, rows in counts.items()]
    return Chart("Tasks", _draw(bar + figure, 150), ("tasks", "rows"), figures)


def histogram(title: str, unit: str, edges: Sequence[float], rows: Sequence[int]) -> Chart:
    """How many rows lie between each two of `edges`, which may grow by a factor."""
    records = [
        {"from": low, "to": high, "rows": count, "none": 0}
        for low, high, count in zip(edges, edges[1:], rows, strict=False)
    ]
    widths = [high - low for low, high in zip(edges, edges[1:], strict=False)]
    grows = bool(widths) and max(widths) > 4 * min(widths)
    scale = alt.Scale(type="symlog" if grows else "linear", nice=False, zero=False)
    # Some of the edges; where they grow by a factor, those whose labels do not meet.
    marked = list(edges) if grows else list(edges)[:: -(-len(edges) // _MOST_TICKS)]
    axis = alt.Axis(
        values=marked, labelOverlap="greedy", labelSeparation=14, labelFlush=False, format="~s"
    )
    chart = (
        alt.Chart(alt.Data(values=records))
        .mark_bar(color=_PLAIN, stroke=_GROUND, strokeWidth=0.5)
        .encode(
            x=alt.X("from:Q", scale=scale, title=unit, axis=axis),
            x2="to:Q",
            y=alt.Y("rows:Q", title="rows", axis=alt.Axis(tickCount=4, titlePadding=14)),
            y2="none:Q",
        )
    )
    figures = [(f"{one['from']:,.6g} to {one['to']:,.6g}", f"{one['rows']:,}") for one in records]
    return Chart(title, _draw(chart, 150), (unit, "rows"), figures)


def bars(title: str, what: str, counts: Mapping[str, int]) -> Chart:
    """Counts of rows by name, the largest first; of many only the first are drawn."""
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    drawn = [
        # A name twice would be one bar: labels that are cut can be the same.
        {"place": place, "rows": rows}
        for place, (_, rows) in enumerate(ordered[:_MOST_BARS])
    ]
    names = [_label(name) for name, _ in ordered[:_MOST_BARS]]
    axis = alt.Axis(
        labelExpr=f"{_javascript(names)}[datum.value]", labelLimit=200, domain=False, ticks=False,
        grid=False,
        minExtent=_LETTER * max(map(len, names), default=0),
    )  # fmt: skip
    largest = max(counts.values(), default=1)
    base = alt.Chart(alt.Data(values=drawn)).encode(
        y=alt.Y("place:O", title=None, axis=axis),
        # Room for the figure at the end of the longest bar.
        x=alt.X("rows:Q", title="rows", scale=alt.Scale(domain=[0, largest * 1.3], nice=False),
                axis=alt.Axis(tickCount=3)),
    )  # fmt: skip
    bar = base.mark_bar(color=_PLAIN, height={"band": 0.7})
    figure = base.mark_text(align="left", dx=4, color=_INK, fontSize=11).encode(
        text=alt.Text("rows:Q", format=",")
    )
    figures = [(name, f"{rows:,}") for name, rows in ordered]
    return Chart(title, _draw(bar + figure, _BAR * len(drawn) + 36), (what, "rows"), figures)


def stacked(
    title: str, unit: str, kinds: Sequence[str], shares: Mapping[str, Mapping[str, float]]
) -> Chart:
    """For each line of `shares` a bar that is divided by kind; a kind keeps its colour."""
    colours = {
        kind: colour
        for kind, colour in zip(kinds, _SERIES, strict=False)
        if any(of_kinds.get(kind) for of_kinds in shares.values())
    }
    records = []
    for line, of_kinds in shares.items():
        start = 0.0
        for kind in colours:
            share = of_kinds.get(kind, 0.0)
            figure = f"{100 * share:.0f}" if share >= _NARROWEST else ""
            records.append(
                {"line": line, "kind": kind, "from": start, "to": start + share,
                 "middle": start + share / 2, "figure": figure}
            )  # fmt: skip
            start += share
    widest = _LETTER * max(map(len, shares))
    base = alt.Chart(alt.Data(values=records)).encode(
        y=alt.Y("line:O", sort=list(shares), title=None,
                axis=alt.Axis(domain=False, ticks=False, grid=False, minExtent=widest)),
    )  # fmt: skip
    percent = alt.Axis(format="%", tickCount=5, grid=False)
    bar = base.mark_bar(height={"band": 0.8}, stroke=_GROUND, strokeWidth=1).encode(
        x=alt.X("from:Q", title=unit, axis=percent, scale=alt.Scale(domain=[0, 1])),
        x2="to:Q",
        color=alt.Color(
            "kind:N",
            scale=alt.Scale(domain=list(colours), range=list(colours.values())),
            legend=alt.Legend(title=None, orient="top", direction="horizontal", columnPadding=20,
                              symbolType="square", symbolSize=90, symbolStrokeWidth=0),
        ),
    )  # fmt: skip
    figure = base.mark_text(color=_INK, fontSize=11).encode(x="middle:Q", text="figure:N")
    figures = [
        (line, *(f"{100 * of_kinds.get(kind, 0.0):.1f} %" for kind in kinds))
        for line, of_kinds in shares.items()
    ]
    height = 24 * len(shares) + 66
    return Chart(title, _draw(bar + figure, height), ("iteration", *kinds), figures)


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a curve, with the ends of its interval where it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


def curves(
    title: str,
    x: str,
    y: str,
    series: Mapping[str, Sequence[Point]],
    *,
    top: float | None = None,
    decimals: int = 1,
) -> Chart:
    """A line for each of up to `MOST_CURVES` series; intervals as upright lines through the points.

    `top`: where the axis ends; None: where the values do. Whole numbers of x are marked.
    """
    drawn = dict(list(series.items())[:MOST_CURVES])
    spread = {name: _APART * (place - (len(drawn) - 1) / 2) for place, name in enumerate(drawn)}
    has_intervals = any(point.low is not None for points in drawn.values() for point in points)
    records = [
        # Intervals that stand on one another could not be told apart.
        {"series": name, "x": point.x + (spread[name] if has_intervals else 0.0), "y": point.y,
         "low": point.y if point.low is None else point.low,
         "high": point.y if point.high is None else point.high}
        for name, points in drawn.items()
        for point in points
    ]  # fmt: skip
    places = sorted({point.x for points in drawn.values() for point in points})
    marked = alt.Axis(values=places, format="d", grid=False) if has_intervals else _AXIS
    margin = 0.3 if has_intervals else 0.0
    colour = alt.Color(
        "series:N",
        scale=alt.Scale(domain=list(drawn), range=list(_CURVES[: len(drawn)])),
        legend=alt.Legend(title=None, orient="top", direction="horizontal", columns=2,
                          columnPadding=20, symbolType="square", symbolSize=90,
                          symbolStrokeWidth=0 if has_intervals else 2, labelLimit=150),
    )  # fmt: skip
    base = alt.Chart(alt.Data(values=records)).encode(
        x=alt.X("x:Q", title=x, axis=marked,
                scale=alt.Scale(domain=[min(places) - margin, max(places) + margin], nice=False)),
        color=colour,
    )  # fmt: skip
    scale = alt.Scale(zero=True) if top is None else alt.Scale(domain=[0, top], nice=False)
    height = alt.Y("y:Q", title=y, scale=scale, axis=alt.Axis(tickCount=5, titlePadding=14))
    chart = base.mark_line(strokeWidth=1.5).encode(y=height)
    if has_intervals:
        ends = base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q"), y2="high:Q")
        chart = chart + ends + base.mark_point(filled=True, size=36, opacity=1).encode(y=height)
    rows = -(-len(drawn) // 2)
    return Chart(
        title,
        _draw(chart, 150 + 20 * rows),
        (x, *drawn),
        _figures(drawn, places, decimals),
    )


_APART = 0.06  # of a whole number of x, between the points of two series
_AXIS = alt.Axis(tickCount=5, format="~s", grid=False)
_MOST_FIGURES = 12  # lines of the table under a curve


def _figures(
    series: Mapping[str, Sequence[Point]], places: Sequence[float], decimals: int
) -> list[tuple[str, ...]]:
    step = -(-len(places) // _MOST_FIGURES)
    # The last one is always there: it is where a curve ends.
    shown = [*places[:-1:step], places[-1]]
    at = {name: {point.x: point for point in points} for name, points in series.items()}
    return [
        (f"{x:,g}", *(_figure(of_series.get(x), decimals) for of_series in at.values()))
        for x in shown
    ]


def _figure(point: Point | None, decimals: int) -> str:
    if point is None:
        return "–"
    if point.low is None or point.high is None:
        return f"{point.y:.{decimals}f}"
    return f"{point.y:.{decimals}f} ({point.low:.{decimals}f}–{point.high:.{decimals}f})"


_UNUSABLE = "no usable reply"
_OUTCOMES = ("rewritten", "held", "frozen", _UNUSABLE)


def _option_shares(iterations: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    shares = {}
    for one in iterations:
        if ours := one["ours"].get("options"):
            theirs = one["paper"] and one["paper"]["options"]
            shares[f"{one['iteration']}, ours" if theirs else str(one["iteration"])] = ours
            if theirs:
                shares[f"{one['iteration']}, paper"] = theirs
    return shares


def _outcome_shares(dataset: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    shares = {}
    for one in dataset["iterations"]:
        if counts := one["ours"].get("outcomes"):
            all_rows = sum(counts.values())
            found = dict.fromkeys(_OUTCOMES, 0.0)
            for outcome, rows in counts.items():
                # The others are `held: <reason>`.
                kind = outcome if outcome in found else _UNUSABLE
                found[kind] += rows / all_rows
            shares[str(one["iteration"])] = found
    return shares


def _verbs(verbs: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {
        f"{one['verb']} ({', '.join(noun['noun'] for noun in one['objects'][:3])})"
        if one["objects"]
        else one["verb"]: one["rows"]
        for one in verbs
    }


def _reasons(quarantined: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in quarantined:
        found[one["reason"]] = found.get(one["reason"], 0) + one["rows"]
    return found


def _label(text: str) -> str:
    text = _UNSHOWABLE.sub("\ufffd", text)
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"


def _javascript(names: Sequence[str]) -> str:
    """The names as a list in a Vega expression; it is strangers' text, so nothing in it counts."""
    quoted = ("".join(f"\\u{unit:04x}" for unit in _utf16(name)) for name in names)
    return "[{}]".format(",".join(f"'{name}'" for name in quoted))


def _utf16(text: str) -> Sequence[int]:
    return memoryview(text.encode("utf-16-le")).cast("H")


def _draw(chart: alt.LayerChart | alt.Chart, height: int) -> Markup:
    drawn = chart.properties(
        width=WIDTH,
        height=height,
        background="transparent",
        padding=0,
        autosize=alt.AutoSizeParams(type="fit", contains="padding"),
    ).configure(
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(
            labelColor=_QUIET, titleColor=_QUIET, gridColor=_LINE, domainColor=_LINE,
            tickColor=_LINE, labelFontSize=11, titleFontSize=11, titleFontWeight="normal",
        ),
        legend=alt.LegendConfig(labelColor=_INK, labelFontSize=11),
    )  # fmt: skip
    # The renderer checks the specification itself; and no addresses: a chart has its data inside.
    specification = drawn.to_dict(validate=False)
    return _for_the_page(vl_convert.vegalite_to_svg(specification, allowed_base_urls=[]))


_SVG = "http://www.w3.org/2000/svg"
_KEPT = {
    "d", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "transform", "viewBox", "text-anchor",
    "font-size", "stroke-width", "fill", "stroke", "stroke-dasharray",
}  # fmt: skip
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")


def _for_the_page(svg: str) -> Markup:
    """The drawing alone: colours as classes, coordinates to a hundredth, no font, no roles.

    It is hidden from screen readers, who have the figures in a table.
    """
    root = ElementTree.fromstring(svg)  # noqa: S314 - what vl-convert wrote, not a stranger
    _clean(root)
    root.set("aria-hidden", "true")
    ElementTree.register_namespace("", _SVG)
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 - written by a library


def _clean(element: ElementTree.Element) -> None:
    for child in list(element):
        _clean(child)
        is_empty = len(child) == 0 and not (child.text or "").strip()
        nothing = child.tag == f"{{{_SVG}}}g" or child.get("d") in ("", "M0,0h0v0h0Z")
        background = child.get("fill") == "transparent"
        if (is_empty and nothing) or background:
            element.remove(child)
    classes = []
    for name, value in list(element.attrib.items()):
        if (name, value) in (("fill", "none"), ("stroke", "none")):
            continue
        del element.attrib[name]
        if name in ("fill", "stroke") and value in _CLASSES:
            classes.append(f"{name}-{_CLASSES[value]}")
        elif name in _KEPT and value != "transparent":
            short = _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.2f}", value)
            if (name, short) != ("transform", "translate(0,0)"):
                element.set(name, short)
    if classes:
        element.set("class", " ".join(classes))
