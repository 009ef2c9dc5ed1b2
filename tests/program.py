"""The program in this process: what ``python -m amdiff`` does, without a start of Python and PyTorch each time."""

from __future__ import annotations

import contextlib
import gc
import io
import signal
import subprocess
import traceback
from pathlib import Path
from unittest import mock

from amdiff.cli import main


def amdiff(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder; what it printed, and its exit status."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    handler, threshold = signal.getsignal(signal.SIGTERM), gc.get_threshold()
    try:
        with (
            contextlib.chdir(cwd),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            mock.patch("sys.argv", ["amdiff", *arguments]),
            mock.patch("sys.stdin", io.StringIO()),
            mock.patch("atexit.register"),
        ):
            try:
                main()
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else int(end.code is not None)
            except Exception:
                traceback.print_exc()
                status = 1
    finally:
        signal.signal(signal.SIGTERM, handler)
        gc.set_threshold(*threshold)
    return subprocess.CompletedProcess(list(arguments), status, out.getvalue(), err.getvalue())
