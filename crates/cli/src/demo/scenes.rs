//! The image files of the registration part, and the truth about them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ndarray::{Array2, Array3, s};
use nonius::io::{self, write_fits, write_npy, write_png_gray, write_tiff, write_tiff_stack};
use nonius::synthetic::{
    Boundary, Content, ImagePairParams, ImageSeriesParams, Motion, NoiseParams, Scene, SceneParams,
};

/// A data set on disk.
pub(crate) struct DataSet {
    pub(crate) reference: PathBuf,
    pub(crate) moving: Vec<PathBuf>,
    /// Shift `(y, x)` px of each moving image, or of each frame of the reference if there is none.
    pub(crate) truth: Vec<[f64; 2]>,
}

/// Shifts as a dithering telescope or a restless stage makes them.
const DITHER: [[f64; 2]; 8] = [
    [3.25, -1.5],
    [-2.37, 4.81],
    [0.08, 0.44],
    [-5.62, -3.19],
    [6.71, 2.9],
    [-0.55, -6.33],
    [1.94, 5.06],
    [-4.13, 0.71],
];

/// Pictures that are compiled in: testdata/images, where the README tells their origin.
const HUBBLE: &[u8] = include_bytes!("../../../../testdata/images/hubble_xdf.png");
const CELL: &[u8] = include_bytes!("../../../../testdata/images/cell_phase.png");
const BRICK: &[u8] = include_bytes!("../../../../testdata/images/brick.png");

fn subfolder(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::create_dir_all(&path).with_context(|| format!("cannot make folder {}", path.display()))?;
    Ok(path)
}

/// Nebula and stars, eight dithered exposures, read noise in all: FITS, 32-bit.
pub(crate) fn nebula(folder: &Path) -> Result<DataSet> {
    let folder = subfolder(folder, "nebula")?;
    let frame =
        SceneParams { shape: [256, 256], boundary: Boundary::Open { margin: 8 }, ..Default::default() };
    let emission = Content::ExtendedEmission { exponent: 3.0, cutoff: 0.25 };
    let stars = Content::SourceField { density: 0.0006, sigma: [1.5, 1.8] };
    let emission = Scene::new(&SceneParams { content: emission, amplitude: 3.0, ..frame.clone() }, 11)?;
    let stars = Scene::new(&SceneParams { content: stars, amplitude: 12.0, background: 10.0, ..frame }, 12)?;
    let exposure = |shift: [f64; 2], seed: u64| -> Result<Array2<f32>> {
        let motion = Motion::shift(shift);
        let clean = emission.view(&motion)? + stars.view(&motion)?;
        Ok(NoiseParams::white(1.0).add(clean.view(), seed)?.mapv(|v| v as f32))
    };
    write_all(&folder, "fits", &DITHER, |path, shift, seed| {
        Ok(write_fits(path, &exposure(shift, seed)?, &true_shift(shift))?)
    })
}

/// The truth as header cards.
fn true_shift(shift: [f64; 2]) -> Vec<io::Card> {
    let mut header = io::Header::default();
    header.push("TRUE_DY", shift[0], "displacement of the content along y, px");
    header.push("TRUE_DX", shift[1], "displacement of the content along x, px");
    header.cards
}

/// A texture seen by a camera that counts photons: TIFF, 16-bit.
pub(crate) fn tissue(folder: &Path) -> Result<DataSet> {
    let folder = subfolder(folder, "tissue")?;
    let params = SceneParams {
        shape: [200, 240],
        content: Content::Texture { exponent: 3.0, cutoff: 0.3 },
        boundary: Boundary::Open { margin: 8 },
        amplitude: 60.0,
        background: 300.0,
    };
    let scene = Scene::new(&params, 21)?;
    write_all(&folder, "tif", &DITHER, |path, shift, seed| {
        let clean = scene.view(&Motion::shift(shift))?.mapv(|v| v.max(0.0));
        let counts = NoiseParams::poisson(1.0).add(clean.view(), 100 + seed)?;
        Ok(write_tiff(path, counts.mapv(|v| v as u16).view())?)
    })
}

/// Scene A of the accuracy tables: periodic, noise in the moving image alone: NPY.
pub(crate) fn periodic(folder: &Path) -> Result<DataSet> {
    let folder = subfolder(folder, "periodic")?;
    write_all(&folder, "npy", &DITHER, |path, shift, seed| {
        // One seed for scene and noise would make other scenes; the frame's own noise is added here.
        let clean = ImagePairParams::scene_a(shift, 0.0, 31).generate()?.moving;
        let sigma = if seed == 0 { 0.0 } else { 0.1 };
        Ok(write_npy(path, &NoiseParams::white(sigma).add(clean.view(), seed)?)?)
    })
}

/// Sixty exposures of a drifting sample in one file: TIFF of several pages, 16-bit.
pub(crate) fn drift(folder: &Path) -> Result<DataSet> {
    let folder = subfolder(folder, "drift")?;
    let scene = SceneParams {
        shape: [128, 128],
        content: Content::SourceField { density: 0.012, sigma: [1.5, 5.0] },
        boundary: Boundary::Open { margin: 24 },
        amplitude: 150.0,
        background: 50.0,
    };
    let noise = NoiseParams::poisson(1.0);
    let params = ImageSeriesParams {
        scene,
        n_frames: 60,
        drift: [0.12, -0.08],
        walk: 0.35,
        jitter: 0.1,
        noise,
        seed: 41,
    };
    let series = nonius::synthetic::ImageSeriesPlan::new(&params)?.run()?;
    let pages: Array3<u16> = series.frames.mapv(|v| v as u16);
    let reference = folder.join("drift.tif");
    write_tiff_stack(&reference, pages.view())?;
    Ok(DataSet { reference, moving: Vec::new(), truth: series.shifts })
}

/// Crops of recorded images, binned 2 × 2: half pixels are true to the bit. Independent noise in each.
pub(crate) fn recorded(folder: &Path) -> Result<[DataSet; 3]> {
    let originals = subfolder(folder, "originals")?;
    let original = |name: &str, bytes: &[u8]| -> Result<Array2<f64>> {
        let path = originals.join(name);
        io::write_atomically(&path, |file| std::io::Write::write_all(file, bytes))?;
        Ok(io::read_image::<f64>(&path)?.pixels)
    };
    let hubble = original("hubble_xdf.png", HUBBLE)?;
    let cell = original("cell_phase.png", CELL)?;
    let brick = original("brick.png", BRICK)?;

    let folders = [subfolder(folder, "hubble")?, subfolder(folder, "cell")?, subfolder(folder, "brick")?];
    let shifts = DITHER.map(half_pixels);
    Ok([
        write_all(&folders[0], "fits", &shifts, |path, shift, seed| {
            let image = binned_crop(&hubble, [480, 480], shift, 1.0, seed)?;
            Ok(write_fits(path, &image.mapv(|v| v as f32), &true_shift(shift))?)
        })?,
        write_all(&folders[1], "tif", &shifts, |path, shift, seed| {
            let image = binned_crop(&cell, [480, 480], shift, 1.0, 200 + seed)?;
            Ok(write_tiff(path, image.mapv(|v| (64.0 * v + 1000.0).round() as u16).view())?)
        })?,
        write_all(&folders[2], "png", &shifts, |path, shift, seed| {
            let image = binned_crop(&brick, [224, 224], shift, 1.0, 300 + seed)?;
            Ok(write_png_gray(path, image.mapv(|v| v.round().clamp(0.0, 255.0) as u8).view())?)
        })?,
    ])
}

fn half_pixels(shift: [f64; 2]) -> [f64; 2] {
    shift.map(|d| (2.0 * d).round() / 2.0)
}

/// A window of `image`, in the middle but for `shift` (in binned px, halves allowed), averaged over 2 × 2 px,
/// with white noise of `sigma`.
fn binned_crop(
    image: &Array2<f64>,
    [h, w]: [usize; 2],
    shift: [f64; 2],
    sigma: f64,
    seed: u64,
) -> Result<Array2<f64>> {
    let start = |axis: usize, n: usize| {
        // moving[r] = reference[r − d]: the window moves against the content.
        let middle = (image.shape()[axis] - n) as f64 / 2.0;
        (middle.floor() - 2.0 * shift[axis]) as usize
    };
    let (y, x) = (start(0, h), start(1, w));
    let window = image.slice(s![y..y + h, x..x + w]);
    let binned = window.exact_chunks((2, 2)).into_iter().map(|block| block.sum() / 4.0).collect();
    let binned = Array2::from_shape_vec((h / 2, w / 2), binned)?;
    Ok(NoiseParams::white(sigma).add(binned.view(), seed)?)
}

/// Writes the reference, not displaced, and one moving image per shift; `write` is given a seed of its own
/// for each, 0 for the reference.
fn write_all(
    folder: &Path,
    extension: &str,
    shifts: &[[f64; 2]],
    write: impl Fn(&Path, [f64; 2], u64) -> Result<()>,
) -> Result<DataSet> {
    let reference = folder.join(format!("reference.{extension}"));
    write(&reference, [0.0; 2], 0)?;
    let moving: Vec<PathBuf> =
        (1..=shifts.len()).map(|i| folder.join(format!("moving{i}.{extension}"))).collect();
    for (i, (path, &shift)) in moving.iter().zip(shifts).enumerate() {
        write(path, shift, 1 + i as u64)?;
    }
    Ok(DataSet { reference, moving, truth: shifts.to_vec() })
}
