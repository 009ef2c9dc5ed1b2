"""A StableDiffusionPipeline of random weights, small enough for tests: 4 channels of 8x8 latents, images of 16x16."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer


def tiny_pipeline(folder: Path, seed: int = 0, **scheduler: object) -> Path:
    """Write the pipeline's folder, as ``save_pretrained`` does."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=(8, 16), layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16, attention_head_dim=4, norm_num_groups=4,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8, 16), down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4, norm_num_groups=4, sample_size=16,
    )  # fmt: skip
    words = CLIPTextConfig(
        vocab_size=300, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=16, bos_token_id=256, eos_token_id=257, pad_token_id=257,
    )  # fmt: skip
    pipeline = StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=CLIPTextModel(words).eval(),
        tokenizer=tokenizer(folder),
        unet=unet.eval(),
        scheduler=DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
            set_alpha_to_one=False, steps_offset=1, **scheduler,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder)
    return folder


def tokenizer(folder: Path) -> CLIPTokenizer:
    """Single letters as tokens, at most 16 of them; read from files, as every version of transformers can."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = [*letters, *(f"{c}</w>" for c in letters)]
    vocabulary = {name: number for number, name in enumerate(names)}
    vocabulary |= {"<|startoftext|>": 256, "<|endoftext|>": 257}
    files = folder / "tokenizer"
    files.mkdir(parents=True, exist_ok=True)
    (files / "vocab.json").write_text(json.dumps(vocabulary))
    (files / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(files, model_max_length=16)


def edit(path: Path, **changes: object) -> None:
    """Change a component's configuration."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
