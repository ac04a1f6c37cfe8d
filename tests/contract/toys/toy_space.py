"""A space from outside: the scaling of all coordinates alike."""

import torch

from symfind.fields.catalogue import SPACES, of_dimension
from symfind.fields.polynomial import matrix_fields

SPACES.register(of_dimension("scaling", lambda d: matrix_fields("scaling", torch.eye(d, dtype=torch.float64)[None])))
