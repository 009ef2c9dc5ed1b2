from .denoisers import Denoiser as Denoiser
from .exact import FiniteSet as FiniteSet, Gaussian as Gaussian
from .memory import DenseAssociativeMemory as DenseAssociativeMemory, ve_level as ve_level, vp_level as vp_level
from .pretrained import from_diffusers as from_diffusers
from .processes import Process as Process, Schedule as Schedule, VarianceExploding as VarianceExploding
from .randomness import SampleNoise as SampleNoise
from .samplers import (
    Step as Step,
    ddim_steps as ddim_steps,
    ddpm_steps as ddpm_steps,
    euler_maruyama_steps as euler_maruyama_steps,
)
from .sampling import draw as draw, from_uint8 as from_uint8, to_uint8 as to_uint8
