//! Physical constants (CODATA 2018 unless said otherwise) and unit conversions.
//!
//! Interior units: keV, mm, g/cm3, g/cm2 (areal density), decays, h, Gy.

/// Electron rest energy, keV (CODATA 2018).
pub const ELECTRON_REST_KEV: f64 = 510.998_95;
/// Classical electron radius, cm (CODATA 2018).
pub const CLASSICAL_ELECTRON_RADIUS_CM: f64 = 2.817_940_326_2e-13;
/// Avogadro constant, 1/mol (exact, SI 2019).
pub const AVOGADRO_PER_MOL: f64 = 6.022_140_76e23;
/// Fine-structure constant (CODATA 2018).
pub const FINE_STRUCTURE: f64 = 7.297_352_569_3e-3;
/// Planck constant times speed of light, keV Angstrom (CODATA 2018).
pub const HC_KEV_ANGSTROM: f64 = 12.398_419_84;
/// Joule per keV (exact, SI 2019).
pub const JOULE_PER_KEV: f64 = 1.602_176_634e-16;
/// Gray (J/kg) per keV/g.
pub const GY_PER_KEV_G: f64 = JOULE_PER_KEV * 1e3;
/// Energy units of the integer tally per keV: one unit is 2^-5 eV.
pub const TALLY_UNITS_PER_KEV: f64 = 32_000.0;
/// Decays in one MBq h.
pub const DECAYS_PER_MBQ_H: f64 = 3.6e9;
