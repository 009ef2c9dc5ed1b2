"""What an audit is asked, and the configuration that it means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amdiff.config import ConfigError
from amdiff.data.arrays import array_ends, array_type, likely_layout
from amdiff.data.containers import container_suffix, holds_encoded
from amdiff.data.folders import list_pictures
from amdiff.data.images import DataError
from amdiff.data.misfits import Unreadable
from amdiff.data.numbers import unfilled
from amdiff.data.pictures import look
from amdiff.data.pretrained import find_model
from amdiff.data.schedulers import forward_process
from amdiff.data.tally import named

NAME = "audit"
"""Of the experiment."""

Range = tuple[float, float]


@dataclass(frozen=True)
class SideOptions:
    """One set of images as the arguments name it."""

    path: Path
    values: Range | None = None
    """The values that mean black and white."""
    key: str | None = None
    """Name of the array, or column, in files that hold several."""

    @classmethod
    def of(cls, path: Path, values: Range | None, key: str | None) -> SideOptions:
        """A side, whose path may end in '::key'. Raises ``ConfigError`` where it names another key as well."""
        file, _, inside = str(path).rpartition("::")
        if file and not path.exists():
            if key is not None and key != inside:
                raise ConfigError(f"{path}: names {inside!r}, and its key option {key!r}; give one of them")
            return cls(Path(file), values, inside)
        return cls(path, values, key)


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


@dataclass(frozen=True)
class Form:
    """How the images of one side are stored."""

    option: str
    path: Path
    key: str | None
    values: Range | None
    """Range of an array: its own, or that of all."""
    array: bool
    """Whether it is an array of numbers; else pictures."""
    layout: str = ""
    channels: int = 0
    """Of an array."""
    notes: tuple[str, ...] = ()


def configuration(asked: Audit) -> tuple[dict[str, Any], list[str]]:
    """The experiment that the arguments mean, its sizes left open, and what had to be guessed.

    Raises ``ConfigError`` where the arguments cannot be used.
    """
    try:
        pipeline = (asked.synthetic.path / "model_index.json").is_file()
        forms = {
            option: _form(asked, option, side)
            for option, side in asked.sides.items()
            if not (pipeline and option == "--synthetic")
        }
        _check_options(asked, forms, pipeline)
        channels = _channels(list(forms.values()))
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
    metrics = asked.metrics or ("pixels",)
    experiment = {
        "dataset": "train",
        "denoiser": denoiser,
        "neighbors": {"metric": metrics[0]},
        "also": [{"metric": metric} for metric in metrics[1:]],
        "panels": {"columns": 12},
        "peers": {},
        **model,
    }
    notes = [note for form in forms.values() for note in form.notes]
    return {"datasets": datasets, "experiments": {NAME: experiment}}, notes


def _form(asked: Audit, option: str, side: SideOptions) -> Form:
    """How the images of a side are stored. Raises ``DataError``."""
    path, values = side.path, side.values or asked.values
    key = side.key or asked.key
    if path.is_file() and not _packed(path, key):
        shape, kind = array_type(path, key)
        layout, channels = _layout(path, shape)
        if kind == np.uint8 and side.values is None:
            values = asked.values if array_ends(path, key)[1] <= 1 else None  # --values are for the others
        notes: tuple[str, ...] = ()
        if layout in ("HWN", "HWCN"):
            notes = (f"{option} {path}: its shape {shape} is read as ({', '.join(layout)}), MATLAB's order of axes",)
        return Form(option, path, key, values, True, layout, channels, notes)
    single = path.is_dir() and not list_pictures(path).packed
    return Form(option, path, None if single else key, values, False)


def _packed(path: Path, key: str | None) -> bool:
    """Whether a file is a container of pictures."""
    suffix = container_suffix(path)
    return holds_encoded(path, key) if suffix in (".h5", ".hdf5") else suffix is not None


def _channels(forms: list[Form]) -> int:
    """Channels of the images: an array's, else one where all pictures are gray. Raises ``DataError``."""
    if arrays := [form.channels for form in forms if form.array]:
        return arrays[0]
    return 1 if all(gray for form in forms for gray in _gray(form)) else 3


def _gray(form: Form) -> Iterator[bool]:
    """Whether each picture of a side is gray; those that cannot be read are no matter here."""
    for member in list_pictures(form.path, form.key).members(Counter()):
        try:
            yield look(member.shown, member.source).gray
        except Unreadable:
            continue  # said when all are known, or left out


def _layout(path: Path, shape: tuple[int, ...]) -> tuple[str, int]:
    """Meaning of the axes of an array, and its channels. Raises ``DataError``."""
    layout = likely_layout(shape)
    if layout is None:
        four = "of 4 axes one must have 1 or 3 channels (leave out alpha)"
        wanted = four if len(shape) == 4 else "expected (N, H, W), (N, C, H, W) or (N, H, W, C)"
        raise DataError(f"{path}: its array has the shape {shape}; {wanted}")
    return layout, shape[layout.index("C")] if "C" in layout else 1


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
            raise DataError(f"{option}-key: names an array of .npz, HDF5 and .mat files; {side.path} is none of these")
    arrays = [form for form in forms.values() if form.array]
    if asked.key is not None and not any(form.key for form in forms.values()):
        raise DataError("--key: names an array of .npz and HDF5 files; there are folders only")
    if asked.values is not None and not any(form.values == asked.values for form in arrays):
        raise DataError("--values: is for arrays that are not uint8 in 0..255; there are none")
    if asked.samples is not None and not pipeline:
        raise DataError("--samples: is for a pipeline, which draws them; the samples are there")
    shared = [form for form in arrays if asked.values is not None and form.values == asked.values]
    ends = {form.option: array_ends(form.path, form.key) for form in shared}
    halves = [form for form in shared if unfilled(*ends[form.option], *form.values)]  # type: ignore[misc]
    if len(halves) == len(forms):
        return  # all sides alike: the distances do not depend on it, and the datasets say it
    if doubtful := [form for form in halves if asked.sides[form.option].values is None]:
        low, high = asked.values or (0, 0)
        what = named(
            f"{form.option} {form.path} runs from {ends[form.option][0]:g} to {ends[form.option][1]:g}"
            for form in doubtful
        )
        advice = " ".join(f"{form.option}-values {low:g} {high:g}" for form in doubtful)
        raise DataError(
            f"--values {low:g} {high:g} is meant for all arrays, but leaves half of the range unused: {what}. State "
            f"the range of each side, as --train-values 0 1 --synthetic-values -1 1; where it is meant so, {advice}"
        )
