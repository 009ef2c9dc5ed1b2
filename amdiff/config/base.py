"""The base of all specifications. It alone decides which values enter an address.

The values of a specification are of three kinds:

- Most values decide *what* is computed. They enter the addresses of the artifacts that depend on them, and of the page.
- Values marked ``Shown`` decide what a page shows of the results. They enter only the page's address.
- Values marked ``Local`` (paths, devices, block sizes) decide *where or how fast* it runs. They enter no address.

``identity`` returns the values of a page's address, and ``resolved`` those of an artifact's. Some values have no effect
because of the others, as a filter does if nothing is resized. ``idle`` names them, and they enter neither address.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class _Mark:
    """A mark on a field, which says which addresses the field enters."""


Local, Shown = _Mark(), _Mark()

Seed = Annotated[int, Field(ge=0, lt=2**63, description="Seed of the random numbers.")]
Probability = Annotated[float, Field(gt=0, lt=1)]


class Spec(BaseModel):
    """Base of all specifications. They are immutable, and refuse unknown keys, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def idle(self) -> set[str]:
        """Names of the fields that have no effect, given the values of the others."""
        return set()

    def identity(self) -> dict[str, Any]:
        """The values that enter a page's address, as plain JSON data: all except ``Local`` and ``idle`` ones."""
        return self._values({Local})

    def resolved(self) -> dict[str, Any]:
        """The values that enter an artifact's address, as plain JSON data: ``identity`` without the ``Shown`` ones."""
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
