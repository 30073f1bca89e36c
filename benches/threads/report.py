"""From measurements of threads to a report: targets, ratios, tables.

`python benches/report.py RESULTS.json` prints the report of an earlier run again.
"""

from collections.abc import Iterator
from typing import Any

from loops import SUBJECT
from report import circumstances, show_ratio, table, three_digits

from threads.results import MEASURES, Line, Results
from threads.rows import CONTENDERS, Target

LEGEND = f"""\
Each number is the median of the rounds, ± half the distance from the smallest to the largest; less
is better in all of them. `x` is how many times better that is than the one the table is headed
with: the median of the ratios within each round. The best of a line is **bold**. CPU time and
context switches, voluntary and involuntary, are those of the whole process, all its threads
included. "pinned": all threads on one core; "2 cores": on two, where the system decides which
thread runs where and may change its mind, so rounds lie further apart. In the column "behind", `~`
stands before one that is not told apart from {SUBJECT}: the 95 % interval of the ratio has 1 in
it."""

VERDICT_HEAD = ("row", "placement", "of", "measured", "by round", "target", "")


def render(data: dict[str, Any], *, details: bool = True) -> str:
    """The whole report in Markdown; without `details` the table of every number is left out."""
    results = Results(data)
    parts = ["# Threads side by side", circumstances(data), LEGEND, who(results)]
    parts += [*targets(results), *behind(results)]
    for name in dict.fromkeys(line.row.table for line in results.lines):
        parts += family(results, [line for line in results.lines if line.row.table == name])
    parts += failures(results)
    if details:
        parts += ["## Every number", every_number(results)]
    return "\n\n".join(parts) + "\n"


def who(results: Results) -> str:
    return table(("", ""), ((name, CONTENDERS[name]) for name in results.contenders))


def targets(results: Results) -> Iterator[str]:
    """Every target that was measured, and whether it was reached."""
    lines = [
        (line.row.name, line.placement, *verdict)
        for line in results.lines
        if line.row.target
        for verdict in verdicts(results, line, line.row.target)
    ]
    if lines:
        yield "## Targets"
        yield table(VERDICT_HEAD, lines)


def verdicts(results: Results, line: Line, target: Target) -> Iterator[tuple[str, ...]]:
    for contender in target.judged:
        if results.failed(line, contender):
            yield contender, "failed", "", "", "**behind**"
        elif target.ratios:
            wanted = target.ratios[line.placement]
            yield from faster(results, line, contender, target.base, wanted)
        elif target.cpu_microseconds is not None:
            yield from no_more_cpu(results, line, contender, target.cpu_microseconds)


def faster(
    results: Results, line: Line, contender: str, base: str, wanted: float
) -> Iterator[tuple[str, ...]]:
    goal = f"{wanted:g}x {base}"
    ratio = results.ratio(line, contender, base, "time")
    if ratio is None:
        yield contender, "", "", goal, "not measured"
        return
    rounds = results.ratios_by_round(line, contender, base, "time")
    spread = f"{show_ratio(min(rounds))} to {show_ratio(max(rounds))}" if rounds else ""
    yield contender, show_ratio(ratio), spread, goal, passed(ratio >= wanted)


def no_more_cpu(
    results: Results, line: Line, contender: str, most: float
) -> Iterator[tuple[str, ...]]:
    figure = results.figure(line, contender, "cpu")
    if figure is None:
        return
    shown, low, high = map(three_digits, (figure.middle, figure.low, figure.high))
    goal = f"none: under {most:g} µs CPU per s"
    yield contender, f"{shown} µs", f"{low} to {high}", goal, passed(figure.middle < most)


def passed(reached: bool) -> str:
    return "pass" if reached else "**behind**"


def behind(results: Results) -> list[str]:
    """Every line in which some peer is better than nalsil."""
    if SUBJECT not in results.contenders:
        return []
    lines = [
        (line.row.name, line.placement, MEASURES[key].title, peer, ratio, told)
        for line in results.lines
        for key in line.row.measures
        for peer in results.better(line, key)
        for ratio in [show_ratio(results.ratio(line, SUBJECT, peer, key))]
        for told in ["yes" if results.told_apart(line, peer, key) else "no"]
    ]
    if not lines:
        return [f"{SUBJECT} is behind nobody in any row that it finished."]
    head = ("row", "placement", "measure", "behind", "ratio", "told apart")
    return [f"## Where {SUBJECT} is behind", table(head, lines)]


def family(results: Results, lines: list[Line]) -> Iterator[str]:
    """The tables of rows that belong together, one for each measure."""
    name, base = lines[0].row.table, lines[0].row.base
    yield f"## {name}"
    operations = {line.row.name: line.row.operation for line in lines}
    yield table(("row", "one operation"), operations.items())
    for key, measure in MEASURES.items():
        shown = [line for line in lines if key in line.row.measures]
        if shown:
            yield f"### {name}: {measure.title} (`x`: to {base})"
            yield overview(results, shown, key)


def overview(results: Results, lines: list[Line], key: str) -> str:
    """A line per row and placement, a column per contender, and where nalsil stands."""
    columns = [
        name for name in results.contenders if any(name in line.row.contenders for line in lines)
    ]
    body = [
        (
            line.label,
            *(cell(results, line, name, key) for name in columns),
            behind_whom(results, line, key),
        )
        for line in lines
    ]
    return table(("row", *columns, "behind"), body)


def cell(results: Results, line: Line, contender: str, key: str) -> str:
    figure = results.figure(line, contender, key)
    if figure is None:
        return "failed" if results.failed(line, contender) else ""
    everybody = [results.figure(line, name, key) for name in results.contenders]
    best = min(each.middle for each in everybody if each)
    text = three_digits(figure.middle)
    marks = [f"**{text}**" if figure.middle == best else text]
    if figure.middle:
        marks.append(f"±{figure.spread:.0%}")
    ratio = results.ratio(line, contender, line.row.base, key)
    if contender != line.row.base and ratio is not None:
        marks.append(show_ratio(ratio))
    if lost := results.tried(line, contender) - len(results.good(line, contender)):
        marks.append(f"({lost} failed)")
    return " ".join(marks)


def behind_whom(results: Results, line: Line, key: str) -> str:
    """The peers that are better; `~` before those that are not told apart from the subject."""
    if results.failed(line, SUBJECT):
        return "failed"
    return ", ".join(
        f"{'' if results.told_apart(line, peer, key) else '~'}{peer}"
        for peer in results.better(line, key)
    )


def failures(results: Results) -> list[str]:
    lines = [
        (*cell, f"{len(errors)} of {len(rounds)}", errors[-1].replace("|", "\\|"))
        for cell, rounds in results.by_cell.items()
        if (errors := [taken.error for taken in rounds if taken.error])
    ]
    if not lines:
        return []
    head = ("row", "placement", "of", "rounds", "the last one")
    return ["## Failures", table(head, lines)]


def every_number(results: Results) -> str:
    head = ("row", "placement", "of", "rounds", "measure", "median", "min", "max", "x", "by round")
    lines = [
        number
        for line in results.lines
        for contender in line.row.contenders
        for key in line.row.measures
        for number in numbers(results, line, contender, key)
    ]
    return table(head, lines)


def numbers(results: Results, line: Line, contender: str, key: str) -> Iterator[tuple[str, ...]]:
    figure = results.figure(line, contender, key)
    if figure is None:
        return
    rounds = str(len(results.good(line, contender)))
    shown = map(three_digits, (figure.middle, figure.low, figure.high))
    base = line.row.base
    ratio = show_ratio(results.ratio(line, contender, base, key))
    each = sorted(results.ratios_by_round(line, contender, base, key))
    spread = f"{each[0]:.2f} to {each[-1]:.2f}" if each else ""
    title = MEASURES[key].title
    yield line.row.name, line.placement, contender, rounds, title, *shown, ratio, spread
