"""Functions with the names and arguments of the packages you know, by nonius's kernels.

==========================  =================================================================================
package                     here
==========================  =================================================================================
scikit-image                `phase_cross_correlation`, `optical_flow_tvl1`, `optical_flow_ilk`
image_registration          `chi2_shift`, `chi2_shift_iterzoom`, `chi2n_map`, `chi2map_to_errors`,
                            `register_images`, `cross_correlation_shifts`, `shift2d`, `shiftnd`, `correlate2d`
LiberTEM-blobfinder         `Circular`, `RadialGradient`, `BackgroundSubtraction`, `UserTemplate`, ...,
                            `get_correlation`, `get_peaks`, `process_frames_fast`, `process_frames_full`,
                            `run_blobfinder`, `run_fastcorrelation`, `run_refine`, `Matcher`, `FullMatcher`,
                            `fastmatch`, `affinematch`, `full_match`
scikit-learn                `AgglomerativeClustering`, `ward_tree`, `linkage_tree`, `KMeans`, `DBSCAN`, `HDBSCAN`;
                            `ward`
mumott                      `run_optical_flow_alignment`, `run_phase_matching_alignment`, `shifts_to_geometry`,
                            `line_vertical_alignment`
==========================  =================================================================================

Each returns what its model returns, signs included; where the model is wrong, the right value. Such differences
are listed in ``docs/python.md``. The other modules of this package have more of the answer: covariances, statuses.
Keywords of the models that only say how to compute (threads, caches, talk) are taken and have no effect; one that
would change the answer and cannot be followed is an error that says so.
"""

from ._blobfinder import (
    BackgroundSubtraction,
    Circular,
    FullMatcher,
    Match,
    Matcher,
    RadialGradient,
    RadialGradientBackgroundSubtraction,
    UserTemplate,
    affinematch,
    fastmatch,
    full_match,
    get_correlation,
    get_peaks,
    process_frames_fast,
    process_frames_full,
    run_blobfinder,
    run_fastcorrelation,
    run_refine,
)
from ._image_registration import (
    chi2_shift,
    chi2_shift_iterzoom,
    chi2map_to_errors,
    chi2n_map,
    correlate2d,
    cross_correlation_shifts,
    register_images,
    shift2d,
    shiftnd,
)
from ._mumott import (
    line_vertical_alignment,
    run_optical_flow_alignment,
    run_phase_matching_alignment,
    shifts_to_geometry,
)
from ._scikit_image import optical_flow_ilk, optical_flow_tvl1, phase_cross_correlation
from ._scikit_learn import (
    DBSCAN,
    HDBSCAN,
    AgglomerativeClustering,
    KMeans,
    linkage_tree,
    ward,
    ward_tree,
)

__all__ = [
    "AgglomerativeClustering",
    "BackgroundSubtraction",
    "Circular",
    "DBSCAN",
    "FullMatcher",
    "HDBSCAN",
    "KMeans",
    "Match",
    "Matcher",
    "RadialGradient",
    "RadialGradientBackgroundSubtraction",
    "UserTemplate",
    "affinematch",
    "chi2_shift",
    "chi2_shift_iterzoom",
    "chi2map_to_errors",
    "chi2n_map",
    "correlate2d",
    "cross_correlation_shifts",
    "fastmatch",
    "full_match",
    "get_correlation",
    "get_peaks",
    "line_vertical_alignment",
    "linkage_tree",
    "optical_flow_ilk",
    "optical_flow_tvl1",
    "phase_cross_correlation",
    "process_frames_fast",
    "process_frames_full",
    "register_images",
    "run_blobfinder",
    "run_fastcorrelation",
    "run_optical_flow_alignment",
    "run_phase_matching_alignment",
    "run_refine",
    "shift2d",
    "shiftnd",
    "shifts_to_geometry",
    "ward",
    "ward_tree",
]
