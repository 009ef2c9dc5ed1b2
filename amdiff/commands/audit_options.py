"""The options of ``amdiff audit`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_SideValues = Annotated[tuple[float, float] | None, typer.Option(help="As --values, of this side alone.")]
_SideKey = Annotated[str | None, typer.Option(help="As --key, of this side alone.")]


def audit(
    train: Annotated[
        Path, typer.Option(help="Training images: a folder, .zip, .tar, .parquet, .npy, .npz, HDF5 or .mat.")
    ],
    synthetic: Annotated[Path, typer.Option(help="Samples: the same, or the folder of a diffusers pipeline.")],
    heldout: Annotated[Path | None, typer.Option(help="Real images that are no training data.")] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="pixels, stlpips-alex, lpips-alex, -vgg or -squeeze; pixels and stlpips-alex by default. Given "
            "several times, the first decides, and what any finds is suspected."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the results, and of work that is resumed.")] = Path("audit"),
    fail_above: Annotated[
        float | None,
        typer.Option(
            help="Exit status 0 where surely at most this share is memorized, 1 where surely more, 3 where unsure."
        ),
    ] = None,
    samples: Annotated[int | None, typer.Option(min=2, help="Samples that a pipeline draws; 1000 by default.")] = None,
    resize: Annotated[int | None, typer.Option(help="Side in pixels to which all images are resized.")] = None,
    crop: Annotated[bool, typer.Option("--crop", help="Centre crop to the largest square, before --resize.")] = False,
    values: Annotated[
        tuple[float, float] | None, typer.Option(help="Black and white of arrays that are not uint8 in 0..255.")
    ] = None,
    train_values: _SideValues = None,
    synthetic_values: _SideValues = None,
    heldout_values: _SideValues = None,
    key: Annotated[
        str | None, typer.Option(help="Name of the array in .npz, HDF5 and .mat files with several; or FILE::NAME.")
    ] = None,
    train_key: _SideKey = None,
    synthetic_key: _SideKey = None,
    heldout_key: _SideKey = None,
    background: Annotated[str, typer.Option(help="What is seen behind transparent pixels.")] = "white",
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out files that cannot be read as images, and say so.")
    ] = False,
) -> None:
    """Which samples are copies of training images, which come again and again, and which are new."""
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
