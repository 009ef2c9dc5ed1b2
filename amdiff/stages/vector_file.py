"""Vectors of images in a file, for sets that do not fit into memory."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from jaxtyping import Float32


class VectorFile:
    """Vectors in a file of float32, one after the other."""

    def __init__(self, path: Path, dimension: int, count: int = 0) -> None:
        """Create the file and reserve room for ``count`` vectors of ``dimension`` numbers.

        Raises ``OSError`` if the disk has too little room.
        """
        self.path, self._width = path, 4 * dimension
        path.unlink(missing_ok=True)
        if count:
            with path.open("wb") as stream:
                if sys.platform == "darwin":  # macOS has no posix_fallocate
                    stream.truncate(count * self._width)
                else:
                    os.posix_fallocate(stream.fileno(), 0, count * self._width)

    @classmethod
    def there(cls, path: Path, dimension: int) -> VectorFile:
        """Use a file that exists already."""
        file = cls.__new__(cls)
        file.path, file._width = path, 4 * dimension
        return file

    def write(self, start: int, vectors: Float32[np.ndarray, "n d"]) -> None:
        """Write vectors from number ``start`` on."""
        with self.path.open("r+b" if self.path.exists() else "wb") as stream:
            stream.seek(start * self._width)
            stream.write(np.ascontiguousarray(vectors).data)

    def read(self, start: int, stop: int) -> Float32[np.ndarray, "n d"]:
        """Read the vectors [start, stop) into memory."""
        with self.path.open("rb") as stream:
            flat = np.fromfile(stream, np.float32, (stop - start) * self._width // 4, offset=start * self._width)
        return flat.reshape(stop - start, self._width // 4)
