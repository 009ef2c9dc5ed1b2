"""Spectra of the score of a text-to-image model, at the latents of the images that it drew."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from amdiff.artifacts import Artifact
from amdiff.config import LatentSpectrumSpec
from amdiff.landscape.spectra import normalisation

from .console import say
from .context import Context
from .generate import load_text_to_image
from .hdf5 import read_h5, write_h5
from .interrupts import Interrupts
from .resuming import restore_arrays, save_arrays


def spectrum(context: Context, artifact: Artifact, folder: Path) -> None:
    """Compute the singular values of the guided score's Jacobian at the latent of one image.

    The unfinished Gram matrix lies in scratch until the artifact is complete.
    """
    source = artifact.parent("generate")
    model, _ = load_text_to_image(context, source.parent("pipeline"), source.params["precision"], double=True)
    (latent,) = read_h5(context.store.file(source), "latent")
    spectra = _Spectra(
        context,
        artifact,
        LatentSpectrumSpec.model_validate(artifact.params["spectrum"]),
        model.guided(source.params["prompt"], source.params["guidance"]),
        model.schedule,
        latent,
    )
    sigma = spectra.schedule.sigma
    raw = {at: spectra.values(at) for at in spectra.spec.times}
    arrays: dict[str, np.ndarray] = {"times": np.array(spectra.spec.times), "sigma": sigma[list(raw)]}
    for at, values in raw.items():
        unit = normalisation(float(sigma[at]), spectra.rows, 1.0 if spectra.gaussian else 1 / latent.size)
        arrays |= {f"raw/t{at:05d}": values, f"normalised/t{at:05d}": values / unit}
    write_h5(folder / artifact.file(), arrays, {"address": artifact.address, "rows": spectra.rows}, compress=True)


@dataclass(frozen=True)
class _Spectra:
    """Computes the spectra at one latent."""

    context: Context
    artifact: Artifact
    spec: LatentSpectrumSpec
    denoiser: Any
    schedule: Any
    latent: Float32[np.ndarray, "c h w"]

    @property
    def gaussian(self) -> bool:
        """Whether the directions are random."""
        return self.spec.directions == "gaussian"

    @property
    def rows(self) -> int:
        """Number of directions."""
        return self.spec.directions_at(self.latent.size)

    def values(self, at: int) -> Float64[np.ndarray, " d"]:
        """Raw singular values at the noise level of time ``at``. Finished work survives an interruption."""
        import torch

        from amdiff.landscape.curvature import singular_values

        scratch = self.context.store.scratch(self.artifact)
        finished, state = scratch / f"values-{at}.npz", scratch / f"gram-{at}.npz"
        if (stored := restore_arrays(finished)) is not None:
            return stored["values"]
        d = self.latent.size
        first, gram = 0, torch.zeros(1, d, d, dtype=torch.float64, device=self.denoiser.embeddings.device)
        if (found := restore_arrays(state)) is not None:
            gram.copy_(torch.from_numpy(found["gram"]))
            first = int(found["rows"])
            say(f"spectrum {self.artifact.subject} {self.artifact.label}: "
                f"resumes at direction {first:,} of {self.rows:,}")  # fmt: skip
        self._add(at, gram, first, state)
        values = singular_values(gram)[0].cpu().numpy()
        save_arrays(finished, values=values)
        state.unlink(missing_ok=True)
        return values

    def _add(self, at: int, gram: Any, first: int, state: Path) -> None:
        """Add the products of scores along the directions from number ``first`` on to the Gram matrix ``gram``.

        The matrix is saved in the file ``state`` from time to time, and when a signal comes.
        """
        import torch

        from amdiff.diffusion.randomness import ANALYSIS, SampleNoise
        from amdiff.landscape.curvature import add_scores

        runtime = self.context.runtime
        progress = self.context.progress(self.artifact, self.rows, f"directions at t = {at}", first)
        saved, cost = time.monotonic(), 0.0
        with Interrupts() as interrupts:
            for done in add_scores(
                gram,
                self.denoiser,
                torch.from_numpy(self.latent)[None].to(gram.device),
                at,
                self.schedule,
                method=self.spec.method,
                rows=self.rows,
                noise=SampleNoise(self.spec.seed, [ANALYSIS]) if self.gaussian else None,
                batch=runtime.latent_batch,
                start=first,
            ):
                progress.update(done)
                now = time.monotonic()
                # a Gram matrix of Stable Diffusion has 2 GiB, so writing it may take a tenth of the time at most
                if interrupts.seen or now - saved > max(runtime.checkpoint_seconds, 10 * cost):
                    save_arrays(state, gram=gram.cpu().numpy(), rows=np.array(done))
                    saved = time.monotonic()
                    cost = saved - now
                interrupts.obey()
