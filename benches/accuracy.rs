//! Monte-Carlo accuracy: how far estimates scatter, against the Cramér–Rao bound, and how often their
//! error bars hold the truth. Started by `cargo xtask accuracy`.

use ndarray::Array2;
use nonius::core::cramer_rao_bound;
use nonius::registration::{RegistrationParams, RegistrationPlan};
use nonius::synthetic::ImagePairParams;

fn main() {
    let draws: usize = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(300);
    for (name, sigma, make, params) in [
        (
            "A",
            0.033,
            ImagePairParams::scene_a as fn([f64; 2], f64, u64) -> ImagePairParams,
            RegistrationParams::periodic(),
        ),
        ("A", 0.1, ImagePairParams::scene_a, RegistrationParams::periodic()),
        ("A", 1.0, ImagePairParams::scene_a, RegistrationParams::periodic()),
        ("A", 3.0, ImagePairParams::scene_a, RegistrationParams::periodic()),
        ("B", 0.01, ImagePairParams::scene_b, RegistrationParams::periodic()),
        ("B", 0.333, ImagePairParams::scene_b, RegistrationParams::periodic()),
        ("Ab", 0.1, ImagePairParams::scene_ab, RegistrationParams::periodic()),
        ("Ab", 1.0, ImagePairParams::scene_ab, RegistrationParams::periodic()),
        ("C", 0.033, ImagePairParams::scene_c, RegistrationParams::default()),
        ("C", 0.1, ImagePairParams::scene_c, RegistrationParams::default()),
        ("C", 0.333, ImagePairParams::scene_c, RegistrationParams::default()),
        ("C", 1.0, ImagePairParams::scene_c, RegistrationParams::default()),
        ("A", 0.1, ImagePairParams::scene_a, RegistrationParams::default()),
        ("B", 0.1, ImagePairParams::scene_b, RegistrationParams::default()),
    ] {
        let mut sq = 0.0;
        let mut bsq = 0.0;
        let mut cover = [0.0; 2];
        let mut n = 0.0;
        let mut out = 0;
        let mut bad = 0;
        let mut claimed = 0.0;
        for seed in 0..draws as u64 {
            let mut r = seed.wrapping_mul(0x9E3779B97F4A7C15) ^ 0x1234_5678;
            let mut u = || {
                r ^= r << 13;
                r ^= r >> 7;
                r ^= r << 17;
                (r >> 11) as f64 / (1u64 << 53) as f64
            };
            u();
            u();
            let d = [8.0 * u() - 4.0, 8.0 * u() - 4.0];
            let pair = make(d, sigma, seed).generate().unwrap();
            let clean: &Array2<f64> = &pair.truth.reference;
            let total = if name == "Ab" { sigma * 2f64.sqrt() } else { sigma };
            let bound = cramer_rao_bound(clean.view(), total).unwrap();
            let plan = RegistrationPlan::new(clean.dim(), params).unwrap();
            let f = plan.register(pair.reference.view(), pair.moving.view()).unwrap();
            if f.status != nonius::registration::Status::Converged {
                bad += 1;
            }
            let e = [f.shift[0] - d[0], f.shift[1] - d[1]];
            if !(e[0].hypot(e[1]) < 1.5) {
                out += 1;
                continue;
            }
            for a in 0..2 {
                sq += e[a] * e[a];
                bsq += bound[a][a];
                claimed += f.covariance[a][a];
                for (s, c) in [1.0, 2.0].iter().zip(&mut cover) {
                    if e[a].abs() < s * f.errors()[a] {
                        *c += 1.0;
                    }
                }
                n += 1.0;
            }
        }
        println!(
            "{name:3} {sigma:6} rms/bound {:.3} bound {:.4} claimed/bound {:.3} coverage {:.1} {:.1} outliers {out} not converged {bad}",
            (sq / bsq).sqrt(),
            (bsq / n).sqrt(),
            (claimed / bsq).sqrt(),
            100.0 * cover[0] / n,
            100.0 * cover[1] / n
        );
    }
}
