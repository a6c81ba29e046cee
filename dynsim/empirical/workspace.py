"""Working arrays that engines use in turn: they are advanced one after the other, and need them only meanwhile."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Workspace:
    """Named arrays of any shape, in memory that is allocated once for the largest shape asked for."""

    def __init__(self) -> None:
        self._flat: dict[str, NDArray[Any]] = {}

    def array(self, name: str, shape: tuple[int, ...], kind: Any = np.float64) -> NDArray[Any]:
        """The array of that name; what stands in it is whatever was left there."""
        size = int(np.prod(shape, dtype=int))
        if name not in self._flat or self._flat[name].size < size:
            self._flat[name] = np.empty(size, dtype=kind)
        return self._flat[name][:size].reshape(shape)
