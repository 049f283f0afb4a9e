"""Measure, and remake the table in benchmarks/README.md: python -m benchmarks [NAME ...]."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from agbench.core.environment import describe
from benchmarks.row import Row

NAMES = (
    "start",
    "variants",
    "scaling",
    "preparing",
    "features",
    "layout",
    "probe",
    "trial",
    "peer",
    "side_by_side",
    "cache",
    "gpu",
    "whole",
)
HERE = Path(__file__).parent
KEPT, PAGE, MARK = HERE / "measured.json", HERE / "README.md", "<!-- measured -->"


def main(names: list[str]) -> None:
    """Run benchmarks, and keep what the others said the last time."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    machine = describe(0, 0)["machine"]
    where = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB"
    for name in names:
        found = []
        for row in importlib.import_module(f"benchmarks.{name}").rows():
            found.append(asdict(row))
            print(f"{row.what}: {row.ours}; {row.theirs}; ratio {row.ratio:.2f} ({row.demand})", flush=True)
        if not found:  # what it needs is not here
            continue
        kept[name] = {"machine": where, "date": datetime.now(timezone.utc).date().isoformat(), "rows": found}
        KEPT.write_text(json.dumps({name: kept[name] for name in NAMES if name in kept}, indent=1) + "\n")
    before, _, rest = PAGE.read_text().partition(MARK)
    _, _, after = rest.partition(MARK)
    PAGE.write_text(f"{before}{MARK}\n\n{_table(kept)}\n\n{MARK}{after}")


def _table(kept: dict[str, dict[str, object]]) -> str:
    lines = [
        "| what | agbench | beside it | ratio | wanted | measured on |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in NAMES:
        for values in kept.get(name, {}).get("rows", []):  # type: ignore[attr-defined]
            row = Row(**values)
            where = f"{kept[name]['machine']}, {kept[name]['date']}"
            lines.append(f"| {row.what} | {row.ours} | {row.theirs} | {row.ratio:.2f} | {row.demand} | {where} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1:] or [*NAMES])
