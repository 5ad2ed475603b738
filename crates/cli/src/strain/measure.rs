//! The stages, one after the other.

use std::path::Path;

use anyhow::{Context, Result};
use nonius::clustering::{Cut, Numbering};
use nonius::workflow::strain::{
    Regions, StrainResult, SuperlatticeMaps, deviation, find_crystals, find_lattices, find_regions,
    find_spots, map_strain, measure_superlattice, refine_frames, settle_boundaries,
};

use super::args::{Stage, StrainConfig};
use super::result::{Clustered, Strained};
use super::{maps, resume};
use crate::output::check_folder;
use crate::scan;
use crate::session::Session;

/// All that was measured.
pub(super) struct Measured {
    pub(super) stages: StrainResult,
    pub(super) superlattice: Option<SuperlatticeMaps>,
}

pub(crate) fn strain(
    session: &Session,
    config: &StrainConfig,
    text: &str,
    resumed: Option<(String, Stage)>,
    out: Option<&Path>,
) -> Result<Strained> {
    if let Some(out) = out {
        check_folder("--out", out)?;
    }
    let params = &config.workflow;
    params.validate()?;
    config.frame_pictures.validate()?;
    let file = scan::open(text, &config.scan)?;
    let selection = scan::select(&file.scan, config.roi.as_deref())?;
    let named = |e: nonius::Error| match e {
        nonius::Error::Frame { .. } => anyhow::anyhow!("{text}: {e}"),
        e => e.into(),
    };

    let (mut earlier, from) = match resumed {
        Some((path, from)) => (Some(resume::read(&path, &selection)?), from),
        None => (None, Stage::Spots),
    };
    let deviation = match &earlier {
        Some(earlier) => earlier.deviation.clone(),
        None => deviation(&selection, &params.pass, session).map_err(named)?,
    };
    let spots = match &mut earlier {
        Some(earlier) if from != Stage::Spots => std::mem::take(&mut earlier.spots),
        _ => find_spots(&deviation, &params.spots)?,
    };
    if spots.is_empty() {
        anyhow::bail!(
            "{text}: nothing changes over the scan: its standard deviation has no maximum that could be a spot"
        );
    }
    let regions = match earlier.filter(|_| from == Stage::Lattices) {
        Some(earlier) => Regions {
            spots,
            dead_features: Vec::new(),
            bad_frames: Vec::new(),
            tree: None,
            labels: earlier.labels,
        },
        None => find_regions(&selection, spots, &params.regions, &params.pass, session).map_err(named)?,
    };
    let lattices =
        find_lattices(&selection, &regions.labels, &deviation, &params.lattices, &params.pass, session)
            .map_err(named)?;
    let crystals = find_crystals(&regions.labels, &lattices, &params.reference)?;
    let labels = settle_boundaries(
        &selection,
        &regions,
        &crystals,
        &params.boundaries,
        &params.regions,
        &params.pass,
        session,
    )
    .map_err(named)?;
    let grains = crystals.grains(&labels)?;
    let frames = refine_frames(&selection, &labels, &lattices, &params.frames, &params.pass, session)
        .map_err(named)?;
    let strain = map_strain(selection.scan().shape(), &crystals, &frames, &params.reference)?;
    let superlattice = match &config.superlattice[..] {
        [] => None,
        offsets => Some(
            measure_superlattice(&selection, &frames, offsets, &params.frames, &params.pass, session)
                .map_err(named)?,
        ),
    };
    session.check_cancelled()?;

    let stages = StrainResult { deviation, regions, lattices, crystals, labels, grains, frames, strain };
    let measured = Measured { stages, superlattice };
    let mut found = Strained::new(text, &file, &selection, &measured);
    if let Some(out) = out {
        let written = || format!("--out {}", out.display());
        let maps = maps::of(&measured, &selection);
        found.write(out, config, &selection, &measured, &maps).with_context(written)?;
        if config.pictures {
            found.pictures = maps::draw(out, text, &selection, &measured, &maps).with_context(written)?;
        }
        if config.report {
            let report = maps::report(session, out, text, config, &selection, &measured, &maps, &found);
            found.report = report.with_context(written)?;
        }
    }
    Ok(found)
}

/// Spots, features and regions alone.
pub(super) fn cluster(session: &Session, config: &StrainConfig, text: &str) -> Result<Clustered> {
    if let Some(out) = &session.out {
        check_folder("--out", out)?;
    }
    let params = &config.workflow;
    params.validate()?;
    let file = scan::open(text, &config.scan)?;
    let selection = scan::select(&file.scan, config.roi.as_deref())?;
    let named = |e: nonius::Error| match e {
        nonius::Error::Frame { .. } => anyhow::anyhow!("{text}: {e}"),
        e => e.into(),
    };
    let deviation = deviation(&selection, &params.pass, session).map_err(named)?;
    let spots = find_spots(&deviation, &params.spots)?;
    if spots.is_empty() {
        anyhow::bail!(
            "{text}: nothing changes over the scan: its standard deviation has no maximum that could be a spot"
        );
    }
    let regions = find_regions(&selection, spots, &params.regions, &params.pass, session).map_err(named)?;
    session.check_cancelled()?;
    let mut found = Clustered::new(text, &file, &selection, &regions);
    if let Some(out) = &session.out {
        let written = || format!("--out {}", out.display());
        found.write(out, config, &selection, &deviation, &regions).with_context(written)?;
        if config.pictures {
            found.pictures =
                maps::draw_regions(out, text, &selection, &deviation, &regions).with_context(written)?;
        }
    }
    Ok(found)
}

/// Ward distances of the last mergers, the last first: where they jump is a natural number of regions.
pub(super) fn last_distances(regions: &Regions, n: usize) -> Vec<f64> {
    let distances = regions.tree.as_ref().map_or(&[][..], |tree| tree.distances());
    distances.iter().rev().take(n).copied().collect()
}

/// Number of regions that the jump of Ward distances suggests.
pub(super) fn suggested(regions: &Regions) -> Option<usize> {
    let tree = regions.tree.as_ref()?;
    tree.labels(Cut::Clusters(1), Numbering::Canonical).ok()?;
    nonius::clustering::suggest_clusters(tree, 100.min(tree.n_samples())).ok()??.n_clusters.into()
}
