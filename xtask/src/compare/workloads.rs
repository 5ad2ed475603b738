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
    /// Pixels a side.
    pub(crate) sizes: &'static [usize],
    pub(crate) dtypes: &'static [&'static str],
    pub(crate) threads: Threads,
    /// Largest difference between the two results that passes as agreement.
    pub(crate) tolerance: f64,
    /// What the difference is, in which unit, and why the tolerance is what it is.
    pub(crate) agreement: &'static str,
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
];

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::compare::environment::ENVIRONMENTS;
    use crate::steps::root;

    #[test]
    fn every_row_has_its_environment_and_both_workers() {
        let ours = fs::read_to_string(root().join("benches/compare_worker.rs")).expect("our worker");
        for workload in WORKLOADS {
            let Workload { name, environment, .. } = workload;
            let environment = ENVIRONMENTS.iter().find(|known| known.name == *environment);
            let script = environment.unwrap_or_else(|| panic!("{name} has no environment")).script;
            let script = fs::read_to_string(root().join("xtask/compare").join(script)).expect("its script");
            assert!(ours.contains(&format!("\"{name}\" =>")), "{name} is not in compare_worker.rs");
            assert!(script.contains(&format!("\"{name}\":")), "{name} is not in the reference's script");
        }
    }
}
