"""The options of ``amdiff audit`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_SideValues = Annotated[tuple[float, float] | None, typer.Option(help="Like --values, for this side only.")]
_SideKey = Annotated[str | None, typer.Option(help="Like --key, for this side only.")]


def audit(
    train: Annotated[
        Path, typer.Option(help="Training images: a folder, .zip, .tar, .parquet, .npy, .npz, HDF5 or .mat.")
    ],
    synthetic: Annotated[
        Path,
        typer.Option(help="Samples, in the same forms; or the folder of a diffusers pipeline, which then draws them."),
    ],
    heldout: Annotated[Path | None, typer.Option(help="Real images that were not used for training.")] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="pixels, stlpips-alex, lpips-alex, lpips-vgg or lpips-squeeze. May be given several times: the first "
            "decides, and a sample that any of them calls memorized is suspected. Default: pixels and stlpips-alex."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for the results, and for unfinished work, which the next call continues.")
    ] = Path("audit"),
    fail_above: Annotated[
        float | None,
        typer.Option(
            help="Largest share of memorized samples that is allowed, from 0 to 1. The exit status is 0 if the "
            "memorized and the suspected share are both surely at most this, 1 if the memorized share is surely "
            "larger, and else 3."
        ),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=2, help="Number of samples that a pipeline draws. Default: 1000.")
    ] = None,
    resize: Annotated[int | None, typer.Option(help="Resize all images to this side in pixels.")] = None,
    crop: Annotated[
        bool, typer.Option("--crop", help="Crop each image to its largest central square, before --resize.")
    ] = False,
    values: Annotated[
        tuple[float, float] | None,
        typer.Option(help="The values that mean black and white in arrays that are not uint8 in 0..255."),
    ] = None,
    train_values: _SideValues = None,
    synthetic_values: _SideValues = None,
    heldout_values: _SideValues = None,
    key: Annotated[
        str | None,
        typer.Option(
            help="Name of the array, or column, in files that hold several. FILE::NAME instead of FILE does the same."
        ),
    ] = None,
    train_key: _SideKey = None,
    synthetic_key: _SideKey = None,
    heldout_key: _SideKey = None,
    background: Annotated[str, typer.Option(help="Colour to show behind transparent pixels.")] = "white",
    skip_unreadable: Annotated[
        bool,
        typer.Option("--skip-unreadable", help="Leave out files that cannot be read as images, and report how many."),
    ] = False,
) -> None:
    """Find which samples are copies of training images, which come again and again, and which are new."""
    from .audit import audit
    from .audit_configuration import Audit
    from .audit_sides import SideOptions

    asked = Audit(
        SideOptions.of(train, train_values, train_key),
        SideOptions.of(synthetic, synthetic_values, synthetic_key),
        None if heldout is None else SideOptions.of(heldout, heldout_values, heldout_key),
        tuple(metric or ()), out, fail_above, samples, resize, crop, values, key, background, skip_unreadable,
    )  # fmt: skip
    raise typer.Exit(audit(asked))
