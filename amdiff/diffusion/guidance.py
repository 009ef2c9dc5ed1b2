"""Text-to-image models in latent space: what they draw, and their guided score (Rombach et al. 2022)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Float32, Num, UInt8
from torch import Tensor, nn

from amdiff.config import DiffusionSpec

from .diffusers_format import forward_process, prediction_of
from .pretrained import as_noise
from .processes import Schedule
from .randomness import SampleNoise
from .sampling import finite, to_uint8

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


class Guided:
    """The noise under classifier-free guidance (Ho and Salimans 2022, eq. 6, with the scale of diffusers).

    ``scale`` times the prediction for a prompt, less ``scale - 1`` times that for none; the network runs in its own
    precision, the two are combined in float32.
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
        """``prompt`` and ``nothing`` are embeddings of the prompt and of an empty one."""
        self.net, self.scale, self.prediction, self.schedule = net, scale, prediction, schedule
        self.embeddings = prompt if scale == 1 else torch.cat([nothing, prompt])

    def __call__(self, x: Float[Tensor, "n c h w"], t: Num[Tensor, " n"], /) -> Float[Tensor, "n c h w"]:
        """``x`` latents, ``t`` indices of noise levels; returns the noise, float32."""
        times = len(self.embeddings)
        given = x.to(self.embeddings.dtype).repeat(times, 1, 1, 1)
        text = self.embeddings.repeat_interleave(len(x), dim=0)
        out = self.net(given, t.repeat(times), encoder_hidden_states=text, return_dict=False)[0].float()
        if times == 2:
            free, prompted = out.chunk(2)
            out = free + self.scale * (prompted - free)
        return as_noise(out, x.float(), t, self.prediction, self.schedule)


class TextToImage:
    """A pipeline of Stable Diffusion, without its safety checker, on one device.

    The U-Net and the text encoder run in ``precision``; the decoder, which overflows in float16 for some images, and
    the combination of scores run in float32.
    """

    def __init__(
        self,
        folder: Path,
        components: Mapping[str, Mapping[str, Any]],
        variants: Mapping[str, str | None],
        precision: str,
        device: Any,
    ) -> None:
        """Read a pipeline's networks, from safetensors alone.

        Parameters
        ----------
        folder
            Of the pipeline, as diffusers saves it.
        components
            Configuration of each component, by its folder.
        variants
            Variant of each component's weights, by its folder: 'fp16', or None for the plain ones.
        precision
            Of the networks' arithmetic: 'float16', 'bfloat16' or 'float32'.
        device
            Where they run.

        Raises
        ------
        OSError, ValueError
            Where files do not fit.
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
        """Whether a prompt is longer than the text encoder reads."""
        tokenizer = self._pipeline.tokenizer
        return len(tokenizer(prompt, verbose=False).input_ids) > tokenizer.model_max_length

    def guided(self, prompt: str, scale: float) -> Guided:
        """The denoiser of latents for a prompt."""
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
        """Latents drawn for a prompt by DDIM (eta = 0), one for each stream of ``noise``; ``side`` is theirs.

        Raises ``ValueError`` where they are not finite.
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
        """Images of latents."""
        vae = self._pipeline.vae
        return to_uint8(vae.decode(latents / vae.config.scaling_factor, return_dict=False)[0])
