//! The projector and its exact transpose.

mod adjoint;
mod forward;
mod rays;
pub(crate) mod samples;
pub(crate) mod shifted;
mod span;

use std::marker::PhantomData;

use ndarray::{Array3, ArrayView4, ArrayViewMut4, Axis};
use nonius_core::tilt_series::{Geometry, View, check_rotation};
use nonius_core::{Error, Real, Result, check_shape};
use rayon::prelude::*;

use adjoint::Image;
use forward::Volume;
use rays::Rays;

/// Rows of an image, or columns of the volume, that one task computes: small enough for the first cache.
const BLOCK: usize = 16;

/// Line integrals of a volume by Joseph's method, and their exact transpose.
///
/// With a₀ the axis along which the beam p runs most (the first of equals), `s₁ = p[a₁]/p[a₀]`,
/// `s₂ = p[a₂]/p[a₀]`, the ray of pixel (a, b) takes one sample in every slice n across a₀:
///
/// ```text
/// P(a, b) = √(1 + s₁² + s₂²) Σₙ Σ over 4 neighbours of Λ(q₁ − m₁) Λ(q₂ − m₂) f[n, m₁, m₂],   Λ(u) = max(0, 1 − |u|)
/// ```
///
/// at the fractional voxel indices q where the ray crosses the middle of the slice; f is 0 outside the volume.
/// Axes, signs and offsets: [`nonius_core::tilt_series`].
///
/// Volumes are `(X, Y, Z, C)`, images `(N, J, K, C)` with any number C of channels; both are fastest in C order,
/// for which nothing is allocated (others are copied first). Results are the same bits for any number of threads.
/// Views turned about z whose k is z take a fast path.
///
/// # Source
/// P. M. Joseph, *An improved algorithm for reprojecting rays through pixel images*, IEEE Trans. Med. Imaging 1
/// (1982) 192–196.
///
/// # Example
/// A voxel of 2 in the middle of a volume, seen along y:
/// ```
/// use nonius_tomography::{Geometry, Projector};
/// use ndarray::Array4;
/// let geometry = Geometry::single_axis([0.0, 0.0, 1.0].into(), &[0.0], [3, 3], [3, 3, 3])?;
/// let projector = Projector::<f64>::new(&geometry)?;
/// let mut volume = Array4::zeros((3, 3, 3, 1));
/// volume[[1, 1, 1, 0]] = 2.0;
/// let mut images = Array4::zeros((1, 3, 3, 1));
/// projector.forward(volume.view(), None, images.view_mut())?;
/// assert_eq!(images[[0, 1, 1, 0]], 2.0);
/// assert_eq!(images.sum(), 2.0);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Projector<F> {
    geometry: Geometry,
    rays: Vec<Rays>,
    scalar: PhantomData<F>,
}

impl<F: Real> Projector<F> {
    /// The projector of a series.
    ///
    /// # Errors
    /// What [`Geometry::validate`] finds.
    pub fn new(geometry: &Geometry) -> Result<Self> {
        geometry.validate()?;
        let (volume_shape, projection_shape) = (geometry.volume_shape, geometry.projection_shape);
        let rays = |view| Rays::new(&geometry.laboratory, view, projection_shape, volume_shape);
        Ok(Projector {
            geometry: geometry.clone(),
            rays: geometry.views.iter().map(rays).collect(),
            scalar: PhantomData,
        })
    }

    /// What it was made from, with the offsets and rotations set since.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Number of views.
    pub fn len(&self) -> usize {
        self.rays.len()
    }

    /// True without any view; no projector is.
    pub fn is_empty(&self) -> bool {
        self.rays.is_empty()
    }

    /// Shape (X, Y, Z) of the volume.
    pub fn volume_shape(&self) -> [usize; 3] {
        self.geometry.volume_shape
    }

    /// Shape (N, J, K) of the images.
    pub fn stack_shape(&self) -> [usize; 3] {
        self.geometry.stack_shape()
    }

    /// Takes new `[j, k]` offsets, px, one per view. Costs nothing beside a projection.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one per view; [`Error::Frame`] with the view whose offset is not finite.
    /// The projector is then unchanged.
    pub fn set_offsets(&mut self, offsets: &[[f64; 2]]) -> Result<()> {
        check_shape("offsets", &[self.len(), 2], &[offsets.len(), 2])?;
        for (index, offset) in offsets.iter().enumerate() {
            check_offset(index, offset)?;
        }
        for ((rays, view), offset) in self.rays.iter_mut().zip(&mut self.geometry.views).zip(offsets) {
            rays.set_offset(*offset);
            [view.j_offset, view.k_offset] = *offset;
        }
        Ok(())
    }

    /// Takes the rotation and the offsets of view `index` from `view`.
    ///
    /// # Errors
    /// [`Error::Parameter`] if there is no such view; [`Error::Frame`] if its rotation or offset is wrong.
    pub fn set_view(&mut self, index: usize, view: &View) -> Result<()> {
        if index >= self.len() {
            return Err(Error::parameter("index", "the index of a view", index));
        }
        check_rotation("rotation", &view.rotation)
            .map_err(|error| Error::Frame { index, reason: error.to_string() })?;
        check_offset(index, &[view.j_offset, view.k_offset])?;
        let Geometry { laboratory, projection_shape, volume_shape, .. } = &self.geometry;
        self.rays[index] = Rays::new(laboratory, view, *projection_shape, *volume_shape);
        self.geometry.views[index] = *view;
        Ok(())
    }

    /// `out = A volume`: the images of `views`, in that order, or of all. `out` is overwritten.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `volume` is `(X, Y, Z, C)` and `out` `(views, J, K, C)`; [`Error::Parameter`] for
    /// a view that is not there.
    pub fn forward(
        &self,
        volume: ArrayView4<'_, F>,
        views: Option<&[usize]>,
        mut out: ArrayViewMut4<'_, F>,
    ) -> Result<()> {
        let channels = volume.dim().3;
        self.check(volume.shape(), views, out.shape(), channels)?;
        let contiguous = volume.as_standard_layout();
        let [_, y, z] = self.geometry.volume_shape;
        let volume = Volume {
            data: contiguous.as_slice().unwrap_or_default(),
            shape: self.geometry.volume_shape,
            strides: [y * z * channels, z * channels, channels],
            channels,
        };
        let Some(slice) = out.as_slice_mut() else {
            let mut copy = out.to_owned();
            copy = copy.as_standard_layout().into_owned();
            self.forward(contiguous.view(), views, copy.view_mut())?;
            out.assign(&copy);
            return Ok(());
        };
        let [n_j, n_k] = self.geometry.projection_shape;
        let width = n_k * channels;
        let images = slice.par_chunks_mut(n_j * width).enumerate();
        images
            .flat_map(|(i, image)| {
                image.par_chunks_mut(BLOCK * width).enumerate().map(move |(block, rows)| (i, block, rows))
            })
            .for_each(|(i, block, rows)| {
                let rays = &self.rays[views.map_or(i, |views| views[i])];
                forward::forward_rows(rays, &volume, block * BLOCK, n_k, rows);
            });
        Ok(())
    }

    /// `out = Aᵀ stack`, the exact transpose of [`forward`](Self::forward) with the same views. `out` is
    /// overwritten.
    ///
    /// # Errors
    /// As of [`forward`](Self::forward), with `stack` `(views, J, K, C)` and `out` `(X, Y, Z, C)`.
    pub fn adjoint(
        &self,
        stack: ArrayView4<'_, F>,
        views: Option<&[usize]>,
        mut out: ArrayViewMut4<'_, F>,
    ) -> Result<()> {
        let channels = stack.dim().3;
        self.check(out.shape(), views, stack.shape(), channels)?;
        let contiguous = stack.as_standard_layout();
        let data = contiguous.as_slice().unwrap_or_default();
        let Some(slice) = out.as_slice_mut() else {
            let mut copy = out.to_owned();
            copy = copy.as_standard_layout().into_owned();
            self.adjoint(contiguous.view(), views, copy.view_mut())?;
            out.assign(&copy);
            return Ok(());
        };
        let [_, n_y, n_z] = self.geometry.volume_shape;
        let [n_j, n_k] = self.geometry.projection_shape;
        let (height, size) = (n_z * channels, n_j * n_k * channels);
        let slabs = slice.par_chunks_mut(n_y * height).enumerate();
        slabs
            .flat_map(|(x, slab)| {
                slab.par_chunks_mut(BLOCK * height)
                    .enumerate()
                    .map(move |(block, columns)| (x, block, columns))
            })
            .for_each(|(x, block, columns)| {
                columns.fill(F::zero());
                for (i, data) in data.chunks_exact(size).enumerate() {
                    let rays = &self.rays[views.map_or(i, |views| views[i])];
                    let image = Image { data, shape: self.geometry.projection_shape, channels };
                    for (y, column) in columns.chunks_exact_mut(height).enumerate() {
                        adjoint::add_column(rays, &image, [x, block * BLOCK + y], column);
                    }
                }
            });
        Ok(())
    }

    /// `A 1`, the length of every ray within the volume, `(N, J, K)`.
    pub fn row_sums(&self) -> Array3<F> {
        let [x, y, z] = self.geometry.volume_shape;
        let ones = ndarray::Array4::from_elem((x, y, z, 1), F::one());
        let [n, j, k] = self.stack_shape();
        let mut sums = ndarray::Array4::zeros((n, j, k, 1));
        self.forward(ones.view(), None, sums.view_mut()).expect("shapes are its own");
        sums.remove_axis(Axis(3))
    }

    /// `Aᵀ 1`, the length of all rays within every voxel, `(X, Y, Z)`.
    pub fn col_sums(&self) -> Array3<F> {
        let [n, j, k] = self.stack_shape();
        let ones = ndarray::Array4::from_elem((n, j, k, 1), F::one());
        let [x, y, z] = self.geometry.volume_shape;
        let mut sums = ndarray::Array4::zeros((x, y, z, 1));
        self.adjoint(ones.view(), None, sums.view_mut()).expect("shapes are its own");
        sums.remove_axis(Axis(3))
    }

    fn check(
        &self,
        volume: &[usize],
        views: Option<&[usize]>,
        stack: &[usize],
        channels: usize,
    ) -> Result<()> {
        if let Some(missing) = views.and_then(|views| views.iter().find(|view| **view >= self.len())) {
            return Err(Error::parameter("views", "indices of views", missing));
        }
        let [x, y, z] = self.geometry.volume_shape;
        let [j, k] = self.geometry.projection_shape;
        let n = views.map_or(self.len(), <[usize]>::len);
        // Without a channel nothing would be computed: asked for as one.
        check_shape("volume", &[x, y, z, channels.max(1)], volume)?;
        check_shape("images", &[n, j, k, channels.max(1)], stack)
    }
}

fn check_offset(index: usize, offset: &[f64; 2]) -> Result<()> {
    for (name, offset) in ["j_offset", "k_offset"].into_iter().zip(offset) {
        if !offset.is_finite() {
            let reason = Error::parameter(name, "finite", offset).to_string();
            return Err(Error::Frame { index, reason });
        }
    }
    Ok(())
}
