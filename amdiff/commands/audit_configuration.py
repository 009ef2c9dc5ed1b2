"""What an audit is asked, and the configuration that it means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amdiff.catalogue.metrics import FIRST
from amdiff.config import ConfigError
from amdiff.data.arrays import array_ends
from amdiff.data.pretrained import find_model
from amdiff.data.tally import named
from amdiff.diffusion.diffusers_format import forward_process
from amdiff.errors import DataError
from amdiff.levels import unfilled

from .audit_sides import Form, Range, SideOptions, common_channels, form_of

NAME = "audit"
"""Of the experiment."""


@dataclass(frozen=True)
class Audit:
    """What is asked for."""

    train: SideOptions
    """Training images: a folder, a container of pictures, .npy, .npz, HDF5 or .mat."""
    synthetic: SideOptions
    """Samples: the same, or the folder of a diffusers pipeline, which samples."""
    heldout: SideOptions | None = None
    """Real images that are no training data."""
    metrics: tuple[str, ...] = ()
    """The first decides; the report shows all. Empty for pixels and a perceptual metric."""
    out: Path = Path("audit")
    fail_above: float | None = None
    """Share of memorized samples above which the exit status is 1."""
    samples: int | None = None
    """Samples that a pipeline draws; None for 1,000."""
    resize: int | None = None
    crop: bool = False
    """Centre crop to the largest square."""
    values: Range | None = None
    """As a side's, of all sides that have none of their own."""
    key: str | None = None
    """As a side's, of all sides that have none of their own."""
    background: str = "white"
    """What is seen behind transparent pixels."""
    skip_unreadable: bool = False
    """Leave out files that cannot be read as images."""

    @property
    def sides(self) -> dict[str, SideOptions]:
        """Each set of images by its option."""
        named = {"--train": self.train, "--synthetic": self.synthetic, "--heldout": self.heldout}
        return {option: side for option, side in named.items() if side is not None}


def configuration(asked: Audit) -> tuple[dict[str, Any], list[str]]:
    """The experiment that the arguments mean, its sizes left open, and what had to be guessed.

    Raises ``ConfigError`` where the arguments cannot be used.
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
                **dict.fromkeys(("basin", "curvature", "energy")),
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
    """The specification of a folder of images or of an array."""
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
    """Every option decides something, and a range that all sides share fits each. Raises ``DataError``."""
    for option, side in asked.sides.items():
        form = forms.get(option)
        if side.values is not None and (form is None or not form.array):
            raise DataError(f"{option}-values: is for arrays; {side.path} is none")
        if side.key is not None and (form is None or form.key is None):
            raise DataError(f"{option}-key: names an array or a column in a file; {side.path} has no names in it")
    arrays = [form for form in forms.values() if form.array]
    if asked.key is not None and not any(form.key == asked.key for form in forms.values()):
        raise DataError("--key: names an array or a column of files with several; there are none, or folders only")
    if all(form.array for form in forms.values()) and (asked.background != "white" or asked.skip_unreadable):
        raise DataError("--background and --skip-unreadable: are for pictures; there are arrays only")
    if asked.values is not None and not any(form.values == asked.values for form in arrays):
        raise DataError("--values: is for arrays that are not uint8 in 0..255; there are none")
    if asked.samples is not None and not pipeline:
        raise DataError("--samples: is for a pipeline, which draws them; the samples are there")
    if asked.values is None:
        return
    shared = [form for form in arrays if form.values == asked.values]
    ends = {form.option: array_ends(form.path, form.key) for form in shared}
    halves = [form for form in shared if unfilled(*ends[form.option], *asked.values)]
    if len(halves) == len(forms):
        return  # all sides alike: the distances do not depend on it, and the datasets say it
    if doubtful := [form for form in halves if asked.sides[form.option].values is None]:
        low, high = asked.values
        what = named(
            f"{form.option} {form.path} runs from {ends[form.option][0]:g} to {ends[form.option][1]:g}"
            for form in doubtful
        )
        advice = " ".join(f"{form.option}-values {low:g} {high:g}" for form in doubtful)
        raise DataError(
            f"--values {low:g} {high:g} is meant for all arrays, but leaves half of the range unused: {what}. State "
            f"the range of each side, as --train-values 0 1 --synthetic-values -1 1; where it is meant so, {advice}"
        )
