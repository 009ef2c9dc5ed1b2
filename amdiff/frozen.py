"""Stores the configuration of a run, so that editing ``config.yaml`` during the run has no effect on it.

The stored configuration lies in ``scratch/config/<digest>.json``. A job on another machine gets it packed into an
environment variable.
"""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

from amdiff.artifacts import canonical_json, short_digest
from amdiff.config import Config, parse_config
from amdiff.files import read_json, write_bytes
from amdiff.plan import Plan
from amdiff.project import open_plan, settle


def freeze(config: Config, root: Path = Path()) -> Path:
    """Write a prepared configuration to the scratch folder, and return its path relative to the root."""
    plain = json.loads(config.model_dump_json())
    content, path = canonical_json(plain).encode(), Path("scratch/config") / f"{short_digest(plain)}.json"
    if not (root / path).is_file() or (root / path).read_bytes() != content:
        write_bytes(root / path, content)
    return path


def thaw(path: Path, root: Path = Path()) -> Plan:
    """Plan a frozen configuration or a configuration file. Raises ``ConfigError``."""
    if path.suffix == ".json" and path.parent.parts[-2:] == ("scratch", "config") and path.exists():
        return settle(parse_config(read_json(path)), root)
    return open_plan(path, root)


def pack(config: Config) -> str:
    """A prepared configuration as compressed base64 text, for an environment variable."""
    return base64.b64encode(zlib.compress(config.model_dump_json().encode())).decode()


def unpack(text: str) -> Config:
    """The configuration that ``pack`` turned into text."""
    return parse_config(json.loads(zlib.decompress(base64.b64decode(text))))
