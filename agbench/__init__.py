"""How far images can be compressed before AutoML accuracy drops, and what that saves.

For a notebook: `load_dataset`, `run`, `results`, `report` and `recommend` do what the commands of these names do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agbench.api import load_dataset, recommend, report, results, run

__all__ = ["load_dataset", "recommend", "report", "results", "run"]


def __getattr__(name: str) -> Any:
    # AutoGluon's stack takes seconds to import, and most commands need none of it.
    if name in __all__:
        from agbench import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
