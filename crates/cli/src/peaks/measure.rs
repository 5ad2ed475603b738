//! The passes: the sum of all frames, then every frame around the positions that the sum shows.

use anyhow::{Context, Result, bail};
use ndarray::Array2;
use nonius::blobfinder::{
    CorrelationPlan, DiskFinder, Disks, FrameSum, Intensity, Lattice, LatticePoint, LatticeRefiner, Matching,
    Peak, PeakParams, Plateau, RefineParams, RefinedLattices, StrainMap, StrainReference, Template,
    ZeroShift, correlation_map, find_peaks, normalized_correlation_map, search_lattices, strain_map,
};
use nonius::core::{Consumer, Selection, pass};

use super::args::PeaksConfig;
use super::inputs::{self, Start};
use super::picture;
use super::result::Peaks;
use crate::output::check_folder;
use crate::scan;
use crate::session::Session;

/// A place where disks are looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) position: [f64; 2],
    /// Index `(i, j)`, if it is one of a lattice.
    pub(crate) index: Option<[f64; 2]>,
}

/// A lattice from which those of the frames start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) lattice: Lattice,
    /// log₁₀ of how many as good would be found by accident, if it was looked for.
    pub(crate) log10_accidental: Option<f64>,
}

/// All that was measured.
pub(crate) struct Measured {
    pub(crate) template: Template,
    /// `ln(Σ I − min + 1)`, if it was needed.
    pub(crate) sum: Option<Array2<f64>>,
    /// What stands out in it.
    pub(crate) on_sum: Vec<Peak>,
    pub(crate) places: Vec<Place>,
    pub(crate) found: Found,
}

/// What there is in each frame.
pub(crate) enum Found {
    Disks(Box<Disks>),
    Lattices(Box<Lattices>),
}

pub(crate) struct Lattices {
    pub(crate) start: Known,
    pub(crate) refined: RefinedLattices,
    pub(crate) strain: Option<StrainMap>,
}

impl Measured {
    pub(crate) fn disks(&self) -> &Disks {
        match &self.found {
            Found::Disks(disks) => disks,
            Found::Lattices(lattices) => &lattices.refined.disks,
        }
    }

    pub(crate) fn lattices(&self) -> Option<&Lattices> {
        match &self.found {
            Found::Disks(_) => None,
            Found::Lattices(lattices) => Some(lattices),
        }
    }
}

pub(crate) fn measure(session: &Session, config: &PeaksConfig, text: &str) -> Result<Peaks> {
    if let Some(out) = &session.out {
        check_folder("--out", out)?;
    }
    let template = inputs::template(config)?;
    let start = config.lattice.as_deref().map(inputs::lattice).transpose()?;
    let given = config.positions.as_deref().map(inputs::positions).transpose()?;
    let file = scan::open(text, &config.scan)?;
    let selection = scan::select(&file.scan, config.roi.as_deref())?;
    let shape = file.scan.frame_shape();
    let live = config.mask.as_deref().map(|mask| inputs::mask(mask, shape)).transpose()?;
    let named = |e: nonius::Error| match e {
        nonius::Error::Frame { .. } => anyhow::anyhow!("{text}: {e}"),
        other => other.into(),
    };
    // Before the first pass, lest it be in vain.
    let plan = CorrelationPlan::<f32>::new(shape, std::slice::from_ref(&template), &config.correlation)?;
    config.matching.validate()?;
    config.lattice_search.validate()?;
    config.strain.validate()?;
    let peak_params = peak_params(config, &template);
    peak_params.validate()?;

    let looks = given.is_none() && !matches!(start, Some(Start::Given(_)));
    let mut sum = None;
    if looks || session.out.is_some() {
        let mut all = pass(&selection, &FrameSum, &config.pass, session).map_err(named)?;
        if let Some(live) = &live {
            all.zip_mut_with(live, |v, live| *v = if *live { *v } else { f64::NAN });
        }
        Intensity::Log.transform(&mut all);
        sum = Some(all);
    }
    let on_sum = match &sum {
        Some(sum) if looks => {
            let map = if config.correlation.normalized {
                let live = live.as_ref().map(|live| live.view());
                normalized_correlation_map(sum.view(), &template, live)?
            } else {
                correlation_map(sum.view(), &template)?
            };
            find_peaks(map.view(), &peak_params)?
        }
        _ => Vec::new(),
    };
    if looks && on_sum.is_empty() {
        bail!("{text}: the sum of its frames shows no disk: it is constant, or --threshold too high");
    }

    let mut warnings = Vec::new();
    let known = match start {
        None => None,
        Some(Start::Given(lattice)) => Some(Known { lattice, log10_accidental: None }),
        Some(Start::Auto) => {
            Some(looked_for(config, &on_sum, given.as_deref().unwrap_or(&[]), &mut warnings)?)
        }
    };
    let run = Run { session, config, selection: &selection, live: live.as_ref() };
    let measured = match known {
        None => {
            let places: Vec<Place> = match given {
                Some(given) => given.iter().map(|&p| Place { position: p, index: None }).collect(),
                None => on_sum.iter().map(|p| of_peak(p, config.compatible)).collect(),
            };
            let disks = run.disks(plan, &places).map_err(named)?;
            Measured { template, sum, on_sum, places, found: Found::Disks(Box::new(disks)) }
        }
        Some(known) => {
            let refined = run.lattices(&template, &known.lattice).map_err(named)?;
            let place =
                |&index: &[f64; 2]| Place { position: known.lattice.position(index), index: Some(index) };
            let places = refined.indices.iter().map(place).collect();
            let strain = run.strain(&refined).map_err(|e| warnings.push(format!("no strain: {e}"))).ok();
            let found = Found::Lattices(Box::new(Lattices { start: known, refined, strain }));
            Measured { template, sum, on_sum, places, found }
        }
    };
    session.check_cancelled()?;
    let mut found = Peaks::new(text, &file, &selection, &measured);
    found.warnings.extend(warnings);
    if let Some(out) = &session.out {
        let write = || -> Result<()> {
            found.write(out, config, &selection, &measured)?;
            if config.pictures {
                found.pictures = picture::write(out, text, &selection, &measured)?;
            }
            Ok(())
        };
        let mut write = write;
        write().with_context(|| format!("--out {}", out.display()))?;
    }
    Ok(found)
}

/// Which maxima of the summed frame are disks.
fn peak_params(config: &PeaksConfig, template: &Template) -> PeakParams {
    let radius = template.radius().unwrap_or(0.0);
    let common = PeakParams {
        n_peaks: config.num_peaks,
        threshold_rel: config.threshold,
        elevation_radius: radius.max(1.5),
        ..Default::default()
    };
    if config.compatible {
        let min_distance = config.min_distance.unwrap_or(0.0);
        PeakParams { min_distance, plateau: Plateau::EachPixel, refine: false, ..common }
    } else {
        PeakParams { min_distance: config.min_distance.unwrap_or(radius), ..common }
    }
}

fn of_peak(peak: &Peak, whole: bool) -> Place {
    let position = if whole { peak.center.map(f64::from) } else { peak.refined };
    Place { position, index: None }
}

/// The lattice of the peaks of the summed frame, or of the positions that were given.
fn looked_for(
    config: &PeaksConfig,
    on_sum: &[Peak],
    given: &[[f64; 2]],
    warnings: &mut Vec<String>,
) -> Result<Known> {
    // Slopes of coefficients are far below the least weight of a point.
    let weight = |peak: &Peak| if config.correlation.normalized { peak.height } else { peak.elevation };
    let of_peak = |peak: &Peak| LatticePoint::new(peak.refined).with_weight(weight(peak));
    let points: Vec<LatticePoint> =
        on_sum.iter().map(of_peak).chain(given.iter().map(|&p| LatticePoint::new(p))).collect();
    let found = search_lattices(&points, &config.lattice_search)?;
    let Some(best) = found.lattices.first() else {
        bail!(
            "--lattice auto: {} positions show no lattice that is not an accident; look for more disks \
             (--num-peaks) or say which it is (--lattice ZY,ZX,AY,AX,BY,BX)",
            points.len()
        );
    };
    if found.lattices.len() > 1 {
        let more = found.lattices.len() - 1;
        warnings.push(format!("{more} more lattices in the summed frame: only the strongest was refined"));
    }
    Ok(Known { lattice: best.matched.lattice, log10_accidental: Some(best.log10_accidental) })
}

struct Run<'a> {
    session: &'a Session,
    config: &'a PeaksConfig,
    selection: &'a Selection<'a>,
    live: Option<&'a Array2<bool>>,
}

impl Run<'_> {
    fn disks(&self, mut plan: CorrelationPlan<f32>, places: &[Place]) -> nonius::Result<Disks> {
        if let Some(live) = self.live {
            plan = plan.with_mask(live.view())?;
        }
        let positions: Vec<[f64; 2]> = places.iter().map(|p| p.position).collect();
        self.pass(&DiskFinder::new(plan, &positions, ZeroShift::None)?)
    }

    fn lattices(&self, template: &Template, start: &Lattice) -> nonius::Result<RefinedLattices> {
        let config = self.config;
        let correlation = config.correlation.clone();
        let base = match config.compatible {
            true => RefineParams::compatible(correlation),
            false => RefineParams { correlation, ..Default::default() },
        };
        let params = RefineParams {
            max_index: config.max_index,
            margin: config.margin,
            neighbor_rounds: config.neighbor_rounds,
            matching: Matching::Fast(config.matching),
            ..base
        };
        let shape = self.selection.scan().frame_shape();
        let mut refiner = LatticeRefiner::<f32>::new(shape, template, start, &params, ZeroShift::None)?;
        if let Some(live) = self.live {
            refiner = refiner.with_mask(live.view())?;
        }
        let found = self.pass(&refiner)?;
        refiner.from_neighbors(found, self.selection, &config.pass, self.session)
    }

    /// Against the median of all.
    fn strain(&self, found: &RefinedLattices) -> nonius::Result<StrainMap> {
        let roi = self.selection.roi();
        let [a, b] = [roi.spread(&found.a, f64::NAN)?, roi.spread(&found.b, f64::NAN)?];
        let covariance = roi.spread(&found.covariance, f64::NAN)?;
        let reference = StrainReference::Median(None);
        strain_map(a.view(), b.view(), Some(covariance.view()), &reference, &self.config.strain)
    }

    fn pass<C: Consumer>(&self, consumer: &C) -> nonius::Result<C::Output> {
        pass(self.selection, consumer, &self.config.pass, self.session)
    }
}
