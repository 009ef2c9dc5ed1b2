"""Vectors of images in a file: room for more than fits into memory."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from jaxtyping import Float32


class VectorFile:
    """Vectors in a file of float32, one after the other."""

    def __init__(self, path: Path, dimension: int, count: int = 0) -> None:
        """Room for ``count`` vectors is reserved at once. Raises ``OSError`` where the disk has not so much."""
        self.path, self._width = path, 4 * dimension
        path.unlink(missing_ok=True)
        if count:
            with path.open("wb") as stream:
                if sys.platform == "darwin":  # has no such call
                    stream.truncate(count * self._width)
                else:
                    os.posix_fallocate(stream.fileno(), 0, count * self._width)

    @classmethod
    def there(cls, path: Path, dimension: int) -> VectorFile:
        """A file that is there already."""
        file = cls.__new__(cls)
        file.path, file._width = path, 4 * dimension
        return file

    def write(self, start: int, vectors: Float32[np.ndarray, "n d"]) -> None:
        """Keep vectors as numbers ``start`` and on."""
        with self.path.open("r+b" if self.path.exists() else "wb") as stream:
            stream.seek(start * self._width)
            stream.write(np.ascontiguousarray(vectors).data)

    def read(self, start: int, stop: int) -> Float32[np.ndarray, "n d"]:
        """Vectors [start, stop), in memory."""
        with self.path.open("rb") as stream:
            flat = np.fromfile(stream, np.float32, (stop - start) * self._width // 4, offset=start * self._width)
        return flat.reshape(stop - start, self._width // 4)
