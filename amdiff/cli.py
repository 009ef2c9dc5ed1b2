"""The command line: the commands that people type, and a hidden command for each stage of the workflow.

Every command reads its arguments and calls one function. An expected failure ends in one line on stderr. Any other
exception is a fault of amdiff itself: one line says so, and names the file that holds the traceback.

The exit status is 0 for success, 1 for a failure, and 2 for a mistake in the usage or the configuration. An audit
differs: 1 means that there are too many copies, 3 that the samples do not decide, and 2 is every failure.
"""

from __future__ import annotations

import atexit
import errno
import gc
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from amdiff.catalogue import STAGES
from amdiff.commands.audit_options import audit
from amdiff.config import ConfigError, json_schema
from amdiff.errors import AmdiffError

app = typer.Typer(
    name="amdiff",
    help="Memorized, spurious and generalized samples of diffusion models. `snakemake` runs the whole workflow. "
    "These commands begin a project, plan its work, inspect its results, and audit samples without a project.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# the error for mistakes in the arguments; Typer may bring its own copy of click
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
        bool | None, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = None,
) -> None:
    pass


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the project: empty, or not there yet.")] = Path(),
    data: Annotated[
        Path | None, typer.Option(help="Your pictures or arrays. Without it, scikit-learn's digits are used.")
    ] = None,
) -> None:
    """Begin a project: write its workflow, profiles, a commented config.yaml and dvc.yaml."""
    from amdiff.commands.beginning import init

    init(folder, data)


@app.command()
def plan(
    configfile: ConfigFile = DEFAULT,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    steps_per_second: Annotated[
        float | None, typer.Option(help="Training steps per second of your device. Hours are estimated from it.")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Time each network on this machine and estimate hours from that.")
    ] = False,
    device: Annotated[
        str | None, typer.Option(help="Estimate hours for a GPU on which networks were timed: h100 or h200.")
    ] = None,
    hourly: Annotated[float | None, typer.Option(help="Price of an hour. The price of the whole is shown too.")] = None,
) -> None:
    """Show what would run: experiments, models, jobs, parameters, disk space, hours and price."""
    from amdiff.commands.planning import show_plan

    show_plan(configfile, json, steps_per_second, measure, device, hourly)


@app.command()
def why(
    path: Annotated[Path, typer.Argument(help="An artifact's folder, any file in it, or a published result.")],
    configfile: ConfigFile = DEFAULT,
) -> None:
    """Show what an artifact is made of, and why it would or would not be made again."""
    from amdiff.commands.why import why

    why(path, configfile)


@app.command()
def verify(
    path: Annotated[
        Path, typer.Argument(help="The folder to check. By default all artifacts and results are checked.")
    ] = Path(),
) -> None:
    """Check every checksum. Damaged artifacts are named, and the exit status is then 1."""
    from amdiff.commands.verify import verify

    raise typer.Exit(verify(path))


@app.command()
def prune(
    configfiles: Annotated[
        list[Path] | None, typer.Option("--configfile", help="A configuration file. May be given several times.")
    ] = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove the artifacts. Without this option they are only listed.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """List artifacts that nothing needs. Three things need an artifact: a configuration (by default config.yaml and
    workflow/config/*.yaml), a published page, and an earlier run, whose configuration is kept in scratch/config/."""
    from amdiff.commands.pruning import prune

    prune(configfiles, delete, yes)


app.command()(audit)


@app.command()
def export(
    artifact: Annotated[str, typer.Argument(help="Folder of a trained U-Net: artifacts/.../train/...")],
    target: Annotated[Path, typer.Argument(help="The folder to write.")],
    configfile: ConfigFile = DEFAULT,
) -> None:
    """Write a trained U-Net as a folder that diffusers' DDPMPipeline loads."""
    from amdiff.frozen import thaw
    from amdiff.stages.exchange import export

    plan = thaw(configfile)
    export(plan, plan.artifact(artifact), target)


@app.command()
def paper(configfile: ConfigFile = Path("workflow/config/paper.yaml")) -> None:
    """Write results/paper.html: our figures and tables beside those of the paper, and which of ours are missing."""
    from amdiff.commands.paper import paper

    paper(configfile)


@app.command()
def schema() -> None:
    """Print the JSON schema of configuration files, with which editors complete and check keys."""
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
    """Run a command. An expected failure ends in one line on stderr and the right exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # imports make many objects and no garbage; collecting it, at exit too, took a sixth of a short stage's time
    gc.set_threshold(100_000, 20, 100)
    atexit.register(gc.freeze)
    if len(sys.argv) == 1:
        sys.argv.append("--help")
    failed = 2 if sys.argv[1:2] == ["audit"] else 1  # in an audit, 1 means too many copies
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
            _fail(f"no space left on the device ({error.filename or 'while writing'}); free some space and run "
                  "again. Finished results are kept, half-written files are not", failed)  # fmt: skip
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            _fail(f"{error.filename or 'a file'}: {error.strerror}; make it accessible and run again: nothing finished "
                  "is lost", failed)  # fmt: skip
        _fail(error, failed)
    except (AmdiffError, MemoryError) as error:
        _fail(error, failed)
    except Exception as error:
        # torch's class is compared by name, to avoid importing torch; on the CPU it raises a RuntimeError
        if (gpu := type(error).__name__ == "OutOfMemoryError") or "can't allocate memory" in str(error):
            _fail(f"{'the GPU' if gpu else 'this machine'} has too little memory ({error}); lower "
                  "runtime.sampling_batch, runtime.analysis_batch or runtime.neighbor_memory_mb", failed)  # fmt: skip
        from amdiff.commands.faults import told

        _fail(told(error), failed)


def _fail(error: Any, status: int) -> None:
    if os.environ.get("AMDIFF_TRACEBACK"):
        raise
    text = " ".join(str(error).split()) or type(error).__name__
    print(f"amdiff: {text}", file=sys.stderr)  # noqa: T201
    sys.exit(status)
