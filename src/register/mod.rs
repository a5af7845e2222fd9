//! Registration: where the tissue of one image lies in another.
//!
//! A transform takes a point of the fixed frame to the point of the moving frame where the same tissue lies
//! (`transform`). A metric says how well two images agree under it, with its gradient (`metric`); it looks at points
//! that are always the same (`sample`), on smoothed copies of the images (`pyramid`). `search` descends from several
//! starts; `agreement` asks two halves of the data and the way back; `verdict` refuses what looks wrong.
//!
//! Every sum is taken in fixed blocks of points and added in their order: the result has the same bits on any number of
//! threads. docs/methods/registration.md describes the method and what it was tested on.

/// How far two halves of the data, and the way there and back, agree.
pub mod agreement;
/// A region's motion without its neighbours.
mod apart;
/// Maps of points that bend.
pub mod displacement;
/// Why a registration is refused.
pub mod error;
/// Non-negative least squares.
mod factors;
/// Smoothed values and their gradient at any place.
mod field;
/// What a region and each of its neighbours give to an image.
mod layers;
/// Where points are looked at.
mod mask;
/// How well two images agree under a transform.
pub mod metric;
/// Descent by L-BFGS.
mod optimise;
/// The motion of one region by itself.
mod own;
/// Smoothed, coarser copies.
mod pyramid;
/// Points that are looked at.
mod sample;
/// From two images to a transform.
pub mod search;
/// Two images at all levels.
mod stage;
/// Maps of points between two frames.
pub mod transform;
/// What is refused.
pub mod verdict;

#[cfg(test)]
mod tests;

pub use displacement::{Displacement, DisplacementError, Jacobians};
pub use error::RegisterError;
pub use field::View;
pub use metric::Likeness;
pub use own::{OwnMotions, by_region};
pub use search::{Agreement, Registration, Step, Way, compare, register};
pub use stage::Settings;
pub use transform::{Affine, Kind, TransformError};
