from .attractors import Attractors as Attractors, components as components
from .classes import CLASSES as CLASSES, Fractions as Fractions, classify as classify, fractions as fractions
from .copying import authentic as authentic, data_copying as data_copying, nearest_ratio as nearest_ratio
from .distances import Distances as Distances, Pair as Pair, Threshold as Threshold
from .intervals import Estimate as Estimate, grouped_mean as grouped_mean, wilson as wilson
from .plausibility import Plausibility as Plausibility, plausibility as plausibility
from .sorting import Phases as Phases, Sorted as Sorted, sort_at as sort_at, sort_samples as sort_samples
from .tables import Tables as Tables
from .thresholds import (
    FixedThresholds as FixedThresholds,
    HeldoutThresholds as HeldoutThresholds,
    ValleyThresholds as ValleyThresholds,
    find_thresholds as find_thresholds,
)
from .uncertainty import fold_fractions as fold_fractions
