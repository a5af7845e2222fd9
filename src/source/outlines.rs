//! Decays onto a finer grid, so that they stay with their outline.
//!
//! Spread evenly, the decays of an image voxel across the edge of an organ fall on both sides of it. Here they are
//! divided among the voxels under it in proportion to volume times the mean of the voxel's region
//! (`source/concentrations.rs`); the image voxel keeps its decays. A voxel that one region fills is spread evenly.

use super::DecayMap;
use super::concentrations::Concentrations;
use super::overlap::each_overlap;
use super::regrid::{RegridError, Regridded, beyond, redistribute, settle};
use super::shares::Shares;
use crate::fault::{Fault, FaultKind, Setting};
use crate::grid::Volume;
use serde::Deserialize;
use std::str::FromStr;

/// Whether an image voxel that several outlines share is divided among them by what they hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutlineSharing {
    /// Divided by share and mean concentration.
    #[default]
    On,
    /// Measured by majority, laid down by volume alone.
    Off,
}

impl OutlineSharing {
    /// The names that a user may give.
    pub const CHOICES: &str = "on or off";

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

impl FromStr for OutlineSharing {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        [Self::On, Self::Off].into_iter().find(|choice| choice.name() == text).ok_or_else(|| {
            let next = "Leave it out to keep decays inside their outlines.";
            Fault::invalid(Setting::OutlineSharing, "", format!("\"{text}\""), Self::CHOICES, next)
                .kind(FaultKind::Unknown)
        })
    }
}

/// Decays on the outlines' grid, and by what they were divided.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlined {
    /// The decays on the grid of the outlines.
    pub regridded: Regridded,
    /// The regions' shares of the image's voxels.
    pub shares: Shares,
    /// The regions' means in these voxels.
    pub concentrations: Concentrations,
}

/// Lays decays onto the grid of a label map within the outlines. Each image voxel keeps its decays, but for what lies
/// outside the grid: that part is lost by volume, as in [`redistribute`], since nothing is known of it.
///
/// Errors: those of [`redistribute`].
pub fn redistribute_within(decays: &DecayMap, labels: &Volume<u16>) -> Result<Outlined, RegridError> {
    let (from, target) = (decays.grid(), &labels.grid);
    if from.same_as(target) {
        let regridded = redistribute(decays, target)?;
        let shares = Shares::whole(&labels.data);
        let concentrations = Concentrations::of(&decays.decays().data, &shares);
        return Ok(Outlined { regridded, shares, concentrations });
    }
    let values = &decays.decays().data;
    let shares = Shares::inside(labels, from)?;
    let concentrations = Concentrations::of(values, &shares);
    let mut mean_of = vec![0.0; 1 << 16];
    shares.labels().iter().zip(&concentrations.means).for_each(|(&label, &mean)| mean_of[usize::from(label)] = mean);
    let mut out = Volume::filled(target.clone(), 0.0);
    let mut outside = Vec::new();
    each_overlap(
        from,
        target,
        |index| values[index] > 0.0,
        |index, overlaps| {
            let inside: f64 = overlaps.iter().map(|(_, share)| share).sum();
            let weigh = |voxel: usize| mean_of[usize::from(labels.data[voxel])];
            let weighed: f64 = overlaps.iter().map(|&(voxel, share)| share * weigh(voxel)).sum();
            let one = shares.owner(index).is_some();
            for &(voxel, share) in overlaps {
                // where no region holds anything, volume decides
                let even = one || weighed <= 0.0;
                out.data[voxel] += values[index] * if even { share } else { inside * share * weigh(voxel) / weighed };
            }
            outside.extend(beyond(values[index], inside));
        },
    );
    let regridded = settle(decays, out, outside)?;
    Ok(Outlined { regridded, shares, concentrations })
}
