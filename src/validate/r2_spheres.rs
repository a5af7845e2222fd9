//! R2: spheres of soft tissue with the source spread evenly in them, from the point kernel of each class of emission.

use super::assets;
use super::bench::{ValidationError, Workbench, soft_tissue};
use super::overlap::absorbed_kev;
use super::verdict::{Comparison, Judged, Plot, PlotPoint, Row, Value};
use crate::decay::EmissionClass;
use crate::transport::emission::{Emissions, Pass};

/// Absorbed fractions of spheres of 0.01 to 300 g, by class.
pub fn run(bench: &mut Workbench, histories: u64) -> Result<Comparison, ValidationError> {
    let nuclide = bench.lutetium()?;
    let tissue = soft_tissue()?;
    let table = assets::r2_spheres()?;
    let mut comparison = Comparison::default();
    for (name, class, emissions, pass, width_mm, shells) in [
        ("beta", EmissionClass::Beta, Emissions::Beta, Pass::Electron, 0.02, 150),
        ("elec", EmissionClass::Electron, Emissions::Electrons, Pass::Electron, 0.01, 120),
        ("phot", EmissionClass::Photon, Emissions::Photons, Pass::Photon, 0.1, 840),
    ] {
        let factor = if class == EmissionClass::Photon { 4 } else { 1 };
        let kernel = bench.kernel(&tissue, 1.0, &nuclide, emissions, pass, width_mm, shells, factor * histories)?;
        let emitted_kev = nuclide.energy_kev_per_decay(class);
        let moment = energy_moment(&nuclide, class);
        let mut points = Vec::new();
        for record in table.records() {
            let fraction = record.number(&format!("{name}_fraction"))?;
            // the dose's error comes from the sampled energies; that of the fraction is bounded by all or nothing
            let all_or_nothing = ((1.0 - fraction) / fraction / record.number(&format!("{name}_n"))? * moment).sqrt();
            let rel = record.number(&format!("{name}_rel"))?.min(all_or_nothing);
            let absorbed = absorbed_kev(&kernel, record.number("radius_mm")?);
            let row = Row::judge(
                &format!("R2 {name}"),
                format!("absorbed fraction, sphere of {} g", record.text("mass_g")?),
                "1",
                Value::new(absorbed.value / emitted_kev, absorbed.sigma / emitted_kev),
                Value::new(fraction, fraction * rel),
                Judged::Relative,
                0.005,
            );
            points.push(PlotPoint::of(record.number("mass_g")?.log10(), &row));
            comparison.rows.push(row);
        }
        comparison.plots.push(Plot {
            name: format!("r2-{name}"),
            title: format!("177Lu spheres of soft tissue: absorbed fraction, {name}"),
            x_label: "log10 of the mass in g",
            y_label: "absorbed fraction",
            log_y: class == EmissionClass::Photon,
            points,
        });
    }
    Ok(comparison)
}

/// Mean square of the emitted energies over the square of their mean.
fn energy_moment(nuclide: &crate::decay::Nuclide, class: EmissionClass) -> f64 {
    let rows: Vec<(f64, f64)> = match class {
        EmissionClass::Beta => {
            nuclide.beta.iter().map(|b| (0.5 * (b.e_lo_kev + b.e_hi_kev), b.probability_per_decay)).collect()
        }
        EmissionClass::Electron => nuclide.electrons.iter().map(|l| (l.energy_kev, l.yield_per_decay)).collect(),
        EmissionClass::Photon => nuclide.photons.iter().map(|l| (l.energy_kev, l.yield_per_decay)).collect(),
    };
    let sum = |power: i32| rows.iter().map(|(e, p)| p * e.powi(power)).sum::<f64>();
    sum(2) * sum(0) / sum(1).powi(2)
}
