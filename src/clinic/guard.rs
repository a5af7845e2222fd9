//! The inputs of each request, so that no output touches them.
//!
//! Each request is destructured field by field: a new field must be named here before the program compiles.

use super::failure::{OrUserError, UserError};
use super::kinetics::{self, LearnRequest};
use super::marrow;
use super::output::{CASE_FILE, DOSE_FILE, LABELS_FILE, S_MATRIX_FILE, TALLY_FILE};
#[cfg(feature = "validate")]
use super::request::VerifyRequest;
use super::request::{
    ActivityChoice, AuditRequest, BenchRequest, BenchScene, CalibrateRequest, Checkpoint, CompareRequest,
    CourseRequest, DicomOut, DoseRequest, ImageChoice, KernelRequest, MarrowRequest, MediumRequest, MergeRequest,
    ParityRequest, ParityScene, RegisterRequest, RunOptions, SceneInput, StudyChoice, SvalueRequest, TiaRequest,
};
use crate::io::atomic::AtomicOutputDir;
use crate::io::dicom;
use crate::io::inputs::Inputs;
use crate::place::Place;
use crate::transport::checkpoint;
use std::path::Path;

/// The output folder of a command, which protects its inputs and files that are not Lutra's; `names` are the files it
/// may write.
pub fn folder<N: AsRef<str>>(
    out: &Path,
    force: bool,
    inputs: &Inputs,
    names: &[N],
) -> Result<AtomicOutputDir, UserError> {
    AtomicOutputDir::create(out, force, inputs).and_then(|folder| folder.expecting(names)).or_user_error()
}

/// As [`folder`], for a command that transports: its checkpoints leave the inputs alone too.
pub fn folder_of_run<N: AsRef<str>>(
    out: &Path,
    force: bool,
    run: &RunOptions,
    inputs: &Inputs,
    names: &[N],
) -> Result<AtomicOutputDir, UserError> {
    let Some(Checkpoint { folder: place, every_s: _, resume }) = &run.checkpoint else {
        return folder(out, force, inputs, names);
    };
    let files = checkpoint::files(place);
    files.iter().try_for_each(|file| inputs.spare(file)).or_user_error()?;
    checkpoint::free(place, *resume || force).or_user_error()?;
    let mut all = inputs.clone();
    files.iter().filter(|_| *resume).for_each(|file| all.add(file));
    folder(out, force, &all, names)
}

/// Names of the files of a whole run.
pub fn dose_names(dicom: Option<DicomOut>) -> Vec<&'static str> {
    let mut names = vec![
        "dose_gy.nii.gz",
        "sigma_rel.nii.gz",
        "dose_electron_gy.nii.gz",
        "dose_photon_gy.nii.gz",
        "organs.csv",
        S_MATRIX_FILE,
        "run.json",
        "report.html",
        "dvh.csv",
        "dvh.json",
        "dose_axial.png",
        "dose_coronal.png",
        "dose_sagittal.png",
    ];
    if let Some(out) = dicom {
        names.extend([DOSE_FILE, LABELS_FILE]);
        if out.pictures {
            names.extend(["dose_axial.dcm", "dose_coronal.dcm", "dose_sagittal.dcm"]);
        }
    }
    names
}

/// A name that may be a file: of a nuclide, of a tissue.
fn add_named(inputs: &mut Inputs, name: impl Into<Place>) {
    let name = name.into();
    if name.is_file() {
        inputs.add(name);
    }
}

fn add_images(inputs: &mut Inputs, choice: &ImageChoice) {
    let ImageChoice {
        nuclide,
        nuclide_stated: _,
        options: _,
        effective_half_life_h: _,
        administered_mbq: _,
        half_lives_h: _,
        model: _,
    } = choice;
    add_named(inputs, nuclide);
}

/// What `lutra dose` reads.
pub fn of_dose(request: &DoseRequest) -> Inputs {
    let DoseRequest {
        config,
        scene,
        activity,
        administered_mbq: _,
        nuclide,
        emissions: _,
        labels,
        label_names,
        out: _,
        dicom: _,
        force: _,
        grid: _,
        outline_sharing: _,
        run: _,
    } = request;
    let mut inputs: Inputs = [labels, label_names].into_iter().flatten().collect();
    config.iter().for_each(|path| inputs.add(path));
    match scene {
        SceneInput::Ct(ct) => inputs.add(ct),
        SceneInput::Explicit { density, tissue, tissue_table } => {
            [density, tissue, tissue_table].into_iter().for_each(|path| inputs.add(path));
        }
    }
    match activity {
        ActivityChoice::Map { file, unit: _ } => inputs.add(file),
        ActivityChoice::Images { paths, choice } => {
            paths.iter().for_each(|path| inputs.add(path));
            add_images(&mut inputs, choice);
        }
        ActivityChoice::Decays | ActivityChoice::None => {}
    }
    add_named(&mut inputs, nuclide);
    inputs
}

/// What `lutra kinetics learn` reads.
pub fn of_learn(request: &LearnRequest) -> Inputs {
    let LearnRequest { folders, start, name: _, out: _, force: _ } = request;
    // a folder that cannot be listed is left for its reader to report
    let mut inputs: Inputs = folders.iter().flat_map(|folder| kinetics::records(folder).unwrap_or_default()).collect();
    add_named(&mut inputs, start.as_str());
    inputs
}

/// What `lutra audit` reads.
pub fn of_audit(request: &AuditRequest) -> Inputs {
    let AuditRequest { dose, tolerance_rel: _, kernels, declared: _, s_tables, phantom: _ } = request;
    let mut inputs = of_dose(dose);
    kernels.iter().chain(s_tables).for_each(|path| inputs.add(path));
    inputs
}

/// What `lutra svalue` reads.
pub fn of_svalue(request: &SvalueRequest) -> Inputs {
    let SvalueRequest { dose, sources: _ } = request;
    of_dose(dose)
}

/// What `lutra bench` reads.
pub fn of_bench(request: &BenchRequest) -> Inputs {
    match &request.what {
        BenchScene::Demo | BenchScene::Scaling(_) => Inputs::none(),
        BenchScene::Files(dose) => of_dose(dose),
    }
}

/// What `lutra parity` reads.
pub fn of_parity(request: &ParityRequest) -> Inputs {
    match &request.scene {
        ParityScene::Demo => Inputs::none(),
        ParityScene::Files(ct, decays) => [ct, decays].into_iter().collect(),
    }
}

/// What `lutra verify` reads.
#[cfg(feature = "validate")]
pub fn of_verify(request: &VerifyRequest) -> Inputs {
    let VerifyRequest { out: _, against, force: _, run: _ } = request;
    against.iter().collect()
}

/// What `lutra merge` reads.
pub fn of_merge(request: &MergeRequest) -> Inputs {
    let MergeRequest { outputs, out: _, allow_missing: _, force: _ } = request;
    outputs.iter().flat_map(|shard| [shard.join(TALLY_FILE), shard.join(CASE_FILE)]).collect()
}

/// What `lutra marrow` reads.
pub fn of_marrow(request: &MarrowRequest) -> Inputs {
    let MarrowRequest { file, dose, out: _, force: _ } = request;
    std::iter::once(file.clone()).chain(marrow::inputs_of(dose)).collect()
}

/// What `lutra compare` reads.
pub fn of_compare(request: &CompareRequest) -> Inputs {
    let CompareRequest { a, b, labels, label_names, tolerance_rel: _, out: _, force: _ } = request;
    [Some(a), Some(b), labels.as_ref(), label_names.as_ref()].into_iter().flatten().collect()
}

/// What `lutra calibrate` reads.
pub fn of_calibrate(request: &CalibrateRequest) -> Inputs {
    let CalibrateRequest { phantom: _, description, out: _, force: _ } = request;
    let mut inputs = Inputs::none();
    add_described(&mut inputs, description);
    inputs
}

/// What `lutra register` reads.
pub fn of_register(request: &RegisterRequest) -> Inputs {
    let RegisterRequest { fixed, moving, mask, label_names, kind: _, metric: _, deidentify: _, out: _, force: _ } =
        request;
    [Some(fixed), Some(moving), mask.as_ref(), label_names.as_ref()].into_iter().flatten().collect()
}

/// What `lutra kernel` reads.
pub fn of_kernel(request: &KernelRequest) -> Inputs {
    let KernelRequest { spacing_mm: _, half: _, medium } = request;
    of_medium(medium)
}

/// What `lutra dpk` reads.
pub fn of_medium(request: &MediumRequest) -> Inputs {
    let MediumRequest { tissue, density_g_cm3: _, nuclide, histories: _, seed: _, threads: _, out: _, force: _ } =
        request;
    let mut inputs = Inputs::none();
    add_named(&mut inputs, tissue);
    add_named(&mut inputs, nuclide);
    inputs
}

/// What `lutra tia` reads: DICOM, or a SERIES.toml and what it names.
pub fn of_tia(request: &TiaRequest) -> Inputs {
    let TiaRequest { series, labels, label_names, ct, images, outline_sharing: _, out: _, force: _ } = request;
    let mut inputs: Inputs = [labels, label_names, ct].into_iter().flatten().collect();
    series.iter().for_each(|path| add_described(&mut inputs, path));
    add_images(&mut inputs, images);
    inputs
}

/// What `lutra course` reads: a DICOM folder, or a COURSE.toml and what it names.
pub fn of_course(request: &CourseRequest) -> Inputs {
    let CourseRequest::Patient { course, out: _, cache: _, study, dicom: _, outline_sharing: _, force: _, run: _ } =
        request
    else {
        return Inputs::none();
    };
    let mut inputs = Inputs::none();
    add_described(&mut inputs, course);
    if let Some(choice) = study {
        let StudyChoice { ct, activity, labels, label_names, protocol: _, facts: _, images } = &**choice;
        [ct, labels, label_names].into_iter().flatten().chain(activity).for_each(|path| inputs.add(path));
        add_images(&mut inputs, images);
    }
    inputs
}

fn add_described(inputs: &mut Inputs, path: &Place) {
    if dicom::is_dicom(path) { inputs.add(path) } else { inputs.add_description(path) }
}
