//! Tables, pictures and the run record: what a person reads of a run.

mod canvas;

/// Dose-volume histograms laid over each other, as a picture.
pub mod dvh_plot;

/// The report page `report.html`.
pub mod page;

/// Slices of the dose over the anatomy, as PNG.
pub mod png;

/// The run record `run.json`.
pub mod run_record;

/// The region table and the energy balance for the terminal.
pub mod table;

use crate::units::TALLY_UNITS_PER_KEV;
use serde::Serialize;

/// Energy of one tally entry, keV: 2^-5 eV times the unit of weight 2^-16.
pub const ENTRY_KEV: f64 = 1.0 / (TALLY_UNITS_PER_KEV * 65_536.0);

/// Where the emitted energy of one pass went: the analogue ledger, in whole tally entries (2^-5 eV times the unit of
/// weight 2^-16).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EnergyBalance {
    /// Name of the pass: `electron` or `photon`.
    pub pass: String,
    /// Energy of all particles born.
    pub emitted: u128,
    /// Energy left in matter.
    pub deposited: u128,
    /// Energy that left the grid.
    pub escaped: u128,
    /// Energy radiated as bremsstrahlung: its photons are emitted in the photon pass.
    pub radiated: u128,
    /// Expected energy tallied along photon tracks; 0 where deposits themselves are tallied. It equals `deposited`
    /// within statistics and takes no part in the balance.
    pub estimated: u128,
}

impl EnergyBalance {
    /// Whether the ledger closes to the last unit.
    pub fn is_exact(&self) -> bool {
        self.emitted == self.spent()
    }

    /// Everything that became of the emitted energy.
    pub fn spent(&self) -> u128 {
        self.deposited + self.escaped + self.radiated
    }
}
