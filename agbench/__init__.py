"""How far images can be compressed before AutoML accuracy drops, and what that saves.

For a notebook: `load_dataset`, `run`, `recommend`, `compress`, `compare`, `report` and `results` do what the
commands of these names do. `Budget` holds the settings of the models, `UserError` is what a user can mend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agbench.api import compare, compress, load_dataset, recommend, report, results, run
    from agbench.core.condition import Budget
    from agbench.core.errors import UserError

    __version__: str

__all__ = [
    "Budget",
    "UserError",
    "__version__",
    "compare",
    "compress",
    "load_dataset",
    "recommend",
    "report",
    "results",
    "run",
]


def __getattr__(name: str) -> Any:
    # AutoGluon's stack takes seconds to import, and most commands need none of it.
    if name == "__version__":
        from importlib.metadata import version

        return version("agbench")
    if name in __all__:
        from agbench import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
