//! A scene that has been drawn.

use ndarray::{Array2, ArrayViewMut2};
use nonius_core::{check_shape, fast_length};

use super::field::Field;
use super::motion::Motion;
use super::source::GaussianSource;
use super::{Boundary, Content, ImagePair, ImagePairTruth, SceneParams, population};
use crate::random::{Purpose, stream};
use crate::spectrum::gaussian_response;
use crate::{NoiseParams, Result};

/// A scene that is drawn once and then seen from anywhere.
///
/// ```
/// use nonius_synthetic::{Motion, Scene, SceneParams};
///
/// let scene = Scene::new(&SceneParams::default(), 7)?;
/// let reference = scene.view(&Motion::default())?;
/// let moving = scene.view(&Motion::shift([2.0, -3.0]))?;
/// assert!((moving[[30, 30]] - reference[[28, 33]]).abs() < 1e-12);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Scene {
    params: SceneParams,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    Field(Field),
    Sources(Vec<GaussianSource>),
}

impl Scene {
    /// Draws the scene; the same seed gives the same bits.
    ///
    /// # Errors
    /// Those of [`SceneParams::validate`]; [`Error::Parameter`] if the field has too few pixels, too
    /// large a blur or too low a cutoff to hold any structure.
    ///
    /// [`Error::Parameter`]: nonius_core::Error::Parameter
    pub fn new(params: &SceneParams, seed: u64) -> Result<Self> {
        params.validate()?;
        let mut rng = stream(seed, Purpose::Scene, 0);
        let (margin, window) = (params.margin(), params.shape);
        // The margins that an open field really has are this or a little more, at a quick length.
        let field = match params.boundary {
            Boundary::Periodic => params.shape,
            Boundary::Open { .. } => params.field_shape().map(fast_length),
        };
        let body = match &params.content {
            Content::SmoothField { blur } => {
                let response = |fy, fx| gaussian_response(*blur, fy, fx);
                Body::Field(Field::noise(field, margin, window, &mut rng, response)?)
            }
            Content::Texture { exponent, cutoff } => {
                let response = power_law(*exponent, *cutoff);
                Body::Field(Field::noise(field, margin, window, &mut rng, response)?)
            }
            Content::ExtendedEmission { exponent, cutoff } => {
                let response = power_law(*exponent, *cutoff / 2.0);
                Body::Field(Field::intensity(field, margin, window, &mut rng, response)?)
            }
            Content::Sources { sources } => Body::Sources(sources.clone()),
            Content::IsolatedObject { radius, count } => {
                Body::Sources(population::object(window, *radius, *count, &mut rng))
            }
            Content::SourceField { density, sigma } => {
                Body::Sources(population::field(params.field_shape(), margin, *density, *sigma, &mut rng))
            }
        };
        Ok(Scene { params: params.clone(), body })
    }

    /// What the scene was made from.
    pub fn params(&self) -> &SceneParams {
        &self.params
    }

    /// The clean image whose content is displaced by `motion`: the reference, for no motion.
    ///
    /// # Errors
    /// Those of [`SceneParams::check_motion`].
    pub fn view(&self, motion: &Motion) -> Result<Array2<f64>> {
        let mut image = Array2::zeros(self.params.shape);
        self.view_into(motion, image.view_mut())?;
        Ok(image)
    }

    /// As [`view`](Scene::view), written into `out`.
    ///
    /// # Errors
    /// Those of [`SceneParams::check_motion`]; [`Error::Shape`] if `out` is not of the scene's shape.
    ///
    /// [`Error::Shape`]: nonius_core::Error::Shape
    pub fn view_into(&self, motion: &Motion, mut out: ArrayViewMut2<'_, f64>) -> Result<()> {
        self.params.check_motion(motion)?;
        check_shape("image", &self.params.shape, out.shape())?;
        match &self.body {
            Body::Field(field) => field.view_into(motion.shift, out.view_mut())?,
            Body::Sources(sources) => {
                out.fill(0.0);
                for source in sources {
                    let moved = source.moved(motion, self.params.shape);
                    match self.params.boundary {
                        Boundary::Periodic => moved.paint_periodic(&mut out),
                        Boundary::Open { .. } => moved.paint(&mut out),
                    }
                }
            }
        }
        let (amplitude, background) = (self.params.amplitude, self.params.background);
        out.mapv_inplace(|v| background + amplitude * v);
        Ok(())
    }

    /// The reference and a moved image of this scene, each with noise of its own. Trials with the scene
    /// kept and the noise drawn anew differ in `noise_seed` alone.
    ///
    /// # Errors
    /// Those of [`SceneParams::check_motion`] and [`NoiseParams::add`].
    pub fn pair(
        &self,
        motion: &Motion,
        reference_noise: &NoiseParams,
        moving_noise: &NoiseParams,
        noise_seed: u64,
    ) -> Result<ImagePair> {
        let (reference, moving) = (self.view(&Motion::default())?, self.view(motion)?);
        let streams = [Purpose::ReferenceNoise, Purpose::MovingNoise].map(|p| stream(noise_seed, p, 0));
        let [mut first, mut second] = streams;
        Ok(ImagePair {
            reference: reference_noise.add_from(reference.view(), &mut first)?,
            moving: moving_noise.add_from(moving.view(), &mut second)?,
            truth: ImagePairTruth {
                shift: motion.shift,
                angle: motion.angle,
                scale: motion.scale,
                reference_sigma: reference_noise.sigma_map(reference.view())?,
                moving_sigma: moving_noise.sigma_map(moving.view())?,
                reference,
                moving,
            },
        })
    }
}

/// Amplitude |f|^(−exponent/2) for 0 < |f| < cutoff, the square root of the power.
fn power_law(exponent: f64, cutoff: f64) -> impl Fn(f64, f64) -> f64 {
    move |fy, fx| {
        let f = fy.hypot(fx);
        if f > 0.0 && f < cutoff { f.powf(-exponent / 2.0) } else { 0.0 }
    }
}
