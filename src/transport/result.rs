//! Results of a run: energies with variances, by bin and by region.

use crate::cores;
use crate::elementary::square;
use crate::note::Note;
use crate::tally::{ENTRY_KEV, Ledger, Moments};
use crate::transport::DeviceInfo;
use crate::transport::batch_store::{BatchStore, PassStore};
use crate::transport::emission::Pass;
use crate::transport::spent::Spent;

/// Energy of a region over the batches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegionEnergy {
    /// Label.
    pub label: u16,
    /// Energy, keV, for all decays of the run.
    pub energy_kev: f64,
    /// Variance of that, keV2.
    pub variance_kev2: f64,
}

/// Results of a pass.
#[derive(Clone, Debug)]
pub struct PassResult {
    /// Which pass.
    pub pass: Pass,
    /// Histories run.
    pub histories: u64,
    /// Histories of each batch.
    pub batch_histories: Vec<u64>,
    /// Decays of one history of weight 1 in one batch, that is, keV per tally entry over [`ENTRY_KEV`].
    pub decays_per_history: f64,
    /// Sum and squares over the batches, tally entries.
    pub moments: Moments,
    /// The account.
    pub ledger: Ledger,
    /// Energy by bin that needs no sampling, keV: electrons too low in energy to move, and energy that electrons leave
    /// at home before transport moves it; empty for photons.
    pub local_kev: Vec<f64>,
    /// keV of one tally entry of a batch mean.
    pub kev_per_entry: f64,
    /// Region sums by batch: label, then one sum a batch.
    pub regions: Vec<(u16, Vec<i128>)>,
    /// Energy of the regions that needs no sampling, keV, in the order of `regions`.
    pub region_local_kev: Vec<f64>,
    /// Wall time in the engine, s.
    pub seconds: f64,
}

impl PassResult {
    /// Particles that a decay of the source sends out in this pass; 0 where nothing was run.
    pub fn particles_per_decay(&self) -> f64 {
        if self.decays_per_history > 0.0 { self.kev_per_entry / (ENTRY_KEV * self.decays_per_history) } else { 0.0 }
    }

    /// Energy of a bin for all decays of the run, keV.
    pub fn energy_kev(&self, bin: usize) -> f64 {
        let local = self.local_kev.get(bin).copied().unwrap_or(0.0);
        if self.moments.batches == 0 { local } else { local + self.moments.mean(bin) * self.kev_per_entry }
    }

    /// Relative standard error of a bin; infinite where it holds no energy.
    pub fn sigma_rel(&self, bin: usize) -> f64 {
        let energy = self.energy_kev(bin);
        if energy > 0.0 { self.variance_kev2(bin).sqrt() / energy } else { f64::INFINITY }
    }

    /// Variance of that energy, keV2.
    pub fn variance_kev2(&self, bin: usize) -> f64 {
        self.moments.variance_of_mean(bin) * self.kev_per_entry * self.kev_per_entry
    }

    /// Energy of every bin for all decays of the run, keV, and its variance, keV2; takes the place of the sums.
    pub fn into_energy_and_variance(mut self) -> (Vec<f64>, Vec<f64>) {
        let bins = self.moments.sum.len().max(self.local_kev.len());
        let mut variance_kev2 = vec![0.0; bins];
        if self.moments.batches > 0 {
            let step = cores::piece(bins);
            let pieces = variance_kev2.chunks_mut(step).enumerate();
            cores::of_each(pieces, |(n, piece)| {
                (n * step..).zip(piece).for_each(|(bin, variance)| *variance = self.variance_kev2(bin));
            });
        }
        self.moments.squares = Vec::new();
        let mut energy_kev = std::mem::take(&mut self.local_kev);
        energy_kev.resize(bins, 0.0);
        if self.moments.batches > 0 {
            let step = cores::piece(bins);
            cores::of_each(energy_kev.chunks_mut(step).enumerate(), |(n, piece)| {
                for (bin, energy) in (n * step..).zip(piece) {
                    *energy += self.moments.mean(bin) * self.kev_per_entry;
                }
            });
        }
        (energy_kev, variance_kev2)
    }

    /// Energy of every labelled region, in ascending label.
    pub fn region_energy(&self) -> Vec<RegionEnergy> {
        self.regions
            .iter()
            .zip(&self.region_local_kev)
            .map(|((label, sums), local)| {
                let n = sums.len() as u64;
                let sum: i128 = sums.iter().sum();
                // sums are exact integers; their mean and their spread about it are taken in f64
                let mean = if n == 0 { 0.0 } else { sum as f64 / n as f64 };
                let spread: f64 = sums.iter().map(|&x| square(x as f64 - mean)).sum();
                let variance = if n < 2 { 0.0 } else { spread / (n as f64 * (n as f64 - 1.0)) };
                RegionEnergy {
                    label: *label,
                    energy_kev: local + mean * self.kev_per_entry,
                    variance_kev2: variance * self.kev_per_entry * self.kev_per_entry,
                }
            })
            .collect()
    }
}

/// Results of a run.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// Betas and electrons.
    pub electron: PassResult,
    /// Gammas and X rays.
    pub photon: PassResult,
    /// Who ran it.
    pub device: DeviceInfo,
    /// SHA-256 of both passes' sums and sums of squares: the same on every device.
    pub tally_hash: String,
    /// Decays of the source.
    pub decays: f64,
    /// 95th percentile of the relative standard error over the target voxels; `None` without target voxels.
    pub sigma_rel_95: Option<f64>,
    /// Median of the same.
    pub sigma_rel_50: Option<f64>,
    /// Wall time from call to return, s.
    pub wall_seconds: f64,
    /// Wall time before the first history, s.
    pub setup_seconds: f64,
    /// Where the wall time went; empty for a run merged from shards.
    pub spent: Spent,
    /// What the user should know.
    pub warnings: Vec<Note>,
}

/// Output of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The batches.
    pub store: BatchStore,
    /// Who ran the last of them.
    pub device: DeviceInfo,
    /// 95th percentile of the relative standard error over the target voxels; `None` without target voxels.
    pub sigma_rel_95: Option<f64>,
    /// Median of the same.
    pub sigma_rel_50: Option<f64>,
    /// Wall time before the first history, s.
    pub setup_seconds: f64,
    /// Where the wall time went.
    pub spent: Spent,
    /// What the user should know.
    pub warnings: Vec<Note>,
}

impl Outcome {
    /// The results.
    pub fn into_simulation(self) -> Simulation {
        Simulation {
            sigma_rel_95: self.sigma_rel_95,
            sigma_rel_50: self.sigma_rel_50,
            setup_seconds: self.setup_seconds,
            spent: self.spent,
            warnings: self.warnings,
            ..self.store.into_simulation(self.device)
        }
    }

    /// The results without bins, and the batches: what a shard reports before the merge.
    pub fn into_account(mut self) -> (Simulation, BatchStore) {
        let account = self.store.without_bins();
        let store = std::mem::replace(&mut self.store, account);
        (Simulation { tally_hash: store.tally_hash(), ..self.into_simulation() }, store)
    }
}

impl BatchStore {
    /// The result of the batches; `device`: who ran them.
    pub fn into_simulation(self, device: DeviceInfo) -> Simulation {
        let tally_hash = self.tally_hash();
        let labels = self.labels;
        let result = |store: PassStore, local_kev: Vec<f64>, region_local_kev: Vec<f64>| {
            let sums = |n: usize| store.rows.iter().map(|row| row.regions[n]).collect();
            PassResult {
                pass: store.pass,
                histories: store.rows.iter().map(|row| row.histories).sum(),
                batch_histories: store.rows.iter().map(|row| row.histories).collect(),
                decays_per_history: store.decays_per_history,
                regions: labels.iter().enumerate().map(|(n, &label)| (label, sums(n))).collect(),
                moments: store.moments,
                ledger: store.ledger,
                local_kev,
                region_local_kev,
                kev_per_entry: store.kev_per_entry,
                seconds: store.seconds,
            }
        };
        let [electron, photon] = self.passes;
        Simulation {
            photon: result(photon, Vec::new(), vec![0.0; self.region_local_kev.len()]),
            electron: result(electron, self.local_kev, self.region_local_kev),
            device,
            tally_hash,
            decays: self.decays,
            sigma_rel_95: None,
            sigma_rel_50: None,
            wall_seconds: self.wall_seconds,
            setup_seconds: 0.0,
            spent: Spent::default(),
            warnings: Vec::new(),
        }
    }
}
