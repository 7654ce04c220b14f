"""The list of node cases that are known to fail, one `case reason` a line. It may only shrink.

The line `# at most N cases` is the limit: the runner refuses a longer list, and updating never raises the number.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

_LIMIT = re.compile(r"^# at most (\d+) cases$", re.MULTILINE)

_HEADER = """\
# ONNX node cases that fail: case, then the reason: the compiler's or the runtime's code, wrong-values, wrong-shape,
# wrong-type, no-npy (a sequence, an optional or strings), timeout or crash. Written by
# `test/onnx/run_node_tests.py --update-known-failures`, which only takes cases away.
# at most {limit} cases
"""


class KnownFailures:
    def __init__(self, path: Path):
        self.path = path
        self.reasons: dict[str, str] = {}
        self.limit: int | None = None
        if not path.exists():
            return
        text = path.read_text()
        match = _LIMIT.search(text)
        self.limit = int(match.group(1)) if match else None
        for line in text.splitlines():
            if line and not line.startswith("#"):
                case, reason = line.split()
                self.reasons[case] = reason

    @property
    def too_long(self) -> bool:
        return self.limit is not None and len(self.reasons) > self.limit

    def update(self, results: dict[str, str], grow: bool) -> list[str]:
        """Takes passed cases away and renews reasons. New failures are added only to a list that does not exist yet,
        or with `grow`; the others are returned."""
        grow = grow or self.limit is None
        failed = {case: reason for case, reason in results.items() if reason}
        refused = [case for case in failed if case not in self.reasons and not grow]
        kept = {case: reason for case, reason in self.reasons.items() if case not in results}
        added = {case: reason for case, reason in failed.items() if case not in refused}
        self.reasons = dict(sorted({**kept, **added}.items()))
        self.limit = len(self.reasons) if grow or self.limit is None else min(self.limit, len(self.reasons))
        lines = [f"{case} {reason}\n" for case, reason in self.reasons.items()]
        self.path.write_text(_HEADER.format(limit=self.limit) + "".join(lines))
        return refused


def by_reason(reasons: dict[str, str]) -> str:
    return "  ".join(f"{reason} {count}" for reason, count in Counter(reasons.values()).most_common())
