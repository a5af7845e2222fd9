//! Absorbed dose of red marrow, which no image resolves: by spongiosa or by blood, with what is stated and how sure it is.
//!
//! `stated` is a number that the user gives with its uncertainty and source, `spongiosa` how much red marrow a region holds,
//! `self_dose` what its own electrons give, `blood` a curve of blood, `total` the sum with the cross-dose and its uncertainty,
//! `plausible` what was published. Equations: docs/methods/marrow.md.

mod blood;
mod plausible;
mod self_dose;
mod spongiosa;
mod stated;
mod total;

pub use blood::{BloodCurve, BloodPoint, blood_curve};
pub use plausible::{BLOOD_GY_PER_GBQ, IMAGE_GY_PER_GBQ, implausible};
pub use self_dose::{blood_self_dose_gy, self_dose_gy};
pub use spongiosa::{Composition, RED_MARROW_G_CM3};
pub use stated::Stated;
pub use total::{Cause, CauseShare, MarrowBudget, Moved};
