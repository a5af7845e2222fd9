//! How sure a dose is, by source: sources with their size, kind and origin, carried to doses, BED and limits.
//!
//! `part` says what a source is, `chain` what an outline does to counts, recovery and mass (EANM guidance), `first_order`
//! adds variances, `draws` carries seeded draws through time-activity curves and a patient's own S matrix to doses and BED;
//! `improve` ranks what would help, `of_dose` is what a result says. Both ways are computed and must agree where uncertainties are small. This module knows
//! neither images nor files. Equations: docs/methods/uncertainty.md.

pub mod chain;
pub mod draws;
mod first_order;
mod improve;
mod of_dose;
mod part;
mod patient;

pub use first_order::{Shares, first_order};
pub use improve::{Gain, ScanGain, best_scan, improve};
pub use of_dose::{
    DoseBudget, DrawnDose, SourceShare, WITHIN_95, at_least, holes as holes_of_dose, in_words, of_decay_data,
    of_density, of_transport,
};
pub use part::{Kind, NEEDED, Origin, Part, Source, activity_rel_sigma, missing, random_and_common};
pub use patient::{Cycle, Patient, Region, Reintegrate, Response};

#[cfg(test)]
mod tests;
