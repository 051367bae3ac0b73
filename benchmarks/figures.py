"""What a benchmark found: figures with their targets, as a table and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Target:
    """A bound that a figure's ratio should keep: at least `bound`, or at most when `is_ceiling`."""

    bound: float
    is_ceiling: bool = False

    def is_met(self, ratio: float) -> bool:
        """Whether `ratio` keeps the bound."""
        return ratio <= self.bound if self.is_ceiling else ratio >= self.bound

    def __str__(self) -> str:
        return f"{'≤' if self.is_ceiling else '≥'} {self.bound:.2f}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. `ratio` compares it with the yardstick named by `against`, in the same run.

    `connections` is 0 where the word means nothing. `details` are further numbers for the JSON file alone.
    """

    part: str
    name: str
    value: float
    unit: str
    connections: int = 0
    ratio: float | None = None
    against: str = ""
    target: Target | None = None
    details: dict[str, float] = field(default_factory=dict)

    @property
    def is_met(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.target is None or self.ratio is None:
            return None
        return self.target.is_met(self.ratio)

    def as_json(self) -> dict[str, object]:
        """The figure as one JSON object."""
        return {**asdict(self), "target": str(self.target) if self.target else None, "met": self.is_met}


_HEADINGS = ("part", "what", "conns", "value", "unit", "ratio", "against", "target", "")
_VERDICTS = {True: "reached", False: "MISSED", None: ""}
_RIGHT = {2, 3, 5}


def table(figures: Sequence[Figure]) -> str:
    """The figures as an aligned table that is also Markdown."""
    rows = [_HEADINGS, *(_cells(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    ruler = tuple("-" * (width - 1) + ":" if i in _RIGHT else "-" * width for i, width in enumerate(widths))
    return "\n".join(_line(row, widths) for row in (rows[0], ruler, *rows[1:]))


def median(values: Sequence[float]) -> float:
    """The middle value; 0 when nothing was measured."""
    return statistics.median(values) if values else 0.0


def _cells(figure: Figure) -> tuple[str, ...]:
    return (
        figure.part,
        figure.name,
        str(figure.connections) if figure.connections else "",
        f"{figure.value:,.0f}" if figure.value >= 100 else f"{figure.value:.2f}",
        figure.unit,
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        figure.against,
        str(figure.target) if figure.target else "",
        _VERDICTS[figure.is_met],
    )


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    padded = (
        cell.rjust(width) if column in _RIGHT else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join(padded)} |"
