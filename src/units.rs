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

/// A number with so many significant digits and no trailing zeros, as messages and tables show it; below 0.001 and from ten
/// million on with a power of ten, and `0` for 0 alone.
///
/// ```
/// use lutra::units::rounded;
///
/// assert_eq!([51.322_766, 98.854, 0.0, 7400.0, 1.7e14].map(|x| rounded(x, 3)), ["51.3", "98.9", "0", "7400", "1.70e14"]);
/// ```
pub fn rounded(value: f64, digits: usize) -> String {
    let digits = digits.clamp(1, 12);
    if value != 0.0 && !(1e-3..1e7).contains(&value.abs()) {
        return format!("{value:.*e}", digits - 1);
    }
    let whole = if value == 0.0 { 0 } else { value.abs().log10().floor() as i64 };
    let decimals = usize::try_from(digits as i64 - 1 - whole).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
