//! Activity to decays per voxel, on the grid of the scene.
//!
//! `activity` turns a map in the user's unit into decays and refuses what cannot be one;
//! `regrid` lays decays, labels and CT numbers onto another grid and says what that changed.

/// Units of activity maps, and the map of decays.
pub mod activity;

/// What each region holds per voxel, from an image whose voxels several regions share.
pub mod concentrations;

/// What there is to tell of outlines and image.
pub mod outline_notes;

/// Whether an outline lies where the image has its edge.
pub mod misfit;

/// What several images say together of an outline.
pub mod misfit_series;

/// Decays onto a finer grid, so that they stay with their outline.
pub mod outlines;

/// How much of a voxel lies in each voxel of another grid.
mod overlap;

/// Values brought onto another grid with their sum kept.
pub mod moved;

/// Shares of regions that have moved since they were drawn.
pub mod moved_shares;

/// What regions hold, carried by their own motions.
pub mod carried_parts;

/// Values carried along a map that bends.
pub mod bent;

/// Values of regions that move by themselves.
pub mod pieces;

/// From one grid to another: decays are kept, labels keep their majority, CT numbers their mean.
pub mod regrid;

/// Rims of organs that are hotter than their cores.
pub mod rim;

/// How much of each image voxel lies in each region.
pub mod shares;

pub use activity::{ActivityError, ActivityMap, ActivityUnit, DecayMap};
pub use outlines::OutlineSharing;
pub use regrid::{RegridError, Regridded};
pub use shares::Shares;

/// Sum in the order of the values with Neumaier's compensation: the error stays at one rounding of
/// the result, however many values there are.
///
/// Source: A. Neumaier, Z. Angew. Math. Mech. 54 (1974) 39.
pub fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut total, mut rest) = (0.0f64, 0.0f64);
    for value in values {
        let next = total + value;
        rest += if total.abs() >= value.abs() { (total - next) + value } else { (value - next) + total };
        total = next;
    }
    total + rest
}
