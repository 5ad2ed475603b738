//! temp
use nonius::blobfinder::*;
use nonius::core::ScanParams;
use nonius::synthetic::{PolycrystalParams, PolycrystalScan};
use nonius::workflow::strain::*;
use nonius::{NoProgress, Scan};
use std::time::Instant;
fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let radius: f64 = args.get(1).map_or(1.5, |s| s.parse().unwrap());
    let mode = args.get(2).cloned().unwrap_or_default();
    let t = Instant::now();
    let made = PolycrystalScan::new(&PolycrystalParams {
        seed: args.get(4).map_or(0, |s| s.parse().unwrap()),
        ..PolycrystalParams::default()
    })?;
    let truth = made.truth().clone();
    let (ny, nx) = made.scan_shape();
    let mut all = ndarray::Array3::<u8>::zeros((ny * nx, 144, 144));
    use rayon::prelude::*;
    let frames: Vec<_> =
        (0..ny * nx).into_par_iter().map(|k| made.frame_with_truth(k).unwrap().frame).collect();
    for (k, f) in frames.iter().enumerate() {
        all.index_axis_mut(ndarray::Axis(0), k).assign(&f.mapv(|v| v as u8));
    }
    println!("made {:?}", t.elapsed());
    let scan = Scan::new(Box::new(all), &ScanParams { shape: Some(vec![ny, nx]), ..Default::default() })?;
    let selection = scan.select(None)?;
    let mut p = StrainWorkflowParams::default();
    p.frames.template.radius = radius;
    if let Some(k) = args.get(5) {
        p.regions.clusters = k.parse().unwrap();
    }
    match &mode[..] {
        "com" => p.frames.refine.correlation.refinement = Refinement::CenterOfMass { radius: 2 },
        "cont" => p.frames.refine.correlation.refinement = Refinement::Continuous,
        "par" => p.frames.refine.correlation.refinement = Refinement::Paraboloid,
        "lin" => {
            p.frames.refine.correlation.refinement = Refinement::Continuous;
            p.frames.refine.correlation.intensity = Intensity::Linear
        }
        "sqrt" => {
            p.frames.refine.correlation.refinement = Refinement::Continuous;
            p.frames.refine.correlation.intensity = Intensity::SquareRoot
        }
        "bg" => {
            p.frames.template = TemplateParams {
                radius_outer: Some(radius + 2.5),
                ..TemplateParams::new(TemplateKind::BackgroundSubtraction, radius)
            };
            p.frames.refine.correlation.refinement = Refinement::Continuous;
            p.frames.refine.correlation.intensity = Intensity::Linear
        }
        _ => {}
    }
    if let Some(m) = args.get(3) {
        p.frames.refine.max_index = m.parse().unwrap();
    }
    let t = Instant::now();
    let d = deviation(&selection, &p.pass, &NoProgress)?;
    println!("deviation {:?}", t.elapsed());
    let spots = find_spots(&d, &p.spots)?;
    println!("spots {} {:?}", spots.len(), t.elapsed());
    let regions = find_regions(&selection, spots, &p.regions, &p.pass, &NoProgress)?;
    println!("regions {:?}", t.elapsed());
    let lattices = find_lattices(&selection, &regions.labels, &d, &p.lattices, &p.pass, &NoProgress)?;
    println!("lattices {:?} beam {:?}", t.elapsed(), lattices.direct_beam);
    for (k, r) in lattices.regions.iter().enumerate() {
        let l = r.found.first().map(|f| f.matched.lattice);
        println!(
            "{k} n {} spots {} lattices {} {:?} log10 {:?}",
            regions.labels.sizes()[k],
            r.spots.len(),
            r.found.len(),
            l.map(|l| (l.zero, l.a, l.b)),
            r.found.iter().map(|f| (f.log10_accidental as i32, f.matched.n_points())).collect::<Vec<_>>()
        );
    }
    let crystals = find_crystals(&regions.labels, &lattices, &p.reference)?;
    let labels =
        settle_boundaries(&selection, &regions, &crystals, &p.boundaries, &p.regions, &p.pass, &NoProgress)?;
    println!("settled {:?}", t.elapsed());
    let frames = refine_frames(&selection, &labels, &lattices, &p.frames, &p.pass, &NoProgress)?;
    println!("frames {:?}: {} of {}", t.elapsed(), frames.n_matched_frames(), ny * nx);
    for cells in [vec![], vec![[[0.0, 0.0]; 2]; 2]] {
        p.reference.cells = cells;
        if !p.reference.cells.is_empty() {
            let pp = PolycrystalParams::default();
            p.reference.cells = pp.phases.iter().map(|c| [c.a, c.b]).collect();
        }
        let crystals = find_crystals(&regions.labels, &lattices, &p.reference)?;
        let grains = crystals.grains(&labels)?;
        let strain = map_strain(&[ny, nx], &crystals, &frames, &p.reference)?;
        println!(
            "strain {:?}: {} phases, {} grains, noise {}",
            t.elapsed(),
            crystals.phases.len(),
            grains.n_clusters(),
            grains.n_noise()
        );
        for ph in &crystals.phases {
            println!("{:?}", ph);
        }
        // ARI
        let tl: Vec<usize> = truth.labels.iter().map(|l| l.unwrap()).collect();
        let fl: Vec<Option<usize>> = grains.labels().to_vec();
        println!("ari {} before {}", ari(&tl, &fl), ari(&tl, crystals.grains(&regions.labels)?.labels()));
        let mut n = [0usize; 4];
        let mut sq = [0.0; 4];
        let mut cnt = 0usize;
        let mut cov = [0usize; 4];
        let ns = truth.grains.len();
        let mut sums = vec![[0.0; 4]; ns];
        let mut ng = vec![0usize; ns];
        let mut hist = vec![];
        for y in 0..ny {
            for x in 0..nx {
                if truth.boundary_distance[[y, x]] < 1.5 {
                    continue;
                }
                n[0] += 1;
                let v = |m: &ndarray::ArrayD<f64>| [m[[y, x, 0]], m[[y, x, 1]]];
                let l = Lattice { zero: [0.0; 2], a: v(&frames.a), b: v(&frames.b) };
                let tr = Lattice {
                    zero: [0.0; 2],
                    a: [truth.a[[y, x, 0]], truth.a[[y, x, 1]]],
                    b: [truth.b[[y, x, 0]], truth.b[[y, x, 1]]],
                };
                if !l.is_finite() {
                    n[3] += 1;
                    continue;
                }
                if l.is_equivalent(&tr, 0.5) {
                    n[1] += 1
                } else {
                    n[2] += 1;
                    hist.push((y, x));
                    continue;
                }
                let mut e = [
                    strain.xx[[y, x]] - truth.strain_xx[[y, x]],
                    strain.yy[[y, x]] - truth.strain_yy[[y, x]],
                    strain.xy[[y, x]] - truth.strain_xy[[y, x]],
                    strain.rotation[[y, x]] - truth.rotation[[y, x]],
                ];
                e[3] -= std::f64::consts::PI * (e[3] / std::f64::consts::PI).round();
                if e.iter().all(|v| v.is_finite()) {
                    cnt += 1;
                    let k = truth.labels[[y, x]].unwrap();
                    ng[k] += 1;
                    for i in 0..4 {
                        sq[i] += e[i] * e[i];
                        sums[k][i] += e[i];
                        cov[i] += usize::from(e[i].abs() < strain.errors[[y, x, i]]);
                    }
                }
            }
        }
        println!(
            "away {} right {} ({:.3} %) wrong {} none {}; first wrong {:?}",
            n[0],
            n[1],
            100.0 * n[1] as f64 / n[0] as f64,
            n[2],
            n[3],
            &hist[..hist.len().min(5)]
        );
        println!(
            "strain rms {:?} coverage {:?}",
            sq.map(|s| (s / cnt as f64).sqrt()),
            cov.map(|c| c as f64 / cnt as f64)
        );
        for k in 0..ns {
            println!("grain {k} n {} mean error {:?}", ng[k], sums[k].map(|s| s / ng[k] as f64));
        }
    }
    Ok(())
}
fn ari(a: &[usize], b: &[Option<usize>]) -> f64 {
    use std::collections::HashMap;
    let (mut t, mut ra, mut rb, mut n) = (HashMap::new(), HashMap::new(), HashMap::new(), 0.0);
    for (x, y) in a.iter().zip(b) {
        let y = y.map_or(9999, |y| y);
        *t.entry((*x, y)).or_insert(0.0) += 1.0;
        *ra.entry(*x).or_insert(0.0) += 1.0;
        *rb.entry(y).or_insert(0.0) += 1.0;
        n += 1.0;
    }
    let c = |v: f64| v * (v - 1.0) / 2.0;
    let s: f64 = t.values().map(|v| c(*v)).sum();
    let sa: f64 = ra.values().map(|v| c(*v)).sum();
    let sb: f64 = rb.values().map(|v| c(*v)).sum();
    let e = sa * sb / c(n);
    (s - e) / (0.5 * (sa + sb) - e)
}
