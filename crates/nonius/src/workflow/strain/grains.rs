//! Phases, grains, and strain against a reference for each phase.

use ndarray::{Array1, ArrayD};
use nonius_blobfinder::{Lattice, Strain, StrainAxes, StrainParams, UnimodularBasis, strain};
use nonius_clustering::{Graph, LabelMap, Neighbors, Overlap, merge_rows};
use nonius_core::{Error, Result, check_not_negative, check_shape, median};
use serde::{Deserialize, Serialize};

use super::frames::Region;
use super::{FrameLattices, RegionLattices};

/// What strain is measured against, and which regions are one grain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReferenceParams {
    /// Vectors a and b of the pattern of an unstrained crystal, `[[a_y, a_x], [b_y, b_x]]` px, one pair for each phase.
    /// Regions that suit none belong to no phase. Default: none; regions whose cells are alike are a phase, and their
    /// frames' median cell is its reference, turned as in the largest region.
    pub cells: Vec<[[f64; 2]; 2]>,
    /// Two cells are alike if the strain that makes one of the other is less than this in every component. Default:
    /// 0.04.
    pub phase_tolerance: f64,
    /// Regions of one phase that touch are one grain if their lattices are turned against one another by less than this,
    /// degrees. Default: 3.
    pub grain_tolerance: f64,
    /// Axes along which strain is resolved, in the crystal as it lies in the reference. Default: x and y.
    pub axes: StrainAxes,
}

impl Default for ReferenceParams {
    fn default() -> Self {
        ReferenceParams {
            cells: Vec::new(),
            phase_tolerance: 0.04,
            grain_tolerance: 3.0,
            axes: StrainAxes::default(),
        }
    }
}

impl ReferenceParams {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(&self) -> Result<()> {
        check_not_negative("phase-tolerance", self.phase_tolerance)?;
        check_not_negative("grain-tolerance", self.grain_tolerance)?;
        for [a, b] in &self.cells {
            let lattice = Lattice { zero: [0.0; 2], a: *a, b: *b };
            if lattice.reduced_basis().is_none() {
                let got = format!("a = {a:?}, b = {b:?}");
                return Err(Error::parameter("cells", "pairs of finite vectors that are not parallel", got));
            }
        }
        StrainParams { axes: self.axes, align: false }.validate()
    }
}

/// Regions whose cells are alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// The pattern of the crystal that counts as unstrained and not rotated; its zero is 0.
    pub reference: Lattice,
    /// Labels of its regions, the largest first.
    pub regions: Vec<usize>,
}

/// What a region is a part of.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Member {
    lattice: Lattice,
    phase: usize,
    grain: usize,
    /// Turns its own vectors to those that correspond to the reference's.
    basis: UnimodularBasis,
}

/// Regions sorted into phases and grains.
#[derive(Debug, Clone, PartialEq)]
pub struct Crystals {
    /// The phases, those of given cells in their order, else the one of the largest region first. References of phases
    /// that were not given are those of their largest region.
    pub phases: Vec<Phase>,
    /// Number of grains.
    pub n_grains: usize,
    /// For each region; None without a lattice, or if it suits no given cell.
    members: Vec<Option<Member>>,
}

impl Crystals {
    /// Phase of a region; None without a lattice, or if it suits no given cell.
    pub fn phase_of_region(&self, label: usize) -> Option<usize> {
        Some(self.members.get(label)?.as_ref()?.phase)
    }

    /// Grain of a region, likewise. Grains are numbered by their largest region, the largest first.
    pub fn grain_of_region(&self, label: usize) -> Option<usize> {
        Some(self.members.get(label)?.as_ref()?.grain)
    }

    /// The grains as a map; numbers are those of [`grain_of_region`](Crystals::grain_of_region). Frames of regions without
    /// a grain are noise.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the regions are not those of `labels`.
    pub fn grains(&self, labels: &LabelMap) -> Result<LabelMap> {
        let grain = |label: &Option<usize>| label.and_then(|l| self.grain_of_region(l));
        LabelMap::new(labels.roi().clone(), labels.labels().iter().map(grain).collect())
    }
}

/// Strain and what it was measured against: arrays of the scan's shape, NaN where there is none.
#[derive(Debug, Clone)]
pub struct StrainMaps {
    /// What strain was measured against, for each phase.
    pub references: Vec<Lattice>,
    /// ε_xx of the crystal (real space), along the axes of its phase's reference.
    pub xx: ArrayD<f64>,
    /// ε_yy.
    pub yy: ArrayD<f64>,
    /// ε_xy.
    pub xy: ArrayD<f64>,
    /// Rotation against the reference, rad, from +x towards +y. A lattice turned by 180° is the same: of two rotations the
    /// one nearer to 0 is taken for a grain as a whole.
    pub rotation: ArrayD<f64>,
    /// Standard errors of `(xx, yy, xy, rotation)`, last axis of 4.
    pub errors: ArrayD<f64>,
}

/// Sorts the regions by their lattices into phases, and puts together those that are one grain.
///
/// # Errors
/// [`Error::Parameter`], [`Error::Shape`] unless there is a lattice, or none, for each region.
pub fn find_crystals(
    labels: &LabelMap,
    lattices: &RegionLattices,
    params: &ReferenceParams,
) -> Result<Crystals> {
    params.validate()?;
    check_shape("lattices of regions", &[labels.n_clusters()], &[lattices.regions.len()])?;
    let given = |&[a, b]: &[[f64; 2]; 2]| Lattice { zero: [0.0; 2], a, b };
    let mut references: Vec<Lattice> = params.cells.iter().map(given).collect();
    let sizes = labels.sizes();
    let mut by_size: Vec<usize> = (0..sizes.len()).collect();
    by_size.sort_by_key(|&label| std::cmp::Reverse(sizes[label]));

    let mut members: Vec<Option<Member>> = vec![None; sizes.len()];
    for &label in &by_size {
        let Some(best) = lattices.regions[label].found.first() else { continue };
        let lattice = best.matched.lattice;
        let suits = |(phase, reference): (usize, &Lattice)| {
            orientation(&lattice, reference)
                .filter(|(_, distance)| *distance <= params.phase_tolerance)
                .map(|(basis, distance)| (phase, basis, distance))
        };
        let nearest = references.iter().enumerate().filter_map(suits).min_by(|a, b| a.2.total_cmp(&b.2));
        let (phase, basis) = match nearest {
            Some((phase, basis, _)) => (phase, basis),
            None if params.cells.is_empty() => {
                references.push(Lattice { zero: [0.0; 2], ..lattice });
                (references.len() - 1, UnimodularBasis::SAME)
            }
            None => continue,
        };
        members[label] = Some(Member { lattice, phase, grain: usize::MAX, basis });
    }
    let n_grains = put_together(labels, &by_size, &mut members, params)?;
    let of_phase = |phase: usize| {
        by_size.iter().copied().filter(|&l| members[l].is_some_and(|m| m.phase == phase)).collect()
    };
    let phases = references
        .iter()
        .enumerate()
        .map(|(phase, &reference)| Phase { reference, regions: of_phase(phase) })
        .collect();
    Ok(Crystals { phases, n_grains, members })
}

/// Measures the strain of every frame against its phase's reference.
///
/// References that were not given are replaced by the median cell of the phase's frames.
///
/// # Errors
/// [`Error::Parameter`].
pub fn map_strain(
    scan_shape: &[usize],
    crystals: &Crystals,
    frames: &FrameLattices,
    params: &ReferenceParams,
) -> Result<StrainMaps> {
    params.validate()?;
    let mut references: Vec<Lattice> = crystals.phases.iter().map(|p| p.reference).collect();
    let members: Vec<(&Region, &Member)> = frames
        .regions
        .iter()
        .filter_map(|region| Some((region, crystals.members.get(region.label)?.as_ref()?)))
        .collect();
    if params.cells.is_empty() {
        for (phase, reference) in references.iter_mut().enumerate() {
            *reference = median_cell(&members, phase, reference)?;
        }
    }
    let strains = members
        .iter()
        .map(|(region, member)| strains_of(region, member, &references[member.phase], params.axes))
        .collect::<Result<Vec<Vec<Strain>>>>()?;
    let over = |tail: &[usize], of: &dyn Fn(&Strain) -> Vec<f64>| -> Result<ArrayD<f64>> {
        if members.is_empty() {
            return Ok(ArrayD::from_elem([scan_shape, tail].concat(), f64::NAN));
        }
        let rows = strains.iter().map(|strains| {
            let values: Array1<f64> = strains.iter().flat_map(of).collect();
            let shape = [&[strains.len()], tail].concat();
            values.into_shape_with_order(shape).expect("a row for each frame")
        });
        let rows: Vec<ArrayD<f64>> = rows.collect();
        let parts = members.iter().zip(&rows).map(|((region, _), rows)| (&region.roi, rows.view()));
        Ok(merge_rows(scan_shape, parts, Overlap::Error)?.values)
    };
    Ok(StrainMaps {
        xx: over(&[], &|s| vec![s.xx])?,
        yy: over(&[], &|s| vec![s.yy])?,
        xy: over(&[], &|s| vec![s.xy])?,
        rotation: over(&[], &|s| vec![s.rotation])?,
        errors: over(&[4], &|s| s.errors().to_vec())?,
        references,
    })
}

/// Of all vectors of `lattice`, those that the least strain makes of the reference's, and the greatest component of that
/// strain; of equals, those that are turned least. None if no vectors correspond.
fn orientation(lattice: &Lattice, reference: &Lattice) -> Option<(UnimodularBasis, f64)> {
    const REACH: std::ops::RangeInclusive<i32> = -2..=2;
    // Strains that differ by less are equal: what tells a cell from itself turned by 180° is rounding.
    const EQUAL: f64 = 1e-9;
    let entries = || REACH.flat_map(|i| REACH.map(move |j| [i, j]));
    let bases = entries().flat_map(|u| entries().map(move |v| [u, v]));
    let params = StrainParams { align: false, ..StrainParams::default() };
    let mut best: Option<(UnimodularBasis, f64, f64)> = None;
    for basis in bases.filter_map(|rows| UnimodularBasis::new(rows).ok()) {
        let Ok(found) = strain(&basis.of(lattice), None, reference, &params) else { continue };
        let size = [found.xx, found.yy, found.xy].into_iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        let turned = found.rotation.abs();
        if !size.is_finite() || !found.xx.is_finite() {
            continue;
        }
        let is_better = best.is_none_or(|(_, least, angle)| {
            size < least - EQUAL || (size <= least + EQUAL && turned < angle)
        });
        if is_better {
            best = Some((basis, size, turned));
        }
    }
    best.map(|(basis, size, _)| (basis, size))
}

/// Numbers the grains: touching regions of one crystal, from the largest on. Those that join a larger one take the
/// vectors nearest to its.
fn put_together(
    labels: &LabelMap,
    by_size: &[usize],
    members: &mut [Option<Member>],
    params: &ReferenceParams,
) -> Result<usize> {
    let graph = Graph::grid(labels.roi(), Neighbors::Direct)?;
    let at = |sample: u32| labels.labels()[sample as usize];
    let mut touching: Vec<[usize; 2]> = graph
        .edges()
        .iter()
        .filter_map(|&[i, j]| Some([at(i)?, at(j)?]))
        .filter(|[i, j]| i != j)
        .flat_map(|[i, j]| [[i, j], [j, i]])
        .collect();
    touching.sort_unstable();
    touching.dedup();
    touching.retain(|&[i, j]| match (&members[i], &members[j]) {
        (Some(one), Some(other)) => is_one_crystal(one, other, params),
        _ => false,
    });
    let mut n_grains = 0;
    for &first in by_size {
        let Some(member) = members[first].as_mut().filter(|m| m.grain == usize::MAX) else { continue };
        member.grain = n_grains;
        let mut reached = vec![first];
        while let Some(here) = reached.pop() {
            let Some(joined) = members[here] else { continue };
            let own = joined.basis.of(&joined.lattice);
            for &[_, beside] in touching.iter().filter(|[from, _]| *from == here) {
                let Some(next) = members[beside].as_mut().filter(|m| m.grain == usize::MAX) else { continue };
                next.grain = n_grains;
                next.basis = next.lattice.basis_nearest(&own).unwrap_or(next.basis);
                reached.push(beside);
            }
        }
        n_grains += 1;
    }
    Ok(n_grains)
}

fn is_one_crystal(one: &Member, other: &Member, params: &ReferenceParams) -> bool {
    if one.phase != other.phase {
        return false;
    }
    let reference = Lattice { zero: [0.0; 2], ..one.lattice };
    strain(&other.lattice, None, &reference, &StrainParams::default()).is_ok_and(|found| {
        found.rotation.abs() <= params.grain_tolerance.to_radians()
            && [found.xx, found.yy, found.xy].iter().all(|e| e.abs() <= params.phase_tolerance)
    })
}

/// The reference whose median strain over the frames of a phase is 0: with U of the median strains against `reference`,
/// `G₀ U⁻¹` for the rows a, b.
fn median_cell(members: &[(&Region, &Member)], phase: usize, reference: &Lattice) -> Result<Lattice> {
    let mut all = Vec::new();
    for (region, member) in members.iter().filter(|(_, member)| member.phase == phase) {
        all.extend(strains_of(region, member, reference, StrainAxes::Angle(0.0))?);
    }
    let of = |f: fn(&Strain) -> f64| median(all.iter().map(f));
    let [xx, yy, xy] = [of(|s| s.xx), of(|s| s.yy), of(|s| s.xy)];
    let determinant = (1.0 + xx) * (1.0 + yy) - xy * xy;
    if !determinant.is_finite() || determinant <= 0.0 {
        return Ok(*reference);
    }
    let times_inverse =
        |[y, x]: [f64; 2]| [(y * (1.0 + xx) - x * xy) / determinant, (x * (1.0 + yy) - y * xy) / determinant];
    Ok(Lattice { zero: [0.0; 2], a: times_inverse(reference.a), b: times_inverse(reference.b) })
}

/// Of every frame of a region.
fn strains_of(
    region: &Region,
    member: &Member,
    reference: &Lattice,
    axes: StrainAxes,
) -> Result<Vec<Strain>> {
    // The reference in terms of the region's vectors, so that covariances stay as they are.
    let own = inverse(member.basis).of(reference);
    let axes = match axes {
        StrainAxes::AlongA => StrainAxes::Angle(reference.a[0].atan2(reference.a[1]).to_degrees()),
        given => given,
    };
    let params = StrainParams { axes, align: false };
    let refined = &region.refined;
    (0..region.roi.len())
        .map(|k| {
            let covariance = std::array::from_fn(|i| std::array::from_fn(|j| refined.covariance[[k, i, j]]));
            strain(&refined.lattice(k), Some(&covariance), &own, &params)
        })
        .collect()
}

/// The basis that undoes another.
fn inverse(basis: UnimodularBasis) -> UnimodularBasis {
    let [[a, b], [c, d]] = basis.rows();
    let determinant = a * d - b * c;
    let rows = [[d * determinant, -b * determinant], [-c * determinant, a * determinant]];
    UnimodularBasis::new(rows).expect("as unimodular as the other")
}
