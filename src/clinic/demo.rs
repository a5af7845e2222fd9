//! The procedural abdomen as a case, with its inputs written as files.

use super::case::{Case, data_sets};
use super::failure::{AtPath, Failure, RunFault};
use super::output;
use super::request::RunOptions;
use crate::decay::Nuclide;
use crate::demo::{self, label};
use crate::io::atomic::AtomicOutputDir;
use crate::materials::hu_curve::HuCalibration;
use crate::materials::tissue_map;
use crate::report::run_record::InputFile;
use crate::text;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Names of the files that a demo writes beside those of a dose.
pub const FILE_NAMES: [&str; 7] = [
    "ct.nii.gz",
    "decays.nii.gz",
    "labels.nii.gz",
    "label_names.csv",
    "kidneys_axial.png",
    "kidneys_coronal.png",
    "kidneys_sagittal.png",
];

/// The kidneys of the phantom, which get their own slices.
pub const KIDNEYS: [u16; 4] = [label::CORTEX_RIGHT, label::CORTEX_LEFT, label::MEDULLA_RIGHT, label::MEDULLA_LEFT];

/// Makes the phantom, writes it into `folder` as the inputs of a run into `out`, and turns its HU into matter.
pub fn case(run: &RunOptions, out: &Path, folder: &AtomicOutputDir) -> Result<Case, Failure> {
    let mut case = phantom(run.settings())?;
    case.inputs = write_inputs(&case, out, folder)?;
    Ok(case)
}

/// The phantom as matter, activity and regions.
pub fn phantom(mut settings: BTreeMap<String, Value>) -> Result<Case, Failure> {
    let made = demo::make(demo::DEFAULT_SEED);
    let calibration = HuCalibration::schneider2000();
    let matter = tissue_map(&made.ct, &calibration).map_err(|error| Failure::Run(RunFault::of(&error)))?;
    let nuclide = Nuclide::load("lu177").map_err(|error| Failure::Run(RunFault::of(&error)))?;
    settings.extend([
        ("administered_mbq".to_owned(), json!(made.administered_mbq)),
        ("phantom_seed".to_owned(), json!(demo::DEFAULT_SEED)),
        ("nuclide".to_owned(), json!("lu177")),
    ]);
    let (ct, orientation) = made.ct.to_canonical();
    Ok(Case {
        density_g_cm3: matter.density_g_cm3,
        tissue: matter.tissue,
        tissues: matter.tissues,
        hu: Some(ct.data),
        labels: made.labels.data,
        names: made.names.into_iter().collect(),
        groups: made.groups,
        image_times_h: Vec::new(),
        activity: crate::clinic::known::ActivityKnown::default(),
        administered_mbq: Some(made.administered_mbq),
        decays_in_file: crate::source::sum(made.decays.data.iter().copied()),
        decays: made.decays,
        data_sets: data_sets(&nuclide, Some(&calibration.source)),
        nuclide,
        orientation,
        form_code: 1,
        origin: None,
        dicom: None,
        inputs: Vec::new(),
        settings,
        warnings: matter.report.warnings,
    })
}

/// Writes the phantom, so that the same run can be made with `lutra dose`; returns what was written as inputs.
fn write_inputs(case: &Case, out: &Path, folder: &AtomicOutputDir) -> Result<Vec<InputFile>, Failure> {
    let hu: Vec<i16> = case.hu.iter().flatten().map(|&hu| hu as i16).collect();
    output::write_map(case, &hu, folder, "ct.nii.gz", "CT, HU")?;
    output::write_map(case, &case.decays.data, folder, "decays.nii.gz", "decays per voxel")?;
    output::write_map(case, &case.labels, folder, "labels.nii.gz", "region labels")?;
    let path = folder.file("label_names.csv");
    let rows = case.names.iter().map(|(label, name)| [label.to_string(), name.clone()]);
    path.write(text::rows::text(["value", "name"], rows)).at(&path)?;
    let roles = [
        ("ct", "ct.nii.gz"),
        ("activity", "decays.nii.gz"),
        ("labels", "labels.nii.gz"),
        ("label_names", "label_names.csv"),
    ];
    let mut inputs = Vec::new();
    for (role, name) in roles {
        let mut input = output::written(folder, role, name)?;
        input.path = out.join(name).display().to_string();
        inputs.push(input);
    }
    Ok(inputs)
}
