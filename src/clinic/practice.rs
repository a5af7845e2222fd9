//! The practice patient: the demo as the files a clinic would have.
//!
//! Three cycles of 7.4 GBq: CT, labels, and activity images in Bq/mL at 24, 72 and 168 h without blur or noise, so that
//! results can be checked by hand. Facts that a clinic would look up in its records are in `facts.txt`.

use super::failure::{AtPath, Failure, OrUserError};
use crate::demo::{self, Demo, label};
use crate::grid::Volume;
use crate::io::atomic::AtomicOutputDir;
use crate::io::nifti;
use crate::report::run_record;

/// Scans after injection, h.
pub const TIMES_H: [f64; 3] = [24.0, 72.0, 168.0];
/// Days of the injections.
pub const DATES: [&str; 3] = ["2025-01-14", "2025-03-25", "2025-06-03"];
/// Seconds of an hour.
const SECONDS_PER_H: f64 = 3600.0;

/// A region of the practice patient: label, name, effective half-life, and the factor of its activity from cycle to
/// cycle.
struct Part {
    label: u16,
    name: &'static str,
    half_life_h: f64,
    growth: f64,
}

const fn part(label: u16, name: &'static str, half_life_h: f64, growth: f64) -> Part {
    Part { label, name, half_life_h, growth }
}

/// Kidneys are whole here, cortex and medulla together.
const KIDNEY_RIGHT: Part = part(2, "kidney_right", 50.0, 1.03);
const KIDNEY_LEFT: Part = part(3, "kidney_left", 50.0, 1.03);
const LIVER: Part = part(4, "liver", 67.0, 1.0);
const SPLEEN: Part = part(5, "spleen", 67.0, 1.0);
const TUMOUR_1: Part = part(21, "tumour_1", 77.0, 0.85);
const TUMOUR_2: Part = part(22, "tumour_2", 77.0, 0.85);
const BODY: Part = part(1, "body", 60.0, 1.0);
const PARTS: [&Part; 7] = [&BODY, &KIDNEY_RIGHT, &KIDNEY_LEFT, &LIVER, &SPLEEN, &TUMOUR_1, &TUMOUR_2];

fn part_of(demo_label: u16) -> &'static Part {
    match demo_label {
        label::CORTEX_RIGHT | label::MEDULLA_RIGHT => &KIDNEY_RIGHT,
        label::CORTEX_LEFT | label::MEDULLA_LEFT => &KIDNEY_LEFT,
        label::LIVER => &LIVER,
        label::SPLEEN => &SPLEEN,
        label::TUMOUR_1 => &TUMOUR_1,
        label::TUMOUR_2 => &TUMOUR_2,
        _ => &BODY,
    }
}

/// Writes the practice patient into `folder`; returns what a clinic would look up.
pub fn write(folder: &AtomicOutputDir) -> Result<String, Failure> {
    let made = demo::make(demo::DEFAULT_SEED);
    write_volumes(&made, folder).or_user_error()?;
    let rows = PARTS.iter().map(|part| [part.label.to_string(), part.name.to_owned()]);
    let names = crate::text::rows::text(["value", "name"], rows);
    let facts = facts();
    for (name, text) in [("label_names.csv", &names), ("facts.txt", &facts)] {
        folder.file(name).write(text).at(&folder.file(name))?;
    }
    Ok(facts)
}

/// Writes the volumes.
fn write_volumes(made: &Demo, folder: &AtomicOutputDir) -> Result<(), crate::io::IoError> {
    let text = |what: &str| format!("{what}; practice, {}", run_record::program());
    let grid = &made.ct.grid;
    let hu = made.ct.map(|hu| hu as i16);
    nifti::write(folder.file("ct.nii.gz"), &hu, &text("CT, HU"))?;
    let labels = made.labels.map(|label| if label == label::OUTSIDE { 0 } else { part_of(label).label });
    nifti::write(folder.file("labels.nii.gz"), &labels, &text("region labels"))?;
    let per_ml = |value: &dyn Fn(&Part, f64) -> f64| {
        let values = made.labels.data.iter().zip(&made.decays.data);
        let data = values.map(|(&label, &decays)| value(part_of(label), decays / grid.voxel_cm3()) as f32).collect();
        Volume { grid: grid.clone(), data }
    };
    let bq_h = per_ml(&|_, decays_per_ml| decays_per_ml / SECONDS_PER_H);
    nifti::write(folder.file("tia.nii.gz"), &bq_h, &text("time-integrated activity, cycle 1"))?;
    for (cycle, power) in (1..=DATES.len()).zip(0..) {
        let below = format!("cycle{cycle}");
        folder.make_folder(&below)?;
        for time_h in TIMES_H {
            let image = per_ml(&|part, decays_per_ml| {
                let rate = std::f64::consts::LN_2 / part.half_life_h;
                decays_per_ml / SECONDS_PER_H * rate * part.growth.powi(power) * (-time_h / part.half_life_h).exp2()
            });
            nifti::write(folder.file(&format!("{below}/spect_{time_h:03}h.nii.gz")), &image, &text("activity"))?;
        }
    }
    Ok(())
}

/// Facts that a clinic would look up, and the true values for checking.
fn facts() -> String {
    let mut text = format!(
        "The practice patient: made by `lutra demo`, nobody's images.\n\n\
         administered    {} MBq of 177Lu in each cycle, on {}\n\
         images          activity at mid-scan, Bq/mL, not corrected for decay, {} h after injection\n\
         tia.nii.gz      time-integrated activity of cycle 1, Bq h/mL\n\n\
         What was put in, to be found again:\n",
        demo::ADMINISTERED_MBQ,
        DATES.join(", "),
        TIMES_H.map(|t| t.to_string()).join(", ")
    );
    for part in PARTS {
        text.push_str(&format!(
            "{:<15} effective half-life {} h, activity from cycle to cycle x {:.2}\n",
            part.name, part.half_life_h, part.growth
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decay::Nuclide;

    #[test]
    fn law_nothing_outlives_physical_decay() {
        let physical_h = Nuclide::load("lu177").expect("built in").half_life_h;
        assert!(PARTS.iter().all(|part| part.half_life_h < physical_h && part.growth > 0.0));
        let labels: std::collections::BTreeSet<u16> = PARTS.iter().map(|part| part.label).collect();
        assert_eq!(labels.len(), PARTS.len(), "each label once");
    }
}
