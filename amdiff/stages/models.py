"""Stages that make models and samples: dataset, train, sample."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import (
    ArraysDataset,
    CircleDataset,
    FolderDataset,
    SamplingSpec,
    TrainingSpec,
)
from amdiff.data.builtin import circle
from amdiff.data.datasets import Reading
from amdiff.data.digests import source_digest
from amdiff.data.images import BLOCK, DataError
from amdiff.diffusion.schedules import VarianceExploding
from amdiff.files import write_bytes

from .context import Context, Interrupts, say
from .files import IMAGES, SAMPLES, H5Writer, dataset_images, write_h5
from .loading import (
    METRICS,
    WEIGHTS,
    choose_device,
    denoiser_device,
    load_denoiser,
    process_of,
    training_images,
    training_points,
    untrained_network,
)
from .resuming import discard, restore_arrays, save_arrays, whole_archive


def dataset(context: Context, artifact: Artifact, folder: Path) -> None:
    """Read a source and write its canonical HDF5."""
    spec = context.config.datasets[artifact.dataset]
    if isinstance(spec, CircleDataset):
        write_h5(folder / IMAGES, {"points": circle(spec)}, {"address": artifact.address, "source": "unit circle"})
        return
    if isinstance(spec, (FolderDataset, ArraysDataset)) and source_digest(spec, {}) != artifact.params["source"]:
        raise DataError(f"{spec.path} has changed since this run started; run snakemake again")
    if isinstance(spec, (FolderDataset, ArraysDataset)):
        context.facts["path"] = str(spec.path)
    reading = Reading(spec)
    with H5Writer(folder / IMAGES) as file:
        for block in reading:
            arrays = {"images": block.images, "split": np.full(len(block.images), block.test, np.uint8)}
            if block.labels is not None:
                arrays["labels"] = block.labels
            if block.names is not None:
                encoded = np.char.encode(block.names, "utf-8", "replace")
                arrays["names"] = encoded.astype(h5py.string_dtype())
            for name, rows in arrays.items():
                file.append(name, rows)
        for name, value in {
            "address": artifact.address,
            "source": reading.source,
            "digest": reading.digest,
            "duplicates": reading.duplicates,
            "images@range": "0 is -1 (black), 255 is 1 (white)",
            "split@meaning": "0 train, 1 test",
        }.items():
            file.attribute(name, value)
    kind = "left out" if spec.deduplicate else "kept"
    say(f"dataset {artifact.dataset}: {reading.train:,} training and {reading.test:,} test images of "
        f"{block.images.shape[1:]}, {reading.duplicates:,} byte-equal duplicates {kind}")  # fmt: skip
    context.remark(f"dataset {artifact.dataset}", reading.notes)
    context.facts["images"] = {"train": reading.train, "test": reading.test, "duplicates": reading.duplicates}
    context.facts["values"] = reading.values


# -- training ---------------------------------------------------------------------------------


def train(context: Context, artifact: Artifact, folder: Path) -> None:
    """Train one model; its resumable state lies in scratch until it is done."""
    import torch
    from safetensors.torch import save

    from amdiff.diffusion.corruption import corruption
    from amdiff.diffusion.training import Trainer

    params, process = artifact.params, process_of(artifact.params)
    device = choose_device(context.runtime.device, params["training"]["precision"])
    toy = isinstance(process, VarianceExploding)
    data = torch.from_numpy((training_points if toy else training_images)(context, artifact))
    iterations = params["training"]["iterations"]
    spec = TrainingSpec.model_validate({**params["training"], "cap_batch": False})
    generator = torch.Generator().manual_seed(spec.seed)
    trainer = Trainer(
        untrained_network(params, tuple(data.shape[1:]), generator).to(device),
        data.to(device),
        spec,
        corruption(process, device, params["diffusion"].get("training_start", 0.0)),
        iterations=iterations,
        log_every=max(1, iterations // 200),
        compile=context.runtime.compile,
    )
    state_file = context.store.scratch(artifact) / "state.pt"
    if whole_archive(state_file):  # torch.load would take other numbers in silence
        try:
            state = torch.load(state_file, map_location=device, weights_only=True)
        except (MemoryError, OSError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # pickle and torch each have their own
            discard(state_file, error)
        else:
            trainer.restore(state)
            say(f"train {artifact.dataset} {artifact.label}: resumes at step {trainer.step:,}")
    progress = context.progress(artifact, iterations, "steps", trainer.step)
    first, saved = trainer.step, time.monotonic()
    began = saved

    def save_state() -> None:
        state = io.BytesIO()
        torch.save(trainer.state(), state)
        write_bytes(state_file, state.getbuffer())

    with Interrupts() as interrupts:
        while not trainer.finished:
            trainer.run(20)
            progress.update(trainer.step, f"loss {trainer.metrics[-1]['loss']:.4f}" if trainer.metrics else "")
            if interrupts.seen or time.monotonic() - saved > context.runtime.checkpoint_seconds:
                save_state()
                saved = time.monotonic()
            interrupts.obey()
    trainer.check()
    weights = {name: value.detach().cpu().contiguous() for name, value in trainer.ema.state_dict().items()}
    # more than one key of metadata would come in random order
    write_bytes(folder / WEIGHTS, save(weights, {"address": artifact.address}))
    write_bytes(folder / METRICS, "".join(json.dumps(m) + "\n" for m in trainer.metrics).encode())
    context.facts["device"] = str(device)
    context.facts["steps_per_second"] = round((iterations - first) / max(time.monotonic() - began, 1e-9), 3)


# -- sampling ---------------------------------------------------------------------------------


def sample(context: Context, artifact: Artifact, folder: Path) -> None:
    """Draw one shard of a synthetic set; finished batches lie in scratch until it is done."""
    from amdiff.diffusion.randomness import SampleNoise

    params = artifact.params
    if params["denoiser"]["kind"] == "given":
        _copy_samples(context, artifact, folder)
        return
    start, stop, seed = params["start"], params["stop"], params["sampling"]["seed"]
    device = denoiser_device(context, artifact)
    draw, steps = _sampler(context, artifact, device)
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
    write_h5(folder / SAMPLES, {name: drawn, "index": index, "seed": key}, attributes)
    context.facts["device"] = str(device)


def _copy_samples(context: Context, artifact: Artifact, folder: Path) -> None:
    """The images of a dataset as a synthetic set."""
    images = dataset_images(context.store, artifact.parent("given"))
    with H5Writer(folder / SAMPLES) as file:
        for start in range(0, images.shape[0], BLOCK):
            index = np.arange(start, min(start + BLOCK, images.shape[0]))
            file.append("images", images.rows(index))
            file.append("index", index)
            file.append("seed", np.stack([np.zeros_like(index), index], axis=1).astype(np.uint64))
        file.attribute("address", artifact.address)
        file.attribute("images@range", "0 is -1 (black), 255 is 1 (white)")


def _sampler(context: Context, artifact: Artifact, device: Any) -> tuple[Callable[..., np.ndarray], int]:
    """A function of noise and a callback that draws samples, and the number of its steps."""
    import torch

    from amdiff.diffusion.euler_maruyama import draw_ve
    from amdiff.diffusion.sampling import draw, sampler_steps, to_uint8

    process, sampling = process_of(artifact.params), artifact.params["sampling"]
    (source,) = artifact.reads["dataset"]
    shape = (2,) if isinstance(process, VarianceExploding) else dataset_images(context.store, source).shape[1:]
    denoiser = load_denoiser(context, artifact, shape, device)
    if context.runtime.compile and isinstance(denoiser, torch.nn.Module):
        denoiser = torch.compile(denoiser)

    if isinstance(process, VarianceExploding):
        options = {"steps": sampling["steps"], "end": sampling["end"], "device": device}

        def draw_points(noise: Any, report: Callable[[int], None]) -> np.ndarray:
            return draw_ve(denoiser, process, noise, shape, callback=report, **options).cpu().numpy()

        return draw_points, sampling["steps"]

    spec = SamplingSpec.model_validate(sampling)
    steps = sampler_steps(process, spec)

    def draw_images(noise: Any, report: Callable[[int], None]) -> np.ndarray:
        drawn = draw(denoiser, steps, noise, shape, clip=spec.clip, device=device, callback=report)
        return to_uint8(drawn).cpu().numpy()

    return draw_images, len(steps)


def _finished_batches(folder: Path, start: int) -> list[np.ndarray]:
    """Batches of an interrupted run that continue each other from ``start``."""
    by_start = {int(p.stem.split("-")[0]): p for p in folder.glob("[0-9]*-[0-9]*.npz")}
    found: list[np.ndarray] = []
    while (path := by_start.get(start)) is not None and (batch := restore_arrays(path)) is not None:
        found.append(batch["samples"])
        start = int(path.stem.split("-")[1])
    return found
