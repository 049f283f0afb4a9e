"""Which of the package's modules pytest reads examples from."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent / "agbench"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Pass over a module without an example: importing all of them takes half a minute in each process."""
    is_module = collection_path.suffix == ".py" and collection_path.is_relative_to(PACKAGE)
    return True if is_module and ">>>" not in collection_path.read_text(encoding="utf-8") else None
