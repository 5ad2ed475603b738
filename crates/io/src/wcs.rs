//! World coordinates in a FITS header.

use nonius_core::TangentPlane;

use crate::header::{Header, Value};
use crate::{Error, Result};

/// The tangent plane that a header's keywords describe, for places (y, x) px from the centre of the first pixel.
///
/// Read are `CTYPE1` and `CTYPE2` (`RA---TAN` and `DEC--TAN`, in any order), `CRPIXn`, `CRVALn`, `LONPOLE`, and
/// `CDi_j`, or else `CDELTn` with `PCi_j` or with `CROTAn`.
///
/// Source: FITS standard 4.0 (Pence et al. 2018), section 8; M. R. Calabretta and E. W. Greisen, Astron. Astrophys.
/// 395, 1077 (2002), sections 2, 5.1.3 and 6.1.
///
/// # Errors
/// [`Error::WorldCoordinates`] names the keyword that is missing or says what is not known here: another
/// projection, a distortion (`TAN-SIP`, `PVi_m`), units other than degrees, a matrix that cannot be inverted.
///
/// ```
/// use nonius_io::{Header, tangent_plane};
/// let mut header = Header::default();
/// for (keyword, value) in [("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN")] {
///     header.push(keyword, value, "");
/// }
/// for (keyword, value) in [("CRPIX1", 32.5), ("CRPIX2", 32.5), ("CRVAL1", 150.0), ("CRVAL2", 2.2)] {
///     header.push(keyword, value, "");
/// }
/// header.push("CDELT1", -1e-4, "");
/// header.push("CDELT2", 1e-4, "");
/// let sky = tangent_plane(&header)?.sky([31.5, 31.5]);
/// assert!((sky[0] - 150.0).abs() < 1e-12 && (sky[1] - 2.2).abs() < 1e-12);
/// # Ok::<(), nonius_io::Error>(())
/// ```
pub fn tangent_plane(header: &Header) -> Result<TangentPlane> {
    let keywords = Keywords(header);
    let types = [keywords.axis_type(1)?, keywords.axis_type(2)?];
    let lon = match types.each_ref().map(String::as_str) {
        ["RA---TAN", "DEC--TAN"] => 0,
        ["DEC--TAN", "RA---TAN"] => 1,
        [one, two] => {
            let problem = format!(
                "CTYPE1 and CTYPE2 are {one:?} and {two:?}; only RA---TAN and DEC--TAN, without distortion, are \
                 known"
            );
            return Err(Error::WorldCoordinates { problem });
        }
    };
    let lat = 1 - lon;
    keywords.check_rest()?;
    let both = |name: &str| -> Result<[Option<f64>; 2]> {
        Ok([keywords.real(&format!("{name}1"))?, keywords.real(&format!("{name}2"))?])
    };
    let value = both("CRVAL")?;
    let [Some(ra), Some(dec)] = [value[lon], value[lat]] else { return Err(missing("CRVAL1 and CRVAL2")) };
    let pixel = both("CRPIX")?;
    let [Some(x), Some(y)] = pixel else { return Err(missing("CRPIX1 and CRPIX2")) };
    let matrix = keywords.matrix(lon)?;
    // Rows of the matrix are east and north; its columns, and places, go y before x, and count from 0.
    let [mut east, mut north] = [matrix[lon], matrix[lat]].map(|[x, y]| [y, x]);
    // The pole of the plane's own coordinates lies at 180° by default, but at 0° where the plane touches a pole.
    let default = if dec >= 90.0 { 0.0 } else { 180.0 };
    let turn = keywords.real("LONPOLE")?.unwrap_or(default) - 180.0;
    if turn != 0.0 {
        let (sin, cos) = turn.to_radians().sin_cos();
        for i in 0..2 {
            (east[i], north[i]) = (cos * east[i] + sin * north[i], cos * north[i] - sin * east[i]);
        }
    }
    TangentPlane::new([y - 1.0, x - 1.0], [ra, dec], [east, north])
        .map_err(|e| Error::WorldCoordinates { problem: e.to_string() })
}

fn missing(what: &str) -> Error {
    Error::WorldCoordinates { problem: format!("the header has no world coordinates: {what} missing") }
}

struct Keywords<'a>(&'a Header);

impl Keywords<'_> {
    fn axis_type(&self, axis: usize) -> Result<String> {
        let keyword = format!("CTYPE{axis}");
        let text = self.0.find(&keyword).and_then(Value::text).map(|t| t.trim().to_string());
        text.filter(|t| !t.is_empty()).ok_or_else(|| missing(&keyword))
    }

    fn real(&self, keyword: &str) -> Result<Option<f64>> {
        match self.0.find(keyword) {
            None | Some(Value::Undefined) => Ok(None),
            Some(value) => match value.real().filter(|v| v.is_finite()) {
                Some(number) => Ok(Some(number)),
                None => {
                    let problem = format!("{keyword} is {value:?}, expected a number");
                    Err(Error::WorldCoordinates { problem })
                }
            },
        }
    }

    /// Units are degrees, and nothing bends the plane.
    fn check_rest(&self) -> Result<()> {
        for keyword in ["CUNIT1", "CUNIT2"] {
            let unit = self.0.find(keyword).and_then(Value::text).unwrap_or("deg").trim();
            if !["deg", ""].contains(&unit) {
                let problem = format!("{keyword} is {unit:?}, expected \"deg\"");
                return Err(Error::WorldCoordinates { problem });
            }
        }
        let bends = |keyword: &str| {
            ["PV1_", "PV2_"].iter().any(|p| {
                keyword
                    .strip_prefix(p)
                    .is_some_and(|m| !m.is_empty() && m.bytes().all(|b| b.is_ascii_digit()))
            })
        };
        match self.0.cards.iter().find(|c| bends(&c.keyword) && c.value.real() != Some(0.0)) {
            Some(card) => {
                let problem =
                    format!("{} is {}: a distortion, which is not known here", card.keyword, card.value);
                Err(Error::WorldCoordinates { problem })
            }
            None => Ok(()),
        }
    }

    /// Degrees per px: row i of world axis i + 1, column j of pixel axis j + 1; `lon` is the row of longitudes.
    fn matrix(&self, lon: usize) -> Result<[[f64; 2]; 2]> {
        let elements = |name: &str| -> Result<[[Option<f64>; 2]; 2]> {
            let at = |i: usize, j: usize| self.real(&format!("{name}{i}_{j}"));
            Ok([[at(1, 1)?, at(1, 2)?], [at(2, 1)?, at(2, 2)?]])
        };
        let given = |m: &[[Option<f64>; 2]; 2]| m.as_flattened().iter().any(Option::is_some);
        let cd = elements("CD")?;
        if given(&cd) {
            return Ok(cd.map(|row| row.map(|v| v.unwrap_or(0.0))));
        }
        let [Some(one), Some(two)] = [self.real("CDELT1")?, self.real("CDELT2")?] else {
            return Err(missing("CDi_j, or CDELT1 and CDELT2,"));
        };
        let step = [one, two];
        let pc = elements("PC")?;
        if given(&pc) {
            let one = |i: usize, j: usize| if i == j { 1.0 } else { 0.0 };
            let at = |i: usize, j: usize| step[i] * pc[i][j].unwrap_or(one(i, j));
            return Ok([[at(0, 0), at(0, 1)], [at(1, 0), at(1, 1)]]);
        }
        let lat = 1 - lon;
        let turn = self.real(&format!("CROTA{}", lat + 1))?.unwrap_or(0.0);
        let (sin, cos) = turn.to_radians().sin_cos();
        let mut matrix = [[0.0; 2]; 2];
        matrix[lon][lon] = cos * step[lon];
        matrix[lon][lat] = -sin * step[lat];
        matrix[lat][lon] = sin * step[lon];
        matrix[lat][lat] = cos * step[lat];
        Ok(matrix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(numbers: &[(&str, f64)], types: [&str; 2]) -> Header {
        let mut header = Header::default();
        header.push("CTYPE1", types[0], "");
        header.push("CTYPE2", types[1], "");
        numbers.iter().for_each(|(keyword, value)| header.push(*keyword, *value, ""));
        header
    }

    const TYPES: [&str; 2] = ["RA---TAN", "DEC--TAN"];

    /// What astropy 8.0.2, `WCS.wcs_pix2world(…, 0)`, says of places (y, x).
    #[track_caller]
    fn check(header: &Header, expected: &[([f64; 2], [f64; 2])]) {
        let plane = tangent_plane(header).unwrap();
        for (place, sky) in expected {
            let found = plane.sky(*place);
            assert!((0..2).all(|a| (found[a] - sky[a]).abs() < 1e-11), "{place:?}: {found:?}, not {sky:?}");
            let back = plane.pixel(*sky).unwrap();
            assert!((0..2).all(|a| (back[a] - place[a]).abs() < 1e-7), "{place:?}: {back:?}");
        }
    }

    #[test]
    fn a_matrix() {
        let numbers = [
            ("CRPIX1", 256.5),
            ("CRPIX2", 128.25),
            ("CRVAL1", 53.1),
            ("CRVAL2", -27.8),
            ("CD1_1", -1.2e-5),
            ("CD1_2", 3e-6),
            ("CD2_1", 2.5e-6),
            ("CD2_2", 1.4e-5),
        ];
        let expected = [
            ([0.0, 0.0], [53.10303455518018, -27.80242021684376]),
            ([100.5, 300.25], [53.09930221030186, -27.800262623246983]),
            ([511.0, 511.0], [53.09783553553342, -27.793988733157693]),
        ];
        check(&header(&numbers, TYPES), &expected);
    }

    #[test]
    fn steps_and_a_matrix_across_the_pole() {
        let numbers = [
            ("CRPIX1", 10.0),
            ("CRPIX2", 20.0),
            ("CRVAL1", 359.999),
            ("CRVAL2", 89.9),
            ("CDELT1", -0.01),
            ("CDELT2", 0.01),
            ("PC1_1", 0.8),
            ("PC1_2", -0.6),
            ("PC2_1", 0.6),
            ("PC2_2", 0.8),
        ];
        let expected = [
            ([0.0, 0.0], [352.18369725822976, 89.69113204024089]),
            ([19.0, 9.0], [359.999, 89.9]),
            ([60.5, 33.0], [171.37882262416474, 89.61971524840789]),
        ];
        check(&header(&numbers, TYPES), &expected);
    }

    #[test]
    fn steps_and_an_angle() {
        let numbers = [
            ("CRPIX1", 10.0),
            ("CRPIX2", 20.0),
            ("CRVAL1", 10.0),
            ("CRVAL2", 41.0),
            ("CDELT1", -0.01),
            ("CDELT2", 0.02),
            ("CROTA2", 30.0),
        ];
        let expected = [
            ([0.0, 0.0], [10.35349886087256, 40.715373510145504]),
            ([40.0, 70.0], [9.020998230875048, 41.054588000489716]),
        ];
        check(&header(&numbers, TYPES), &expected);
    }

    #[test]
    fn declination_may_come_first() {
        let numbers = [
            ("CRPIX1", 10.0),
            ("CRPIX2", 20.0),
            ("CRVAL1", -5.0),
            ("CRVAL2", 200.0),
            ("CD1_1", 1e-4),
            ("CD2_2", -1e-4),
        ];
        let expected = [
            ([0.0, 0.0], [200.00190726031173, -5.000899997243258]),
            ([40.0, 70.0], [199.99789199797706, -4.993899996660216]),
        ];
        check(&header(&numbers, ["DEC--TAN", "RA---TAN"]), &expected);
    }

    #[test]
    fn the_pole_of_the_plane() {
        let base = |lat: f64| {
            vec![
                ("CRPIX1", 10.0),
                ("CRPIX2", 20.0),
                ("CRVAL1", 30.0),
                ("CRVAL2", lat),
                ("CDELT1", -0.01),
                ("CDELT2", 0.01),
            ]
        };
        let expected = [
            ([0.0, 0.0], [235.34617594194668, 89.78976298313036]),
            ([40.0, 70.0], [101.00334584451144, 89.35489161708769]),
        ];
        check(&header(&base(90.0), TYPES), &expected);
        let mut turned = base(20.0);
        turned.push(("LONPOLE", 150.0));
        let expected = [
            ([0.0, 0.0], [30.183901049484216, 19.880360965828523]),
            ([40.0, 70.0], [29.326640029066837, 19.8756003698816]),
        ];
        check(&header(&turned, TYPES), &expected);
        let swapped = [
            ("CRPIX1", 10.0),
            ("CRPIX2", 20.0),
            ("CRVAL1", 20.0),
            ("CRVAL2", 30.0),
            ("CDELT1", 0.01),
            ("CDELT2", -0.02),
            ("CROTA1", 25.0),
        ];
        let expected = [
            ([0.0, 0.0], [30.407173832983208, 20.078560671135662]),
            ([40.0, 70.0], [29.318987717211662, 20.37402176414432]),
        ];
        check(&header(&swapped, ["DEC--TAN", "RA---TAN"]), &expected);
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let numbers = [
            ("CRPIX1", 1.0),
            ("CRPIX2", 1.0),
            ("CRVAL1", 1.0),
            ("CRVAL2", 1.0),
            ("CD1_1", 1e-4),
            ("CD2_2", 1e-4),
        ];
        let message = |header: &Header| tangent_plane(header).unwrap_err().to_string();
        assert!(message(&Header::default()).contains("CTYPE1"));
        for types in [["RA---TAN-SIP", "DEC--TAN-SIP"], ["RA---SIN", "DEC--SIN"], ["GLON-TAN", "GLAT-TAN"]] {
            let said = message(&header(&numbers, types));
            assert!(said.contains("CTYPE1") && said.contains(types[0]), "{said}");
        }
        for (leave_out, name) in [(1, "CRPIX"), (3, "CRVAL"), (4, "invertible")] {
            let mut some = numbers.to_vec();
            some.remove(leave_out);
            let said = message(&header(&some, TYPES));
            assert!(said.contains(name), "{name}: {said}");
        }
        assert!(message(&header(&numbers[..4], TYPES)).contains("CDELT1"));
        for (keyword, value) in [("PV1_1", 1.0), ("CRVAL2", 91.0)] {
            let mut more = vec![(keyword, value)];
            more.extend(numbers);
            let said = message(&header(&more, TYPES));
            assert!(said.contains(keyword) || said.contains("declination"), "{said}");
        }
        for (keyword, value) in [("CUNIT1", "arcsec"), ("CD1_2", "much"), ("LONPOLE", "north")] {
            let mut bad = header(&numbers, TYPES);
            bad.push(keyword, value, "");
            assert!(message(&bad).contains(keyword));
        }
    }
}
