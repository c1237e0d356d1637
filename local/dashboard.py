"""Draws the deployed dashboard from the embedded world's own metrics, as one page that needs nothing else.

The widgets are those of the stack's dashboard. CloudWatch shows them over hours; a demo takes a minute, so
the same metrics are drawn over its own time. Metric math is read as far as the dashboard uses it.
"""

import ast
import json
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

from local.world import World

PERIODS = 60
_CELL_PX, _GAP_PX, _WIDTH_PX = 44, 10, 1440
_COLOURS = {"ALARM": "#d62728", "OK": "#2ca02c", "INSUFFICIENT_DATA": "#7f7f7f"}
_OPERATORS: Mapping[type, Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """A metric of a widget: its label, its colour, and a value for each period, or one for all of them."""

    label: str
    colour: str
    values: Sequence[float | None]


def draw_dashboard(world: World, began: datetime) -> str:
    """Draw the stack's dashboard over the time since `began`."""
    cloudwatch = world.client("cloudwatch")
    body = json.loads(cloudwatch.get_dashboard(DashboardName=world.stack.name)["DashboardBody"])
    ended = datetime.now(UTC) + timedelta(seconds=1)
    metrics = _Metrics(cloudwatch, began, ended)
    states = world.alarms()
    logical_ids = {physical: logical for logical, physical in world.stack.resources.items()}

    def state_of(arn: str) -> tuple[str, str]:
        name = logical_ids[arn.rpartition(":alarm:")[2]]
        return name, states[name]

    drawn = "\n".join(_draw(widget, metrics, state_of) for widget in body["widgets"])
    rows = max(widget["y"] + widget["height"] for widget in body["widgets"])
    told = f"{began:%Y-%m-%d %H:%M:%S} to {ended:%H:%M:%S} Z"
    return _PAGE.format(
        name=escape(world.stack.name), told=told, drawn=drawn, height=rows * _CELL_PX, width=_WIDTH_PX
    )


class _Metrics:
    """Reads metrics over one time."""

    def __init__(self, cloudwatch: Any, began: datetime, ended: datetime) -> None:
        self._cloudwatch = cloudwatch
        # Periods begin at whole multiples of themselves, so the first may begin earlier.
        self.period_s = max(1, -(-int((ended - began).total_seconds()) // PERIODS))
        first = int(began.timestamp()) // self.period_s * self.period_s
        self.starts = range(first, int(ended.timestamp()) + 1, self.period_s)

    def lines(self, properties: Mapping[str, Any], *, is_whole: bool) -> Iterator[Line]:
        """Read a widget's metrics, in its order; those that it hides are counted with, and not told."""
        known: dict[str, Sequence[float | None]] = {}
        for *metric, options in properties["metrics"]:
            if "expression" in options:
                formula = ast.parse(options["expression"], mode="eval").body
                count = 1 if is_whole else len(self.starts)
                values: Sequence[float | None] = [worked_out(formula, known, at) for at in range(count)]
            else:
                values = self._values(metric, options.get("stat", properties["stat"]), is_whole=is_whole)
            known[options.get("id", "")] = values
            if options.get("visible", True):
                yield Line(options["label"], options.get("color", "#444"), values)

    def _values(self, metric: Sequence[str], statistic: str, *, is_whole: bool) -> Sequence[float | None]:
        namespace, name, dimension, value = metric
        period_s = self.period_s * (len(self.starts) + 1) if is_whole else self.period_s
        found = self._cloudwatch.get_metric_data(
            MetricDataQueries=[
                {
                    "Id": "asked",
                    "MetricStat": {
                        "Metric": {
                            "Namespace": namespace,
                            "MetricName": name,
                            "Dimensions": [{"Name": dimension, "Value": value}],
                        },
                        "Period": period_s,
                        "Stat": statistic,
                    },
                }
            ],
            StartTime=self.starts.start,
            EndTime=self.starts.stop,
        )["MetricDataResults"][0]
        if is_whole:  # periods are aligned, so that even one as long as all may fall into two
            return [sum(found["Values"])] if found["Values"] else [None]
        told = {
            int(at.timestamp()): one for at, one in zip(found["Timestamps"], found["Values"], strict=True)
        }
        return [told.get(at) for at in self.starts]


def worked_out(formula: ast.expr, known: Mapping[str, Sequence[float | None]], at: int) -> float | None:
    """Work out a formula; what is missing in it makes it missing, unless it is filled."""
    match formula:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name):
            return known[name][at]
        case ast.Call(func=ast.Name(id="FILL"), args=[series, filling]):
            value = worked_out(series, known, at)
            return worked_out(filling, known, at) if value is None else value
        case ast.Call(func=ast.Name(id="RUNNING_SUM"), args=[series]):
            return sum(worked_out(series, known, earlier) or 0 for earlier in range(at + 1))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
            one, other = worked_out(left, known, at), worked_out(right, known, at)
            return None if one is None or other is None else _OPERATORS[type(sign)](one, other)
    raise ValueError(f"expected FILL, RUNNING_SUM, +, -, * and / alone, found {ast.unparse(formula)}")


# --- drawing


def _draw(widget: Mapping[str, Any], metrics: _Metrics, state_of: Callable[[str], tuple[str, str]]) -> str:
    properties, column = widget["properties"], _WIDTH_PX / 24
    width, height = widget["width"] * column - _GAP_PX, widget["height"] * _CELL_PX - _GAP_PX
    if widget["type"] == "text":
        inside, kind = _markdown(properties["markdown"]), "text"
    elif widget["type"] == "alarm":
        inside, kind = _alarms([state_of(arn) for arn in properties["alarms"]]), "alarms"
    elif properties["view"] == "singleValue":
        inside, kind = _numbers(list(metrics.lines(properties, is_whole=True))), "numbers"
    else:
        inside = _curves(properties, metrics, width - 24, height - 30)
        kind = "curves"
    title = f"<h3>{escape(properties['title'])}</h3>" if "title" in properties else ""
    return (
        f'<section class="{kind}" style="left:{widget["x"] * column:.0f}px;top:{widget["y"] * _CELL_PX}px;'
        f'width:{width:.0f}px;height:{height:.0f}px">{title}{inside}</section>'
    )


def _markdown(text: str) -> str:
    if text.startswith("## "):
        question, _, rest = text.removeprefix("## ").partition("? ")
        said = f"{question}?" if rest else question
        return f"<h2>{escape(said)} <small>{escape(rest)}</small></h2>"
    parts = escape(text).split("**")
    bold = "".join(f"<b>{part}</b>" if at % 2 else part for at, part in enumerate(parts))
    code = bold.split("`")
    return f"<p>{''.join(f'<code>{part}</code>' if at % 2 else part for at, part in enumerate(code))}</p>"


def _alarms(alarms: Sequence[tuple[str, str]]) -> str:
    tiles = (
        f'<li style="--colour:{_COLOURS[state]}" class="{state}">{escape(name)}<small>{state}</small></li>'
        for name, state in alarms
    )
    return f"<ul>{''.join(tiles)}</ul>"


def _numbers(lines: Sequence[Line]) -> str:
    told = (
        f'<div><strong style="color:{line.colour}">{_short(line.values[0])}</strong>'
        f"<span>{escape(line.label)}</span></div>"
        for line in lines
    )
    return f'<div class="row">{"".join(told)}</div>'


def _short(value: float | None) -> str:
    if value is None:
        return "–"
    if 0 < value < 1:
        return f"{value:.6f}".rstrip("0")
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def _curves(properties: Mapping[str, Any], metrics: _Metrics, width: float, height: float) -> str:
    lines = list(metrics.lines(properties, is_whole=False))
    limits = properties.get("annotations", {}).get("horizontal", [])
    top = _rounded_up(max((value for line in lines for value in line.values if value is not None), default=1))
    legend = [(line.label, line.colour) for line in lines]
    legend += [(f"{limit['label']} at {limit['value']:g}", limit["color"]) for limit in limits]
    height -= 18 * -(-len(legend) // max(1, int(width // 170))) + 36
    left, count = 44.0, max(1, len(metrics.starts) - 1)

    def x(at: int) -> float:
        return left + (width - left - 4) * at / count

    def y(value: float) -> float:
        return height - (height - 6) * value / top

    grid = "".join(
        f'<path d="M{left} {y(share * top):.1f}H{width:.0f}" class="grid"/>'
        f'<text x="{left - 6}" y="{y(share * top) + 4:.1f}" text-anchor="end">{_short(share * top)}</text>'
        for share in (0, 0.5, 1)
    )
    for at in range(0, count, max(1, count // 6)):
        anchor = "middle" if x(at) < width - 16 else "end"
        place = f'x="{min(x(at), width):.0f}" y="{height + 15:.0f}" text-anchor="{anchor}"'
        grid += f"<text {place}>{at * metrics.period_s} s</text>"
    for limit in limits:
        if limit["value"] <= top:
            grid += f'<path d="M{left} {y(limit["value"]):.1f}H{width:.0f}" class="limit"/>'
    keys = "".join(
        f'<span><i style="background:{colour}"></i>{escape(label)}</span>' for label, colour in legend
    )
    drawn = "".join(_curve(line, x, y) for line in lines)
    picture = f'<svg width="{width:.0f}" height="{height + 20:.0f}">{grid}{drawn}</svg>'
    return f'{picture}<div class="keys">{keys}</div>'


def _curve(line: Line, x: Callable[[int], float], y: Callable[[float], float]) -> str:
    """Draw a line between neighbours, and a dot for every value."""
    pieces, pen_down = [], False
    for at, value in enumerate(line.values):
        if value is not None:
            pieces.append(f"{'L' if pen_down else 'M'}{x(at):.1f} {y(value):.1f}")
        pen_down = value is not None
    dots = "".join(
        f'<circle cx="{x(at):.1f}" cy="{y(value):.1f}" r="2" fill="{line.colour}"/>'
        for at, value in enumerate(line.values)
        if value is not None
    )
    return f'<path d="{"".join(pieces)}" stroke="{line.colour}" class="line"/>{dots}'


def _rounded_up(value: float) -> float:
    """Round up to one, two or five times a power of ten."""
    step: float = 10 ** (len(str(int(value))) - 1)
    return next(factor * step for factor in (1, 2, 5, 10) if factor * step >= value)


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{name}: dashboard</title>
<style>
body {{ margin: 0; padding: 18px 22px; background: #f2f3f3; color: #16191f;
  font: 13px/1.35 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }}
h1 {{ font-size: 20px; margin: 0 0 12px; }} h1 small {{ color: #5f6b7a; font-weight: 400; font-size: 13px; }}
main {{ position: relative; width: {width}px; height: {height}px; }}
section {{ position: absolute; box-sizing: border-box; background: #fff; border: 1px solid #d5dbdb;
  border-radius: 6px; padding: 8px 12px; overflow: hidden; }}
section.text {{ border: 0; background: none; padding: 6px 2px; }}
h2 {{ font-size: 18px; margin: 0; }} h2 small {{ font-size: 12px; color: #5f6b7a; font-weight: 400; }}
h3 {{ font-size: 13px; margin: 0 0 6px; }} p {{ margin: 4px 10px; color: #414d5c; }}
.row {{ display: flex; justify-content: space-around; gap: 14px; padding-top: 14px; text-align: center; }}
.row strong {{ display: block; font-size: 34px; font-weight: 500; }} .row span {{ color: #5f6b7a; }}
svg text {{ font-size: 10px; fill: #5f6b7a; }} .grid {{ stroke: #e9ebed; }}
.line {{ fill: none; stroke-width: 1.8; }}
.limit {{ stroke: #d62728; stroke-dasharray: 5 4; }}
.keys {{ display: flex; flex-wrap: wrap; gap: 0 14px; font-size: 11px; color: #414d5c; }}
.keys i {{ display: inline-block; width: 9px; height: 9px; border-radius: 2px; margin-right: 5px; }}
ul {{ list-style: none; margin: 0; padding: 0; display: grid; grid-template-columns: repeat(5, 1fr);
  gap: 5px; }}
li {{ border-left: 4px solid var(--colour); background: #f7f8f8; padding: 3px 5px; font-size: 10px;
  border-radius: 3px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }}
li small {{ display: block; color: var(--colour); font-size: 9px; }}
li.ALARM {{ background: #fdecec; font-weight: 600; }}
</style>
<h1>{name} <small>{told}</small></h1>
<main>
{drawn}
</main></html>
"""
