//! What every problem runs with: engine, settings, nuclide; and faults planted to prove that the comparison rings.

use super::assets::AssetError;
use super::kernel::Kernel;
use crate::decay::{Nuclide, NuclideError};
use crate::fault::{Explained, FaultKind, explained};
use crate::grid::VoxelGrid;
use crate::materials::MaterialError;
use crate::materials::tissues::Tissue;
use crate::physics::stopping_power::StoppingError;
use crate::physics::tables::TransportSettings;
use crate::transport::emission::{Emissions, Pass};
use crate::transport::run::{PassResult, Progress, RunError, RunPlan, Simulation, Stop, prepare, simulate};
use crate::transport::{Engine, Scene, SceneError, Scoring};

/// Why a validation cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValidationError {
    /// A run.
    Run(#[from] RunError),
    /// A scene.
    Scene(#[from] SceneError),
    /// A nuclide.
    Nuclide(#[from] NuclideError),
    /// A tissue.
    Material(#[from] MaterialError),
    /// A stopping power.
    Stopping(#[from] StoppingError),
    /// A table of reference results.
    Asset(#[from] AssetError),
    /// A volume of the CT problem.
    Io(#[from] crate::io::IoError),
}

explained!(ValidationError);

impl Explained for ValidationError {
    fn fault(&self) -> crate::fault::Fault {
        match self {
            Self::Run(error) => error.fault(),
            Self::Scene(error) => error.fault(),
            Self::Nuclide(error) => error.fault(),
            Self::Material(error) => error.fault(),
            Self::Stopping(error) => error.fault(),
            Self::Asset(error) => crate::fault::Fault::of(FaultKind::Program).found(error.to_string()).form("{found}"),
            Self::Io(error) => error.fault(),
        }
    }
}

/// A fault planted into a run, each of a kind that a wrong code could have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Energies of the betas times this.
    BetaEnergy(f64),
    /// Variance of the soft energy losses times this: 0 for none.
    Straggling(f64),
    /// Elastic cross sections times this.
    Elastic(f64),
    /// Conversion electrons (lines above 5 keV) left out.
    NoConversionElectrons,
    /// Bremsstrahlung photons left out.
    NoBremsstrahlung,
    /// Voxels of the lowest density of the Fano test are flown through as if their density were this times theirs.
    ThinVoxels(f64),
}

/// Engine, settings, nuclide.
pub struct Workbench<'a> {
    engine: &'a mut dyn Engine,
    progress: &'a mut dyn Progress,
    seed: u64,
    /// Physics settings of every run.
    pub settings: TransportSettings,
    fault: Option<Fault>,
}

/// Batches of every run: their spread is the standard error.
const BATCHES: u32 = 24;

/// Where an electron rests on the spot in shell scoring, as a share of the shell's thickness.
const CUT_SHARE_OF_SHELL: f64 = 0.05;

impl<'a> Workbench<'a> {
    /// Runs on `engine`; one seed serves all problems.
    pub fn new(engine: &'a mut dyn Engine, progress: &'a mut dyn Progress, seed: u64) -> Self {
        Self { engine, progress, seed, settings: TransportSettings::default(), fault: None }
    }

    /// The same with a fault planted.
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        match fault {
            Fault::Straggling(scale) => self.settings.straggling_scale = scale,
            Fault::Elastic(scale) => self.settings.elastic_scale = scale,
            Fault::NoBremsstrahlung => self.settings.bremsstrahlung_scale = 0.0,
            Fault::BetaEnergy(_) | Fault::NoConversionElectrons | Fault::ThinVoxels(_) => {}
        }
        self
    }

    /// The fault planted.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// 177Lu with the emissions of the reference calculations.
    pub fn lutetium(&self) -> Result<Nuclide, ValidationError> {
        let mut nuclide = Nuclide::load("lu177-reference")?;
        match self.fault {
            Some(Fault::BetaEnergy(scale)) => {
                for bin in &mut nuclide.beta {
                    bin.e_lo_kev *= scale;
                    bin.e_hi_kev *= scale;
                }
            }
            Some(Fault::NoConversionElectrons) => nuclide.electrons.retain(|line| line.energy_kev < 5.0),
            _ => {}
        }
        Ok(nuclide)
    }

    /// The point kernel of `emissions` in endless matter, on shells of `width_mm`.
    #[allow(clippy::too_many_arguments)]
    pub fn kernel(
        &mut self,
        tissue: &Tissue,
        density_g_cm3: f32,
        nuclide: &Nuclide,
        emissions: Emissions,
        pass: Pass,
        width_mm: f64,
        shells: u32,
        histories: u64,
    ) -> Result<Kernel, ValidationError> {
        let grid = VoxelGrid::axis_aligned([1, 1, 1], [3000.0; 3], [0.0; 3]);
        let scene = Scene::uniform(grid, tissue.clone(), density_g_cm3)?;
        let plan = RunPlan {
            emissions,
            only: Some(pass),
            stop: Stop::Histories(histories),
            photon_share: 1.0,
            settings: TransportSettings { cut_share_of_voxel: CUT_SHARE_OF_SHELL, ..self.settings },
            // one more shell takes what lies beyond
            scoring: Scoring::Shells { bins: shells + 1, width_mm },
            labels: Some((0..=shells as u16).collect()),
            ..self.plan()
        };
        let simulation = simulate(&scene, &[1.0], nuclide, &plan, self.engine, self.progress)?;
        let result = if pass == Pass::Electron { &simulation.electron } else { &simulation.photon };
        Ok(Kernel::of(result, width_mm))
    }

    /// A run in voxels: `decays` and `labels` by voxel, energies of the labels come with their batches.
    pub fn voxels(
        &mut self,
        scene: &Scene,
        decays: &[f64],
        labels: Vec<u16>,
        nuclide: &Nuclide,
        electron_histories: u64,
        photon_share: f64,
    ) -> Result<Simulation, ValidationError> {
        let plan =
            RunPlan { stop: Stop::Histories(electron_histories), photon_share, labels: Some(labels), ..self.plan() };
        Ok(simulate(scene, decays, nuclide, &plan, self.engine, self.progress)?)
    }

    /// The photon pass alone of a run in voxels, with the photons of some emissions.
    pub fn photons(
        &mut self,
        scene: &Scene,
        decays: &[f64],
        labels: Vec<u16>,
        nuclide: &Nuclide,
        emissions: Emissions,
        histories: u64,
    ) -> Result<PassResult, ValidationError> {
        let plan = RunPlan {
            stop: Stop::Histories(histories),
            photon_share: 1.0,
            labels: Some(labels),
            emissions,
            only: Some(Pass::Photon),
            ..self.plan()
        };
        Ok(simulate(scene, decays, nuclide, &plan, self.engine, self.progress)?.photon)
    }

    /// One pass of a run in matter of one composition: energy that a decay leaves in it where nothing escapes, keV, and the
    /// result.
    pub(super) fn one_pass(
        &mut self,
        scene: &Scene,
        decays: &[f64],
        labels: Vec<u16>,
        nuclide: &Nuclide,
        pass: Pass,
        histories: u64,
    ) -> Result<(f64, PassResult), ValidationError> {
        let plan = RunPlan {
            stop: Stop::Histories(histories),
            photon_share: 1.0,
            labels: Some(labels),
            only: Some(pass),
            emissions: if pass == Pass::Photon { Emissions::Photons } else { Emissions::All },
            ..self.plan()
        };
        let kept_kev = match pass {
            Pass::Electron => {
                let data = prepare(scene, nuclide, &plan)?;
                data.home_kev_per_decay[0] + data.electron_emission.local_kev_per_decay
            }
            Pass::Photon => nuclide.photons.iter().map(|line| line.energy_kev * line.yield_per_decay).sum(),
        };
        let simulation = simulate(scene, decays, nuclide, &plan, self.engine, self.progress)?;
        Ok((kept_kev, if pass == Pass::Electron { simulation.electron } else { simulation.photon }))
    }

    fn plan(&self) -> RunPlan {
        RunPlan { batches: BATCHES, seed: self.seed, settings: self.settings, ..RunPlan::default() }
    }
}

/// Soft tissue of the reference calculations: ICRU-44, I 74.7 eV, density 1.04 g/cm3.
pub fn soft_tissue() -> Result<Tissue, ValidationError> {
    let fractions = [
        (1, 0.102),
        (6, 0.143),
        (7, 0.034),
        (8, 0.708),
        (11, 0.002),
        (15, 0.003),
        (16, 0.003),
        (17, 0.002),
        (19, 0.003),
    ];
    Ok(Tissue::new("soft tissue ICRU-44", &fractions, 74.7, 1.04)?)
}

/// Lung of the reference calculations: ICRP composition, I 75.32 eV, density 0.26 g/cm3.
pub fn lung() -> Result<Tissue, ValidationError> {
    let fractions = [
        (1, 0.101278),
        (6, 0.10231),
        (7, 0.02865),
        (8, 0.757072),
        (11, 0.00184),
        (12, 0.00073),
        (15, 0.0008),
        (16, 0.00225),
        (17, 0.00266),
        (19, 0.00194),
        (20, 9e-5),
        (26, 0.00037),
        (30, 1e-5),
    ];
    Ok(Tissue::new("lung ICRP", &fractions, 75.32, 0.26)?)
}

/// Cortical bone of the reference calculations: ICRP composition, I 106.414 eV, density 1.85 g/cm3.
pub fn bone() -> Result<Tissue, ValidationError> {
    let fractions = [
        (1, 0.047234),
        (6, 0.14433),
        (7, 0.04199),
        (8, 0.446096),
        (12, 0.0022),
        (15, 0.10497),
        (16, 0.00315),
        (20, 0.20993),
        (30, 0.0001),
    ];
    Ok(Tissue::new("cortical bone ICRP", &fractions, 106.414, 1.85)?)
}

/// Water of the reference calculations: I 78 eV, density 1 g/cm3.
pub fn water() -> Result<Tissue, ValidationError> {
    Ok(Tissue::new("water", &[(1, 0.111894), (8, 0.888106)], 78.0, 1.0)?)
}
