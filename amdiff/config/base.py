"""The base of all specifications.

Two kinds of values live side by side in a specification. Most decide *what* is computed and
enter the address of an artifact. Those marked ``Local`` (paths, devices, block sizes) decide
only *where or how fast*, and never do.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class _Local:
    """Marks a field that cannot change a result, hence is no part of an address."""


Local = _Local()

Seed = Annotated[int, Field(ge=0, lt=2**63, description="seed of a random stream")]
Probability = Annotated[float, Field(gt=0, lt=1)]


class Spec(BaseModel):
    """Base of all specifications: immutable, strict about keys, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def identity(self) -> dict[str, Any]:
        """The values that decide a result, as plain JSON data: everything but ``Local`` fields."""
        out: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            if any(isinstance(m, _Local) for m in field.metadata):
                continue
            out[name] = _plain(getattr(self, name))
        return out


def _plain(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.identity()
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value
