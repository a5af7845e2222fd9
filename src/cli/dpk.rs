//! `lutra dpk`: a radial point kernel as CSV.

use super::args::MediumRequest;
use super::failure::{Failure, OrUserError};
use super::{guard, kernel, printer};
use crate::io::atomic::OutputFiles;
use crate::svalues::point_kernel::{Shells, mean_and_error};
use crate::units::GY_PER_KEV_G;

/// Runs `lutra dpk`.
pub(super) fn run(request: &MediumRequest) -> Result<(), Failure> {
    let claimed = OutputFiles::claim(&[&request.out], request.force, &guard::of_medium(request)).or_user_error()?;
    let (point, density, _) = kernel::point_kernel(request)?;
    let mut text = format!(
        "# lutra point kernel: {} in {} at {density} g/cm3\n# kev_per_decay_in_the_nuclide: electrons {:.4}, photons {:.4}\n# closure_rel: {:+.2e}\n# provenance: {}\n\
         part,r_inner_mm,r_outer_mm,energy_keV_per_decay,sigma_rel,energy_inside_keV_per_decay,dose_Gy_per_decay\n",
        point.nuclide,
        point.tissue,
        point.nuclide_electron_kev,
        point.nuclide_photon_kev,
        point.closure_rel(),
        point.provenance
    );
    for (name, shells) in [("electron", &point.electron), ("photon", &point.photon)] {
        if let Some(shells) = shells {
            rows(name, shells, density, &mut text);
        }
    }
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
        "file": request.out,
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

fn rows(name: &str, shells: &Shells, density: f64, text: &mut String) {
    let width_mm = 10.0 * shells.width_g_cm2 / density;
    let mut inside = 0.0;
    // the last shell holds what lies beyond: it is no shell
    for shell in 0..shells.count().saturating_sub(1) {
        let values: Vec<f64> = shells.batches.iter().map(|b| b[shell]).collect();
        let (mut mean, error) = mean_and_error(&values);
        if shell == 0 {
            mean += shells.at_source_kev;
        }
        if mean == 0.0 {
            continue;
        }
        inside += mean;
        let [inner, outer] = [shell, shell + 1].map(|n| n as f64 * width_mm);
        let mass_g = density * 4e-3 / 3.0 * std::f64::consts::PI * (outer.powi(3) - inner.powi(3));
        text.push_str(&format!(
            "{name},{inner:.5},{outer:.5},{mean:.6e},{:.2e},{inside:.6e},{:.6e}\n",
            error / mean,
            mean / mass_g * GY_PER_KEV_G
        ));
    }
}

/// Radius of the sphere that holds a share of the energy, mm.
fn radius_mm(shells: &Shells, density: f64, share: f64) -> f64 {
    let wanted = share * shells.total_kev();
    let mut inside = shells.at_source_kev;
    for shell in 0..shells.count() {
        let here = shells.mean_kev(shell);
        if inside + here >= wanted {
            let part = if here > 0.0 { (wanted - inside).max(0.0) / here } else { 0.0 };
            return (shell as f64 + part) * 10.0 * shells.width_g_cm2 / density;
        }
        inside += here;
    }
    f64::INFINITY
}
