"""What PyTorch holds of a GPU in this process; it is not imported for that."""

from __future__ import annotations

import gc
import sys
from typing import Any


def cuda_in_use() -> Any:
    """Return ``torch.cuda`` where this process has begun to use a GPU; ``None`` otherwise."""
    torch = sys.modules.get("torch")
    if torch is None or not (torch.cuda.is_available() and torch.cuda.is_initialized()):
        return None
    return torch.cuda


def free_gpu() -> None:
    """Return the memory of a GPU that PyTorch holds back, to this process's next model or to another process."""
    cuda = cuda_in_use()
    if cuda is not None:
        gc.collect()
        cuda.empty_cache()
