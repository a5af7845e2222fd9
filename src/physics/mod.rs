//! The laws of interaction in f64, from evaluated data: one law a file, mass units (cm2/g) at the
//! tissue level. This floor knows no grid, no engine and no file.

/// Evaluated data of the elements 1 to 92, parsed once.
pub mod elements;

/// Mass attenuation of tissues, by process.
pub mod photon_xs;

/// Incoherent (bound Compton) scattering.
pub mod compton;

/// Coherent (Rayleigh) scattering.
pub mod rayleigh;

/// Photoelectric absorption, energy transfer, and the fluorescence that is neglected.
pub mod photoelectric;

/// Gauss-Legendre integration on panels.
mod quadrature;
