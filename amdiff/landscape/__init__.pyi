from .basins import l2 as l2, pair_distance as pair_distance
from .curvature import score_spectra as score_spectra
from .likelihood import (
    log_likelihood as log_likelihood,
    standard_normal_log_density as standard_normal_log_density,
)
from .potential import relative_energy as relative_energy
from .spectra import (
    dimension_by_gap as dimension_by_gap,
    dimension_by_threshold as dimension_by_threshold,
    normalisation as normalisation,
)
from .survival import Basins as Basins, find_basins as find_basins
from .volumes import critical_times as critical_times, log_ball_volume as log_ball_volume
