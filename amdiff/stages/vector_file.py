"""Vectors of images in a file, for sets that do not fit into memory."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Float32


class VectorFile:
    """Vectors in a file of float32, one after the other.

    The file stays open. So its vectors can be read even if another process removes or replaces it.
    """

    def __init__(self, path: Path, dimension: int, count: int = 0) -> None:
        """Create the file and reserve room for ``count`` vectors of ``dimension`` numbers.

        Raises ``OSError`` if the disk has too little room. No file is left then.
        """
        self.path, self._width = path, 4 * dimension
        path.unlink(missing_ok=True)
        self._stream: IO[bytes] = path.open("w+b")
        try:
            if sys.platform == "darwin":  # macOS has no posix_fallocate
                self._stream.truncate(count * self._width)
            elif count:
                os.posix_fallocate(self._stream.fileno(), 0, count * self._width)
        except OSError:
            self._stream.close()
            path.unlink(missing_ok=True)
            raise

    @classmethod
    def there(cls, path: Path, dimension: int) -> VectorFile:
        """Use a file that exists already. Raises ``OSError`` if it does not."""
        file = cls.__new__(cls)
        file.path, file._width = path, 4 * dimension
        file._stream = path.open("rb")
        return file

    def write(self, start: int, vectors: Float32[np.ndarray, "n d"]) -> None:
        """Write vectors from number ``start`` on."""
        self._stream.seek(start * self._width)
        self._stream.write(np.ascontiguousarray(vectors).data)
        self._stream.flush()

    def read(self, start: int, stop: int) -> Float32[np.ndarray, "n d"]:
        """Read the vectors [start, stop) into memory."""
        self._stream.seek(start * self._width)
        flat = np.fromfile(self._stream, np.float32, (stop - start) * self._width // 4)
        return flat.reshape(stop - start, self._width // 4)
