//! Why a registration is refused: no patient's motion explains it, or its own data contradict it.

use super::transform::TransformError;
use crate::fault::{Explained, Fault, FaultKind, explained};
use thiserror::Error;

/// Largest shift of the middle of what is registered, mm: more is another field of view or another patient.
pub const MOST_SHIFT_MM: f64 = 60.0;
/// Largest rotation, degrees.
pub const MOST_ROTATION_DEG: f64 = 20.0;
/// Largest distance between the transforms of two halves of the data, mm.
pub const MOST_APART_MM: f64 = 3.0;

/// Why a registration is refused.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The images have no tissue in common.
    NoOverlap {
        /// Share of the fixed image's points that fall into the moving image.
        share: f64,
    },
    /// An image without contrast where it matters.
    NoContrast {
        /// `fixed` or `moving`.
        image: &'static str,
    },
    /// Regions without a voxel.
    NoRegion,
    /// Values that are not finite.
    NotFinite {
        /// `fixed` or `moving`.
        image: &'static str,
        /// How many.
        count: usize,
    },
    /// Worse than leaving the image where it is.
    WorseThanIdentity {
        /// Metric of the images as they lie (higher is better).
        identity: f64,
        /// Metric of the result.
        result: f64,
    },
    /// Too far.
    TooFar {
        /// Shift of the middle, mm.
        shift_mm: f64,
    },
    /// Turned too much.
    TooTurned {
        /// Angle, degrees.
        rotation_deg: f64,
    },
    /// Two halves of the data disagree.
    HalvesApart {
        /// Distance, mm.
        apart_mm: f64,
    },
    /// Not a transform of a patient.
    Transform(#[from] TransformError),
    /// A grid that cannot be made.
    Grid(#[from] crate::grid::GridError),
}

explained!(RegisterError);

impl Explained for RegisterError {
    fn fault(&self) -> Fault {
        let refused = |field: &str, found: String, allowed: String, next: &str| {
            Fault::invalid("registration", field, found, allowed, next)
        };
        match self {
            Self::NoOverlap { share } => refused(
                "overlap",
                format!("{:.0} % of the fixed image's points inside the moving image", 100.0 * share),
                "25 % or more".into(),
                "Check that both images show the same part of the same patient, in the same frame.",
            )
            .kind(FaultKind::Mismatch),
            Self::NoContrast { image } => refused(
                &format!("{image} image"),
                "one value everywhere where it is looked at".into(),
                "an image with contrast".into(),
                "Check that this is the image that is meant, and that the regions lie in it.",
            ),
            Self::NoRegion => refused(
                "regions",
                "no voxel of a region".into(),
                "regions inside the fixed image".into(),
                "Check that the regions belong to the fixed image.",
            ),
            Self::NotFinite { image, count } => refused(
                &format!("{image} image"),
                format!("{count} values that are NaN or infinite"),
                "finite numbers".into(),
                "Set these voxels to a true value first.",
            ),
            Self::WorseThanIdentity { identity, result } => refused(
                "agreement",
                format!("{result:.5}, worse than the {identity:.5} of the images as they lie"),
                "a result that agrees better".into(),
                "The images may agree already, or have too little in common: look at before and after, or give the \
                 transform.",
            ),
            Self::TooFar { shift_mm } => refused(
                "shift",
                format!("{shift_mm:.1} mm"),
                format!("at most {MOST_SHIFT_MM} mm"),
                "Check that both images show the same part of the same patient; give the transform if they do.",
            ),
            Self::TooTurned { rotation_deg } => refused(
                "rotation",
                format!("{rotation_deg:.1} degrees"),
                format!("at most {MOST_ROTATION_DEG} degrees"),
                "Check that both images show the same patient in the same position; give the transform if they do.",
            ),
            Self::HalvesApart { apart_mm } => refused(
                "two halves of the data",
                format!("transforms {apart_mm:.1} mm apart"),
                format!("at most {MOST_APART_MM} mm"),
                "The images do not settle the motion: restrict it to regions with contrast, or give the transform.",
            ),
            Self::Transform(error) => error.fault().place("registration"),
            Self::Grid(error) => error.fault(),
        }
    }
}
