//! The pages of results: what `report.html` says of a dose, a course, an audit, a comparison.

/// What the pages have in common.
pub mod blocks;

/// The page of a dose.
pub mod dose;

/// The part of the page that an audit adds.
pub mod audit;

/// The page of a course.
pub mod course;

use crate::report::page::viewer::Scale;
use crate::report::page::{Banner, Section};

/// What a request adds to the common output.
#[derive(Default)]
pub struct Further {
    /// Text that follows the table on the terminal.
    pub text: String,
    /// Sections of the report.
    pub sections: Vec<Section>,
    /// Further layers of its slices.
    pub layers: Vec<OwnLayer>,
    /// Title and banner of the report, where they are not those of a dose.
    pub headline: Option<(&'static str, Banner)>,
}

/// A layer of the report's slices with its values.
pub struct OwnLayer {
    /// Name.
    pub name: String,
    /// Unit.
    pub unit: String,
    /// One value a voxel.
    pub values: Vec<f32>,
    /// Scale.
    pub scale: Scale,
}
