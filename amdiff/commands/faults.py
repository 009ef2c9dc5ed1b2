"""Faults of amdiff itself: errors that nobody expected."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import tempfile
import traceback
from datetime import datetime
from pathlib import Path


def told(error: Exception) -> str:
    """Save the traceback of an unexpected error to a file, and return the message about it."""
    name = f"fault-{datetime.now().strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    text = "".join([f"{shlex.join(sys.argv)}\n", *traceback.format_exception(error)])
    for folder in (Path("logs"), Path(tempfile.gettempdir())):  # a project has logs/
        with contextlib.suppress(OSError):
            (folder / name).write_text(text)
            return (
                f"this is a fault of amdiff itself, {type(error).__name__}: {error}; finished results are kept. Its "
                f"traceback is in {folder / name}; please report it, with that file, to whoever gave you amdiff"
            )
    return f"this is a fault of amdiff itself, {type(error).__name__}: {error}; AMDIFF_TRACEBACK=1 shows the traceback"
