"""Draws synthetic sets. Each artifact is one shard of a set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from amdiff.artifacts import Artifact
from amdiff.data.images import BLOCK
from amdiff.diffusion.processes import process_of

from .context import Context
from .hdf5 import H5Writer, write_h5
from .loading import fast_denoiser
from .resuming import restore_arrays, save_arrays
from .stored_images import dataset_images, dataset_shape


def sample(context: Context, artifact: Artifact, folder: Path) -> None:
    """Draw one shard of a synthetic set. Finished batches lie in scratch until the shard is complete."""
    from amdiff.diffusion.randomness import SampleNoise

    params = artifact.params
    if params["denoiser"]["kind"] == "given":
        _copy_samples(context, artifact, folder)
        return
    start, stop, seed = params["start"], params["stop"], params["sampling"]["seed"]
    draw, steps = _sampler(context, artifact)
    scratch = context.store.scratch(artifact)
    batches = _finished_batches(scratch, start)
    done = start + sum(map(len, batches))
    progress = context.progress(artifact, stop - start, "samples", done - start)
    while done < stop:
        upto = min(done + context.runtime.sampling_batch, stop)

        def report(step: int, done: int = done, upto: int = upto) -> None:
            if step < steps:
                progress.update(done - start + (upto - done) * step // steps)

        drawn = draw(SampleNoise(seed, range(done, upto)), report)
        save_arrays(scratch / f"{done}-{upto}.npz", samples=drawn)
        batches.append(drawn)
        done = upto
        progress.update(done - start)
    index = np.arange(start, stop)
    key = np.stack([np.full(len(index), seed), index], axis=1).astype(np.uint64)
    drawn = np.concatenate(batches)
    name = "images" if drawn.dtype == np.uint8 else "points"
    attributes = {"address": artifact.address, "seed@meaning": "key (seed, index) of the sample's Philox stream"}
    if name == "images":
        attributes["images@range"] = "0 is -1 (black), 255 is 1 (white)"
    write_h5(folder / artifact.file(), {name: drawn, "index": index, "seed": key}, attributes)


def _copy_samples(context: Context, artifact: Artifact, folder: Path) -> None:
    """Copy the images of a dataset, as a synthetic set."""
    images = dataset_images(context.store, artifact.parent("given"))
    with H5Writer(folder / artifact.file()) as file:
        for start in range(0, images.shape[0], BLOCK):
            index = np.arange(start, min(start + BLOCK, images.shape[0]))
            file.append("images", images.rows(index))
            file.append("index", index)
            file.append("seed", np.stack([np.zeros_like(index), index], axis=1).astype(np.uint64))
        file.attribute("address", artifact.address)
        file.attribute("images@range", "0 is -1 (black), 255 is 1 (white)")


def _sampler(context: Context, artifact: Artifact) -> tuple[Callable[..., np.ndarray], int]:
    """Returns a function that draws samples, and its number of steps.

    The function takes the noise and a callback, which gets the number of finished steps.
    """
    from amdiff.diffusion.samplers import steps_of
    from amdiff.diffusion.sampling import draw, to_uint8

    process, sampling = process_of(artifact.params["diffusion"]), artifact.params["sampling"]
    steps, clip = steps_of(process, sampling), sampling.get("clip", False)
    shape = dataset_shape(context.store, *artifact.reads["dataset"])
    denoiser, device = fast_denoiser(context, artifact, shape)

    def drawn(noise: Any, report: Callable[[int], None]) -> np.ndarray:
        found = draw(denoiser, steps, noise, shape, process=process, clip=clip, device=device, callback=report)
        return (to_uint8(found) if len(shape) == 3 else found).cpu().numpy()

    return drawn, len(steps)


def _finished_batches(folder: Path, start: int) -> list[np.ndarray]:
    """Batches of an interrupted run, from sample ``start`` on and without a gap."""
    by_start = {int(p.stem.split("-")[0]): p for p in folder.glob("[0-9]*-[0-9]*.npz")}
    found: list[np.ndarray] = []
    while (path := by_start.get(start)) is not None and (batch := restore_arrays(path)) is not None:
        found.append(batch["samples"])
        start = int(path.stem.split("-")[1])
    return found
