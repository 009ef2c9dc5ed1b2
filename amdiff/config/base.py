"""The base of all specifications, and the one place that says what enters an address.

The values of a specification are of three kinds:

- most decide *what* is computed: they enter the addresses of the artifacts that they decide, and of their page;
- those marked ``Shown`` decide what a page shows of it: they enter the page's address alone;
- those marked ``Local`` (paths, devices, block sizes) decide *where or how fast*: they enter no address.

``identity`` is what enters a page's address, ``resolved`` what enters an artifact's. A value that decides nothing
because of the other values (a filter where nothing is resized) is named by ``idle`` and enters neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class _Mark:
    """Marks a field by the addresses that it enters."""


Local, Shown = _Mark(), _Mark()

Seed = Annotated[int, Field(ge=0, lt=2**63, description="seed of a random stream")]
Probability = Annotated[float, Field(gt=0, lt=1)]


class Spec(BaseModel):
    """Base of all specifications: immutable, strict about keys, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def idle(self) -> set[str]:
        """Names of the fields that decide nothing, given the values of the others."""
        return set()

    def identity(self) -> dict[str, Any]:
        """The values that decide a page, as plain JSON data: all but ``Local`` and ``idle`` ones."""
        return self._values({Local})

    def resolved(self) -> dict[str, Any]:
        """The values that decide an artifact, as plain JSON data: those of ``identity`` that are not ``Shown``."""
        return self._values({Local, Shown})

    def _values(self, without: set[_Mark]) -> dict[str, Any]:
        idle = self.idle()
        return {
            name: _plain(getattr(self, name))
            for name, field in type(self).model_fields.items()
            if name not in idle and without.isdisjoint(m for m in field.metadata if isinstance(m, _Mark))
        }


def _plain(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.identity()
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value
