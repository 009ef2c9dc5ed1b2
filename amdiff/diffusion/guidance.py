"""Text-to-image models in latent space (Rombach et al. 2022): their samples and their guided score."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Float32, Num, UInt8
from torch import Tensor, nn

from amdiff.config import DiffusionSpec

from .diffusers_format import forward_process, prediction_of
from .pretrained import as_noise, levels_at
from .processes import Schedule
from .randomness import SampleNoise
from .sampling import finite, to_uint8

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


class Guided:
    """Predicts the noise with classifier-free guidance (Ho and Salimans 2022, eq. 6).

    The result is ``scale`` times the prediction for the prompt minus ``scale - 1`` times the prediction for an empty
    prompt; ``scale`` is defined as in diffusers. The network runs in its own precision. The two predictions are
    combined in float32.
    """

    def __init__(
        self,
        net: nn.Module,
        prompt: Float[Tensor, "1 tokens width"],
        nothing: Float[Tensor, "1 tokens width"],
        scale: float,
        prediction: str,
        schedule: Schedule,
    ) -> None:
        """Keep the network and the embeddings of the text.

        Parameters
        ----------
        net
            The conditional U-Net.
        prompt
            Embedding of the prompt, (1, tokens, width).
        nothing
            Embedding of the empty prompt, (1, tokens, width).
        scale
            Guidance scale; 1 means no guidance.
        prediction
            The quantity that the network predicts: 'epsilon', 'v_prediction' or 'sample'.
        schedule
            Noise levels of the latents.
        """
        self.net, self.scale, self.prediction, self.schedule = net, scale, prediction, schedule
        self.embeddings = prompt if scale == 1 else torch.cat([nothing, prompt])

    def __call__(self, x: Float[Tensor, "n c h w"], t: Num[Tensor, " n"], /) -> Float[Tensor, "n c h w"]:
        """Return the noise (n, c, h, w), float32, in the latents ``x`` (n, c, h, w) at the noise levels ``t`` (n,)."""
        times = len(self.embeddings)
        given = x.to(self.embeddings.dtype).repeat(times, 1, 1, 1)
        text = self.embeddings.repeat_interleave(len(x), dim=0)
        out = self.net(given, t.repeat(times), encoder_hidden_states=text, return_dict=False)[0].float()
        if times == 2:
            free, prompted = out.chunk(2)
            out = free + self.scale * (prompted - free)
        return as_noise(out, x.float(), self.prediction, *levels_at(t, self.schedule, torch.float32))


class TextToImage:
    """A pipeline of Stable Diffusion on one device, without its safety checker.

    The U-Net and the text encoder run in ``precision``. The decoder runs in float32, because it overflows in float16
    for some images. The scores are combined in float32.
    """

    def __init__(
        self,
        folder: Path,
        components: Mapping[str, Mapping[str, Any]],
        variants: Mapping[str, str | None],
        precision: str,
        device: Any,
    ) -> None:
        """Read the networks of a pipeline. Weights are read only from safetensors files.

        Parameters
        ----------
        folder
            The folder of the pipeline, as diffusers saves it.
        components
            Configuration of each component; the keys are the names of the components' folders.
        variants
            Variant of each component's weights, with the same keys: 'fp16', or None for weights without a variant.
        precision
            Precision of the U-Net and of the text encoder: 'float16', 'bfloat16' or 'float32'.
        device
            The torch device on which the networks run.

        Raises
        ------
        OSError, ValueError
            If a file is missing or does not fit.
        """
        from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
        from transformers import CLIPTextModel, CLIPTokenizer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        dtype = DTYPES[precision]

        def options(part: str) -> dict[str, Any]:
            return {"use_safetensors": True, "local_files_only": True, "variant": variants[part]}

        plain = {"low_cpu_mem_usage": False}  # its default asks for another package
        scheduler: Any = DDIMScheduler
        self._scheduler = dict(components["scheduler"])
        text: Any = CLIPTextModel
        pipeline: Any = StableDiffusionPipeline
        self._pipeline = pipeline(
            vae=AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32, **plain, **options("vae")),
            text_encoder=text.from_pretrained(folder / "text_encoder", dtype=dtype, **options("text_encoder")),
            tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
            unet=UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=dtype, **plain, **options("unet")),
            scheduler=scheduler.from_config(self._scheduler),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        self._pipeline.set_progress_bar_config(disable=True)
        for network in (self._pipeline.vae, self._pipeline.text_encoder, self._pipeline.unet):
            network.eval().requires_grad_(False).to(device)
        self.device = device

    @property
    def schedule(self) -> Schedule:
        """Noise levels of the latents."""
        config = self._scheduler
        return Schedule.of(DiffusionSpec.model_validate(forward_process(config)))

    def truncated(self, prompt: str) -> bool:
        """Return whether a prompt has more tokens than the text encoder can read."""
        tokenizer = self._pipeline.tokenizer
        return len(tokenizer(prompt, verbose=False).input_ids) > tokenizer.model_max_length

    def guided(self, prompt: str, scale: float) -> Guided:
        """Return the guided denoiser of latents for a prompt."""
        pipeline = self._pipeline
        with torch.inference_mode():
            prompted, nothing = pipeline.encode_prompt(prompt, self.device, 1, True)
        prediction = prediction_of(self._scheduler)
        return Guided(pipeline.unet, prompted, nothing, scale, prediction, self.schedule)

    @torch.inference_mode()
    def draw(
        self,
        prompt: str,
        noise: SampleNoise,
        *,
        side: int,
        scale: float,
        steps: int,
        callback: Callable[[int], None] = lambda done: None,
    ) -> Float32[Tensor, "n c h w"]:
        """Draw latents for a prompt by DDIM with eta = 0.

        Parameters
        ----------
        prompt
            The text.
        noise
            One stream of noise for each latent; the latents start from it.
        side
            Height and width of the latents.
        scale
            Guidance scale; 1 means no guidance.
        steps
            Number of DDIM steps.
        callback
            Function that is called after each step with the number of finished steps.

        Returns
        -------
        Tensor
            The latents, (n, c, side, side), float32.

        Raises
        ------
        ValueError
            If a latent is NaN or infinite.
        """
        pipeline = self._pipeline
        start = torch.from_numpy(noise((pipeline.unet.config.in_channels, side, side)))

        def heard(_: Any, step: int, __: Any, state: dict[str, Any]) -> dict[str, Any]:
            callback(step + 1)
            return state

        drawn = pipeline(
            [prompt] * len(start),
            height=side * pipeline.vae_scale_factor,
            width=side * pipeline.vae_scale_factor,
            num_inference_steps=steps,
            guidance_scale=scale,
            latents=start.to(self.device, pipeline.unet.dtype),
            output_type="latent",
            callback_on_step_end=heard,
        )
        return finite(drawn.images.float())

    @torch.inference_mode()
    def decode(self, latents: Float32[Tensor, "n c h w"]) -> UInt8[Tensor, "n 3 height width"]:
        """Return the images (n, 3, height, width), uint8, that the decoder makes of latents (n, c, h, w)."""
        vae = self._pipeline.vae
        return to_uint8(vae.decode(latents / vae.config.scaling_factor, return_dict=False)[0])
