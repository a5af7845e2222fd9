//! Tables, pictures and the run record: what a person reads of a run.

mod canvas;

/// Slices of the dose over the anatomy, as PNG.
pub mod png;

/// The run record `run.json`.
pub mod run_record;

/// The region table and the energy balance for the terminal.
pub mod table;

use serde::Serialize;

/// Where the emitted energy of one pass went: the analogue ledger, in whole units of 2^-5 eV.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EnergyBalance {
    /// Name of the pass: `electron` or `photon`.
    pub pass: String,
    /// Energy of all particles started.
    pub emitted: u64,
    /// Energy left in the grid.
    pub deposited: u64,
    /// Energy that left the grid.
    pub escaped: u64,
    /// Energy given to bremsstrahlung, which is not followed.
    pub radiated: u64,
    /// Energy dropped by a cut-off.
    pub cut: u64,
}

impl EnergyBalance {
    /// Emitted minus everything that became of it; 0 in a sound run.
    pub fn difference(&self) -> i128 {
        let spent = [self.deposited, self.escaped, self.radiated, self.cut];
        i128::from(self.emitted) - spent.map(i128::from).iter().sum::<i128>()
    }

    /// Whether the ledger closes to the last unit.
    pub fn is_exact(&self) -> bool {
        self.difference() == 0
    }
}
