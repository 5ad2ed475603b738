//! The table of what is compared. A row needs a function of its name in
//! `benches/compare_worker.rs` and a class in `xtask/compare/`.

/// Something that both sides compute.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// What is computed, for the head of its table.
    pub(crate) title: &'static str,
    /// The reference's call.
    pub(crate) reference: &'static str,
    /// Where the reference is installed: a name in `ENVIRONMENTS`.
    pub(crate) environment: &'static str,
    /// Pixels a side, or as many of what [`Workload::size_in_words`] names.
    pub(crate) sizes: &'static [usize],
    pub(crate) dtypes: &'static [&'static str],
    pub(crate) threads: Threads,
    /// Largest difference between the two results that passes as agreement.
    pub(crate) tolerance: f64,
    /// What the difference is, in which unit, and why the tolerance is what it is.
    pub(crate) agreement: &'static str,
}

impl Workload {
    pub(crate) fn size_in_words(&self, size: usize) -> String {
        match self.name {
            "lattice_search" => format!("{size} points"),
            "ward_on_a_grid" => format!("{} × {size} × 302", (size as f64 * 90.0 / 121.0).round()),
            _ => format!("{size}²"),
        }
    }
}

/// With how many threads a workload is measured.
pub(crate) enum Threads {
    One,
    OneAndAll,
}

const TRANSFORM_SIZES: &[usize] = &[64, 128, 144, 256, 512, 1000, 1024, 2048];

pub(crate) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "register_periodic",
        title: "Shift of a periodic frame, continuous against a grid of 0.01 px",
        reference: "skimage.registration.phase_cross_correlation(…, normalization=None, upsample_factor=100)",
        environment: "registration",
        sizes: &[256, 512, 1024, 2048],
        dtypes: &["f32", "f64"],
        threads: Threads::OneAndAll,
        tolerance: 0.0075,
        agreement: "px along the worse axis; half a step of the reference's grid, and half as much again for its rounding",
    },
    Workload {
        name: "register_masked",
        title: "Shift under two masks that hide half of each frame",
        reference: "skimage.registration.phase_cross_correlation(…, reference_mask=…, moving_mask=…)",
        environment: "registration",
        sizes: &[256, 512],
        dtypes: &["f32", "f64"],
        threads: Threads::OneAndAll,
        tolerance: 0.05,
        agreement: "px along the worse axis; the reference knows whole pixels only, so the true shift is whole, \
                    and what remains is the scatter of a sub-pixel estimate",
    },
    Workload {
        name: "register_overlap",
        title: "Shift of a frame that content enters and leaves: our default against their periodic one",
        reference: "skimage.registration.phase_cross_correlation(…, normalization=None, upsample_factor=100)",
        environment: "registration",
        sizes: &[512],
        dtypes: &["f32", "f64"],
        threads: Threads::OneAndAll,
        tolerance: 0.1,
        agreement: "px along the worse axis; the reference takes the frame as periodic and is biased by what it wraps",
    },
    Workload {
        name: "register_series",
        title: "Shifts of 32 periodic frames against the first",
        reference: "skimage.registration.phase_cross_correlation(…, normalization=None, upsample_factor=100) in a loop",
        environment: "registration",
        sizes: &[256],
        dtypes: &["f32"],
        threads: Threads::OneAndAll,
        tolerance: 0.0075,
        agreement: "px, the worst of all frames and axes; as for a single frame",
    },
    Workload {
        name: "chi2_periodic",
        title: "χ² shift of a periodic frame with its errors, continuous against the automatic grid",
        reference: "image_registration.chi2_shift(…, err=0.05, upsample_factor='auto')",
        environment: "registration",
        sizes: &[256, 512, 1024],
        dtypes: &["f32", "f64"],
        threads: Threads::One,
        tolerance: 0.01,
        agreement: "px along the worse axis; the reference's grid follows its errors",
    },
    Workload {
        name: "chi2_grid",
        title: "The same on the reference's own grid",
        reference: "image_registration.chi2_shift(…, err=0.05, upsample_factor='auto')",
        environment: "registration",
        sizes: &[256, 1024],
        dtypes: &["f64"],
        threads: Threads::One,
        tolerance: 1e-9,
        agreement: "px along the worse axis; both find the least sample of one grid",
    },
    Workload {
        name: "transform",
        title: "Real transform in two dimensions, forward and inverse",
        reference: "scipy.fft.rfft2 and scipy.fft.irfft2, workers=1",
        environment: "registration",
        sizes: TRANSFORM_SIZES,
        dtypes: &["f32", "f64"],
        threads: Threads::One,
        tolerance: 5.0,
        agreement: "spectrum or round trip, rms difference over rms, in units of the type's rounding; \
                    theory has each side's error grow as the root of log2 n, to about 1.5 such units",
    },
    Workload {
        name: "flow_tvl1",
        title: "Dense flow, TV-L1",
        reference: "skimage.registration.optical_flow_tvl1",
        environment: "registration",
        sizes: &[256],
        dtypes: &["f32"],
        threads: Threads::OneAndAll,
        tolerance: 1e-3,
        agreement: "px, rms distance between the end points of the two flows; \
                    the discretisation is the same, rounding and the last iteration differ",
    },
    Workload {
        name: "flow_ilk",
        title: "Dense flow, iterative Lucas-Kanade",
        reference: "skimage.registration.optical_flow_ilk",
        environment: "registration",
        sizes: &[256],
        dtypes: &["f32"],
        threads: Threads::OneAndAll,
        tolerance: 1e-3,
        agreement: "px, rms distance between the end points of the two flows; \
                    the discretisation is the same, rounding and the last iteration differ",
    },
    Workload {
        name: "disks_crop",
        title: "Twenty disks in windows of 32 × 32 px, centres of mass of the reference's kind",
        reference: "libertem_blobfinder.base.correlation.process_frame_fast(…)",
        environment: "blobfinder",
        sizes: &[256],
        dtypes: &["f32", "f64"],
        threads: Threads::One,
        tolerance: 3e-4,
        agreement: "px along an axis, the worst of all disks; the same formulas, and logarithms and transforms in single precision",
    },
    Workload {
        name: "disks_upsampled",
        title: "The same, the continuous maximum against samples of the envelope 1/20 px apart",
        reference: "libertem_blobfinder.base.correlation.process_frame_fast(…, upsample=20)",
        environment: "blobfinder",
        sizes: &[256],
        dtypes: &["f32"],
        threads: Threads::One,
        tolerance: 0.15,
        agreement: "px along an axis, the worst of all disks; the reference samples the envelope of half a spectrum, \
                    whose maximum is elsewhere; errors against the truth stand beside",
    },
    Workload {
        name: "disks_upsampled_20",
        title: "The same, samples of the map 1/20 px apart",
        reference: "libertem_blobfinder.base.correlation.process_frame_fast(…, upsample=20)",
        environment: "blobfinder",
        sizes: &[256],
        dtypes: &["f32"],
        threads: Threads::One,
        tolerance: 0.15,
        agreement: "as above",
    },
    Workload {
        name: "disks_fit",
        title: "The same, our default: a fit to the pixels, with a covariance",
        reference: "libertem_blobfinder.base.correlation.process_frame_fast(…, upsample=20)",
        environment: "blobfinder",
        sizes: &[256],
        dtypes: &["f32"],
        threads: Threads::One,
        tolerance: 0.15,
        agreement: "as above; the errors tell which is right",
    },
    Workload {
        name: "disks_full",
        title: "Twenty disks by correlation of the whole frame, centres of mass",
        reference: "libertem_blobfinder.base.correlation.process_frame_full(…)",
        environment: "blobfinder",
        sizes: &[256],
        dtypes: &["f32", "f64"],
        threads: Threads::One,
        tolerance: 3e-4,
        agreement: "px along an axis, the worst of all disks; the same formulas, and logarithms and transforms in single precision",
    },
    Workload {
        name: "disks_full_upsampled",
        title: "The same, the continuous maximum against samples of the envelope 1/20 px apart",
        reference: "libertem_blobfinder.base.correlation.process_frame_full(…, upsample=20)",
        environment: "blobfinder",
        sizes: &[256],
        dtypes: &["f32"],
        threads: Threads::One,
        tolerance: 0.2,
        agreement: "px along an axis, the worst of all disks; as for windows, with more of the reference's own error",
    },
    Workload {
        name: "lattice_search",
        title: "The lattice among points, nothing known",
        reference: "libertem_blobfinder.common.fullmatch.FullMatcher().full_match(…)",
        environment: "blobfinder",
        sizes: &[20, 40],
        dtypes: &["f64"],
        threads: Threads::One,
        tolerance: 0.1,
        agreement: "px, the worst component of a lattice's vectors from the other lattice; \
                    both fit the same points, and may leave out another one each",
    },
    Workload {
        name: "refine_scan",
        title: "Lattices of 256 frames, 25 positions each, from one that is roughly known",
        reference: "libertem_blobfinder.udf.refinement.run_refine(…) by an inline context",
        environment: "blobfinder",
        sizes: &[144],
        dtypes: &["f32"],
        threads: Threads::OneAndAll,
        tolerance: 1e-3,
        agreement: "px, the worst component of zero, a and b of all frames; the same formulas, and the same positions \
                    of disks, but the reference's driver weights some of them otherwise than its functions for one \
                    frame do, which moves its lattices by 4e-4 px; ours are those of its functions",
    },
    Workload {
        name: "refine_frames",
        title: "The same of 64 frames by functions for one frame, without the drivers of scans",
        reference: "process_frame_fast(…) and Matcher().fastmatch(…) in a loop",
        environment: "blobfinder",
        sizes: &[144],
        dtypes: &["f32"],
        threads: Threads::One,
        tolerance: 3e-4,
        agreement: "px, the worst component of zero, a and b of all frames; logarithms and transforms in single precision",
    },
    Workload {
        name: "refine_fit",
        title: "Lattices of 64 frames, our default: fits to the pixels, weighted by their precision",
        reference: "process_frame_fast(…) and Matcher().fastmatch(…) in a loop",
        environment: "blobfinder",
        sizes: &[144],
        dtypes: &["f32"],
        threads: Threads::One,
        tolerance: 0.2,
        agreement: "px, the worst component of zero, a and b of all frames; \
                    what the reference's centres of mass scatter and are biased by; the errors tell which is right",
    },
    Workload {
        name: "features",
        title: "Feature vectors of 256 frames, 300 masks of 5 × 5 px",
        reference: "libertem.udf.masks.ApplyMasksUDF(…, use_sparse='scipy.sparse') by an inline context",
        environment: "clustering",
        sizes: &[256],
        dtypes: &["f32"],
        threads: Threads::OneAndAll,
        tolerance: 1e-5,
        agreement: "of the greatest feature; the reference multiplies and adds in single precision",
    },
    Workload {
        name: "ward_on_a_grid",
        title: "Ward's method on the grid of a scan, the whole tree; ours with the copy of the features that it needs \
                when they are used again",
        reference: "sklearn.cluster.ward_tree(…, connectivity=grid_to_graph(…), return_distance=True)",
        environment: "clustering",
        sizes: &[121],
        dtypes: &["f64"],
        threads: Threads::One,
        tolerance: 0.0,
        agreement: "of any node of any merge, or of its distance; they are the same bit for bit",
    },
];

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::environment::OF_WORKLOADS;
    use crate::steps::root;

    #[test]
    fn every_row_has_its_environment_and_both_workers() {
        let ours = fs::read_to_string(root().join("benches/compare_worker.rs")).expect("our worker");
        for workload in WORKLOADS {
            let Workload { name, environment, .. } = workload;
            let environment = OF_WORKLOADS.iter().find(|known| known.name == *environment);
            let script = environment.unwrap_or_else(|| panic!("{name} has no environment")).script();
            let script = fs::read_to_string(root().join("xtask/compare").join(script)).expect("its script");
            assert!(ours.contains(&format!("\"{name}\" =>")), "{name} is not in compare_worker.rs");
            assert!(script.contains(&format!("\"{name}\":")), "{name} is not in the reference's script");
        }
    }
}
