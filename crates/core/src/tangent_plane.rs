//! The sky as an image shows it: the gnomonic projection.

use crate::{Error, Result};

/// Which direction on the sky each place of an image shows: a tangent plane (the projection TAN of FITS).
///
/// ```text
/// (ξ, η) = M (r − r₀),   direction = (e + ξ·east + η·north) / |…|
/// ```
///
/// with r = (y, x) px and e the direction of the point of contact, where r₀ lies.
///
/// Source: M. R. Calabretta and E. W. Greisen, Astron. Astrophys. 395, 1077 (2002), section 5.1.3.
///
/// ```
/// use nonius_core::TangentPlane;
/// // North up, east left, 0.2″ per px.
/// let scale = 0.2 / 3600.0;
/// let plane = TangentPlane::new([50.0, 60.0], [150.0, 2.2], [[0.0, -scale], [scale, 0.0]])?;
/// let [ra, dec] = plane.sky([50.0, 55.0]);
/// assert!(ra > 150.0 && (dec - 2.2).abs() < 1e-6);
/// let [y, x] = plane.pixel([ra, dec]).unwrap();
/// assert!((y - 50.0).abs() < 1e-8 && (x - 55.0).abs() < 1e-8);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TangentPlane {
    reference_pixel: [f64; 2],
    frame: Frame,
    /// rad px⁻¹ and its inverse.
    matrix: [[f64; 2]; 2],
    inverse: [[f64; 2]; 2],
}

/// A direction with those of east and north beside it, unit vectors.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Frame {
    towards: [f64; 3],
    east: [f64; 3],
    north: [f64; 3],
}

impl TangentPlane {
    /// The plane that touches the sky at `reference_sky`, (right ascension, declination) in degrees, at the place
    /// `reference_pixel`, (y, x) px from the centre of the first pixel. `matrix`, degrees per px, turns (y, x) into
    /// (east, north).
    ///
    /// # Errors
    /// [`Error::Parameter`] for numbers that are not finite, a declination beyond ±90°, or a matrix that leads to
    /// less than a plane.
    pub fn new(reference_pixel: [f64; 2], reference_sky: [f64; 2], matrix: [[f64; 2]; 2]) -> Result<Self> {
        if let Some(bad) = reference_pixel.iter().chain(&reference_sky).find(|v| !v.is_finite()) {
            return Err(Error::parameter("reference of a tangent plane", "finite", bad));
        }
        if reference_sky[1].abs() > 90.0 {
            return Err(Error::parameter("declination", "−90° to 90°", reference_sky[1]));
        }
        let [[a, b], [c, d]] = matrix.map(|row| row.map(f64::to_radians));
        let determinant = a * d - b * c;
        // Of the same order as the product of its rows' lengths, unless they are parallel.
        let flat = determinant.abs() <= 1e-12 * a.hypot(b) * c.hypot(d);
        let inverse = [[d, -b], [-c, a]].map(|row| row.map(|v| v / determinant));
        if flat || inverse.as_flattened().iter().any(|v| !v.is_finite()) {
            let got = format!("{matrix:?} degrees per px");
            return Err(Error::parameter("matrix of a tangent plane", "finite and invertible", got));
        }
        let frame = Frame::at(reference_sky);
        Ok(TangentPlane { reference_pixel, frame, matrix: [[a, b], [c, d]], inverse })
    }

    /// Right ascension, 0 to 360, and declination, degrees, of a place (y, x) px.
    pub fn sky(&self, place: [f64; 2]) -> [f64; 2] {
        angles(self.direction(place))
    }

    /// Place (y, x) px that shows this right ascension and declination, degrees; None if it is 90° or more from
    /// the point of contact, or not finite.
    pub fn pixel(&self, sky: [f64; 2]) -> Option<[f64; 2]> {
        self.place_of(direction(sky))
    }

    /// The place in `other` that shows what `place` shows here; None if there is none.
    pub fn to_other(&self, other: &TangentPlane, place: [f64; 2]) -> Option<[f64; 2]> {
        other.place_of(self.direction(place))
    }

    /// How far a step of one px along y and along x leads east and north on the sky, at a place (y, x):
    /// `[[dα cos δ / dy, dα cos δ / dx], [dδ / dy, dδ / dx]]`, arcseconds per px.
    pub fn arcsec_per_px(&self, place: [f64; 2]) -> [[f64; 2]; 2] {
        let here = Frame::at(self.sky(place));
        let step = |axis: usize| {
            let [mut before, mut after] = [place; 2];
            before[axis] -= 0.5;
            after[axis] += 0.5;
            let [before, after] =
                [before, after].map(|p| here.on_plane(self.direction(p)).unwrap_or([f64::NAN; 2]));
            [0, 1].map(|i| 3600.0 * (after[i] - before[i]).to_degrees())
        };
        let (y, x) = (step(0), step(1));
        [[y[0], x[0]], [y[1], x[1]]]
    }

    fn direction(&self, place: [f64; 2]) -> [f64; 3] {
        let [xi, eta] = times(self.matrix, [0, 1].map(|i| place[i] - self.reference_pixel[i]));
        let Frame { towards, east, north } = &self.frame;
        let v: [f64; 3] = std::array::from_fn(|i| towards[i] + xi * east[i] + eta * north[i]);
        let length = dot(&v, &v).sqrt();
        v.map(|c| c / length)
    }

    fn place_of(&self, direction: [f64; 3]) -> Option<[f64; 2]> {
        let offset = times(self.inverse, self.frame.on_plane(direction)?);
        Some([0, 1].map(|i| self.reference_pixel[i] + offset[i]))
    }
}

impl Frame {
    fn at(sky: [f64; 2]) -> Self {
        let [(sin_ra, cos_ra), (sin_dec, cos_dec)] = sky.map(|angle| angle.to_radians().sin_cos());
        Frame {
            towards: [cos_dec * cos_ra, cos_dec * sin_ra, sin_dec],
            east: [-sin_ra, cos_ra, 0.0],
            north: [-sin_dec * cos_ra, -sin_dec * sin_ra, cos_dec],
        }
    }

    /// (ξ, η) of a direction; None behind the plane.
    fn on_plane(&self, direction: [f64; 3]) -> Option<[f64; 2]> {
        let depth = dot(&direction, &self.towards);
        (depth > 0.0).then(|| [dot(&direction, &self.east) / depth, dot(&direction, &self.north) / depth])
    }
}

fn direction(sky: [f64; 2]) -> [f64; 3] {
    Frame::at(sky).towards
}

fn angles([x, y, z]: [f64; 3]) -> [f64; 2] {
    [y.atan2(x).to_degrees().rem_euclid(360.0), z.atan2(x.hypot(y)).to_degrees()]
}

fn dot<const N: usize>(a: &[f64; N], b: &[f64; N]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn times(m: [[f64; 2]; 2], v: [f64; 2]) -> [f64; 2] {
    m.map(|row| dot(&row, &v))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_everywhere_on_the_sky() {
        for sky in [[0.0, 0.0], [359.9999, 45.0], [123.0, -89.99], [10.0, 90.0], [200.0, -90.0]] {
            let plane = TangentPlane::new([30.0, 40.0], sky, [[3e-4, -1e-3], [1.1e-3, 2e-4]]).unwrap();
            for place in [[30.0, 40.0], [-500.0, 800.0], [63.5, 0.25]] {
                let back = plane.pixel(plane.sky(place)).unwrap();
                assert!((0..2).all(|a| (back[a] - place[a]).abs() < 1e-8), "{sky:?} {place:?} {back:?}");
                let same = plane.to_other(&plane, place).unwrap();
                assert!((0..2).all(|a| (same[a] - place[a]).abs() < 1e-9), "{sky:?} {place:?} {same:?}");
            }
            assert!(plane.pixel([sky[0] + 180.0, -sky[1]]).is_none());
            assert!(plane.pixel([f64::NAN, 0.0]).is_none());
        }
    }

    #[test]
    fn steps_are_true_angles() {
        let plane = TangentPlane::new([0.0; 2], [150.0, 60.0], [[0.0, -1e-4], [1e-4, 0.0]]).unwrap();
        let [[east_y, east_x], [north_y, north_x]] = plane.arcsec_per_px([0.0; 2]);
        assert!((east_x + 0.36).abs() < 1e-9 && (north_y - 0.36).abs() < 1e-9);
        assert!(east_y.abs() < 1e-9 && north_x.abs() < 1e-9);
        // 5° off, lengths are cos² and cos of the distance.
        let away = plane.arcsec_per_px([5.0_f64.to_radians().tan().to_degrees() / 1e-4, 0.0]);
        let cos = 5.0_f64.to_radians().cos();
        assert!((away[1][0] / 0.36 - cos * cos).abs() < 1e-6, "{away:?}");
        assert!((away[0][1] / -0.36 - cos).abs() < 1e-6, "{away:?}");
    }

    #[test]
    fn what_is_no_plane_is_an_error() {
        let new = |pixel, sky, matrix| TangentPlane::new(pixel, sky, matrix).unwrap_err().to_string();
        let good = [[0.0, -1e-4], [1e-4, 0.0]];
        assert!(new([0.0; 2], [0.0, 91.0], good).contains("declination"));
        assert!(new([f64::NAN, 0.0], [0.0; 2], good).contains("finite"));
        for bad in
            [[[0.0; 2]; 2], [[1e-4, 2e-4], [2e-4, 4e-4]], [[f64::NAN; 2]; 2], [[1e-320, 0.0], [0.0, 1.0]]]
        {
            assert!(new([0.0; 2], [0.0; 2], bad).contains("invertible"), "{bad:?}");
        }
    }
}
