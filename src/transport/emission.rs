//! Nuclide -> emission table of a pass, from which the kernel samples energies.

use crate::decay::Nuclide;
use crate::units::TALLY_UNITS_PER_KEV;

/// Which emissions take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Emissions {
    /// All emissions.
    All,
    /// Betas alone.
    Beta,
    /// Conversion and Auger electrons alone.
    Electrons,
    /// Gammas and X rays alone.
    Photons,
}

/// The two passes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pass {
    /// Betas, conversion and Auger electrons.
    Electron,
    /// Gammas and X rays.
    Photon,
}

/// Energies of one pass as the kernel samples them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmissionTable {
    /// Four words per row, ascending in energy (bremsstrahlung after the lines): upper cumulative probability of
    /// sampling (2^-32, inclusive), lowest energy, width (units of 2^-5 eV) and weight (2^-16): the row's share of the
    /// particles over its share of the samples.
    pub words: Vec<u32>,
    /// Sampled emissions: mean energy of the row, keV, and particles per decay.
    pub particles: Vec<(f64, f64)>,
    /// Particles per decay that are sampled.
    pub yield_per_decay: f64,
    /// Their energy, keV per decay.
    pub energy_kev_per_decay: f64,
    /// Energy of electrons too low to leave their voxel, keV per decay: deposited where they are born, without
    /// sampling.
    pub local_kev_per_decay: f64,
    /// First row that is bremsstrahlung; the number of rows where there is none.
    pub bremsstrahlung_row: u32,
}

/// Groups of electrons of the emissions that take part: lowest energy, highest energy (keV) and number per decay.
pub fn electrons(nuclide: &Nuclide, emissions: Emissions) -> Vec<(f64, f64, f64)> {
    let mut groups = Vec::new();
    if matches!(emissions, Emissions::All | Emissions::Beta) {
        groups.extend(nuclide.beta.iter().map(|b| (b.e_lo_kev, b.e_hi_kev, b.probability_per_decay)));
    }
    if matches!(emissions, Emissions::All | Emissions::Electrons) {
        groups.extend(nuclide.electrons.iter().map(|l| (l.energy_kev, l.energy_kev, l.yield_per_decay)));
    }
    groups
}

impl EmissionTable {
    /// The table of `pass`. Electrons below `local_below_kev` are not sampled but counted in `local_kev_per_decay`.
    /// Energies are sampled in proportion to their particles times `importance` (of the energy in keV; positive).
    /// `radiated`: bremsstrahlung in water, for the photon pass: lowest energy, highest energy, photons per decay.
    pub fn of(
        nuclide: &Nuclide,
        pass: Pass,
        emissions: Emissions,
        local_below_kev: f64,
        radiated: &[(f64, f64, f64)],
        importance: impl Fn(f64) -> f64,
    ) -> Self {
        // rows: lowest energy, highest energy, particles per decay
        let mut rows: Vec<(f64, f64, f64)> = Vec::new();
        let mut local_kev_per_decay = 0.0;
        match pass {
            Pass::Electron => {
                for group in electrons(nuclide, emissions) {
                    if group.0 == group.1 && group.0 < local_below_kev {
                        local_kev_per_decay += group.0 * group.2;
                    } else {
                        rows.push(group);
                    }
                }
            }
            Pass::Photon => {
                if matches!(emissions, Emissions::All | Emissions::Photons) {
                    rows.extend(nuclide.photons.iter().map(|l| (l.energy_kev, l.energy_kev, l.yield_per_decay)));
                }
            }
        }
        rows.retain(|r| r.2 > 0.0);
        rows.sort_by(|a, b| (a.0 + a.1).total_cmp(&(b.0 + b.1)));
        let bremsstrahlung_row = rows.len() as u32;
        rows.extend(radiated.iter().filter(|r| r.2 > 0.0));
        let yield_per_decay: f64 = rows.iter().map(|r| r.2).sum();
        let energy_kev_per_decay = rows.iter().map(|r| 0.5 * (r.0 + r.1) * r.2).sum();
        let wish: Vec<f64> = rows.iter().map(|r| r.2 * importance(0.5 * (r.0 + r.1))).collect();
        let wishes: f64 = wish.iter().sum();
        let units = |kev: f64| (kev * TALLY_UNITS_PER_KEV).round() as u32;
        let mut words = Vec::with_capacity(4 * rows.len());
        let (mut cumulative, mut below) = (0.0, 0u64);
        for (i, ((low, high, particles), wish)) in rows.iter().zip(&wish).enumerate() {
            cumulative += wish / wishes;
            // first word above this row; every row gets at least one word of the 2^32
            let left = (rows.len() - 1 - i) as u64;
            let edge = if left == 0 { 1 << 32 } else { (cumulative * 4_294_967_296.0).round() as u64 };
            let edge = edge.clamp(below + 1, (1 << 32) - left);
            let sampled = (edge - below) as f64 / 4_294_967_296.0;
            let weight = (particles / yield_per_decay / sampled * 65_536.0).round();
            words.extend([(edge - 1) as u32, units(*low), units(*high) - units(*low), weight as u32]);
            below = edge;
        }
        let particles = rows.iter().map(|r| (0.5 * (r.0 + r.1), r.2)).collect();
        Self { words, particles, yield_per_decay, energy_kev_per_decay, local_kev_per_decay, bremsstrahlung_row }
    }

    /// Number of rows.
    pub fn rows(&self) -> u32 {
        (self.words.len() / 4) as u32
    }
}
