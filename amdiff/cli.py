"""The command line: each stage of the workflow, and what people ask for.

Thin: every command reads its arguments, calls one function, and turns an expected failure into one line on stderr.
Any other exception is a fault of amdiff itself: that is said, and where its traceback lies. Exit status: 0 done,
1 failed, 2 a mistake in the usage or the configuration; of an audit 1 means too many copies, 3 that the samples do not
decide, and 2 every failure.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import os
import shlex
import signal
import sys
import tempfile
import traceback
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from amdiff.catalogue import STAGES
from amdiff.commands.audit_options import audit
from amdiff.config import ConfigError, json_schema
from amdiff.errors import AmdiffError

app = typer.Typer(
    name="amdiff",
    help="Memorized, spurious and generalized samples of diffusion models. The workflow runs by `snakemake`; "
    "these commands are its steps, and ways to look at what it makes.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# a mistake in the arguments, of whichever click Typer brings
_USAGE: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "UsageError")

ConfigFile = Annotated[Path, typer.Option("--configfile", help="Configuration file.")]
DEFAULT = Path("config.yaml")
Root = Annotated[Path, typer.Option("--root", help="Folder that holds artifacts and results.")]


def _version(asked: bool | None) -> None:
    if asked:
        from importlib.metadata import version

        sys.stdout.write(f"amdiff {version('amdiff')}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool | None, typer.Option("--version", callback=_version, is_eager=True, help="Say it and end.")
    ] = None,
) -> None:
    pass


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="An empty folder, or one to make.")] = Path(),
    data: Annotated[
        Path | None, typer.Option(help="Pictures or arrays of your own; without, scikit-learn's digits.")
    ] = None,
) -> None:
    """Begin a project: workflow, profiles, a commented config.yaml, dvc.yaml."""
    from amdiff.commands.beginning import init

    init(folder, data)


@app.command()
def plan(
    configfile: ConfigFile = DEFAULT,
    json: Annotated[bool, typer.Option("--json", help="Print plain data for programs.")] = False,
    steps_per_second: Annotated[
        float | None, typer.Option(help="Training steps a second of your device, to estimate hours.")
    ] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Time each network here, to estimate hours.")] = False,
) -> None:
    """What would run: experiments, models, jobs, parameters, disk, hours."""
    from amdiff.commands.planning import show_plan

    show_plan(configfile, json, steps_per_second, measure)


@app.command()
def why(
    path: Annotated[Path, typer.Argument(help="An artifact's folder, any file in it, or a published result.")],
    configfile: ConfigFile = DEFAULT,
) -> None:
    """What an artifact is made of, and why it would or would not be made again."""
    from amdiff.commands.why import why

    why(path, configfile)


@app.command()
def verify(
    path: Annotated[Path, typer.Argument(help="A folder to search; all artifacts by default.")] = Path(),
) -> None:
    """Check every checksum; exit status 1, naming it, where an artifact is not whole."""
    from amdiff.commands.verify import verify

    raise typer.Exit(verify(path))


@app.command()
def prune(
    configfiles: Annotated[list[Path] | None, typer.Option("--configfile", help="May be given several times.")] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Remove them; without this they are only listed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """List artifacts that nothing refers to: no configuration (by default config.yaml and workflow/config/*.yaml), no
    published page, no configuration of a run before, as scratch/config/ has them."""
    from amdiff.commands.pruning import prune

    prune(configfiles, delete, yes)


app.command()(audit)


@app.command()
def export(
    artifact: Annotated[str, typer.Argument(help="Folder of a trained U-Net, artifacts/.../train/...")],
    target: Annotated[Path, typer.Argument(help="The folder to make.")],
    configfile: ConfigFile = DEFAULT,
) -> None:
    """Write a trained U-Net as a folder that diffusers' DDPMPipeline loads."""
    from amdiff.frozen import thaw
    from amdiff.stages.exchange import export

    plan = thaw(configfile)
    export(plan, plan.artifact(artifact), target)


@app.command()
def paper(configfile: ConfigFile = Path("workflow/config/paper.yaml")) -> None:
    """Write results/paper.html: the paper's figures and tables beside those that are made, and what is not."""
    from amdiff.commands.paper import paper

    paper(configfile)


@app.command()
def schema() -> None:
    """Print the JSON schema of configuration files, for editors."""
    sys.stdout.write(json_schema())


@app.command(hidden=True)
def publish(page: str, configfile: ConfigFile = DEFAULT, root: Root = Path()) -> None:
    """Copy the report of an experiment or a comparison to results/ (a step of the workflow)."""
    from amdiff.frozen import thaw
    from amdiff.stages.publication import publish

    publish(thaw(configfile, root).page(page), root)


def _stage_command(name: str) -> None:
    def command(
        folder: Annotated[str, typer.Argument(help="The artifact's folder, as `amdiff plan --json` lists it.")],
        configfile: ConfigFile = DEFAULT,
        root: Root = Path(),
    ) -> None:
        from amdiff.frozen import thaw
        from amdiff.stages import make

        chosen = thaw(configfile, root)
        artifact = chosen.artifact(folder)
        if artifact.stage != name:
            raise ConfigError(f"{folder} is made by `amdiff {artifact.stage}`, not by `amdiff {name}`")
        make(artifact, chosen, root)

    command.__doc__ = f"Make one artifact of stage '{name}' (a step of the workflow)."
    app.command(name, hidden=True)(command)


for _name in STAGES:
    _stage_command(_name)


def main() -> None:
    """Run a command; expected failures end in one line and the right exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # imports make many objects and no garbage: collections, the last one at exit, took a sixth of a short stage's time
    gc.set_threshold(100_000, 20, 100)
    atexit.register(gc.freeze)
    if len(sys.argv) == 1:
        sys.argv.append("--help")
    failed = 2 if sys.argv[1:2] == ["audit"] else 1  # an audit says by 1 that there are too many copies
    try:
        status = app(standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except typer.Abort:
        sys.exit(130)
    except _USAGE as error:
        _fail(f"{error.format_message()} (see --help)", 2)
    except ConfigError as error:
        _fail(error, 2)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _fail(f"no space left on the device ({error.filename or 'while writing'}); free some and run again: "
                  "nothing half-written is kept, nothing finished is lost", failed)  # fmt: skip
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            _fail(f"{error.filename or 'a file'}: {error.strerror}; make it accessible and run again: nothing finished "
                  "is lost", failed)  # fmt: skip
        _fail(error, failed)
    except (AmdiffError, MemoryError) as error:
        _fail(error, failed)
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":  # torch's own; torch is not imported for its name
            _fail(f"the GPU has too little memory ({error}); lower runtime.sampling_batch or runtime.analysis_batch",
                  failed)  # fmt: skip
        _fail(_fault(error), failed)


def _fault(error: Exception) -> str:
    """What is said of an error that nobody expected, whose traceback is kept."""
    name = f"fault-{datetime.now().strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    text = "".join([f"{shlex.join(sys.argv)}\n", *traceback.format_exception(error)])
    for folder in (Path("logs"), Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            folder.mkdir(exist_ok=True)
            (folder / name).write_text(text)
            return (
                f"this is a fault of amdiff itself, {type(error).__name__}: {error}; nothing finished is lost. Its "
                f"traceback is in {folder / name}; please report it with that file to whoever gave you amdiff"
            )
    return f"this is a fault of amdiff itself, {type(error).__name__}: {error}; AMDIFF_TRACEBACK=1 shows where"


def _fail(error: Any, status: int) -> None:
    if os.environ.get("AMDIFF_TRACEBACK"):
        raise
    text = " ".join(str(error).split()) or type(error).__name__
    print(f"amdiff: {text}", file=sys.stderr)  # noqa: T201
    sys.exit(status)
