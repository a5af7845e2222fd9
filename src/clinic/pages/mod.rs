//! Report pages: `report.html` of a dose, a course, an audit, a comparison.

/// Common parts of the pages.
pub mod blocks;

/// The page of a dose.
pub mod dose;

/// The part of the page that an audit adds.
pub mod audit;

/// The part of a page on motion.
pub mod motion;

/// The page of a registration.
pub mod register;

/// The page of a course.
pub mod course;

mod uncertainty;

use crate::report::page::viewer::Scale;
use crate::report::page::{Banner, Section};

/// Additions of a request to the common output.
#[derive(Default)]
pub struct Further {
    /// Text that follows the table on the terminal.
    pub text: String,
    /// Sections of the report.
    pub sections: Vec<Section>,
    /// Further layers of its slices.
    pub layers: Vec<OwnLayer>,
    /// Title and banner of the report, if they differ from those of a dose.
    pub headline: Option<(&'static str, Banner)>,
}

/// A layer of the report's slices with its values.
pub struct OwnLayer {
    /// Name.
    pub name: String,
    /// Unit.
    pub unit: String,
    /// One value per voxel.
    pub values: Vec<f32>,
    /// Scale.
    pub scale: Scale,
}
