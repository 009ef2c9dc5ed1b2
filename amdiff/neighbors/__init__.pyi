from .arrays import embed as embed
from .embeddings import Embedding as Embedding
from .knn import NeighborTable as NeighborTable, nearest_neighbors as nearest_neighbors
from .radius import radius_pairs as radius_pairs
from .vectors import Vectors as Vectors
