//! Our side of `cargo xtask compare`: one JSON object per line, in and out.
//!
//! The other side makes the input and is in `xtask/compare/`; the rows of the
//! table are in `xtask/src/compare/workloads.rs`. A new row is one line in
//! [`workload`] and one [`Job`].
#![allow(missing_docs, clippy::print_stdout)]

use std::io::{BufRead, stdin};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use ndarray::{Array1, Array2, Array3, ArrayD, ArrayView2, arr2};
use nonius::blobfinder::{
    CorrelationParams, CorrelationPlan, CorrelationScratch, Lattice, LatticePoint, LatticeSearchParams,
    MatchParams, Method, Peak, RefineParams, Refinement, Template, TemplateKind, TemplateParams, ZeroShift,
    fast_match, index_grid, refine_lattices, search_lattices,
};
use nonius::chi2::{Chi2Image, Chi2Params, Chi2Plan, Chi2Scratch, compatible};
use nonius::clustering::{Dendrogram, FeatureParams, FeaturePlan, Graph, Neighbors, WardParams, ward};
use nonius::core::{NoProgress, PassParams, Pixel, Real, RealFft2, RealFft2Scratch, Roi, ScanParams, pass};
use nonius::io::{Selector, read_array, write_npy};
use nonius::registration::flow::{Flow, LucasKanadeParams, Tvl1Params, lucas_kanade, tvl1};
use nonius::registration::{
    MaskedParams, RegistrationParams, RegistrationPlan, RegistrationScratch, SeriesParams, register_masked,
    register_series,
};
use nonius::{FrameSource, Scan};
use num_complex::Complex;
use serde_json::{Value, json};

/// A computation on input that is in memory, with its plan made.
trait Job {
    fn run(&mut self) -> Result<()>;

    /// What was computed, in the layout that the other side compares.
    fn result(&mut self) -> Result<ArrayD<f64>>;
}

/// Every workload by its name in the table.
fn workload<F: Real + Pixel>(name: &str, input: &Input) -> Result<Box<dyn Job>> {
    Ok(match name {
        "register_periodic" => Box::new(Shift::<F>::new(input, RegistrationParams::periodic())?),
        "register_masked" => Box::new(Masked::<F>::new(input)?),
        "register_series" => Box::new(Series::<F>::new(input)?),
        "register_overlap" => Box::new(Shift::<F>::new(input, RegistrationParams::default())?),
        "flow_tvl1" => Box::new(Dense::<F>::new(input, |reference, moving| {
            Ok(tvl1(reference, moving, &Tvl1Params::default(), &NoProgress)?)
        })?),
        "flow_ilk" => Box::new(Dense::<F>::new(input, |reference, moving| {
            Ok(lucas_kanade(reference, moving, &LucasKanadeParams::default(), &NoProgress)?)
        })?),
        "chi2_periodic" => Box::new(Chi2::<F>::new(input)?),
        "chi2_grid" => Box::new(Chi2Grid::<F>::new(input)?),
        "transform" => Box::new(Transform::<F>::new(input)?),
        "disks_crop" => Box::new(Disks::<F>::new(input, &CorrelationParams::compatible(Method::Crop, 0))?),
        "disks_upsampled" => Box::new(Disks::<F>::new(input, &refined_by(Refinement::Continuous))?),
        "disks_upsampled_20" => {
            Box::new(Disks::<F>::new(input, &refined_by(Refinement::Upsampled { factor: 20 }))?)
        }
        "disks_fit" => Box::new(Disks::<F>::new(input, &CorrelationParams::default())?),
        "disks_full" => Box::new(Disks::<F>::new(input, &CorrelationParams::compatible(Method::Full, 0))?),
        "disks_full_upsampled" => {
            let params = CorrelationParams { method: Method::Full, ..refined_by(Refinement::Continuous) };
            Box::new(Disks::<F>::new(input, &params)?)
        }
        "lattice_search" => Box::new(Search::new(input)?),
        "refine_scan" => Box::new(RefineScan::<F>::new(input)?),
        "refine_frames" => Box::new(RefineFrames::<F>::new(input, &refine_compatible())?),
        "refine_fit" => {
            Box::new(RefineFrames::<F>::new(input, &RefineParams { max_index: 2, ..Default::default() })?)
        }
        "features" => Box::new(Features::<F>::new(input)?),
        "ward_on_a_grid" => Box::new(WardOnAGrid::new(input)?),
        _ => bail!("no workload `{name}`"),
    })
}

/// The folder with the arrays of one case.
struct Input(PathBuf);

impl Input {
    fn array<F: Real>(&self, name: &str) -> Result<ArrayD<F>> {
        Ok(read_array(Selector::file(self.0.join(name).with_extension("npy")))?)
    }

    fn image<F: Real>(&self, name: &str) -> Result<Array2<F>> {
        Ok(self.array(name)?.into_dimensionality()?)
    }

    fn mask(&self, name: &str) -> Result<Array2<bool>> {
        Ok(self.image::<f32>(name)?.mapv(|valid| valid != 0.0))
    }
}

/// The shift between two whole images.
struct Shift<F: Real> {
    plan: RegistrationPlan<F>,
    scratch: RegistrationScratch<F>,
    reference: Array2<F>,
    moving: Array2<F>,
    shift: [f64; 2],
}

impl<F: Real> Shift<F> {
    fn new(input: &Input, params: RegistrationParams) -> Result<Self> {
        let (reference, moving) = (input.image("reference")?, input.image("moving")?);
        let plan = RegistrationPlan::new(reference.dim(), params)?;
        Ok(Self { scratch: plan.scratch(), plan, reference, moving, shift: [f64::NAN; 2] })
    }
}

impl<F: Real> Job for Shift<F> {
    fn run(&mut self) -> Result<()> {
        let (reference, moving) = (self.reference.view(), self.moving.view());
        self.shift = self.plan.register_with(reference, moving, &mut self.scratch)?.shift;
        Ok(())
    }

    fn result(&mut self) -> Result<ArrayD<f64>> {
        Ok(Array1::from_iter(self.shift).into_dyn())
    }
}

/// Standard deviation of the noise that the other side adds.
const NOISE: f64 = 0.05;

/// The shift at least χ².
struct Chi2<F: Real> {
    plan: Chi2Plan<F>,
    scratch: Chi2Scratch<F>,
    reference: Array2<F>,
    moving: Array2<F>,
    shift: [f64; 2],
}

impl<F: Real + Pixel> Chi2<F> {
    fn new(input: &Input) -> Result<Self> {
        let (reference, moving) = (input.image("reference")?, input.image("moving")?);
        let plan = Chi2Plan::new(reference.dim(), Chi2Params::periodic())?;
        Ok(Self { scratch: plan.scratch(), plan, reference, moving, shift: [f64::NAN; 2] })
    }
}

impl<F: Real> Job for Chi2<F> {
    fn run(&mut self) -> Result<()> {
        let reference = Chi2Image::new(self.reference.view());
        let moving = Chi2Image::new(self.moving.view()).with_sigma(NOISE);
        self.shift = self.plan.shift_with(&reference, &moving, &mut self.scratch)?.shift;
        Ok(())
    }

    fn result(&mut self) -> Result<ArrayD<f64>> {
        Ok(Array1::from_iter(self.shift).into_dyn())
    }
}

/// The reference's own procedure.
struct Chi2Grid<F> {
    reference: Array2<F>,
    moving: Array2<F>,
    shift: [f64; 2],
}

impl<F: Real + Pixel> Chi2Grid<F> {
    fn new(input: &Input) -> Result<Self> {
        let (reference, moving) = (input.image("reference")?, input.image("moving")?);
        Ok(Self { reference, moving, shift: [f64::NAN; 2] })
    }
}

impl<F: Real + Pixel> Job for Chi2Grid<F> {
    fn run(&mut self) -> Result<()> {
        let (reference, moving) = (self.reference.view(), self.moving.view());
        let (err, params) = (compatible::PixelError::Uniform(NOISE), compatible::Chi2ShiftParams::default());
        let found = compatible::chi2_shift(reference, moving, err, &params)?;
        self.shift = [found.dy, found.dx];
        Ok(())
    }

    fn result(&mut self) -> Result<ArrayD<f64>> {
        Ok(Array1::from_iter(self.shift).into_dyn())
    }
}

/// The shift under two masks; there is no plan.
struct Masked<F> {
    reference: Array2<F>,
    moving: Array2<F>,
    reference_mask: Array2<bool>,
    moving_mask: Array2<bool>,
    shift: [f64; 2],
}

impl<F: Real> Masked<F> {
    fn new(input: &Input) -> Result<Self> {
        Ok(Self {
            reference: input.image("reference")?,
            moving: input.image("moving")?,
            reference_mask: input.mask("reference_mask")?,
            moving_mask: input.mask("moving_mask")?,
            shift: [f64::NAN; 2],
        })
    }
}

impl<F: Real> Job for Masked<F> {
    fn run(&mut self) -> Result<()> {
        let masks = (Some(self.reference_mask.view()), Some(self.moving_mask.view()));
        let (reference, moving) = (self.reference.view(), self.moving.view());
        self.shift = register_masked(reference, moving, masks.0, masks.1, &MaskedParams::default())?.shift;
        Ok(())
    }

    fn result(&mut self) -> Result<ArrayD<f64>> {
        Ok(Array1::from_iter(self.shift).into_dyn())
    }
}

/// Shifts of all frames against the first.
struct Series<F> {
    frames: Array3<F>,
    params: SeriesParams,
    shifts: Vec<[f64; 2]>,
}

impl<F: Real + Pixel> Series<F> {
    fn new(input: &Input) -> Result<Self> {
        let params = SeriesParams { registration: RegistrationParams::periodic(), ..Default::default() };
        Ok(Self { frames: input.array("frames")?.into_dimensionality()?, params, shifts: Vec::new() })
    }
}

impl<F: Real + Pixel> Job for Series<F> {
    fn run(&mut self) -> Result<()> {
        self.shifts = register_series::<F>(&self.frames, &self.params, &NoProgress)?.shifts;
        Ok(())
    }

    fn result(&mut self) -> Result<ArrayD<f64>> {
        Ok(arr2(&self.shifts).into_dyn())
    }
}

/// One displacement per pixel.
struct Dense<F> {
    flow: FlowOf<F>,
    reference: Array2<F>,
    moving: Array2<F>,
    displacement: Array3<F>,
}

type FlowOf<F> = fn(ArrayView2<'_, F>, ArrayView2<'_, F>) -> Result<Flow<F>>;

impl<F: Real> Dense<F> {
    fn new(input: &Input, flow: FlowOf<F>) -> Result<Self> {
        let (reference, moving) = (input.image("reference")?, input.image("moving")?);
        Ok(Self { flow, reference, moving, displacement: Array3::zeros((0, 0, 0)) })
    }
}

impl<F: Real> Job for Dense<F> {
    fn run(&mut self) -> Result<()> {
        self.displacement = (self.flow)(self.reference.view(), self.moving.view())?.displacement;
        Ok(())
    }

    fn result(&mut self) -> Result<ArrayD<f64>> {
        Ok(self.displacement.mapv(Real::f64).into_dyn())
    }
}

/// Forward and inverse, both unnormalised.
struct Transform<F: Real> {
    plan: RealFft2<F>,
    scratch: RealFft2Scratch<F>,
    image: Array2<F>,
    spectrum: Vec<Complex<F>>,
    back: Array2<F>,
}

impl<F: Real> Transform<F> {
    fn new(input: &Input) -> Result<Self> {
        let image = input.image::<F>("image")?;
        let plan = RealFft2::new(image.dim())?;
        let (scratch, spectrum) = (plan.scratch(), plan.spectrum());
        Ok(Self { plan, scratch, spectrum, back: Array2::zeros(image.dim()), image })
    }
}

impl<F: Real> Job for Transform<F> {
    fn run(&mut self) -> Result<()> {
        self.plan.forward(self.image.view(), &mut self.spectrum, &mut self.scratch)?;
        Ok(self.plan.inverse(&mut self.spectrum, self.back.view_mut(), &mut self.scratch)?)
    }

    fn result(&mut self) -> Result<ArrayD<f64>> {
        self.run()?;
        // The inverse used the spectrum up.
        self.plan.forward(self.image.view(), &mut self.spectrum, &mut self.scratch)?;
        let (h, _) = self.image.dim();
        let n_kx = self.plan.n_kx();
        let in_rows = (0..h).flat_map(|y| (0..n_kx).map(move |kx| kx * h + y));
        let spectrum = in_rows.map(|k| self.spectrum[k]).flat_map(|z| [z.re.f64(), z.im.f64()]);
        let scale = 1.0 / self.image.len() as f64;
        let round_trip = self.back.iter().map(|v| scale * v.f64());
        Ok(spectrum.chain(round_trip).collect::<Array1<f64>>().into_dyn())
    }
}

fn circular(radius: f64) -> Result<Template> {
    Ok(Template::new(&TemplateParams::new(TemplateKind::Circular, radius))?)
}

fn refined_by(refinement: Refinement) -> CorrelationParams {
    CorrelationParams { refinement, ..Default::default() }
}

/// Disks near given pixels.
struct Disks<F: Real> {
    plan: CorrelationPlan<F>,
    scratch: CorrelationScratch<F>,
    frame: Array2<F>,
    positions: Vec<[i32; 2]>,
    peaks: Vec<Peak>,
}

impl<F: Real> Disks<F> {
    fn new(input: &Input, params: &CorrelationParams) -> Result<Self> {
        let frame = input.image::<F>("frame")?;
        let plan = CorrelationPlan::new(frame.dim(), &[circular(8.0)?], params)?;
        let positions =
            input.image::<f64>("peaks")?.outer_iter().map(|p| [p[0] as i32, p[1] as i32]).collect();
        Ok(Self { scratch: plan.scratch(), plan, frame, positions, peaks: Vec::new() })
    }
}

impl<F: Real> Job for Disks<F> {
    fn run(&mut self) -> Result<()> {
        let frame = self.frame.as_slice().context("a frame in rows")?;
        Ok(self.plan.run_with(frame, &self.positions, &mut self.scratch, &mut self.peaks)?)
    }

    fn result(&mut self) -> Result<ArrayD<f64>> {
        Ok(arr2(&self.peaks.iter().map(|peak| peak.refined).collect::<Vec<_>>()).into_dyn())
    }
}

fn rows_of(lattice: &Lattice) -> [[f64; 2]; 3] {
    [lattice.zero, lattice.a, lattice.b]
}

/// The lattice among points.
struct Search {
    points: Vec<LatticePoint>,
    found: Option<Lattice>,
}

impl Search {
    fn new(input: &Input) -> Result<Self> {
        let points = input.image::<f64>("points")?;
        let points = points.outer_iter().map(|p| LatticePoint::new([p[0], p[1]])).collect();
        Ok(Self { points, found: None })
    }
}

impl Job for Search {
    fn run(&mut self) -> Result<()> {
        let found = search_lattices(&self.points, &LatticeSearchParams::default())?;
        self.found = found.lattices.first().map(|found| found.matched.lattice);
        Ok(())
    }

    fn result(&mut self) -> Result<ArrayD<f64>> {
        Ok(arr2(&rows_of(&self.found.context("no lattice")?)).into_dyn())
    }
}

/// As the reference refines, of 25 positions.
fn refine_compatible() -> RefineParams {
    RefineParams { max_index: 2, ..RefineParams::compatible(CorrelationParams::compatible(Method::Crop, 0)) }
}

fn start(input: &Input) -> Result<Lattice> {
    let start = input.image::<f64>("start")?;
    let row = |k: usize| [start[[k, 0]], start[[k, 1]]];
    Ok(Lattice { zero: row(0), a: row(1), b: row(2) })
}

/// Lattices of a scan, by its driver.
struct RefineScan<F> {
    frames: Array3<F>,
    template: Template,
    start: Lattice,
    lattices: Vec<Lattice>,
}

impl<F: Real + Pixel> RefineScan<F> {
    fn new(input: &Input) -> Result<Self> {
        let frames = input.array("frames")?.into_dimensionality()?;
        Ok(Self { frames, template: circular(6.0)?, start: start(input)?, lattices: Vec::new() })
    }
}

impl<F: Real + Pixel> Job for RefineScan<F> {
    fn run(&mut self) -> Result<()> {
        let frames: &dyn FrameSource = &self.frames;
        let scan = Scan::new(Box::new(frames), &ScanParams::default())?;
        let found = refine_lattices::<F>(
            &scan.select(None)?,
            &self.template,
            &self.start,
            &refine_compatible(),
            ZeroShift::None,
            &PassParams::default(),
            &NoProgress,
        )?;
        self.lattices = (0..found.error.len()).map(|sample| found.lattice(sample)).collect();
        Ok(())
    }

    fn result(&mut self) -> Result<ArrayD<f64>> {
        Ok(in_one(&self.lattices))
    }
}

/// Shape (frame, 3, 2).
fn in_one(lattices: &[Lattice]) -> ArrayD<f64> {
    Array3::from_shape_fn((lattices.len(), 3, 2), |(k, row, axis)| rows_of(&lattices[k])[row][axis])
        .into_dyn()
}

/// The same by functions for one frame.
struct RefineFrames<F: Real> {
    frames: Array3<F>,
    start: Lattice,
    plan: CorrelationPlan<F>,
    scratch: CorrelationScratch<F>,
    positions: Vec<[i32; 2]>,
    peaks: Vec<Peak>,
    lattices: Vec<Lattice>,
}

impl<F: Real> RefineFrames<F> {
    fn new(input: &Input, params: &RefineParams) -> Result<Self> {
        let frames: Array3<F> = input.array("frames")?.into_dimensionality()?;
        let (_, h, w) = frames.dim();
        let start = start(input)?;
        let plan = CorrelationPlan::new((h, w), &[circular(6.0)?], &params.correlation)?;
        let pixel = |c: f64| if params.truncate_positions { c as i32 } else { c.round_ties_even() as i32 };
        let indices = index_grid(-2..=2, -2..=2).into_iter();
        let positions = indices.map(|index| start.position(index.map(f64::from)).map(pixel)).collect();
        let scratch = plan.scratch();
        Ok(Self { frames, start, plan, scratch, positions, peaks: Vec::new(), lattices: Vec::new() })
    }
}

impl<F: Real> Job for RefineFrames<F> {
    fn run(&mut self) -> Result<()> {
        let fitted = matches!(self.plan.params().refinement, Refinement::Fit(_));
        self.lattices.clear();
        for frame in self.frames.outer_iter() {
            let frame = frame.to_slice().context("frames in rows")?;
            self.plan.run_with(frame, &self.positions, &mut self.scratch, &mut self.peaks)?;
            let points: Vec<LatticePoint> = self
                .peaks
                .iter()
                .map(|peak| {
                    let c = peak.covariance;
                    let weight = if fitted { 2.0 / (c[0][0] + c[1][1]) } else { peak.elevation };
                    LatticePoint { position: peak.refined, weight, covariance: c }
                })
                .collect();
            self.lattices.push(fast_match(&points, &self.start, &MatchParams::default())?.lattice);
        }
        Ok(())
    }

    fn result(&mut self) -> Result<ArrayD<f64>> {
        Ok(in_one(&self.lattices))
    }
}

/// Feature vectors of the frames of a scan.
struct Features<F: Real> {
    frames: Array3<F>,
    plan: FeaturePlan,
    features: Array2<f64>,
}

impl<F: Real + Pixel> Features<F> {
    fn new(input: &Input) -> Result<Self> {
        let frames: Array3<F> = input.array("frames")?.into_dimensionality()?;
        let peaks: Vec<[i64; 2]> =
            input.image::<f64>("peaks")?.rows().into_iter().map(|p| [p[0] as i64, p[1] as i64]).collect();
        let (_, h, w) = frames.dim();
        let plan = FeaturePlan::new((h, w), &peaks, &FeatureParams::default())?;
        Ok(Self { frames, plan, features: Array2::default((0, 0)) })
    }
}

impl<F: Real + Pixel> Job for Features<F> {
    fn run(&mut self) -> Result<()> {
        let frames: &dyn FrameSource = &self.frames;
        let scan = Scan::new(Box::new(frames), &ScanParams::default())?;
        self.features = pass(&scan.select(None)?, &self.plan, &PassParams::default(), &NoProgress)?;
        Ok(())
    }

    fn result(&mut self) -> Result<ArrayD<f64>> {
        Ok(self.features.clone().into_dyn())
    }
}

/// The tree of Ward's method on a grid.
struct WardOnAGrid {
    features: Array2<f64>,
    graph: Graph,
    tree: Option<Dendrogram>,
}

impl WardOnAGrid {
    fn new(input: &Input) -> Result<Self> {
        let shape: Vec<usize> = input.array::<f64>("shape")?.iter().map(|&n| n as usize).collect();
        let graph = Graph::grid(&Roi::all(&shape), Neighbors::Direct)?;
        Ok(Self { features: input.image("features")?, graph, tree: None })
    }
}

impl Job for WardOnAGrid {
    fn run(&mut self) -> Result<()> {
        self.tree = Some(ward(self.features.clone(), &self.graph, &WardParams::default(), &NoProgress)?);
        Ok(())
    }

    fn result(&mut self) -> Result<ArrayD<f64>> {
        let tree = self.tree.as_ref().context("nothing was run")?;
        let row =
            |(merge, &distance): (&[u32; 2], &f64)| [f64::from(merge[0]), f64::from(merge[1]), distance];
        let rows: Vec<[f64; 3]> = tree.merges().iter().zip(tree.distances()).map(row).collect();
        Ok(arr2(&rows).into_dyn())
    }
}

/// Answers one request; `job` lives from one `prepare` to the next.
fn answer(request: &Value, job: &mut Option<Box<dyn Job>>) -> Result<Value> {
    let text = |key: &str| request[key].as_str().with_context(|| format!("{key} is not text in {request}"));
    if text("do")? == "prepare" {
        let input = Input(text("folder")?.into());
        let start = Instant::now();
        *job = Some(match text("dtype")? {
            "f32" => workload::<f32>(text("workload")?, &input)?,
            "f64" => workload::<f64>(text("workload")?, &input)?,
            other => bail!("no workload computes in {other}"),
        });
        return Ok(json!({"seconds": start.elapsed().as_secs_f64()}));
    }
    let job = job.as_mut().context("nothing was prepared")?;
    match text("do")? {
        "run" => {
            let repeat = request["repeat"].as_u64().context("repeat is not a number")?;
            let start = Instant::now();
            for _ in 0..repeat {
                job.run()?;
            }
            Ok(json!({"seconds": start.elapsed().as_secs_f64()}))
        }
        "save" => {
            write_npy(text("path")?, &job.result()?)?;
            Ok(json!({}))
        }
        other => bail!("no command `{other}`"),
    }
}

fn main() -> Result<()> {
    let mut job = None;
    for line in stdin().lock().lines() {
        let answered = serde_json::from_str(&line?).map_err(Into::into).and_then(|r| answer(&r, &mut job));
        println!("{}", answered.unwrap_or_else(|error| json!({"error": format!("{error:#}")})));
    }
    Ok(())
}
