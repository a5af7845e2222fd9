//! A radial point kernel as a table.

use crate::svalues::point_kernel::{PointKernel, Shells, mean_and_error};
use crate::text;
use crate::units::GY_PER_KEV_G;

/// The table as CSV: energy and dose by shell, at `density` g/cm3.
pub fn csv(point: &PointKernel, density: f64) -> String {
    const HEADS: [&str; 7] = [
        "part",
        "r_inner_mm",
        "r_outer_mm",
        "energy_keV_per_decay",
        "sigma_rel",
        "energy_inside_keV_per_decay",
        "dose_Gy_per_decay",
    ];
    let mut table = Vec::new();
    for (name, shells) in [("electron", &point.electron), ("photon", &point.photon)] {
        if let Some(shells) = shells {
            rows(name, shells, density, &mut table);
        }
    }
    format!(
        "# lutra point kernel: {} in {} at {density} g/cm3\n# kev_per_decay_in_the_nuclide: electrons {:.4}, photons {:.4}\n# closure_rel: {:+.2e}\n# provenance: {}\n{}",
        point.nuclide,
        point.tissue,
        point.nuclide_electron_kev,
        point.nuclide_photon_kev,
        point.closure_rel(),
        point.provenance,
        text::rows::text(HEADS, table)
    )
}

fn rows(name: &str, shells: &Shells, density: f64, table: &mut Vec<[String; 7]>) {
    let width_mm = 10.0 * shells.width_g_cm2 / density;
    let mut inside = 0.0;
    // the last bin holds everything beyond: it is not a shell
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
        table.push([
            name.to_owned(),
            format!("{inner:.5}"),
            format!("{outer:.5}"),
            format!("{mean:.6e}"),
            format!("{:.2e}", error / mean),
            format!("{inside:.6e}"),
            format!("{:.6e}", mean / mass_g * GY_PER_KEV_G),
        ]);
    }
}

/// Radius of the sphere that holds a share of the energy, mm.
pub fn radius_mm(shells: &Shells, density: f64, share: f64) -> f64 {
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
