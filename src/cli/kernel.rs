//! `lutra kernel`: a voxel S-value kernel.

use super::failure::OrUserError;
use super::printer;
use super::progress::Terminal;
use crate::clinic::failure::Failure;
use crate::clinic::guard;
use crate::clinic::kernel::{KernelResult, failure, voxel_kernel};
use crate::clinic::request::KernelRequest;
use crate::io::atomic::OutputFiles;
use crate::svalues::kernel_file;

/// Runs `lutra kernel`.
pub(super) fn run(request: &KernelRequest) -> Result<(), Failure> {
    kernel_file::check_ending(&request.medium.out).map_err(failure)?;
    let files = kernel_file::files(&request.medium.out);
    let claimed = OutputFiles::claim(&files, request.medium.force, &guard::of_kernel(request)).or_user_error()?;
    let KernelResult { kernel, density_g_cm3: density, expected_kev: expected } =
        voxel_kernel(request, &mut Terminal::default())?;
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
    let closure = kernel.closure_rel(expected).unwrap_or(0.0);
    text.push_str(&format!(
        "energy closes with {} to {:+.4} % of {expected:.3} keV\n",
        kernel.nuclide,
        100.0 * closure
    ));
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
        "files": files.iter().map(|file| printer::shown(file)).collect::<Vec<_>>(),
    }))?;
    printer::data(&text);
    for file in files {
        printer::results("", &file);
    }
    Ok(())
}
