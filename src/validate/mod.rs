//! Validation: Lutra against an independent code (EGSnrc), problem by problem, with verdicts.
//!
//! Each problem file runs its scenes on an engine and compares with the tables in `assets/reference/`. Nothing of a
//! reference result enters a run but its emissions, tissues and mean excitation energies. A quantity passes when it
//! differs from its reference by no more than the allowed difference and two combined standard errors.

/// The tables in `assets/reference/`.
mod assets;

/// Engine, settings, nuclide: what every problem runs with.
mod bench;

/// The reference's own physics where it differs.
mod as_egsnrc;

/// Point kernels with the statistics of their batches.
mod kernel;

/// What a comparison says: rows, plots, verdicts.
mod verdict;

/// Absorbed fractions of spheres from point kernels.
mod overlap;

/// Fano's theorem: one dose at every density.
pub mod fano;

/// R1: point sources in water.
pub mod r1_point;

/// R2: spheres.
pub mod r2_spheres;

/// R3: voxel S values.
pub mod r3_voxels;

/// R4: slabs of tissue, lung and bone.
pub mod r4_slabs;

/// R5: a tumour across the surface of the lung.
pub mod r5_interface;

/// R6: a patient's CT.
pub mod r6_patient;

/// Published figures: stopping powers, attenuation, spheres, kidneys.
pub mod published;

/// 90Y: the same engine with another nuclide.
pub mod yttrium;

/// Step lengths halved and doubled.
pub mod steps;

/// The page, the JSON file and the plots.
pub mod page;

pub use bench::{Fault, ValidationError, Workbench};
pub use verdict::{Comparison, Judged, Plot, PlotPoint, Row, RowVerdict, Value};

use crate::clock::Moment;
use std::path::Path;

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// Every problem, up to half an hour on two cores.
    Full,
    /// The problems that tell most, in two or three minutes.
    Quick,
}

/// A problem as the suite runs it.
type Problem<'a> = (&'static str, Box<dyn Fn(&mut Workbench) -> Result<Comparison, ValidationError> + 'a>);

/// Runs the suite in order. `patient` is the folder of the CT problem; without it that problem is skipped and says so.
/// `tell` hears the name of each problem as it begins.
pub fn run(
    bench: &mut Workbench,
    extent: Extent,
    patient: Option<&Path>,
    tell: &mut dyn FnMut(&str),
) -> Result<Vec<Comparison>, ValidationError> {
    let mut done = Vec::new();
    for (name, problem) in problems(extent, patient) {
        tell(name);
        let started = Moment::now();
        let mut comparison = problem(bench)?;
        comparison.seconds = started.seconds();
        done.push(comparison);
    }
    Ok(done)
}

/// The problems of an extent. Histories are chosen so that Lutra's own standard errors stay well below the allowed
/// differences.
fn problems<'a>(extent: Extent, patient: Option<&'a Path>) -> Vec<Problem<'a>> {
    let full = extent == Extent::Full;
    let pick = move |quick: u64, long: u64| if full { long } else { quick };
    let mut list: Vec<Problem<'a>> = vec![
        ("published stopping powers and attenuation", Box::new(|_| published::laws())),
        // the worst of its shells needs them all
        ("R1 beta", Box::new(move |b| r1_point::beta(b, 4_000_000))),
        ("R1 electrons", Box::new(move |b| r1_point::conversion_electrons(b, pick(300_000, 2_000_000)))),
        ("R1 photons", Box::new(move |b| r1_point::photons(b, pick(1_000_000, 8_000_000)))),
    ];
    if full {
        // of fewer histories the worst of so many densities would be statistics
        list.insert(1, ("Fano", Box::new(|b| fano::run(b, 40_000_000, 10_000_000))));
    }
    for energy_kev in [100, 200, 400] {
        list.push((
            match energy_kev {
                100 => "R1 100 keV electrons",
                200 => "R1 200 keV electrons",
                _ => "R1 400 keV electrons",
            },
            Box::new(move |b| r1_point::electrons(b, energy_kev, pick(60_000, 500_000))),
        ));
    }
    list.push(("R1 208 keV photons", Box::new(move |b| r1_point::gamma_208(b, pick(1_000_000, 4_000_000)))));
    list.push(("R2 spheres", Box::new(move |b| r2_spheres::run(b, pick(100_000, 1_000_000)))));
    list.push((
        "R3 3 mm",
        Box::new(move |b| r3_voxels::run(b, 3.0, if full { 101 } else { 91 }, pick(400_000, 4_000_000))),
    ));
    if full {
        list.push(("R3 4.42 mm", Box::new(|b| r3_voxels::run(b, 4.42, 81, 4_000_000))));
    }
    for source in r4_slabs::SlabSource::ALL {
        let name = match source {
            r4_slabs::SlabSource::Soft => "R4 source in soft tissue",
            r4_slabs::SlabSource::Lung => "R4 source in lung",
            r4_slabs::SlabSource::Bone => "R4 source in bone",
        };
        if full || source == r4_slabs::SlabSource::Lung {
            list.push((name, Box::new(move |b| r4_slabs::run(b, source, pick(2_000_000, 12_000_000), full))));
        }
    }
    list.push(("R5", Box::new(move |b| r5_interface::run(b, pick(1_500_000, 8_000_000), full))));
    if full {
        list.push(("R6", Box::new(move |b| r6_patient::run(b, patient, 30_000_000))));
        list.push(("published spheres and kidneys", Box::new(|b| published::doses(b, 500_000))));
        list.push(("90Y", Box::new(|b| yttrium::run(b, 300_000))));
        list.push(("step lengths", Box::new(|b| steps::run(b, 2_000_000))));
    }
    list
}
