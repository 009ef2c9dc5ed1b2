"""The arguments of an audit, and the configuration that follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amdiff.catalogue.metrics import FIRST
from amdiff.config import ANALYSES, ConfigError
from amdiff.data.arrays import array_ends
from amdiff.data.pretrained import find_model
from amdiff.data.tally import named
from amdiff.diffusion.diffusers_format import forward_process
from amdiff.errors import DataError
from amdiff.levels import unfilled

from .audit_sides import Form, Range, SideOptions, common_channels, form_of

NAME = "audit"
"""Name of the experiment."""


@dataclass(frozen=True)
class Audit:
    """The arguments of an audit."""

    train: SideOptions
    """Training images: a folder, a container of pictures, or an array in .npy, .npz, HDF5 or .mat."""
    synthetic: SideOptions
    """Samples, in the same forms; or the folder of a diffusers pipeline, which then draws them."""
    heldout: SideOptions | None = None
    """Real images that were not used for training. Default None: training images stand in for them."""
    metrics: tuple[str, ...] = ()
    """Names of metrics. The first decides; the report shows all. Default empty: pixels and a perceptual metric."""
    out: Path = Path("audit")
    """Folder of the results."""
    fail_above: float | None = None
    """Allowed share of memorized samples, from 0 to 1. Default None: there is no verdict."""
    samples: int | None = None
    """Number of samples that a pipeline draws. Default None: 1,000."""
    resize: int | None = None
    """Side in pixels to which images are resized. Default None: they keep their size."""
    crop: bool = False
    """Whether each image is cropped to its largest central square, before it is resized."""
    values: Range | None = None
    """The values that mean black and white, for all sides that do not state their own."""
    key: str | None = None
    """Name of the array, or column, for all sides that do not state their own."""
    background: str = "white"
    """Colour behind transparent pixels."""
    skip_unreadable: bool = False
    """Whether files that cannot be read as images are left out."""

    @property
    def sides(self) -> dict[str, SideOptions]:
        """Each set of images, by the option that names it."""
        named = {"--train": self.train, "--synthetic": self.synthetic, "--heldout": self.heldout}
        return {option: side for option, side in named.items() if side is not None}


def configuration(asked: Audit) -> tuple[dict[str, Any], list[str]]:
    """Return the configuration that the arguments mean, without its sizes, and notes on what had to be guessed.

    Raises ``ConfigError`` if the arguments cannot be used.
    """
    try:
        pipeline = (asked.synthetic.path / "model_index.json").is_file()
        forms = {
            option: form_of(option, side, asked.values, asked.key)
            for option, side in asked.sides.items()
            if not (pipeline and option == "--synthetic")
        }
        _check_options(asked, forms, pipeline)
        channels, notes = common_channels(list(forms.values()))
        train, heldout = forms["--train"], forms.get("--heldout")
        if heldout is not None and heldout.array != train.array:
            raise DataError(
                f"{heldout.path}: give held-out images in the form of the training images, both pictures or both arrays"
            )
        datasets = {"train": _dataset(asked, train, channels, heldout)}
        if pipeline:
            denoiser: dict[str, Any] = {"kind": "pretrained", "path": str(asked.synthetic.path.resolve())}
            model = {
                "diffusion": forward_process(find_model(asked.synthetic.path).scheduler or {}),
                "sampling": {"total": asked.samples or 1000},
                **dict.fromkeys(ANALYSES),
            }
        else:
            denoiser = {"kind": "given", "samples": "synthetic"}
            datasets["synthetic"] = {
                **_dataset(asked, forms["--synthetic"], channels, None), "deduplicate": False,
            }  # fmt: skip
            model = {}
    except (DataError, OSError) as error:
        raise ConfigError(str(error)) from None
    metrics = asked.metrics or (FIRST,)
    experiment = {
        "dataset": "train",
        "denoiser": denoiser,
        "neighbors": {"metric": metrics[0]},
        "also": [{"metric": metric} for metric in metrics[1:]],
        "panels": {"columns": 12},
        "peers": {},
        **model,
    }
    notes += [note for form in forms.values() for note in form.notes]
    return {"datasets": datasets, "experiments": {NAME: experiment}}, notes


def _dataset(asked: Audit, form: Form, channels: int, heldout: Form | None) -> dict[str, Any]:
    """The configuration of a dataset: a folder of images or an array."""
    shared: dict[str, Any] = {"resize": asked.resize, "crop": "square" if asked.crop else None, "path": str(form.path)}
    held: dict[str, Any] = {} if heldout is None else {"heldout": str(heldout.path)}
    if heldout is not None and heldout.key != form.key:
        held["heldout_key"] = heldout.key
    if not form.array:
        more = {"channels": channels, "background": asked.background, "skip_unreadable": asked.skip_unreadable}
        return {"kind": "folder", "key": form.key, **shared, **more, **held}
    if heldout is not None and heldout.layout != form.layout:
        held["heldout_layout"] = heldout.layout
    if heldout is not None and heldout.values != form.values:
        held["heldout_range"] = heldout.values or (0, 255)
    return {"kind": "arrays", "key": form.key, "layout": form.layout, "range": form.values, **shared, **held}


def _check_options(asked: Audit, forms: dict[str, Form], pipeline: bool) -> None:
    """Check that every option has an effect, and that a shared range fits every side. Raises ``DataError``."""
    for option, side in asked.sides.items():
        form = forms.get(option)
        if side.values is not None and (form is None or not form.array):
            raise DataError(f"{option}-values: is for arrays, but {side.path} is no array; leave the option out")
        if side.key is not None and (form is None or form.key is None):
            raise DataError(
                f"{option}-key: names an array or a column, but {side.path} has none with a name; leave the option out"
            )
    arrays = [form for form in forms.values() if form.array]
    if asked.key is not None and not any(form.key == asked.key for form in forms.values()):
        raise DataError(
            "--key: names an array or a column in files that hold several, but no side is such a file; leave the "
            "option out"
        )
    if all(form.array for form in forms.values()) and (asked.background != "white" or asked.skip_unreadable):
        raise DataError(
            "--background and --skip-unreadable: are for pictures, but there are only arrays; leave them out"
        )
    if asked.values is not None and not any(form.values == asked.values for form in arrays):
        raise DataError(
            "--values: is for arrays that are not uint8 in 0..255, but there are none; leave the option out"
        )
    if asked.samples is not None and not pipeline:
        raise DataError(
            "--samples: is for a pipeline, which draws samples, but --synthetic is no pipeline; leave the option out"
        )
    if asked.values is None:
        return
    shared = [form for form in arrays if form.values == asked.values]
    ends = {form.option: array_ends(form.path, form.key) for form in shared}
    halves = [form for form in shared if unfilled(*ends[form.option], *asked.values)]
    if len(halves) == len(forms):
        return  # the same on all sides: distances do not depend on it, and the datasets have a note on it
    if doubtful := [form for form in halves if asked.sides[form.option].values is None]:
        low, high = asked.values
        what = named(
            f"{form.option} {form.path} runs from {ends[form.option][0]:g} to {ends[form.option][1]:g}"
            for form in doubtful
        )
        advice = " ".join(f"{form.option}-values {low:g} {high:g}" for form in doubtful)
        raise DataError(
            f"--values {low:g} {high:g} is meant for all arrays, but leaves half of the range unused: {what}. State "
            f"the range of each side, such as --train-values 0 1 --synthetic-values -1 1; if the range is right, give "
            f"{advice}"
        )
