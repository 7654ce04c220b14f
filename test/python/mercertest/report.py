"""Tables for people, and the summary line that `tools/dev test` adds up."""

from __future__ import annotations

from typing import Iterable, Sequence


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns padded with spaces; numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max([len(heading), *(len(row[column]) for row in cells)]) for column, heading in enumerate(headings)]

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            cell.rjust(width) if cell[:1].isdigit() else cell.ljust(width) for cell, width in zip(row, widths)
        ).rstrip()

    return "\n".join([line(list(headings)), line(["-" * width for width in widths]), *map(line, cells)])


def summary(passed: int, failed: int) -> str:
    return f"{passed} passed, {failed} failed"
