//! Voxel S-value kernels and the point kernels they are computed from.

use super::failure::{Failure, OrUserError};
use super::notes::Listener;
use super::request::{KernelRequest, MediumRequest};
use crate::decay::Nuclide;
use crate::fault::Explained;
use crate::materials::tissues::{Tissue, read_tissues};
use crate::svalues::SvalueError;
use crate::svalues::point_kernel::{KernelPlan, PointKernel};
use crate::svalues::voxel_kernel::VoxelKernel;
use crate::transport::cpu::CpuEngine;

/// Photon histories for each electron history of a kernel.
const PHOTONS_PER_ELECTRON: u64 = 5;
/// Default densities of tissues whose tabulated density is that of their solid part.
const USUAL_G_CM3: [(&str, f64); 2] = [("soft", 1.04), ("lung", 0.26)];

/// Input errors are the user's to correct; all others are failures of the run.
pub fn failure(error: SvalueError) -> Failure {
    match error {
        SvalueError::Run(run) => super::transport::failure(run),
        SvalueError::Dose(dose) => Failure::from(dose),
        other => Failure::User(other.fault()),
    }
}

/// The requested point kernel, and the density it applies to, g/cm3.
pub fn point_kernel(request: &MediumRequest, hear: &mut dyn Listener) -> Result<(PointKernel, f64, Nuclide), Failure> {
    let nuclide = Nuclide::load(&request.nuclide).or_user_error()?;
    let plain = request.tissue.path().to_string_lossy().to_lowercase();
    let tissue = if request.tissue.is_file() {
        read_tissues(&request.tissue).or_user_error()?.remove(0)
    } else {
        Tissue::built_in(if plain == "soft" { "soft-tissue" } else { &plain }).or_user_error()?
    };
    let usual =
        USUAL_G_CM3.iter().find(|(name, _)| *name == plain).map_or(tissue.density_g_cm3, |(_, density)| *density);
    let density = request.density_g_cm3.unwrap_or(usual);
    let plan = KernelPlan {
        electron_histories: request.histories,
        photon_histories: request.histories.saturating_mul(PHOTONS_PER_ELECTRON),
        seed: request.seed,
        ..KernelPlan::default()
    };
    hear.info(
        "kernel-begins",
        format!("point kernel of {} in {}, {} electron histories", nuclide.name, tissue.name, request.histories),
    );
    let mut engine = CpuEngine::new(request.threads.unwrap_or(0));
    let point = PointKernel::compute(&nuclide, &tissue, &plan, &mut engine).map_err(failure)?;
    Ok((point, density, nuclide))
}

/// A voxel S-value kernel with its metadata.
pub struct KernelResult {
    /// The kernel.
    pub kernel: VoxelKernel,
    /// Density it applies to, g/cm3.
    pub density_g_cm3: f64,
    /// Energy emitted by the nuclide, keV per decay.
    pub expected_kev: f64,
}

/// The requested voxel kernel.
pub fn voxel_kernel(request: &KernelRequest, hear: &mut dyn Listener) -> Result<KernelResult, Failure> {
    let (point, density_g_cm3, _) = point_kernel(&request.medium, hear)?;
    let kernel = VoxelKernel::fold(&point, request.spacing_mm, density_g_cm3, request.half).map_err(failure)?;
    Ok(KernelResult { kernel, density_g_cm3, expected_kev: point.nuclide_electron_kev + point.nuclide_photon_kev })
}
