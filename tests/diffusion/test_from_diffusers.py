"""Models of diffusers in a notebook: against diffusers' own sampling."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, FlowMatchEulerDiscreteScheduler, UNet2DModel

from amdiff.diffusion import ddim_steps, from_diffusers
from amdiff.diffusion.sampling import reverse


def unet(**options: int) -> UNet2DModel:
    torch.manual_seed(0)
    blocks = {"down_block_types": ("DownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D", "UpBlock2D")}
    options = {"sample_size": 8, "in_channels": 1, "out_channels": 1, "layers_per_block": 1} | options
    return UNet2DModel(block_out_channels=(8, 8), norm_num_groups=4, **blocks, **options)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("betas", ["linear", "squaredcos_cap_v2"])
def test_the_flow_is_that_of_diffusers(prediction: str, betas: str) -> None:
    scheduler = DDIMScheduler(
        num_train_timesteps=50, beta_schedule=betas, prediction_type=prediction, clip_sample=True,
        timestep_spacing="linspace",
    )  # fmt: skip
    network = unet()
    denoiser, schedule = from_diffusers(network, scheduler)
    x = torch.randn(3, 1, 8, 8)
    with torch.no_grad():
        scheduler.set_timesteps(50)
        theirs = x
        for t in scheduler.timesteps:
            out = network(theirs, t).sample
            theirs = scheduler.step(out, int(t), theirs, use_clipped_model_output=True).prev_sample
    ours = reverse(denoiser, x, ddim_steps(schedule, 50))
    assert len(schedule) == 50
    assert all(p.requires_grad for p in network.parameters())  # whoever trains it goes on
    assert np.allclose(ours, theirs, atol=2e-4)


def test_other_processes_are_refused() -> None:
    with pytest.raises(ValueError, match="VP process in discrete time, got FlowMatchEulerDiscreteScheduler; use"):
        from_diffusers(unet(), FlowMatchEulerDiscreteScheduler())
    with pytest.raises(ValueError, match="end in pure noise"):
        from_diffusers(unet(), DDIMScheduler(rescale_betas_zero_snr=True))
    with pytest.raises(ValueError, match="VP process in discrete time, got str; use"):
        from_diffusers(unet(), "DDPM")
    with pytest.raises(ValueError, match="has 1 channels in and 2 out"):
        from_diffusers(unet(out_channels=2), DDPMScheduler())
    with pytest.raises(ValueError, match="conditioned on classes"):
        from_diffusers(unet(num_class_embeds=3), DDPMScheduler())
    with pytest.raises(ValueError, match="has no 'config'"):
        from_diffusers(torch.nn.Linear(1, 1), DDPMScheduler())
    odd = DDPMScheduler()
    odd.register_to_config(prediction_type="flow")
    with pytest.raises(ValueError, match="predicts 'flow'; expected one of epsilon"):
        from_diffusers(unet(), odd)
