//! `lutra kernel`: a voxel S-value kernel.

use super::args::{KernelRequest, MediumRequest};
use super::failure::{Failure, OrUserError, UserError};
use super::{guard, printer};
use crate::decay::Nuclide;
use crate::io::atomic::OutputFiles;
use crate::materials::tissues::{Tissue, read_tissues};
use crate::svalues::point_kernel::{KernelPlan, PointKernel};
use crate::svalues::voxel_kernel::VoxelKernel;
use crate::svalues::{SvalueError, kernel_file};
use crate::transport::cpu::CpuEngine;
use std::path::Path;

/// Photon histories for each electron history of a kernel.
const PHOTONS_PER_ELECTRON: u64 = 5;
/// Densities that stand for a tissue where the user gives none and the tissue's own is that of its solid part.
const USUAL_G_CM3: [(&str, f64); 2] = [("soft", 1.04), ("lung", 0.26)];

/// A fault of the input is the user's to mend, all else the run's.
pub(super) fn failure(error: SvalueError) -> Failure {
    match error {
        SvalueError::Run(run) => super::transport::failure(run),
        SvalueError::Dose(dose) => Failure::from(anyhow::Error::new(dose)),
        other => Failure::User(UserError::from_library(&other)),
    }
}

/// The point kernel that a request asks for, and the density that it stands for, g/cm3.
pub(super) fn point_kernel(request: &MediumRequest) -> Result<(PointKernel, f64, Nuclide), Failure> {
    let nuclide = Nuclide::load(&request.nuclide).or_user_error()?;
    let plain = request.tissue.to_lowercase();
    let tissue = if Path::new(&request.tissue).is_file() {
        read_tissues(Path::new(&request.tissue)).or_user_error()?.remove(0)
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
    printer::note(&format!(
        "point kernel of {} in {}, {} electron histories",
        nuclide.name, tissue.name, request.histories
    ));
    let mut engine = CpuEngine::new(request.threads.unwrap_or(0));
    let point = PointKernel::compute(&nuclide, &tissue, &plan, &mut engine).map_err(failure)?;
    Ok((point, density, nuclide))
}

/// Runs `lutra kernel`.
pub(super) fn run(request: &KernelRequest) -> Result<(), Failure> {
    kernel_file::check_ending(&request.medium.out).map_err(failure)?;
    let files = kernel_file::files(&request.medium.out);
    let claimed = OutputFiles::claim(&files, request.medium.force, &guard::of_kernel(request)).or_user_error()?;
    let (point, density, nuclide) = point_kernel(&request.medium)?;
    let kernel = VoxelKernel::fold(&point, request.spacing_mm, density, request.half).map_err(failure)?;
    claimed.check().or_user_error()?;
    kernel_file::write(&kernel, &request.medium.out).map_err(failure)?;
    let [x, y, z] = kernel.spacing_mm;
    let mut text = format!(
        "{} in {} at {density} g/cm3, voxels of {x} x {y} x {z} mm, offsets to {:?}\n",
        kernel.nuclide, kernel.medium, kernel.half
    );
    for offset in [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [2, 0, 0]] {
        if (0..3).all(|a| offset[a] <= kernel.half[a]) {
            let error = kernel.error_kev[kernel.place(offset)] / kernel.energy_kev(offset);
            text.push_str(&format!(
                "  S{offset:?} = {:.5e} mGy/(MBq s) +- {:.2} %\n",
                kernel.s_mgy_per_mbq_s(offset),
                100.0 * error
            ));
        }
    }
    let [electron, photon] = kernel.energy_within_kev(kernel.half);
    text.push_str(&format!(
        "energy per decay: {electron:.3} keV of electrons and {photon:.3} keV of photons inside, {:.3} keV beyond; {:.3} keV of it bremsstrahlung\n",
        kernel.beyond_kev.unwrap_or(0.0),
        kernel.radiated_kev
    ));
    let expected = point.nuclide_electron_kev + point.nuclide_photon_kev;
    let closure = kernel.closure_rel(expected).unwrap_or(0.0);
    text.push_str(&format!("energy closes with {} to {:+.4} % of {expected:.3} keV\n", nuclide.name, 100.0 * closure));
    let s_values: Vec<_> = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [2, 0, 0]]
        .into_iter()
        .filter(|offset| (0..3).all(|a| offset[a] <= kernel.half[a]))
        .map(|offset| serde_json::json!({ "offset": offset, "s_mgy_per_mbq_s": kernel.s_mgy_per_mbq_s(offset) }))
        .collect();
    printer::record(&serde_json::json!({
        "nuclide": kernel.nuclide,
        "medium": kernel.medium,
        "density_g_cm3": density,
        "voxel_mm": kernel.spacing_mm,
        "half": kernel.half,
        "s_values": s_values,
        "electron_kev_inside": electron,
        "photon_kev_inside": photon,
        "closure_rel": closure,
        "files": files,
    }))?;
    printer::data(&text);
    for file in files {
        printer::results("", &file);
    }
    Ok(())
}
