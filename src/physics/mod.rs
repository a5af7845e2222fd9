//! The laws of interaction in f64, from evaluated data: one law a file, mass units (cm2/g) at the
//! tissue level. This module depends on no grid, engine or file.

/// Evaluated data of the elements 1 to 92, parsed once.
pub mod elements;

/// Sternheimer's oscillators of a tissue and its density effect.
pub mod density_effect;

/// Collision and radiative stopping power, restricted stopping power, ranges, yield.
pub mod stopping_power;

/// Radiative stopping power and the yield of a spectrum.
pub mod bremsstrahlung;

pub mod thick_target;

/// Hard knock-ons.
pub mod moller;

/// Elastic transport cross sections and the Wentzel law that meets them.
pub mod elastic;

/// Deflection by inelastic collisions below the cut.
pub mod soft_inelastic;

/// Variance of the loss below the cut.
pub mod straggling;

/// Where a condensed step can end, and the bound of its knock-on cross section.
pub mod step_end;

/// Mass attenuation of tissues, by process.
pub mod photon_xs;

/// Incoherent (bound Compton) scattering.
pub mod compton;

/// Coherent (Rayleigh) scattering.
pub mod rayleigh;

/// Photoelectric absorption, energy transfer, and the fluorescence that is neglected.
pub mod photoelectric;

/// The one packed description of matter that every engine reads.
pub mod tables;
