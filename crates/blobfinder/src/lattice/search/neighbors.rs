//! Lattices that contain a lattice or are contained in it.

use crate::lattice::Lattice;

/// Cells of two and three times the area, from every place at which they can start, and of a half and a third of it.
pub(super) fn neighboring_cells(lattice: &Lattice) -> Vec<Lattice> {
    let mut cells = vec![];
    for ratio in [2, 3] {
        for height in 1..=ratio {
            if ratio % height != 0 {
                continue;
            }
            let width = ratio / height;
            // Rows (height, k) and (0, width): every sublattice of index `ratio`, once.
            for k in 0..width {
                let (h, k, w) = (f64::from(height), f64::from(k), f64::from(width));
                let sum = |m: f64, n: f64| [0, 1].map(|x| m * lattice.a[x] + n * lattice.b[x]);
                for i in 0..height {
                    for j in 0..width {
                        let zero = lattice.position([f64::from(i), f64::from(j)]);
                        cells.push(Lattice { zero, a: sum(h, k), b: sum(0.0, w) });
                    }
                }
                // Lattices that contain this one: a = h a', b = k a' + w b'.
                let a = sum(1.0 / h, 0.0);
                cells.push(Lattice { a, b: [0, 1].map(|x| (lattice.b[x] - k * a[x]) / w), ..*lattice });
            }
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_neighbour_has_its_area_and_shares_places() {
        let lattice = Lattice { zero: [3.0, 4.0], a: [10.0, 1.0], b: [-2.0, 12.0] };
        let cells = neighboring_cells(&lattice);
        let ratio = |l: &Lattice| l.signed_area() / lattice.signed_area();
        let count = |r: f64| cells.iter().filter(|l| (ratio(l) - r).abs() < 1e-12).count();
        assert_eq!([count(2.0), count(3.0), count(0.5), count(1.0 / 3.0)], [6, 12, 3, 4]);
        for cell in &cells {
            let (coarse, fine) = if ratio(cell) > 1.0 { (cell, &lattice) } else { (&lattice, cell) };
            for index in [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]] {
                let fractional = fine.indices(coarse.position(index)).unwrap();
                assert!(fractional.iter().all(|f| (f - f.round()).abs() < 1e-9), "{cell:?} {fractional:?}");
            }
        }
        // All different.
        for (k, one) in cells.iter().enumerate() {
            assert!(cells[..k].iter().all(|other| !one.is_equivalent(other, 1e-9)));
        }
    }
}
