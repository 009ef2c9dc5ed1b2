"""What each Python process of a run spends: CPU seconds in all, and in imports. Loaded by ``site`` where its folder is
on PYTHONPATH and AMDIFF_ACCOUNTS names a folder, in which every process leaves one line of JSON when it ends.
"""

import atexit
import importlib._bootstrap as bootstrap
import json
import os
import sys
import time
from pathlib import Path

_load = bootstrap._find_and_load
_depth = 0
_imports = 0.0


def _timed(name, import_):
    global _depth, _imports
    if _depth:
        return _load(name, import_)
    _depth = 1
    start = time.thread_time()
    try:
        return _load(name, import_)
    finally:
        _imports += time.thread_time() - start
        _depth = 0


def _account() -> None:
    line = {"argv": sys.argv, "cpu": time.process_time(), "imports": _imports}
    path = Path(os.environ["AMDIFF_ACCOUNTS"]) / f"{os.getpid()}-{time.time_ns()}.json"
    path.write_text(json.dumps(line))


if "AMDIFF_ACCOUNTS" in os.environ:
    bootstrap._find_and_load = _timed
    atexit.register(_account)
