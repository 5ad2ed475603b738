//! From files to a displacement.

use anyhow::{Context, Result, anyhow, bail};
use ndarray::Array2;
use nonius::Error;
use nonius::chi2::compatible::{Chi2ShiftParams, PixelError, chi2_shift as chi2_shift_on_grid};
use nonius::chi2::{Chi2Image, CorrelatedNoise, Noise, NoiseSpectrum, chi2_map, chi2_shift};
use nonius::io::{Header, Image, read_image, write_npy};

use super::args::{Chi2Config, Files, Sigma, SpectrumFrom};
use super::outcome::Found;
use super::picture;
use super::sky::Sky;
use crate::session::Session;

/// Measures the displacement between the images of `files` and writes what `files` asks for.
pub(crate) fn measure(session: &Session, config: &Chi2Config, files: &Files) -> Result<Found> {
    let names = Names { reference: &files.reference, moving: &files.moving };
    let reference = Known::read(&files.reference, &files.reference_err, &files.reference_mask, config)?;
    let mut moving = Known::read(&files.moving, &files.err, &files.moving_mask, config)?;
    if let Some(from) = &files.spectrum {
        moving.learn_spectrum(&files.moving, from)?;
    }
    let sky = match files.wcs {
        true => {
            let sky = Sky::of([&files.reference, &files.moving], [&reference, &moving])?;
            moving = sky.on_reference(moving, &reference, &files.moving, config)?;
            Some(sky)
        }
        false => None,
    };
    let images = [reference.image(), moving.image()];
    session.check_cancelled()?;

    let mut found = match &config.compatible {
        None => {
            let found = chi2_shift(&images[0], &images[1], &config.fit).map_err(|e| names.blame(e))?;
            Found::continuous(&files.reference, &files.moving, &found)
        }
        Some(grid) => on_grid(&images, grid, &names)?,
    };
    found.warnings = reference.warnings.iter().chain(&moving.warnings).cloned().collect();
    found.warnings.extend(found.doubts(&config.fit, moving.is_known(), files.reference_err.is_some()));
    found.on_sky = sky.map(|sky| sky.shift(&found));
    found.correlated_noise = config.fit.correlated_noise;
    found.noise_spectrum = match &files.spectrum {
        Some(SpectrumFrom::Region(_)) => Some("region"),
        Some(SpectrumFrom::File(_)) => Some("file"),
        None => (config.fit.correlated_noise == CorrelatedNoise::Sandwich).then_some("residuals"),
    };
    found.noise_sigma = moving.sigma;

    session.check_cancelled()?;
    if let Some(path) = &files.map {
        let map = chi2_map(&images[0], &images[1], &config.fit).map_err(|e| names.blame(e))?;
        write_npy(path, &map.chi2)?;
    }
    if let Some(path) = &files.picture {
        found.picture = picture::draw(&images, config, &found).map_err(|e| names.blame(e))?;
        match &found.picture {
            Some(picture) => picture.write(path)?,
            None => found.warnings.push("no picture: there is no best fit with errors above 0".into()),
        }
    }
    Ok(found)
}

fn on_grid(
    [reference, moving]: &[Chi2Image<'_, f64>; 2],
    grid: &Chi2ShiftParams,
    names: &Names,
) -> Result<Found> {
    let err = match moving.noise {
        Noise::Unknown => PixelError::Unit,
        Noise::Uniform(sigma) => PixelError::Uniform(sigma),
        Noise::PerPixel(sigmas) => PixelError::PerPixel(sigmas),
    };
    let found = chi2_shift_on_grid(reference.image, moving.image, err, grid).map_err(|e| names.blame(e))?;
    let mean = |image: &Chi2Image<'_, f64>| image.image.mean().unwrap_or(f64::NAN);
    let offset = if grid.zeromean { mean(moving) - mean(reference) } else { 0.0 };
    Ok(Found::on_grid(names.reference, names.moving, &found, moving.image.len(), offset))
}

/// An image with its noise and mask.
pub(super) struct Known {
    pub(super) pixels: Array2<f64>,
    pub(super) header: Header,
    pub(super) mask: Option<Array2<bool>>,
    pub(super) sigma: Option<f64>,
    pub(super) sigmas: Option<Array2<f64>>,
    pub(super) spectrum: Option<NoiseSpectrum>,
    pub(super) warnings: Vec<String>,
}

impl Known {
    fn read(file: &str, err: &Option<Sigma>, mask: &Option<String>, config: &Chi2Config) -> Result<Self> {
        let Image { pixels, header, .. } = read_image::<f64>(file)?;
        let mut known = Known {
            pixels,
            header,
            mask: None,
            sigma: None,
            sigmas: None,
            spectrum: None,
            warnings: Vec::new(),
        };
        match err {
            Some(Sigma::Number(sigma)) => known.sigma = Some(*sigma),
            Some(Sigma::File(name)) => known.sigmas = Some(beside(&known.pixels, name, "errors")?),
            None => {}
        }
        if let Some(name) = mask {
            // NaN in a mask is nothing valid.
            let valid = beside(&known.pixels, name, "mask")?.mapv(|v| v != 0.0 && !v.is_nan());
            known.mask = Some(valid);
        }
        if config.mask_nan && known.pixels.iter().any(|v| !v.is_finite()) {
            let finite = known.pixels.mapv(f64::is_finite);
            known.mask = Some(known.mask.map_or_else(|| finite.clone(), |mask| &mask & &finite));
        }
        if let (Some(sigmas), Some(Sigma::File(name))) = (&known.sigmas, err) {
            let valid = |at: (usize, usize)| known.mask.as_ref().is_none_or(|m| m[at]);
            let bad = sigmas.indexed_iter().find(|(at, v)| valid(*at) && (v.is_nan() || **v <= 0.0));
            if let (Some(((y, x), v)), None) = (bad, &config.compatible) {
                bail!(
                    "errors {name}: expected numbers above 0 (infinite for a pixel that says nothing), got {v} at [{y}, {x}]"
                );
            }
        }
        Ok(known)
    }

    /// The spectrum of the noise; σ, too, if it is not known and a region tells it.
    fn learn_spectrum(&mut self, file: &str, from: &SpectrumFrom) -> Result<()> {
        let (h, w) = self.pixels.dim();
        let spectrum = match from {
            SpectrumFrom::File(name) => {
                let power = beside(&self.pixels, name, "noise spectrum")?;
                NoiseSpectrum::new(power.view()).with_context(|| name.clone())?
            }
            SpectrumFrom::Region([y, x]) => {
                if y.end > h || x.end > w {
                    bail!(
                        "--noise-region {}:{},{}:{} reaches out of {file}, which has {h} × {w} px (y × x)",
                        y.start,
                        y.end,
                        x.start,
                        x.end
                    );
                }
                let blank = self.pixels.slice(ndarray::s![y.clone(), x.clone()]);
                let spectrum = NoiseSpectrum::from_blank_region(blank, (h, w));
                let spectrum = spectrum.with_context(|| format!("--noise-region of {file}"))?;
                if !self.is_known() {
                    self.sigma = Some(spectrum.sigma());
                }
                spectrum
            }
        };
        self.spectrum = Some(spectrum);
        Ok(())
    }

    /// Whether σ is known.
    pub(super) fn is_known(&self) -> bool {
        self.sigma.is_some() || self.sigmas.is_some()
    }

    fn image(&self) -> Chi2Image<'_, f64> {
        let noise = match (&self.sigmas, self.sigma) {
            (Some(sigmas), _) => Noise::PerPixel(sigmas.view()),
            (None, Some(sigma)) => Noise::Uniform(sigma),
            (None, None) => Noise::Unknown,
        };
        let mask = self.mask.as_ref().map(|m| m.view());
        Chi2Image { image: self.pixels.view(), mask, noise, spectrum: self.spectrum.as_ref() }
    }
}

/// An image of the shape of `pixels`, whose `what` it holds.
fn beside(pixels: &Array2<f64>, name: &str, what: &str) -> Result<Array2<f64>> {
    let image = read_image::<f64>(name).with_context(|| format!("{what} {name}"))?.pixels;
    if image.dim() != pixels.dim() {
        let ((h, w), (y, x)) = (pixels.dim(), image.dim());
        bail!("{what} {name}: expected {h} × {w} px (y × x) as its image, got {y} × {x}");
    }
    Ok(image)
}

/// What people call the images.
struct Names<'a> {
    reference: &'a str,
    moving: &'a str,
}

impl Names<'_> {
    /// `error` with the name of the file that it is about.
    fn blame(&self, error: Error) -> anyhow::Error {
        match &error {
            Error::NotFinite { what, .. } => {
                let name = if *what == "reference" { self.reference } else { self.moving };
                anyhow!("{name}: {error}; --mask-nan leaves such pixels out")
            }
            Error::Shape { expected, got, .. } => {
                let (moving, reference) = (self.moving, self.reference);
                let shown =
                    |shape: &[usize]| shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
                anyhow!(
                    "{moving}: expected {} px (y × x) as in {reference}, got {}; periodic images have one shape",
                    shown(expected),
                    shown(got)
                )
            }
            Error::Empty { what: "reference", .. } | Error::Parameter { name: "reference", .. } => {
                anyhow!("{}: {error}", self.reference)
            }
            Error::Empty { .. } | Error::Parameter { .. } => anyhow!("{}: {error}", self.moving),
            _ => error.into(),
        }
    }
}
