"""Trains a model."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from amdiff.artifacts import Artifact
from amdiff.config import TrainingSpec
from amdiff.diffusion.processes import process_of
from amdiff.files import write_bytes

from .console import say
from .context import Context
from .interrupts import Interrupts
from .loading import choose_device, training_data, untrained_network
from .resuming import discard, whole_archive

STATE = "state.pt"
"""Name of the file with the state of a training."""


def train(context: Context, artifact: Artifact, folder: Path) -> None:
    """Train one model. A state from which a later run can resume lies in scratch until the training is finished.

    A longer training of the same model, if one is planned, goes on from the last state.
    """
    import torch
    from safetensors.torch import save

    from amdiff.diffusion.graphs import Work
    from amdiff.diffusion.training import Trainer

    params = artifact.params
    device = choose_device(context.runtime.device, params["training"]["precision"], training=True)
    data = torch.from_numpy(training_data(context, artifact))
    iterations = params["training"]["iterations"]
    spec = TrainingSpec.model_validate({**params["training"], "cap_batch": False})
    generator = torch.Generator().manual_seed(spec.seed)
    trainer = Trainer(
        untrained_network(params, tuple(data.shape[1:]), generator).to(device),
        data.to(device),
        spec,
        process_of(params["diffusion"]),
        iterations=iterations,
        compile=context.runtime.compile,
        work=Work(device, graphs=context.runtime.graphs),
        tell=context.falls_back,
    )
    state_file = context.store.scratch(artifact) / STATE
    if (state := _saved_state(state_file, device)) is not None:
        trainer.restore(state)
        say(f"train {artifact.subject} {artifact.label}: resumes at step {trainer.step:,}")
    progress = context.progress(artifact, iterations, "steps", trainer.step)
    first, saved = trainer.step, time.monotonic()
    began = saved

    def save_state(path: Path) -> None:
        state = io.BytesIO()
        torch.save(trainer.state(), state)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, state.getbuffer())

    with Interrupts() as interrupts:
        while not trainer.finished:
            trainer.run(20)
            progress.update(trainer.step, f"loss {trainer.log[-1]['loss']:.4f}" if trainer.log else "")
            if interrupts.seen or time.monotonic() - saved > context.runtime.checkpoint_seconds:
                save_state(state_file)
                saved = time.monotonic()
            interrupts.obey()
    trainer.check()
    weights = {name: value.detach().cpu().contiguous() for name, value in trainer.ema.state_dict().items()}
    # one key of metadata only: safetensors would write several in random order
    write_bytes(folder / artifact.file("weights"), save(weights, {"address": artifact.address}))
    log = "".join(json.dumps(line) + "\n" for line in trainer.whole_log)
    write_bytes(folder / artifact.file("log"), log.encode())
    for path in _waiting(context, artifact):
        save_state(path)
    context.facts["device"] = str(device)
    context.facts["steps_per_second"] = round((iterations - first) / max(time.monotonic() - began, 1e-9), 3)


def _waiting(context: Context, artifact: Artifact) -> list[Path]:
    """Where longer trainings that wait for this one look for a state, if they have none."""
    longer = [
        a for a in context.plan.by_folder.values() if artifact.address in _addresses(a.derived.get("shorter", ()))
    ]
    files = [context.store.scratch(a) / STATE for a in longer if not context.store.complete(a)]
    return [path for path in files if not path.exists()]


def _addresses(artifacts: Iterable[Artifact]) -> set[str]:
    return {a.address for a in artifacts}


def _saved_state(path: Path, device: Any) -> dict[str, Any] | None:
    """The state of an interrupted training. None if there is none or it is damaged; damage is reported."""
    import torch

    if not whole_archive(path):  # torch.load would not notice changed numbers
        return None
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except (MemoryError, OSError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # pickle and torch raise their own types
        discard(path, error)
        return None
