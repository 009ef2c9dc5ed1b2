"""The configuration, as frozen and validated specifications.

A configuration names datasets and experiments. Every class here describes one block of ``config.yaml``. Unknown keys
are refused, and numbers have a range and a unit. Default values are those of Pham et al. (arXiv 2505.21777) unless a
description says otherwise.
"""

from amdiff.catalogue.metrics import BACKBONE_FILES, METRICS, Backbone, Metric, MetricName, official_digest
from amdiff.errors import ConfigError

from .analyses import ANALYSES, Analyses, AnalysisSpec, BasinSpec, CurvatureSpec, EnergySpec, SpectrumSpec
from .base import Spec
from .circle import CircleSamplingSpec, CircleSpec, LikelihoodSpec, VeSpec
from .configuration import ComparisonSpec, Config, RuntimeSpec
from .datasets import (
    Cifar10Dataset,
    CircleDataset,
    DatasetSpec,
    DigitsDataset,
    FashionMnistDataset,
    LsunChurchDataset,
    MnistDataset,
    PhotosDataset,
)
from .denoisers import (
    DENOISERS,
    DenoiserSpec,
    ExactCircleDenoiser,
    ExactDenoiser,
    GivenSamples,
    PretrainedDenoiser,
    denoiser_of,
)
from .diffusion import DiffusionSpec, ProcessSpec
from .experiment import AnyExperiment, ExperimentSpec, OrderFile
from .image_datasets import Extent, ImageDataset
from .losses import LossesSpec
from .neighbors import NeighborsSpec, OtherMetricSpec, PanelsSpec, PeersSpec
from .networks import DenoiserBase, FourierMlpDenoiser, MlpDenoiser, Network, UnetDenoiser
from .own_datasets import ArraysDataset, FolderDataset, OwnDataset, split_key
from .prompts import LatentSpectrumSpec, PipelineSpec, PromptSpec, PromptsSpec
from .reading import json_schema, parse_config, read_config
from .replicates import ReplicatesSpec
from .sampling import SamplerSpec, SamplingSpec
from .sizes import GridSpec
from .sweep import Sweep
from .thresholds import (
    LEAST_HELDOUT,
    BorrowedThresholds,
    EstimatedThresholds,
    FixedThresholds,
    HeldoutThresholds,
    ThresholdsBase,
    ThresholdsSpec,
    ValleyThresholds,
)
from .training import TrainingSpec

__all__ = [
    "ANALYSES",
    "BACKBONE_FILES",
    "DENOISERS",
    "LEAST_HELDOUT",
    "METRICS",
    "Analyses",
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
    "DenoiserBase",
    "DenoiserSpec",
    "DiffusionSpec",
    "DigitsDataset",
    "EnergySpec",
    "EstimatedThresholds",
    "ExactCircleDenoiser",
    "ExactDenoiser",
    "ExperimentSpec",
    "Extent",
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
    "LossesSpec",
    "LsunChurchDataset",
    "Metric",
    "MetricName",
    "MlpDenoiser",
    "MnistDataset",
    "NeighborsSpec",
    "Network",
    "OrderFile",
    "OtherMetricSpec",
    "OwnDataset",
    "PanelsSpec",
    "PeersSpec",
    "PhotosDataset",
    "PipelineSpec",
    "PretrainedDenoiser",
    "ProcessSpec",
    "PromptSpec",
    "PromptsSpec",
    "ReplicatesSpec",
    "RuntimeSpec",
    "SamplerSpec",
    "SamplingSpec",
    "Spec",
    "SpectrumSpec",
    "Sweep",
    "ThresholdsBase",
    "ThresholdsSpec",
    "TrainingSpec",
    "UnetDenoiser",
    "ValleyThresholds",
    "VeSpec",
    "denoiser_of",
    "json_schema",
    "official_digest",
    "parse_config",
    "read_config",
    "split_key",
]
