//! `lutra dpk`: a radial point kernel as CSV.

use super::failure::OrUserError;
use super::printer;
use super::progress::Terminal;
use crate::clinic::failure::Failure;
use crate::clinic::guard;
use crate::clinic::kernel::point_kernel;
use crate::clinic::point_kernel::{csv, radius_mm};
use crate::clinic::request::MediumRequest;
use crate::io::atomic::OutputFiles;
use crate::svalues::point_kernel::Shells;

/// Runs `lutra dpk`.
pub(super) fn run(request: &MediumRequest) -> Result<(), Failure> {
    let claimed = OutputFiles::claim(&[&request.out], request.force, &guard::of_medium(request)).or_user_error()?;
    let (point, density, _) = point_kernel(request, &mut Terminal::default())?;
    let text = csv(&point, density);
    claimed.write(&request.out, |to| to.write_all(text.as_bytes())).or_user_error()?;
    let radii = |shells: &Shells| [0.5, 0.9].map(|share| radius_mm(shells, density, share));
    printer::record(&serde_json::json!({
        "nuclide": point.nuclide,
        "tissue": point.tissue,
        "density_g_cm3": density,
        "energy_kev_per_decay": point.nuclide_electron_kev + point.nuclide_photon_kev,
        "closure_rel": point.closure_rel(),
        "electron_radius_50_90_mm": point.electron.as_ref().map(radii),
        "photon_radius_50_90_mm": point.photon.as_ref().map(radii),
        "file": printer::shown(&request.out),
    }))?;
    printer::data(&format!(
        "{} in {} at {density} g/cm3: energy closes to {:+.4} % of {:.3} keV per decay\n",
        point.nuclide,
        point.tissue,
        100.0 * point.closure_rel(),
        point.nuclide_electron_kev + point.nuclide_photon_kev
    ));
    for (name, shells) in [("electrons", &point.electron), ("photons", &point.photon)] {
        if let Some(shells) = shells {
            let [half, ninety] = radii(shells);
            printer::data(&format!("  {name}: half of the energy within {half:.4} mm, 90 % within {ninety:.4} mm\n"));
        }
    }
    printer::results("", &request.out);
    Ok(())
}
