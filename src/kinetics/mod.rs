//! Kinetics with a memory: curves whose parameters are drawn from a population, then for each patient, then for each cycle.
//!
//!   b_patient = mu + eta_patient,   k_cycle = b_patient + eta_cycle         [methods/kinetics.md eq. 1]
//!
//! in logarithms of half-lives. A prior file holds mu and the two spreads of an organ; one to some scans of this and
//! of the patient's earlier cycles make it a posterior: its maximum (`posterior`), the covariance there (Laplace), and a
//! check of both by sampling (`sampled`). `learn` estimates a prior from finished courses, `plan` ranks times of scans.
//! This module knows neither images nor files.

mod curve;
pub mod learn;
pub mod plan;
mod posterior;
mod prior;
mod sampled;

pub use curve::{Shape, Term};
pub use posterior::{Posterior, Scan, fit};
pub use prior::{BUILT_IN, OrganPrior, Prior, UPTAKE};
pub use sampled::{Sampled, sample};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_sampled;
