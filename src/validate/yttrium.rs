//! 90Y: the same engine with another nuclide file, against kernels superposed from ETRAN's monoenergetic ones.
//!
//! The reference leaves out bremsstrahlung and scales the kernel of 1 MeV up to 2.28 MeV. Energy by length is
//! compared in 0.25 mm shells where it is above a tenth of its largest value: below, 1 % of the energy lies, set by
//! the end of a spectrum that the two take from different tables and by straggling that ETRAN samples otherwise.

use super::assets;
use super::bench::{Bench, ValidationError};
use super::verdict::{Comparison, Judged, Plot, PlotPoint, Row, Value};
use crate::decay::Nuclide;
use crate::materials::tissues::Tissue;
use crate::transport::emission::{Emissions, Pass};

/// Thickness of a compared shell, mm.
const SHELL_MM: f64 = 0.25;

/// The point kernel of 90Y betas in water.
pub fn run(bench: &mut Bench, histories: u64) -> Result<Comparison, ValidationError> {
    let nuclide = Nuclide::load("y90")?;
    // ETRAN's water: mean excitation energy 75 eV
    let water = Tissue::built_in("water-nist")?;
    let kernel = bench.kernel(&water, 1.0, &nuclide, Emissions::Beta, Pass::Electron, 0.05, 260, histories)?;
    let mut nodes = vec![(0.0, 0.0)];
    for record in assets::y90_etran()?.records() {
        nodes.push((record.number("r_mm")?, record.number("inside_kev")?));
    }
    let inside = |radius: f64| {
        let i = nodes.partition_point(|n| n.0 < radius).clamp(1, nodes.len() - 1);
        let ((r0, e0), (r1, e1)) = (nodes[i - 1], nodes[i]);
        e0 + (e1 - e0) * (radius - r0) / (r1 - r0)
    };
    let total = nodes[nodes.len() - 1].1;
    let shells: Vec<(f64, f64)> = (0..48).map(|i| (f64::from(i) * SHELL_MM, f64::from(i + 1) * SHELL_MM)).collect();
    let top = shells.iter().map(|&(low, high)| inside(high) - inside(low)).fold(0.0, f64::max);
    let (mut rows, mut cumulative, mut points) = (Vec::new(), Vec::new(), Vec::new());
    for (low, high) in shells {
        let reference = inside(high) - inside(low);
        let row = Row::judge(
            "90Y beta",
            format!("shell {low} to {high} mm"),
            "keV",
            kernel.between(low, high),
            Value::new(reference, 0.0),
            Judged::Relative,
            0.02,
        );
        if reference > 0.01 * top {
            points.push(PlotPoint::of(0.5 * (low + high), &row));
        }
        if reference > 0.1 * top {
            rows.push(row);
        }
        cumulative.push(Row::judge(
            "90Y beta",
            format!("inside {high} mm"),
            "keV",
            kernel.inside(high),
            Value::new(inside(high), 0.0),
            Judged::OfTotal(total),
            0.02,
        ));
    }
    let mut comparison = Comparison::default();
    comparison.add_worst("worst shell above 10 % of the highest", rows);
    comparison.add_worst("cumulative curve, worst", cumulative);
    comparison.plots.push(Plot {
        name: "y90-shells".to_owned(),
        title: "90Y betas in water, 0.25 mm shells, reference: ETRAN superposed".to_owned(),
        x_label: "radius, mm",
        y_label: "keV per shell",
        log_y: true,
        points,
    });
    Ok(comparison)
}
