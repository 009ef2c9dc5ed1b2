"""What a person may ask for: frozen, validated specifications.

A configuration names datasets and experiments; every class here is one block of
``config.yaml``. Unknown keys are refused, numbers carry their range and unit. The constants
are those of Pham et al. (arXiv 2505.21777) unless a description says otherwise.
"""

from .analyses import ANALYSES, AnalysisSpec, BasinSpec, CurvatureSpec, EnergySpec, SpectrumSpec
from .base import Spec
from .circle import (
    CircleSamplingSpec,
    CircleSpec,
    ExactCircleDenoiser,
    FourierMlpDenoiser,
    LikelihoodSpec,
    VeSpec,
)
from .configuration import ComparisonSpec, Config, RuntimeSpec
from .datasets import (
    ArraysDataset,
    Cifar10Dataset,
    CircleDataset,
    DatasetSpec,
    DigitsDataset,
    FashionMnistDataset,
    FolderDataset,
    ImageDataset,
    LsunChurchDataset,
    MnistDataset,
    PhotosDataset,
    split_key,
)
from .denoisers import DenoiserSpec, ExactDenoiser, GivenSamples, MlpDenoiser, PretrainedDenoiser, UnetDenoiser
from .diffusion import DiffusionSpec, SamplingSpec, TrainingSpec
from .experiment import AnyExperiment, ExperimentSpec
from .measures import (
    BACKBONE_FILES,
    BACKBONES,
    LEAST_HELDOUT,
    Backbone,
    BorrowedThresholds,
    EstimatedThresholds,
    FixedThresholds,
    HeldoutThresholds,
    Metric,
    NeighborsSpec,
    OtherMetricSpec,
    PanelsSpec,
    PeersSpec,
    ThresholdsSpec,
    ValleyThresholds,
    official_digest,
)
from .prompts import LatentSpectrumSpec, PipelineSpec, PromptSpec, PromptsSpec
from .reading import ConfigError, json_schema, parse_config, read_config
from .sizes import GridSpec

__all__ = [
    "ANALYSES",
    "BACKBONES",
    "BACKBONE_FILES",
    "LEAST_HELDOUT",
    "AnalysisSpec",
    "AnyExperiment",
    "ArraysDataset",
    "Backbone",
    "BasinSpec",
    "BorrowedThresholds",
    "Cifar10Dataset",
    "CircleDataset",
    "CircleSamplingSpec",
    "CircleSpec",
    "ComparisonSpec",
    "Config",
    "ConfigError",
    "CurvatureSpec",
    "DatasetSpec",
    "DenoiserSpec",
    "DiffusionSpec",
    "DigitsDataset",
    "EnergySpec",
    "EstimatedThresholds",
    "ExactCircleDenoiser",
    "ExactDenoiser",
    "ExperimentSpec",
    "FashionMnistDataset",
    "FixedThresholds",
    "FolderDataset",
    "FourierMlpDenoiser",
    "GivenSamples",
    "GridSpec",
    "HeldoutThresholds",
    "ImageDataset",
    "LatentSpectrumSpec",
    "LikelihoodSpec",
    "LsunChurchDataset",
    "Metric",
    "MlpDenoiser",
    "MnistDataset",
    "NeighborsSpec",
    "OtherMetricSpec",
    "PanelsSpec",
    "PeersSpec",
    "PhotosDataset",
    "PipelineSpec",
    "PretrainedDenoiser",
    "PromptSpec",
    "PromptsSpec",
    "RuntimeSpec",
    "SamplingSpec",
    "Spec",
    "SpectrumSpec",
    "ThresholdsSpec",
    "TrainingSpec",
    "UnetDenoiser",
    "ValleyThresholds",
    "VeSpec",
    "json_schema",
    "official_digest",
    "parse_config",
    "read_config",
    "split_key",
]
