"""Types that several modules speak of."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: What has a result's field of real numbers.
Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.integer[Any]]
Bools: TypeAlias = NDArray[np.bool_]
#: Single or double precision, as the input was.
Reals: TypeAlias = NDArray[np.floating[Any]]

#: Called as ``tqdm.tqdm`` is: ``progress(total=..., desc=...)`` returns something with ``update(n)``, ``close()``.
Progress: TypeAlias = Callable[..., Any]

Status: TypeAlias = Literal["converged", "at_search_limit", "ambiguous", "undetermined"]
FrameKind: TypeAlias = Literal["overlap", "periodic"]
Degree: TypeAlias = Literal["linear", "cubic", "quintic", "septic", "nonic"]
