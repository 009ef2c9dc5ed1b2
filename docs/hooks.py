"""What MkDocs cannot do by settings: pages made from the program itself, and formulas as MathML.

The reference of the configuration comes from its JSON schema, that of the commands from their help; formulas are
written as ``$x$`` and ``$$x$$`` and need no script in the browser.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import typer
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from amdiff import cli
from amdiff.config.reading import described_schema


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    for name, make in {"reference/configuration.md": configuration, "reference/commands.md": commands}.items():
        files.append(File.generated(config, name, content=make()))
    return files


def on_page_content(content: str, **_: Any) -> str:
    """Formulas as MathML."""

    def formula(match: re.Match[str]) -> str:
        return convert(html.unescape(match[2]), display="block" if match[1] == "div" else "inline")

    return re.sub(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', formula, content, flags=re.DOTALL)


# -- configuration ----------------------------------------------------------------------------


def configuration() -> str:
    """Every block of a configuration file: keys, types, defaults, meanings."""
    schema = described_schema()
    lines = [
        "# Configuration",
        "",
        "Every key of a configuration file, made from the program itself. `config.yaml` in the repository is "
        "commented, and `workflow/config/schema.json` lets editors complete keys. Unknown keys are refused.",
        "",
        *_block("The file", schema),
    ]
    for name, block in schema["$defs"].items():
        lines += _block(name, block)
    return "\n".join(lines)


def _block(name: str, block: dict[str, Any]) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    yield _text(block.get("description", ""))
    yield ""
    yield "| key | type | default | |"
    yield "|---|---|---|---|"
    for key, value in block.get("properties", {}).items():
        needed = key in block.get("required", ())
        default = "required" if needed else f"`{_default(value.get('default'))}`"
        yield f"| `{key}` | {_type(value)} | {default} | {_text(value.get('description', ''))} |"
    yield ""


def _default(value: Any) -> str:
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text.replace("|", "\\|") if len(text) < 60 else "…"


def _text(text: str) -> str:
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|").replace("$", "\\$").replace("*", "\\*")


def _type(value: dict[str, Any]) -> str:
    """A type with its range, blocks as links."""
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    for union in ("anyOf", "oneOf"):
        if union in value:
            return " or ".join(dict.fromkeys(_type(option) for option in value[union]))
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return " or ".join(f"`{option}`" for option in value["enum"])
    if value.get("type") == "array":
        items = value.get("items") or {"anyOf": value.get("prefixItems", [{}])}
        return f"list of {_type(items)}"
    if value.get("type") == "object":
        inner = value.get("additionalProperties")
        return f"mapping to {_type(inner)}" if isinstance(inner, dict) else "mapping"
    marks = {"minimum": "≥", "exclusiveMinimum": "&gt;", "maximum": "≤", "exclusiveMaximum": "&lt;"}
    limits = ", ".join(f"{mark} {value[key]:g}" for key, mark in marks.items() if key in value)
    return f"{value.get('type', 'any')}{f' {limits}' if limits else ''}"


# -- commands ---------------------------------------------------------------------------------


def commands() -> str:
    """The help of every command that people type."""
    group: Any = typer.main.get_command(cli.app)
    lines = [
        "# Commands",
        "",
        "What `python -m amdiff <command> --help` prints. Steps of the workflow are not listed.",
        "",
    ]
    with group.make_context("amdiff", [], resilient_parsing=True) as parent:
        parent.max_content_width = 100
        for name, command in group.commands.items():
            if command.hidden:
                continue
            with command.make_context(name, [], parent=parent, resilient_parsing=True) as context:
                lines += [f"## {name}", "", "```text", command.get_help(context), "```", ""]
    return "\n".join(lines)
