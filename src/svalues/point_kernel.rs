//! Radial point kernels: energy per decay in spherical shells around a point source in an endless uniform medium.
//!
//! Computed by transport in shells (`Scoring::Shells`) at 1 g/cm3 and kept in areal density, so that one kernel
//! serves every density of its tissue (methods/svalues.md, eq. 1). Electrons and photons have shells of their own
//! width. Every batch keeps its shells, so that the standard error of whatever is made of a kernel includes the
//! correlation of the shells of a batch (their sum is nearly fixed).

use super::SvalueError;
use crate::decay::Nuclide;
use crate::grid::VoxelGrid;
use crate::materials::tissues::Tissue;
use crate::physics::tables::TransportSettings;
use crate::transport::emission::{Emissions, Pass};
use crate::transport::run::{PassResult, RunPlan, Silent, Stop, simulate};
use crate::transport::{Engine, Scene, Scoring};

/// Shells of the electron part.
const ELECTRON_SHELLS: u32 = 400;
/// Shells of the photon part; with [`PHOTON_WIDTH_G_CM2`] they reach 60 g/cm2.
const PHOTON_SHELLS: u32 = 2400;
/// Thickness of a photon shell, g/cm2.
const PHOTON_WIDTH_G_CM2: f64 = 0.025;
/// Edge of the medium, mm at 1 g/cm3: what escapes from its middle is below 1e-6 of a 1 MeV photon's energy.
const MEDIUM_MM: f64 = 6000.0;

/// How many histories make a point kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KernelPlan {
    /// Electron histories.
    pub electron_histories: u64,
    /// Photon histories.
    pub photon_histories: u64,
    /// Batches, 2 or more.
    pub batches: u32,
    /// Seed.
    pub seed: u64,
}

impl Default for KernelPlan {
    fn default() -> Self {
        Self { electron_histories: 400_000, photon_histories: 2_000_000, batches: 20, seed: 177 }
    }
}

/// Energy per decay in shells of one thickness.
#[derive(Clone, Debug, PartialEq)]
pub struct Shells {
    /// Thickness of a shell, g/cm2.
    pub width_g_cm2: f64,
    /// keV per decay in each shell, by batch; the last shell also holds what lies beyond.
    pub batches: Vec<Vec<f64>>,
    /// Energy left at the source point without sampling (electrons too faint to move), keV per decay.
    pub at_source_kev: f64,
    /// Energy emitted in the run, keV per decay, without `at_source_kev`.
    pub emitted_kev: f64,
    /// Energy given to bremsstrahlung, which the photon part holds, keV per decay.
    pub radiated_kev: f64,
    /// Histories.
    pub histories: u64,
}

impl Shells {
    /// Number of shells.
    pub fn count(&self) -> usize {
        self.batches.first().map_or(0, Vec::len)
    }

    /// Mean energy of a shell, keV per decay, without what rests at the source point.
    pub fn mean_kev(&self, shell: usize) -> f64 {
        self.batches.iter().map(|b| b[shell]).sum::<f64>() / self.batches.len() as f64
    }

    /// Energy of all shells and the source point, keV per decay.
    pub fn total_kev(&self) -> f64 {
        self.at_source_kev + (0..self.count()).map(|shell| self.mean_kev(shell)).sum::<f64>()
    }

    /// Mean and standard error of a linear functional of the shells: sum over shells of weight times energy, keV.
    pub fn fold(&self, weights: &[f64]) -> (f64, f64) {
        let sums = self.batches.iter().map(|b| b.iter().zip(weights).map(|(e, w)| e * w).sum::<f64>());
        mean_and_error(&sums.collect::<Vec<f64>>())
    }
}

/// Mean of batch values and the standard error of that mean (0 below two batches).
pub fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n.max(1.0);
    let spread: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, if values.len() < 2 { 0.0 } else { (spread / (n * (n - 1.0))).sqrt() })
}

/// A point kernel of a nuclide in a tissue.
#[derive(Clone, Debug, PartialEq)]
pub struct PointKernel {
    /// Name of the nuclide.
    pub nuclide: String,
    /// Name of the tissue.
    pub tissue: String,
    /// Nominal density of the tissue, g/cm3; the kernel itself holds for any.
    pub nominal_density_g_cm3: f64,
    /// Betas, conversion and Auger electrons; `None` if the nuclide has none.
    pub electron: Option<Shells>,
    /// Gammas, X rays and the electrons' bremsstrahlung; `None` if the nuclide has none.
    pub photon: Option<Shells>,
    /// Energy of betas and electrons in the nuclide's data, keV per decay.
    pub nuclide_electron_kev: f64,
    /// Energy of photons in the nuclide's data, keV per decay.
    pub nuclide_photon_kev: f64,
    /// Which run made it.
    pub provenance: String,
}

impl PointKernel {
    /// How much of the energy in the nuclide's data the kernel holds, as a deviation: 0 when it closes.
    pub fn closure_rel(&self) -> f64 {
        let held: f64 = [&self.electron, &self.photon].into_iter().flatten().map(Shells::total_kev).sum();
        held / (self.nuclide_electron_kev + self.nuclide_photon_kev) - 1.0
    }

    /// Computes the kernel of `nuclide` in `tissue` on `engine`.
    ///
    /// Cost: about 2 s for 1e5 electron and 1 s for 3e5 photon histories of 177Lu on one core. Errors: those of
    /// the transport.
    pub fn compute(
        nuclide: &Nuclide,
        tissue: &Tissue,
        plan: &KernelPlan,
        engine: &mut dyn Engine,
    ) -> Result<Self, SvalueError> {
        use crate::decay::EmissionClass::{Beta, Electron, Photon};
        let reach_g_cm2 = electron_reach_g_cm2(nuclide.max_electron_kev());
        let width_g_cm2 = reach_g_cm2 / f64::from(ELECTRON_SHELLS);
        let run = |pass, histories, shells: u32, width_g_cm2: f64, engine: &mut dyn Engine| {
            let grid = VoxelGrid::axis_aligned([1; 3], [MEDIUM_MM; 3], [0.0; 3]);
            let scene = Scene::uniform(grid, tissue.clone(), 1.0)?;
            let plan = RunPlan {
                emissions: Emissions::All,
                only: Some(pass),
                stop: Stop::Histories(histories),
                batches: plan.batches,
                photon_share: 1.0,
                seed: plan.seed,
                // a quarter of a shell (2 um for 177Lu) is the shortest electron path that is followed
                settings: TransportSettings { cut_share_of_voxel: 0.25, ..TransportSettings::default() },
                scoring: Scoring::Shells { bins: shells, width_mm: 10.0 * width_g_cm2 },
                // a label for each shell: batches then keep their shells
                labels: Some((0..shells as u16).collect()),
                ..RunPlan::default()
            };
            Ok::<_, SvalueError>(simulate(&scene, &[1.0], nuclide, &plan, engine, &mut Silent)?)
        };
        let electron = (nuclide.electron_energy_kev_per_decay() > 0.0)
            .then(|| {
                run(Pass::Electron, plan.electron_histories, ELECTRON_SHELLS, width_g_cm2, engine)
                    .map(|s| shells(&s.electron, width_g_cm2))
            })
            .transpose()?;
        let photon = (nuclide.energy_kev_per_decay(Photon) > 0.0 || electron.is_some())
            .then(|| {
                run(Pass::Photon, plan.photon_histories, PHOTON_SHELLS, PHOTON_WIDTH_G_CM2, engine)
                    .map(|s| shells(&s.photon, PHOTON_WIDTH_G_CM2))
            })
            .transpose()?;
        Ok(Self {
            nuclide: nuclide.name.clone(),
            tissue: tissue.name.clone(),
            nominal_density_g_cm3: tissue.density_g_cm3,
            electron,
            photon,
            nuclide_electron_kev: nuclide.energy_kev_per_decay(Beta) + nuclide.energy_kev_per_decay(Electron),
            nuclide_photon_kev: nuclide.energy_kev_per_decay(Photon),
            provenance: format!(
                "lutra {} point kernel of {} in {}: {} electron and {} photon histories in {} batches, seed {}",
                env!("CARGO_PKG_VERSION"),
                nuclide.name,
                tissue.name,
                plan.electron_histories,
                plan.photon_histories,
                plan.batches,
                plan.seed
            ),
        })
    }
}

/// A length that no electron of `energy_kev` passes in any tissue, g/cm2: the practical range of Katz and Penfold,
/// Rev. Mod. Phys. 24 (1952) 28, R = 0.412 E^(1.265 - 0.0954 ln E) with E in MeV, and a third more.
fn electron_reach_g_cm2(energy_kev: f64) -> f64 {
    let mev = (energy_kev * 1e-3).max(0.01);
    1.33 * 0.412 * mev.powf(1.265 - 0.0954 * mev.ln())
}

fn shells(pass: &PassResult, width_g_cm2: f64) -> Shells {
    let batches = pass.moments.batches as usize;
    let mut by_batch = vec![vec![0.0; pass.regions.len()]; batches];
    for (shell, (_, sums)) in pass.regions.iter().enumerate() {
        for (batch, &entries) in sums.iter().enumerate() {
            by_batch[batch][shell] = entries as f64 * pass.kev_per_entry;
        }
    }
    let per_batch = pass.kev_per_entry / batches.max(1) as f64;
    Shells {
        width_g_cm2,
        batches: by_batch,
        at_source_kev: pass.local_kev.first().copied().unwrap_or(0.0),
        emitted_kev: pass.ledger.emitted as f64 * per_batch,
        radiated_kev: pass.ledger.radiated as f64 * per_batch,
        histories: pass.histories,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::transport::cpu::CpuEngine;
    use std::sync::OnceLock;

    /// The 177Lu kernel in soft tissue that the tests of this folder share: small statistics, made once.
    pub(crate) fn soft() -> &'static PointKernel {
        static KERNEL: OnceLock<PointKernel> = OnceLock::new();
        KERNEL.get_or_init(|| made("lu177", "soft-tissue", 60_000, 600_000))
    }

    pub(crate) fn made(nuclide: &str, tissue: &str, electron_histories: u64, photon_histories: u64) -> PointKernel {
        let plan = KernelPlan { electron_histories, photon_histories, ..KernelPlan::default() };
        let nuclide = Nuclide::load(nuclide).unwrap();
        let tissue = Tissue::built_in(tissue).unwrap();
        PointKernel::compute(&nuclide, &tissue, &plan, &mut CpuEngine::new(0)).unwrap()
    }

    #[test]
    fn law_point_kernel_closes_with_the_nuclide() {
        let kernel = soft();
        println!("closure {:+.5} %", 100.0 * kernel.closure_rel());
        assert!(kernel.closure_rel().abs() < 1e-3, "{}", kernel.closure_rel());
        let electron = kernel.electron.as_ref().unwrap();
        let closure = (electron.total_kev() + electron.radiated_kev) / kernel.nuclide_electron_kev - 1.0;
        assert!(closure.abs() < 1e-3, "{closure}");
        assert!(electron.mean_kev(electron.count() - 1) == 0.0, "no electron reaches the last shell");
    }

    #[test]
    fn alarm_a_kernel_without_conversion_electrons_does_not_close() {
        let mut nuclide = Nuclide::load("lu177").unwrap();
        let expected = nuclide.electron_energy_kev_per_decay();
        nuclide.electrons.clear();
        let plan = KernelPlan { electron_histories: 4000, photon_histories: 4000, ..KernelPlan::default() };
        let tissue = Tissue::built_in("soft-tissue").unwrap();
        let mut kernel = PointKernel::compute(&nuclide, &tissue, &plan, &mut CpuEngine::new(0)).unwrap();
        assert!(kernel.closure_rel().abs() < 0.01, "of few histories: {}", kernel.closure_rel());
        kernel.nuclide_electron_kev = expected;
        assert!(kernel.closure_rel() < -0.05, "{}", kernel.closure_rel());
    }

    #[test]
    fn law_mean_and_error_of_known_numbers() {
        let (mean, error) = mean_and_error(&[10.0, 12.0, 14.0, 16.0]);
        assert!((mean - 13.0).abs() < 1e-12 && (error * error - 5.0 / 3.0).abs() < 1e-12);
    }
}
