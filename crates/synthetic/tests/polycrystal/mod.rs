//! Scans over polycrystals: grains, lattices, brightness, what is recorded.

use ndarray::{Array2, s};
use nonius_core::{DType, Error, FrameSource, PixelBuffer, Pixels, PixelsMut, ReadFrames};
use nonius_synthetic::{
    AmorphousRing, CentralBackground, CoreParams, DiffractionBackground, DiskShape, DiskTexture, NoiseParams,
    PhaseParams, PixelDepth, PolycrystalParams, PolycrystalScan, SpotBrightness,
};
use rayon::prelude::*;

/// A small scan.
fn small() -> PolycrystalParams {
    PolycrystalParams {
        scan: [14, 19],
        shape: [96, 100],
        zero: [48.0, 50.0],
        grains: 5,
        core: Some(CoreParams { radius: 2.0, ..Default::default() }),
        seed: 4,
        ..Default::default()
    }
}

fn scan(params: &PolycrystalParams) -> PolycrystalScan {
    PolycrystalScan::new(params).unwrap()
}

/// Spots and nothing else.
fn bare(params: PolycrystalParams) -> PolycrystalParams {
    PolycrystalParams {
        background: DiffractionBackground::default(),
        ring: None,
        noise: NoiseParams::default(),
        ..params
    }
}

#[test]
fn the_default_is_that_of_the_reference_document() {
    let scan = scan(&PolycrystalParams::default());
    assert_eq!((scan.scan_shape(), scan.frame_shape(), scan.dtype()), ((90, 121), (144, 144), DType::U8));
    let truth = scan.truth();
    let sizes: Vec<usize> =
        (0..11).map(|k| truth.labels.iter().filter(|label| **label == Some(k)).count()).collect();
    // 990 positions on average; seeds keep apart.
    assert!(sizes.iter().all(|&n| n > 200), "{sizes:?}");
    assert_eq!(truth.grains.iter().filter(|grain| grain.phase == 0).count(), 6);
    let in_core = truth.superlattice.iter().filter(|s| **s).count();
    // Lattice points in a circle of radius 7.
    assert_eq!(in_core, 149);
    assert!(truth.share.iter().filter(|s| **s < 1.0).count() < 1000);
    // Dim beside spots and cut at their top, as 8 bits have it.
    let frame = scan.frame::<f64>(5000).unwrap();
    let mean = frame.mean().unwrap();
    assert!((8.0..15.0).contains(&mean) && frame.iter().any(|v| *v == 255.0), "{mean}");
}

#[test]
fn positions_belong_to_the_nearest_seed() {
    let params = PolycrystalParams { boundary_width: 3.0, ..small() };
    let scan = scan(&params);
    let truth = scan.truth();
    for ((y, x), label) in truth.labels.indexed_iter() {
        let distance = |k: usize| {
            let [sy, sx] = truth.grains[k].seed;
            (y as f64 - sy).hypot(x as f64 - sx)
        };
        let own = label.unwrap();
        assert!((0..5).all(|k| distance(own) <= distance(k)));
        assert_eq!(truth.phases[(y, x)], Some(truth.grains[own].phase));
        // A step of the boundary's distance towards any side stays within the grain.
        let reach = truth.boundary_distance[(y, x)] - 1e-9;
        for k in 0..16 {
            let (sin, cos) = (f64::from(k) * 0.4).sin_cos();
            let there = [y as f64 + reach * sin, x as f64 + reach * cos];
            let d2 = |g: usize| {
                let [sy, sx] = truth.grains[g].seed;
                (there[0] - sy).powi(2) + (there[1] - sx).powi(2)
            };
            assert!((0..5).all(|g| d2(own) <= d2(g)));
        }
        assert_eq!(truth.share[(y, x)] < 1.0, truth.boundary_distance[(y, x)] < 1.5);
        assert!(truth.share[(y, x)] > 0.3);
    }
}

#[test]
fn lattices_are_the_phases_deformed() {
    let scan = scan(&small());
    let (params, truth) = (scan.params(), scan.truth());
    for (y, x) in [(0, 0), (5, 11), (13, 18)] {
        let phase = &params.phases[truth.phases[(y, x)].unwrap()];
        let (xx, yy, xy) = (truth.strain_xx[(y, x)], truth.strain_yy[(y, x)], truth.strain_xy[(y, x)]);
        let (sin, cos) = truth.rotation[(y, x)].sin_cos();
        // A vector of the crystal, by hand: strained, then turned from +x towards +y.
        let deformed = |[vy, vx]: [f64; 2]| {
            let (ux, uy) = (vx + xx * vx + xy * vy, vy + yy * vy + xy * vx);
            [sin * ux + cos * uy, cos * ux - sin * uy]
        };
        // g · r is what it was: each reflection belongs to the same planes.
        for (g0, g) in [(phase.a, &truth.a), (phase.b, &truth.b)] {
            for r in [[1.0, 0.0], [0.0, 1.0]] {
                let there = deformed(r);
                let dot = g[[y, x, 0]] * there[0] + g[[y, x, 1]] * there[1];
                assert!((dot - (g0[0] * r[0] + g0[1] * r[1])).abs() < 1e-12, "{dot}");
            }
        }
    }
    // Largest strain, and what the gradient adds to it across 24 positions.
    assert!(truth.strain_xy.iter().all(|e| e.abs() < 0.006 + 24.0 * 1e-4));
    let [grain, ..] = truth.grains[..] else { panic!() };
    let (p, q) = ([3.0, 4.0], [9.0, 2.0]);
    let step = grain.strain_at(q)[0] - grain.strain_at(p)[0];
    assert!((step - 6.0 * grain.strain_gradient[0][0] + 2.0 * grain.strain_gradient[0][1]).abs() < 1e-15);
    let size = grain.strain_gradient[0][0].hypot(grain.strain_gradient[0][1]);
    assert!((size - 1e-4).abs() < 1e-15 && grain.tilt[0].hypot(grain.tilt[1]) <= 9.0);
}

#[test]
fn spots_are_where_the_lattice_has_them() {
    let scan = scan(&PolycrystalParams { depth: PixelDepth::Sixteen, ..bare(small()) });
    let truth = scan.truth();
    let mut n = 0;
    for index in (0..scan.n_frames()).step_by(7) {
        let made = scan.frame_with_truth(index).unwrap();
        let place = (index / 19, index % 19);
        let at = |field: &ndarray::Array3<f64>, axis| field[[place.0, place.1, axis]];
        for spot in &made.spots {
            if spot.grain != truth.labels[place] && spot.grain.is_some() {
                continue;
            }
            for axis in 0..2 {
                let [i, j] = spot.index;
                let expected = at(&truth.zero, axis) + i * at(&truth.a, axis) + j * at(&truth.b, axis);
                assert!((spot.position[axis] - expected).abs() < 1e-9);
            }
            // Alone, and not cut by the edge: spots reach 5.5 px, the window's corners 9 px.
            let alone = made.spots.iter().all(|other| {
                let d = (other.position[0] - spot.position[0]).hypot(other.position[1] - spot.position[1]);
                d == 0.0 || d > 15.0
            });
            let [y, x] = spot.position.map(|c| c.round() as isize);
            if !alone || y < 6 || x < 6 || y > 89 || x > 93 {
                continue;
            }
            let (y, x) = (y as usize, x as usize);
            let window = made.clean.slice(s![y - 6..=y + 6, x - 6..=x + 6]);
            let total = window.sum();
            let area = std::f64::consts::PI * 4.0;
            assert!((total / (spot.level * area) - 1.0).abs() < 1e-9, "{total}");
            let moment = |of: &dyn Fn(usize, usize) -> usize| -> f64 {
                window.indexed_iter().map(|((v, u), l)| l * of(v, u) as f64).sum::<f64>() / total - 6.0
            };
            let (cy, cx) = (moment(&|v, _| v) + y as f64, moment(&|_, u| u) + x as f64);
            // Within a pixel of the edge the place of the levels is lost: of a radius of 2, up to 0.02 px.
            assert!((cy - spot.position[0]).abs() < 0.02 && (cx - spot.position[1]).abs() < 0.02);
            n += 1;
        }
    }
    assert!(n > 300, "{n}");
}

#[test]
fn brightness_follows_its_formula() {
    let brightness =
        SpotBrightness { structure: 0.0, zone: 0.0, thickness: 0.0, flicker: 0.0, ..Default::default() };
    let scan = scan(&PolycrystalParams { brightness, boundary_width: 0.0, ..bare(small()) });
    let made = scan.frame_with_truth(140).unwrap();
    let grain = &scan.truth().grains[scan.truth().labels[(7, 7)].unwrap()];
    assert_eq!((made.spots[0].grain, made.spots[0].level), (None, 900.0));
    for spot in &made.spots[1..] {
        let g = [0, 1].map(|axis| spot.position[axis] - made.spots[0].position[axis]);
        let t = grain.tilt_at([7.0, 7.0]);
        let (g2, gt) = (g[0] * g[0] + g[1] * g[1], g[0] * t[0] + g[1] * t[1]);
        let sphere = (g2 + 2.0 * gt) / (55.0 * 55.0);
        let expected = 150.0 * (-g2 / (2.0 * 45.0 * 45.0)).exp() * (-0.5 * sphere * sphere).exp();
        assert!((spot.level / expected - 1.0).abs() < 1e-9, "{spot:?}");
    }
    // ln S and ln Z of 0.6 and 0.3, over some hundred reflections: 0.67 ± 0.04.
    let levels = |structure: f64, zone: f64| -> Vec<f64> {
        let brightness = SpotBrightness { structure, zone, ..brightness };
        let params = PolycrystalParams {
            brightness,
            shape: [400, 400],
            zero: [200.0; 2],
            boundary_width: 0.0,
            ..bare(small())
        };
        let made = PolycrystalScan::new(&params).unwrap().frame_with_truth(140).unwrap();
        made.spots[1..].iter().map(|spot| spot.level.ln()).collect()
    };
    let scattered: Vec<f64> = levels(0.6, 0.3).iter().zip(levels(0.0, 0.0)).map(|(a, b)| a - b).collect();
    let variance = scattered.iter().map(|v| v * v).sum::<f64>() / scattered.len() as f64;
    assert!((variance.sqrt() - 0.67).abs() < 0.12, "{} of {}", variance.sqrt(), scattered.len());
    // Without that of the zone, both of a pair ±g are alike.
    let paired: Vec<f64> = levels(0.6, 0.0).iter().zip(levels(0.0, 0.0)).map(|(a, b)| a - b).collect();
    let twins = |v: &f64| paired.iter().filter(|w| (*w - v).abs() < 1e-9).count();
    let with_a_twin = paired.iter().filter(|v| twins(v) == 2).count();
    assert!(with_a_twin as f64 > 0.8 * paired.len() as f64, "{with_a_twin} of {}", paired.len());
}

#[test]
fn frames_at_a_boundary_show_both_grains() {
    let scan = scan(&PolycrystalParams { boundary_width: 4.0, ..bare(small()) });
    let sharp = PolycrystalScan::new(&PolycrystalParams { boundary_width: 0.0, ..bare(small()) }).unwrap();
    let truth = scan.truth();
    let mut n_mixed = 0;
    for (index, (&share, &label)) in truth.share.iter().zip(&truth.labels).enumerate() {
        let (mixed, alone) = (scan.frame_with_truth(index).unwrap(), sharp.frame_with_truth(index).unwrap());
        assert!(alone.spots[1..].iter().all(|spot| spot.grain == label));
        let own = mixed.spots.iter().filter(|spot| spot.grain == label);
        for (spot, whole) in own.zip(&alone.spots[1..]) {
            assert_eq!((spot.index, spot.position), (whole.index, whole.position));
            assert!((spot.level - share * whole.level).abs() < 1e-9 * whole.level);
        }
        let others = mixed.spots[1..].iter().filter(|spot| spot.grain != label).count();
        assert_eq!(others > 0, share < 1.0);
        n_mixed += usize::from(others > 0);
    }
    assert!(n_mixed > 40, "{n_mixed}");
}

#[test]
fn the_core_has_spots_between_those_of_the_lattice() {
    for offset in [[0.5, 0.5], [0.5, 0.0]] {
        let core = CoreParams { radius: 2.0, offset, level: 0.2 };
        let scan = scan(&PolycrystalParams { core: Some(core), ..small() });
        let truth = scan.truth();
        let mut labels: Vec<_> = truth
            .superlattice
            .iter()
            .zip(&truth.labels)
            .filter(|(inside, _)| **inside)
            .map(|(_, label)| label.unwrap())
            .collect();
        // A circle of radius 2, within one grain of the first phase.
        assert_eq!(labels.len(), 13);
        labels.dedup();
        assert!(labels.len() == 1 && truth.grains[labels[0]].phase == 0);
        for (index, inside) in truth.superlattice.iter().enumerate() {
            let made = scan.frame_with_truth(index).unwrap();
            let between = made.spots.iter().filter(|spot| spot.index != spot.index.map(f64::round));
            assert_eq!(between.clone().count() > 10, *inside);
            let fraction = |i: f64, k: usize| (i - offset[k]).fract() == 0.0;
            assert!(between.clone().all(|spot| fraction(spot.index[0], 0) && fraction(spot.index[1], 1)));
        }
    }
    let without = scan(&PolycrystalParams { core: None, ..small() });
    assert!(!without.truth().superlattice.iter().any(|s| *s));
}

#[test]
fn counts_have_the_mean_and_scatter_that_they_should() {
    let base = PolycrystalParams {
        brightness: SpotBrightness { flicker: 0.0, thickness: 0.0, bend: 0.0, ..Default::default() },
        grains: 1,
        core: None,
        strain_gradient: 0.0,
        rotation_gradient: 0.0,
        descan: 0.0,
        depth: PixelDepth::Sixteen,
        ..small()
    };
    for dose in [1.0, 0.25] {
        let scan = scan(&PolycrystalParams { noise: NoiseParams::poisson(dose), ..base.clone() });
        let clean = scan.frame_with_truth(0).unwrap().clean;
        let n = scan.n_frames() as f64;
        let (mut sum, mut squares) = (Array2::<f64>::zeros(clean.dim()), Array2::<f64>::zeros(clean.dim()));
        for index in 0..scan.n_frames() {
            let frame = scan.frame::<f64>(index).unwrap();
            squares += &frame.mapv(|v| v * v);
            sum += &frame;
        }
        let mean = sum / n;
        let variance = squares / n - mean.mapv(|v| v * v);
        // One electron is 1/dose levels; 9 600 pixels of 266 frames know their mean to 6e-4 of √(level/dose).
        let bias = (&mean - &clean).mean().unwrap();
        assert!(bias.abs() < 0.01, "{bias}");
        let ratio = (variance.sum() / clean.sum()) * dose;
        assert!((ratio - 1.0).abs() < 0.01, "{ratio}");
        let worst = mean.iter().zip(&clean).map(|(m, c)| (m - c).abs() / (c / dose / n).sqrt());
        // Of 9 600 normal numbers the greatest is about 4.
        assert!(worst.fold(0.0, f64::max) < 6.0);
    }
}

#[test]
fn an_amorphous_film_has_a_ring() {
    let ring = AmorphousRing { radius: 30.0, width: 3.0, level: 20.0 };
    let central = Some(CentralBackground { peak: 5.0, sigma: 4.0 });
    let params = PolycrystalParams {
        grains: 0,
        ring: Some(ring),
        descan: 0.0,
        blur: 0.0,
        brightness: SpotBrightness { flicker: 0.0, ..Default::default() },
        background: DiffractionBackground { constant: 3.0, gradient: [0.01, 0.0], central },
        ..small()
    };
    let scan = scan(&params);
    let truth = scan.truth();
    assert!(truth.labels.iter().chain(&truth.phases).all(Option::is_none) && truth.grains.is_empty());
    assert!(truth.a.iter().chain(&truth.strain_xx).chain(&truth.share).all(|v| v.is_nan()));
    assert!(truth.zero.iter().all(|v| v.is_finite()));
    let made = scan.frame_with_truth(9).unwrap();
    assert_eq!(made.spots.len(), 1);
    // At a crest, between the ring and the direct beam, far outside; 3 + 0.01 (y − 47.5) beneath.
    for (y, x, level) in
        [(78, 50, 23.305), (48, 20, 23.005), (58, 50, 3.105 + 5.0 * (-100.0 / 32.0_f64).exp()), (2, 2, 2.545)]
    {
        assert!((made.clean[(y, x)] - level).abs() < 1e-6, "{y} {x}: {}", made.clean[(y, x)]);
    }
}

#[test]
fn one_grain_has_no_boundary() {
    let scan = scan(&PolycrystalParams { grains: 1, boundary_width: 5.0, ..small() });
    let truth = scan.truth();
    assert!(truth.labels.iter().all(|label| *label == Some(0)));
    assert!(
        truth.share.iter().all(|s| *s == 1.0) && truth.boundary_distance.iter().all(|d| *d == f64::INFINITY)
    );
}

#[test]
fn the_direct_beam_strays() {
    let scan = scan(&PolycrystalParams { descan: 2.0, ..small() });
    let zero = &scan.truth().zero;
    // u = (−1, −1) and (1, 1).
    let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
    assert!(close(zero[[0, 0, 0]], 48.0 - 1.6) && close(zero[[0, 0, 1]], 50.0 + 1.6 - 0.4));
    assert!(close(zero[[13, 18, 0]], 48.0 + 1.6) && close(zero[[13, 18, 1]], 50.0 - 1.6 - 0.4));
    let still = PolycrystalScan::new(&PolycrystalParams { descan: 0.0, ..small() }).unwrap();
    assert!(still.truth().zero.rows().into_iter().all(|v| v[0] == 48.0 && v[1] == 50.0));
}

#[test]
fn levels_are_rounded_and_cut() {
    let base = PolycrystalParams { hot_pixels: 5, dead_pixels: 3, hot_value: 300.0, ..small() };
    for (depth, largest, hot) in [(PixelDepth::Eight, 255.0, 255.0), (PixelDepth::Sixteen, 65535.0, 300.0)] {
        let scan = scan(&PolycrystalParams { depth, noise: NoiseParams::white(2.0), ..base.clone() });
        let made = scan.frame_with_truth(3).unwrap();
        assert_eq!(made.frame.mapv(f64::from), scan.frame::<f64>(3).unwrap());
        assert_eq!(made.bad.iter().filter(|bad| **bad).count(), 8);
        let (mut n_hot, mut n_dead) = (0, 0);
        for ((p, &v), bad) in made.frame.indexed_iter().zip(&made.bad) {
            if *bad {
                n_hot += usize::from(f64::from(v) == hot);
                n_dead += usize::from(v == 0);
            } else {
                let expected = made.clean[p].min(largest);
                // Noise of 2, and half a level of rounding.
                assert!((f64::from(v) - expected).abs() < 12.0, "{v} {expected}");
            }
        }
        assert_eq!((n_hot, n_dead), (5, 3));
    }
}

#[test]
fn shapes_of_spots() {
    let shape = DiskShape { stretch: 1.4, angle: 0.3 };
    let texture = Some(DiskTexture { period: 6.0, ..Default::default() });
    let round = bare(PolycrystalParams { radius: 5.0, blur: 0.0, grains: 1, ..small() });
    let stretched = PolycrystalParams { disk: shape, ..round.clone() };
    let striped = PolycrystalParams { texture, ..round.clone() };
    let made = |params: &PolycrystalParams| scan(params).frame_with_truth(30).unwrap();
    let sums = [&round, &stretched].map(|params| made(params).clean.sum());
    // 1.4 times the area, but for what the frame's edge cuts.
    assert!((sums[1] / sums[0] - 1.4).abs() < 0.02, "{sums:?}");
    let (plain, stripes) = (made(&round).clean, made(&striped).clean);
    assert!((stripes.sum() / plain.sum() - 1.0).abs() < 0.05 && stripes != plain);
}

/// All pixels, read so many frames at a time.
fn all_frames(scan: &PolycrystalScan, step: usize) -> Vec<u8> {
    let pixels = scan.frame_shape().0 * scan.frame_shape().1;
    let n = scan.n_frames();
    let starts: Vec<usize> = (0..n).step_by(step).collect();
    let parts = starts.into_par_iter().map(|first| {
        let frames = first..(first + step).min(n);
        let mut buffer = PixelBuffer::default();
        let len = frames.len() * pixels;
        scan.read(frames, buffer.room(DType::U8, len)).unwrap();
        let Pixels::U8(read) = buffer.pixels(len) else { panic!() };
        read.to_vec()
    });
    parts.collect::<Vec<_>>().concat()
}

#[test]
fn frames_have_the_same_bits_whoever_asks() {
    let params = PolycrystalParams { scan: [5, 7], grains: 3, ..small() };
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let three = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let reference = one.install(|| all_frames(&scan(&params), 35));
    assert_eq!(three.install(|| all_frames(&scan(&params), 2)), reference);
    let other = PolycrystalParams { seed: 5, ..params.clone() };
    assert_ne!(all_frames(&scan(&other), 4), reference);
    // Noise alone is drawn frame by frame: no two frames are alike.
    let still = scan(&PolycrystalParams { grains: 0, descan: 0.0, ..params });
    assert_ne!(still.frame::<f32>(0).unwrap(), still.frame::<f32>(1).unwrap());
}

/// Seeds in published numbers must go on meaning the same scans.
#[test]
fn seeds_keep_their_meaning() {
    let truth = scan(&PolycrystalParams::default()).truth().clone();
    let grain = truth.grains[2];
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
    close(grain.seed[0], 65.52483639428647);
    close(grain.seed[1], 114.84280005664678);
    close(grain.strain[1], -0.005587170299061318);
}

#[test]
fn frames_may_be_missing() {
    let scan = scan(&PolycrystalParams { missing: 30, ..small() });
    assert_eq!((scan.n_frames(), scan.truth().labels.len()), (14 * 19 - 30, 14 * 19));
    assert!(matches!(scan.frame_with_truth(236), Err(Error::Frame { index: 236, .. })));
    let mut room = vec![0u8; 2 * 96 * 100];
    assert!(matches!(scan.read(235..237, PixelsMut::U8(&mut room)), Err(Error::Frame { .. })));
    assert!(matches!(scan.read(0..1, PixelsMut::U16(&mut [0; 9600])), Err(Error::Frame { .. })));
}

#[test]
fn parameters_are_read_from_files() {
    let text = "grains = 3\ndepth = \"sixteen\"\n[core]\nradius = 4.0\n[brightness]\ntilt = 0.0\n[[phases]]\na = [0.0, 12.0]\n";
    let read: PolycrystalParams = toml::from_str(text).unwrap();
    assert_eq!((read.grains, read.depth, read.brightness.tilt), (3, PixelDepth::Sixteen, 0.0));
    assert_eq!((read.phases.len(), read.phases[0].a, read.core.unwrap().radius), (1, [0.0, 12.0], 4.0));
    let again: PolycrystalParams = toml::from_str(&toml::to_string(&read).unwrap()).unwrap();
    assert_eq!(again, read);
    assert!(toml::from_str::<PolycrystalParams>("grain = 3").is_err());
}

#[test]
fn what_cannot_be_made() {
    let base = PolycrystalParams::default;
    let fails = |params: PolycrystalParams, field: &str| match PolycrystalScan::new(&params) {
        Err(Error::Parameter { name, .. }) => assert_eq!(name, field),
        other => panic!("{field}: {:?}", other.map(|scan| scan.scan_shape())),
    };
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        fails(PolycrystalParams { boundary_width: bad, ..base() }, "boundary_width");
        fails(PolycrystalParams { strain: bad, ..base() }, "strain");
        fails(PolycrystalParams { strain_gradient: bad, ..base() }, "strain_gradient");
        fails(PolycrystalParams { rotation_gradient: bad, ..base() }, "rotation_gradient");
        fails(PolycrystalParams { descan: bad, ..base() }, "descan");
        fails(PolycrystalParams { radius: bad, ..base() }, "radius");
        fails(PolycrystalParams { blur: bad, ..base() }, "blur");
        fails(
            PolycrystalParams { ring: Some(AmorphousRing { width: bad, ..Default::default() }), ..base() },
            "ring width",
        );
        fails(
            PolycrystalParams { core: Some(CoreParams { level: bad, ..Default::default() }), ..base() },
            "core level",
        );
        let brightness = |brightness| PolycrystalParams { brightness, ..base() };
        let default = SpotBrightness::default;
        fails(brightness(SpotBrightness { direct: bad, ..default() }), "direct");
        fails(brightness(SpotBrightness { diffracted: bad, ..default() }), "diffracted");
        fails(brightness(SpotBrightness { falloff: bad, ..default() }), "falloff");
        fails(brightness(SpotBrightness { structure: bad, ..default() }), "structure");
        fails(brightness(SpotBrightness { zone: bad, ..default() }), "zone");
        fails(brightness(SpotBrightness { tilt: bad, ..default() }), "tilt");
        fails(brightness(SpotBrightness { bend: bad, ..default() }), "bend");
        fails(brightness(SpotBrightness { relrod: bad, ..default() }), "relrod");
        fails(brightness(SpotBrightness { thickness: bad, ..default() }), "thickness");
        fails(brightness(SpotBrightness { flicker: bad, ..default() }), "flicker");
        let share = PhaseParams { share: bad, ..Default::default() };
        fails(PolycrystalParams { phases: vec![share], ..base() }, "phase share");
    }
    fails(PolycrystalParams { zero: [f64::NAN, 0.0], ..base() }, "zero");
    fails(PolycrystalParams { hot_value: f64::NAN, ..base() }, "hot_value");
    fails(
        PolycrystalParams { hot_pixels: usize::MAX, dead_pixels: 1, ..base() },
        "hot_pixels and dead_pixels",
    );
    fails(PolycrystalParams { missing: 90 * 121, ..base() }, "missing");
    fails(PolycrystalParams { scan: [2, 2], grains: 5, ..base() }, "grains");
    fails(PolycrystalParams { scan: [usize::MAX, 2], ..base() }, "scan");
    fails(PolycrystalParams { scan: [1 << 20, 1 << 20], ..base() }, "scan");
    fails(PolycrystalParams { phases: vec![], ..base() }, "phases");
    fails(
        PolycrystalParams { core: Some(CoreParams { offset: [2.0, 0.0], ..Default::default() }), ..base() },
        "core offset",
    );
    let phase =
        |a, b| PolycrystalParams { phases: vec![PhaseParams { a, b, ..Default::default() }], ..base() };
    fails(phase([f64::NAN, 1.0], [20.0, 0.0]), "phase a");
    fails(phase([0.0, 20.0], [0.0, 1e7]), "phase b");
    // Parallel, nothing, and more reflections than pixels.
    for (a, b) in [
        ([0.0, 20.0], [0.1, 30.0]),
        ([0.0; 2], [20.0, 0.0]),
        ([0.0, 0.1], [0.1, 0.0]),
        ([0.0, 1e-300], [1e-300, 0.0]),
    ] {
        fails(phase(a, b), "phase");
    }
    fails(
        PolycrystalParams {
            background: DiffractionBackground { gradient: [1.0, 0.0], ..base().background },
            ..base()
        },
        "background",
    );
    for (scan, shape) in [([0, 3], [8, 8]), ([3, 3], [8, 0])] {
        let empty = PolycrystalScan::new(&PolycrystalParams { scan, shape, grains: 0, ..base() });
        assert!(matches!(empty, Err(Error::Empty { .. })));
    }
    // Tiny things are made none the less.
    let tiny = PolycrystalParams { scan: [1, 1], shape: [1, 1], grains: 1, zero: [0.0; 2], ..base() };
    assert_eq!(scan(&tiny).frame::<f32>(0).unwrap().dim(), (1, 1));
    // More counts than noise is made for is an error of the frame.
    let bright = SpotBrightness { direct: 1e12, ..Default::default() };
    assert!(scan(&PolycrystalParams { brightness: bright, ..base() }).frame::<f32>(0).is_err());
}
