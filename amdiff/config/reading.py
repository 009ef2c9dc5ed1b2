"""Reading a configuration, and explaining in one line what is wrong with it."""

from __future__ import annotations

import ast
import difflib
import inspect
import itertools
import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import Tag, ValidationError

from amdiff.errors import ConfigError

from .base import Spec
from .configuration import Config

NETWORK_OF_ONES_OWN = (
    "to measure your own network, pass it in Python as a function of x and t, or audit its samples with "
    "`amdiff audit` (docs/how-to/own-model.md)"
)
"""Advice for a network that the workflow cannot run."""


def parse_config(data: Any) -> Config:
    """Validate plain data. Raises ``ConfigError``, whose message explains each mistake in one line."""
    if not isinstance(data, Mapping):
        raise ConfigError(f"a configuration is a mapping with 'datasets' and 'experiments', got {type(data).__name__}")
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(e) for e in error.errors())) from None


def read_config(path: Path) -> Config:
    """Read and validate a YAML or JSON file. Raises ``ConfigError``."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"there is no configuration {path}; go to a project's folder, begin one by `amdiff init`, or give another "
            "file by --configfile"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration {path}: {error}") from None
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    try:
        return parse_config(data)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def json_schema() -> str:
    """JSON schema of a configuration, for editors (workflow/config/schema.json)."""
    return json.dumps(described_schema(), indent=1, sort_keys=True) + "\n"


def described_schema() -> dict[str, Any]:
    """The JSON schema, where the string below an attribute describes its key.

    Pydantic could read these strings too, but it would then parse the source of every class when a process starts.
    """
    schema = Config.model_json_schema()
    blocks = {**schema["$defs"], "Config": schema}
    waiting: list[type[Spec]] = [Spec]
    while waiting:
        spec = waiting.pop()
        waiting += spec.__subclasses__()
        keys = blocks.get(spec.__name__, {}).get("properties", {})
        for base in reversed(spec.__mro__[: spec.__mro__.index(Spec)]):  # the text nearest to the class is the last
            for name, text in _attribute_docstrings(base):
                if name in keys:
                    keys[name]["description"] = text
    return schema


def _attribute_docstrings(spec: type) -> Iterator[tuple[str, str]]:
    """Each annotated attribute of a class that has a string below it, with this string."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(spec))).body
    assert isinstance(tree, ast.ClassDef)
    for attribute, below in itertools.pairwise(tree.body):
        match attribute, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


def _explain(error: Any) -> str:
    """Explain one mistake in one line: the key, the value, and what is allowed."""
    keys, parent = _locate(error["loc"])
    key = ".".join(keys)
    message = error["msg"].removeprefix("Value error, ")
    match error["type"]:
        case "extra_forbidden":
            allowed = sorted(parent.model_fields) if parent else []
            close = difflib.get_close_matches(keys[-1], allowed, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            return f"{key}: unknown key; {hint}allowed here: {', '.join(allowed)}"
        case "missing":
            return f"{key}: required, but missing"
        case "union_tag_not_found":
            return f"{key}: {error['ctx']['discriminator']} is required"
        case "union_tag_invalid":
            context = error["ctx"]
            choice = context["discriminator"].strip("'()")
            hint = f"; {NETWORK_OF_ONES_OWN}" if keys[-1:] == ["denoiser"] else ""
            return f"{key}.{choice}: got {context['tag']!r}; allowed: {context['expected_tags']}{hint}"
        case "value_error":
            return message if not key or message.startswith(key) else f"{key}: {message}"
        case _:
            return f"{key}: got {error['input']!r}; {message[:1].lower() + message[1:]}"


def _locate(loc: tuple[Any, ...]) -> tuple[list[str], type[Spec] | None]:
    """The keys as the user wrote them, without the tags of unions, and the class that holds the last key."""
    keys: list[str] = []
    holder: type[Spec] | None = None
    kind: Any = Config
    for part in loc:
        if part in (choices := _choices(kind)):
            kind = choices[part]
            continue
        members = [m for m in _members(kind) if isinstance(m, type) and issubclass(m, Spec)]
        tagged = [m for m in members if len(members) > 1 and part in _tags(m)]
        if tagged:
            kind = tagged[0]
            continue
        keys.append(str(part))
        holder = members[0] if len(members) == 1 else None
        if holder is not None:
            field = holder.model_fields.get(str(part))
            kind = field.annotation if field else None
        else:
            arguments = [a for m in _members(kind) for a in get_args(m) if a is not Ellipsis]
            kind = arguments[-1] if arguments else None
    return keys, holder


def _choices(kind: Any) -> dict[str, Any]:
    """Members of a union whose discriminator is a function, by their tags."""
    found: dict[str, Any] = {}
    for member in get_args(kind):
        if get_origin(member) is Annotated:
            found |= {tag.tag: member for tag in get_args(member) if isinstance(tag, Tag)}
    return found


def _members(kind: Any) -> list[Any]:
    if get_origin(kind) is Annotated:
        return _members(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return [m for a in get_args(kind) for m in _members(a)]
    return [kind]


def _tags(spec: type[Spec]) -> tuple[Any, ...]:
    return tuple(
        value
        for name in ("kind", "method")
        if name in spec.model_fields
        for value in get_args(spec.model_fields[name].annotation)
    )
