//! χ² of frames that wrap where every pixel is as noisy as every other: one cross-spectrum tells all.

use multiversion::multiversion;
use ndarray::{Array2, ArrayView2};
use nonius_core::{
    CyclicMaximum, Derivatives, LowBand, Moments, Real, RealFft2, RealFft2Scratch, Result,
    TrigonometricPolynomial, cross_spectrum, cyclic_maxima, dot, extremes, invert_free, normalise, power,
    sum,
};
use num_complex::Complex;

use crate::model::Model;
use crate::noise::{SharedNoise, correlation_is_visible, spectral_covariance};
use crate::params::Chi2Params;
use crate::periodic::{CANDIDATES, Minimum, Outcome, omega, slope_frequency};
use crate::shift::Chi2Shift;
use crate::spectrum::half_layout;
use crate::whiten::{Correlation, Treatment, exact_response};

/// Fewest pixels a side from which the lower frequencies are searched first.
const COARSE_FROM: usize = 128;

/// The noise of all pixels.
#[derive(Debug)]
pub(crate) struct UniformNoise {
    /// Variance of the moving image's.
    pub(crate) own: f64,
    /// Variance of the reference's, 0 if it is not known.
    pub(crate) behind: f64,
    /// Whether the moving image's was given.
    pub(crate) known: bool,
    pub(crate) treatment: Treatment,
}

/// Set-up shared by all pairs of one shape.
#[derive(Debug)]
pub(crate) struct Uniform<F: Real> {
    fft: RealFft2<F>,
    low: Option<LowBand<F>>,
    /// cos ω along y.
    cosines: Vec<F>,
    params: Chi2Params,
}

/// Working memory of one thread.
#[derive(Debug)]
pub(crate) struct UniformScratch<F> {
    reference: Vec<Complex<F>>,
    moving: Vec<Complex<F>>,
    product: Vec<Complex<F>>,
    low: Option<LowMap<F>>,
    map: Option<Array2<F>>,
    fft: RealFft2Scratch<F>,
    turns: Vec<Complex<F>>,
    powers: Vec<F>,
}

/// The lower frequencies and their map.
#[derive(Debug)]
struct LowMap<F> {
    spectrum: Vec<Complex<F>>,
    map: Array2<F>,
    fft: RealFft2Scratch<F>,
}

/// An image as it was transformed: `(image − mean) · scale`, whitened if that was asked for.
#[derive(Debug, Clone, Copy)]
struct Normal {
    mean: f64,
    scale: f64,
}

/// What is known of a pair once its cross-spectrum is.
#[derive(Debug, Clone, Copy)]
struct UniformPair {
    images: [Normal; 2],
    /// What whitening makes of a constant of 1.
    constant: f64,
    /// The polynomial's value for images that are the same but for a factor.
    most: f64,
    model: Model,
    weight: f64,
    /// Σwmf per unit of the polynomial, and what the means add to it.
    unit: f64,
    pedestal: f64,
    /// Σwf and Σwf².
    reference: [f64; 2],
    /// By how much at most the higher frequencies can change the polynomial.
    missing: f64,
}

impl UniformPair {
    /// Σwmf, Σwf, Σwf² where the polynomial has the value p.
    fn sums(&self, p: f64) -> [f64; 3] {
        [self.unit * p + self.pedestal, self.reference[0], self.reference[1]]
    }

    fn chi2(&self, p: f64) -> f64 {
        self.model.chi2_of(self.sums(p))
    }

    /// χ² with its derivatives, from those of the polynomial.
    fn derivatives(&self, p: &Derivatives) -> Derivatives {
        let [b, u, q] = self.sums(p.value);
        let constant = |value: f64| Derivatives { value, ..Default::default() };
        let product = Derivatives {
            value: b,
            gradient: p.gradient.map(|v| self.unit * v),
            hessian: p.hessian.map(|row| row.map(|v| self.unit * v)),
        };
        self.model.derivatives(&[product, constant(u), constant(q)])
    }
}

impl<F: Real> Uniform<F> {
    pub(crate) fn new(shape: (usize, usize), params: Chi2Params) -> Result<Self> {
        let coarse = params.max_shift.is_none() && shape.0.min(shape.1) >= COARSE_FROM;
        Ok(Uniform {
            fft: RealFft2::new(shape)?,
            low: coarse.then(|| LowBand::new(shape)).transpose()?,
            cosines: (0..shape.0).map(|k| F::of(omega(k, shape.0).cos())).collect(),
            params,
        })
    }

    pub(crate) fn scratch(&self) -> UniformScratch<F> {
        let low = |low: &LowBand<F>| {
            let fft = low.transform();
            LowMap { spectrum: fft.spectrum(), map: Array2::zeros(fft.shape()), fft: fft.scratch() }
        };
        let h = self.fft.shape().0;
        UniformScratch {
            reference: self.fft.spectrum(),
            moving: self.fft.spectrum(),
            product: self.fft.spectrum(),
            low: self.low.as_ref().map(low),
            map: None,
            fft: self.fft.scratch(),
            turns: vec![Complex::new(F::zero(), F::zero()); h],
            powers: vec![F::zero(); h],
        }
    }

    /// Whether scratch of the same shape was made for the same search.
    pub(crate) fn fits(&self, scratch: &UniformScratch<F>) -> bool {
        self.low.is_some() == scratch.low.is_some()
    }

    pub(crate) fn shift(
        &self,
        reference: ArrayView2<'_, F>,
        moving: ArrayView2<'_, F>,
        noise: &UniformNoise,
        scratch: &mut UniformScratch<F>,
    ) -> Result<Chi2Shift> {
        let (n, params) = (reference.len(), &self.params);
        let degrees_of_freedom = n as f64 - params.n_fitted();
        let Some(pair) = self.pair([reference.view(), moving.view()], noise, scratch)? else {
            return Ok(Chi2Shift::undetermined());
        };
        let found = self.minima(&pair, scratch)?;
        let Some(&best) = found.first().filter(|_| degrees_of_freedom > 0.0) else {
            return Ok(Chi2Shift::undetermined());
        };
        let [gain, _] = best.nuisance;
        let [f, m] = pair.images.map(|image| image.mean / pair.constant);
        let offset = if params.offset { m - gain * f } else { 0.0 };
        let residuals = self.residuals(&pair, best.shift, gain, scratch);
        let chi2 = residuals[0] + pair.weight * n as f64 * self.mean_residual(&pair, gain).powi(2);
        let lags = [residuals[1] / residuals[2], residuals[3] / residuals[2]];
        let gradient = self.gradient_covariance(&pair, best.shift, gain, noise, scratch)?;
        let wide = params.profile.then(|| Wide::new(self, &scratch.product)).transpose()?;
        Outcome {
            minima: &found,
            chi2,
            degrees_of_freedom,
            nuisance: [gain, offset],
            overlap: n,
            known: noise.known,
            correlated: correlation_is_visible(&lags, n as f64),
            gradient,
            free: self.free(),
        }
        .judged(params, |at| wide.as_ref().map_or(f64::NAN, |wide| pair.chi2(wide.value(at))))
    }

    fn free(&self) -> [bool; 2] {
        let (h, w) = self.fft.shape();
        [h > 1, w > 1]
    }

    /// Transforms both images; None if one is constant.
    fn pair(
        &self,
        images: [ArrayView2<'_, F>; 2],
        noise: &UniformNoise,
        scratch: &mut UniformScratch<F>,
    ) -> Result<Option<UniformPair>> {
        let n = images[0].len() as f64;
        let moments = [Moments::of("reference", images[0])?, Moments::of("moving", images[1])?];
        if moments.iter().any(Moments::is_constant) {
            return Ok(None);
        }
        let UniformScratch { reference, moving, product, fft, .. } = scratch;
        let mut normal = [
            self.transform(images[0], &moments[0], reference, fft)?,
            self.transform(images[1], &moments[1], moving, fft)?,
        ];
        let mut constant = 1.0;
        if let Some(spectrum) = &noise.treatment.whitening {
            let square = moments.iter().map(|m| m.mean.powi(2) + m.deviation.powi(2)).sum::<f64>();
            let response =
                exact_response(spectrum, square, noise.known.then_some(noise.own), F::epsilon().f64());
            constant = response[[0, 0]];
            let response = half_layout(&self.fft, &response);
            for (spectrum, normal) in [&mut *reference, &mut *moving].into_iter().zip(&mut normal) {
                spectrum.iter_mut().zip(&response).for_each(|(v, &r)| *v *= F::of(r));
                normal.mean *= constant;
            }
        }
        let missing = cross_spectrum(&self.fft, reference, moving, product, self.low.as_ref())?;
        // Parseval's theorem: Σ m f = 1/N Σ_k conj(F_k) G_k.
        let weight = 1.0 / (noise.own + noise.behind);
        let powers = [&*reference, moving].map(|of| self.total(|kx| power(self.column(of, kx))));
        let square = |i: usize| weight / (n * normal[i].scale.powi(2)) * powers[i];
        let (ff, mm) = (square(0), square(1));
        // Where an offset is fitted, means have no part in χ².
        let [f, m] = if self.params.offset { [0.0; 2] } else { normal.map(|image| image.mean) };
        let s = weight * n;
        Ok(Some(UniformPair {
            images: normal,
            constant,
            most: (powers[0] * powers[1]).sqrt(),
            model: Model {
                moving: [s, s * m, mm + s * m * m],
                gain: self.params.gain,
                offset: self.params.offset,
            },
            weight,
            unit: weight / (n * normal[0].scale * normal[1].scale),
            pedestal: s * m * f,
            reference: [s * f, ff + s * f * f],
            missing,
        }))
    }

    /// Transforms an image less its mean, over its deviation.
    fn transform(
        &self,
        image: ArrayView2<'_, F>,
        moments: &Moments,
        spectrum: &mut [Complex<F>],
        scratch: &mut RealFft2Scratch<F>,
    ) -> Result<Normal> {
        let (centre, scale) = (F::of(moments.mean), F::of(1.0 / moments.deviation));
        let fill = |y: usize, row: &mut [F]| match image.row(y).to_slice() {
            Some(pixels) => normalise(pixels, centre, scale, row),
            None => row.iter_mut().zip(image.row(y)).for_each(|(out, &v)| *out = (v - centre) * scale),
        };
        self.fft.forward_rows(fill, spectrum, scratch)?;
        spectrum[0] = Complex::new(F::zero(), F::zero());
        Ok(Normal { mean: moments.mean, scale: scale.f64() })
    }

    fn column<'a, T>(&self, spectrum: &'a [T], kx: usize) -> &'a [T] {
        let h = self.fft.shape().0;
        &spectrum[kx * h..(kx + 1) * h]
    }

    /// The sum over all columns of the whole spectrum.
    fn total(&self, column: impl Fn(usize) -> f64) -> f64 {
        (0..self.fft.n_kx()).map(|kx| self.fft.multiplicity(kx) * column(kx)).sum()
    }

    /// The lowest minima of χ², lowest first: maxima of the polynomial.
    fn minima(&self, pair: &UniformPair, scratch: &mut UniformScratch<F>) -> Result<Vec<Minimum>> {
        if let Some(starts) = self.search_low(pair, scratch)? {
            let found = self.refined(pair, &starts, scratch);
            if found.first().is_some_and(|best| best.converged) {
                return Ok(found);
            }
        }
        let UniformScratch { reference, moving, product, map, fft, .. } = scratch;
        let map = map.get_or_insert_with(|| Array2::zeros(self.fft.shape()));
        self.fft.inverse(product, map.view_mut(), fft)?;
        // The transform used the product up.
        cross_spectrum(&self.fft, reference, moving, product, None)?;
        let limit = self.params.max_shift.unwrap_or(f64::INFINITY);
        let allowed = |lag: isize| lag.unsigned_abs() as f64 <= limit;
        let starts = cyclic_maxima(map, F::one(), F::neg_infinity(), allowed, CANDIDATES, |m| m.promise);
        if is_flat(map, pair.most) {
            return Ok(Vec::new());
        }
        Ok(self.refined(pair, &starts, scratch))
    }

    /// Maxima of the polynomial's lower frequencies, a quarter of the work; None if the higher ones could put
    /// the highest elsewhere.
    fn search_low(
        &self,
        pair: &UniformPair,
        scratch: &mut UniformScratch<F>,
    ) -> Result<Option<Vec<CyclicMaximum>>> {
        let (Some(low), Some(LowMap { spectrum, map, fft })) = (&self.low, &mut scratch.low) else {
            return Ok(None);
        };
        low.take(&scratch.product, spectrum)?;
        low.transform().inverse(spectrum, map.view_mut(), fft)?;
        let mut starts = cyclic_maxima(map, F::one(), F::zero(), |_| true, CANDIDATES, |m| m.promise);
        let certain = |first: &&CyclicMaximum| first.value > 0.0 && pair.missing <= 0.5 * first.value;
        if starts.first().filter(certain).is_none() {
            return Ok(None);
        }
        // A few steps on the lower frequencies alone save as many on all.
        low.take(&scratch.product, spectrum)?;
        let mut polynomial = TrigonometricPolynomial::new(low.transform(), spectrum);
        for (i, start) in starts.iter_mut().enumerate() {
            start.promise += pair.missing;
            if i == 0 {
                let top = polynomial.maximum(start.start, 1.0);
                start.start = if top.converged { top.position } else { start.start };
            }
            for axis in 0..2 {
                start.lag[axis] *= low.scale()[axis];
                start.start[axis] *= low.scale()[axis];
            }
        }
        Ok(Some(starts))
    }

    /// The minima that starts lead to, but for hopeless ones.
    fn refined(
        &self,
        pair: &UniformPair,
        starts: &[CyclicMaximum],
        scratch: &UniformScratch<F>,
    ) -> Vec<Minimum> {
        let mut polynomial = TrigonometricPolynomial::new(&self.fft, &scratch.product);
        let mut found: Vec<Minimum> = Vec::new();
        for start in starts {
            let promise = pair.chi2(start.promise);
            if found.iter().any(|m| pair.model.is_hopeless(promise, m.value, self.params.competing)) {
                continue;
            }
            let top = polynomial.maximum(start.start, 1.0);
            let strayed = (0..2).any(|a| (top.position[a] - start.start[a]).abs() > 1.5);
            let product = top.at.value + if top.converged { self.last_rise(&top.at) } else { 0.0 };
            let minimum = Minimum {
                shift: top.position,
                value: pair.chi2(product),
                hessian: pair.derivatives(&top.at).hessian,
                nuisance: pair.model.nuisance(pair.sums(product)),
                converged: top.converged,
            };
            if (top.converged || !strayed) && minimum.value.is_finite() && minimum.is_new(&found) {
                found.push(minimum);
            }
        }
        found.sort_by(|a, b| a.value.total_cmp(&b.value));
        found
    }

    /// By how much the polynomial rises in Newton's last step, `½ gᵀ(−H)⁻¹g`.
    fn last_rise(&self, at: &Derivatives) -> f64 {
        let g = at.gradient;
        let inverse = invert_free(at.hessian.map(|row| row.map(|v| -v)), self.free());
        inverse.map_or(0.0, |i| 0.5 * (0..2).map(|a| g[a] * (i[a][0] * g[0] + i[a][1] * g[1])).sum::<f64>())
    }

    /// `exp(−iω(d))` along y and x.
    fn turns(&self, shift: [f64; 2]) -> [Vec<Complex<f64>>; 2] {
        let (h, w) = self.fft.shape();
        let turns =
            |n: usize, count: usize, d: f64| (0..count).map(|k| Complex::cis(-omega(k, n) * d)).collect();
        [turns(h, h, shift[0]), turns(w, self.fft.n_kx(), shift[1])]
    }

    /// Mean of the residuals that no offset takes out.
    fn mean_residual(&self, pair: &UniformPair, gain: f64) -> f64 {
        let [f, m] = pair.images.map(|image| image.mean);
        if self.params.offset { 0.0 } else { m - gain * f }
    }

    /// Weighted sums over the residuals less their mean, by Parseval's theorem from `e = G − gain F exp(−iωd)`:
    /// of their squares, of their products with the neighbour along y, of their squares with Nyquist frequencies
    /// taken as one wave, and of their products with the neighbour along x.
    ///
    /// Differences of spectra keep the digits that differences of sums would lose.
    fn residuals(
        &self,
        pair: &UniformPair,
        shift: [f64; 2],
        gain: f64,
        scratch: &mut UniformScratch<F>,
    ) -> [f64; 4] {
        let UniformScratch { reference, moving, turns, powers, .. } = scratch;
        let (h, w) = self.fft.shape();
        let [turn_y, turn_x] = self.turns(shift);
        let [f_scale, m_scale] = pair.images.map(|image| image.scale);
        let relative = gain * m_scale / f_scale;
        let narrow = |z: Complex<f64>| Complex::new(F::of(z.re), F::of(z.im));
        turns.iter_mut().zip(&turn_y).for_each(|(t, &exact)| *t = narrow(exact));
        let mut sums = [0.0; 4];
        for kx in 0..self.fft.n_kx() {
            let (f, g) = (self.column(reference, kx), self.column(moving, kx));
            residual_powers(f, g, turns, narrow(turn_x[kx] * relative), powers);
            let unit = self.fft.multiplicity(kx) * pair.weight / ((h * w) as f64 * m_scale * m_scale);
            let total = unit * sum(powers);
            sums[0] += total;
            sums[1] += unit * dot(powers, &self.cosines);
            sums[2] += total;
            sums[3] += total * omega(kx, w).cos();
            // χ² is a polynomial of cos(πd) at Nyquist frequencies, where `e` is one of exp(−iπd).
            let nyquist = |ky: usize| 2 * kx == w || 2 * ky == h;
            for ky in (0..h).filter(|_| 2 * kx == w || h.is_multiple_of(2)).filter(|&ky| nyquist(ky)) {
                let wide = |z: Complex<F>| Complex::new(z.re.f64(), z.im.f64());
                let (f, g) = (wide(f[ky]) * relative, wide(g[ky]));
                let wave = |turn: Complex<f64>, k: usize, n: usize| {
                    if 2 * k == n { turn.re.into() } else { turn }
                };
                let turn = wave(turn_y[ky], ky, h) * wave(turn_x[kx], kx, w);
                let exact = f.norm_sqr() + g.norm_sqr() - 2.0 * (f * turn * g.conj()).re;
                sums[0] += unit * (exact - (g - f * turn_y[ky] * turn_x[kx]).norm_sqr());
            }
        }
        sums
    }

    /// Covariance of half the gradient of χ² under correlated noise; None if noise is taken for white.
    fn gradient_covariance(
        &self,
        pair: &UniformPair,
        shift: [f64; 2],
        gain: f64,
        noise: &UniformNoise,
        scratch: &UniformScratch<F>,
    ) -> Result<Option<[[f64; 2]; 2]>> {
        let correlation = &noise.treatment.correlation;
        if matches!(correlation, Correlation::None) {
            return Ok(None);
        }
        let (h, w) = self.fft.shape();
        let [turn_y, turn_x] = self.turns(shift);
        let root = pair.weight.sqrt();
        let [f_unit, m_unit] = pair.images.map(|image| root / image.scale);
        let wide = |z: Complex<F>, unit: f64| Complex::new(z.re.f64(), z.im.f64()) * unit;
        let f = |kx: usize, ky: usize| wide(scratch.reference[kx * h + ky], gain * f_unit);
        let g = |kx: usize, ky: usize| wide(scratch.moving[kx * h + ky], m_unit);
        let spectrum = |value: &dyn Fn(usize, usize) -> Complex<f64>| -> Vec<Complex<f64>> {
            (0..self.fft.n_kx()).flat_map(|kx| (0..h).map(move |ky| value(kx, ky))).collect()
        };
        // The phase of the slopes is of no account, only that both have the same.
        let e = spectrum(&|kx, ky| g(kx, ky) - f(kx, ky) * turn_y[ky] * turn_x[kx]);
        let along_y = spectrum(&|kx, ky| f(kx, ky) * slope_frequency(ky, h));
        let along_x = spectrum(&|kx, ky| f(kx, ky) * slope_frequency(kx, w));
        let noise = SharedNoise { correlation, known: noise.known };
        let t = [along_y.as_slice(), &along_x];
        spectral_covariance(&RealFft2::new((h, w))?, h.max(w), &e, t, (h * w) as f64, noise)
    }
}

/// The polynomial in double precision, whose rounding stays far below 1 in χ².
struct Wide {
    fft: RealFft2<f64>,
    product: Vec<Complex<f64>>,
}

impl Wide {
    fn new<F: Real>(of: &Uniform<F>, product: &[Complex<F>]) -> Result<Self> {
        let product = product.iter().map(|z| Complex::new(z.re.f64(), z.im.f64())).collect();
        Ok(Wide { fft: RealFft2::new(of.fft.shape())?, product })
    }

    fn value(&self, at: [f64; 2]) -> f64 {
        TrigonometricPolynomial::new(&self.fft, &self.product).evaluate(at).value
    }
}

/// Whether rounding is all that tells one displacement from another, in a map of what may reach `most`.
fn is_flat<F: Real>(map: &Array2<F>, most: f64) -> bool {
    let (mut high, mut low) = (F::neg_infinity(), F::infinity());
    for row in map.rows() {
        let (row_high, row_low) = extremes(row.to_slice().unwrap_or_default());
        (high, low) = (high.max(row_high), low.min(row_low));
    }
    let extent = (high.f64() - low.f64()) / most;
    extent.is_nan() || extent <= 16.0 * F::epsilon().f64().max(1e-13)
}

/// `|g − f t c|²`.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn residual_powers<F: Real>(
    f: &[Complex<F>],
    g: &[Complex<F>],
    t: &[Complex<F>],
    c: Complex<F>,
    powers: &mut [F],
) {
    const LANES: usize = 8;
    let n = powers.len();
    let (f, g, t) = (&f[..n], &g[..n], &t[..n]);
    let whole = n - n % LANES;
    for start in (0..whole).step_by(LANES) {
        for l in 0..LANES {
            powers[start + l] = (g[start + l] - f[start + l] * (t[start + l] * c)).norm_sqr();
        }
    }
    for i in whole..n {
        powers[i] = (g[i] - f[i] * (t[i] * c)).norm_sqr();
    }
}
