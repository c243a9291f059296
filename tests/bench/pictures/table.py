"""A table of the bench: what was measured, what it had to reach, whether it did."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Bar(StrEnum):
    AT_MOST = "<="
    AT_LEAST = ">="
    NONE = ""  # a figure to know, without a verdict


@dataclass(frozen=True, slots=True)
class Row:
    """`unit` is printed behind the figure: "x memcpy", " ms", "%"."""

    what: str
    figure: float
    unit: str = ""
    bar: Bar = Bar.NONE
    limit: float = 0.0
    note: str = ""

    @property
    def met(self) -> bool | None:
        """None: there is no bar."""
        match self.bar:
            case Bar.AT_MOST:
                return self.figure <= self.limit
            case Bar.AT_LEAST:
                return self.figure >= self.limit
            case Bar.NONE:
                return None


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    rows: list[Row] = field(default_factory=list)

    @property
    def met(self) -> bool:
        return all(row.met is not False for row in self.rows)

    def text(self) -> str:
        lines = [f"## {self.title}", "", "| what | measured | bar | verdict | |", "|---|---|---|---|---|"]
        for row in self.rows:
            bar = f"{row.bar} {_number(row.limit)}{row.unit}" if row.bar else ""
            verdict = {True: "met", False: "NOT MET", None: ""}[row.met]
            lines.append(f"| {row.what} | {_number(row.figure)}{row.unit} | {bar} | {verdict} | {row.note} |")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        rows = [
            {
                "what": row.what,
                "figure": row.figure,
                "unit": row.unit.strip(),
                "bar": row.bar.value,
                "limit": row.limit,
                "met": row.met,
                "note": row.note,
            }
            for row in self.rows
        ]
        return {"title": self.title, "met": self.met, "rows": rows}


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
