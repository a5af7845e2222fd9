//! The laws of interaction in f64, from evaluated data: one law a file, mass units (cm2/g) at the
//! tissue level. This floor knows no grid, no engine and no file.

/// Evaluated data of the elements 1 to 92, parsed once.
pub mod elements;

/// Sternheimer's oscillators of a tissue and its density effect.
pub mod density_effect;

/// Collision and radiative stopping power, restricted stopping power, ranges, yield.
pub mod stopping_power;

/// Radiative stopping power and the yield of a spectrum.
pub mod bremsstrahlung;

/// Hard knock-ons.
pub mod moller;

/// Elastic transport cross sections and the Wentzel law that meets them.
pub mod elastic;

/// Deflection by inelastic collisions below the cut.
pub mod soft_inelastic;

/// Variance of the loss below the cut.
pub mod straggling;
