//! A dose from volumes in memory is the dose from files.

use crate::patient::{patient, write};
use lutra::clinic::course::cache::Cache;
use lutra::clinic::course::from_memory::{CourseVolumes, CycleVolumes, TimedImage};
use lutra::clinic::course::{CourseResult, patient as clinic_patient, treated};
use lutra::clinic::dose::{DoseResult, dose};
use lutra::clinic::failure::Failure;
use lutra::clinic::from_memory::Volumes;
use lutra::clinic::notes::{Listener, Note, Unheard};
use lutra::clinic::request::{DoseRequest, EngineChoice, GridChoice, RunOptions, Stop};
use lutra::course::file::Course;
use lutra::course::tia::Method;
use lutra::course::time_activity::Model;
use lutra::io::inputs::Inputs;
use lutra::io::nifti;
use lutra::source::ActivityUnit;
use lutra::transport::emission::Emissions;
use lutra::{Nuclide, Volume};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

fn run() -> RunOptions {
    RunOptions { engine: EngineChoice::Cpu(None), stop: Stop::Histories(4000), ..RunOptions::default() }
}

/// The patient's files as volumes; decays by label.
fn volumes(folder: &Path) -> Volumes {
    let labels = nifti::read_labels(folder.join("labels.nii")).expect("labels");
    let activity = labels.map(|label| [1e9, 1e12, 1.2e12][usize::from(label) - 1]);
    nifti::write(folder.join("decays.nii"), &activity, "decays").expect("written");
    let names = BTreeMap::from([(1, "body".to_owned()), (2, "right".to_owned()), (3, "left".to_owned())]);
    let names_csv: String = names.iter().map(|(label, name)| format!("{label},{name}\n")).collect();
    std::fs::write(folder.join("own_names.csv"), format!("value,name\n{names_csv}")).expect("written");
    Volumes {
        ct_hu: nifti::read(folder.join("ct.nii")).expect("the CT"),
        activity,
        unit: ActivityUnit::Decays,
        labels: Some(labels),
        names,
        nuclide: Nuclide::load("lu177").expect("built in"),
        administered_mbq: Some(7400.0),
        grid: GridChoice::Scene,
    }
}

/// The same values at the same places, its first axis towards the other side.
fn mirrored(volume: &Volume<f64>) -> Volume<f64> {
    let (mut grid, last) = (volume.grid.clone(), volume.grid.dims[0] - 1);
    for row in &mut grid.affine {
        row[3] += last as f64 * row[0];
        row[0] = -row[0];
    }
    let at = |n: usize| {
        let [i, j, k] = volume.grid.voxel(n);
        volume.data[volume.grid.index(last - i, j, k)]
    };
    let data = (0..volume.data.len()).map(at).collect();
    Volume { grid, data }
}

fn computed(volumes: Volumes) -> Result<DoseResult, Failure> {
    let case = volumes.into_case(&run(), &mut Unheard)?;
    DoseResult::of(case, &run(), Emissions::All, &mut Unheard)
}

fn rows(result: &DoseResult) -> String {
    format!("{:?} {:?}", result.tables.rows, result.warnings().collect::<Vec<_>>())
}

#[test]
fn engine_memory_and_files_give_one_dose() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    let volumes = volumes(folder);
    let request = DoseRequest {
        administered_mbq: Some(7400.0),
        labels: Some(folder.join("labels.nii").into()),
        label_names: Some(folder.join("own_names.csv").into()),
        run: run(),
        ..DoseRequest::of_decays(folder.join("ct.nii"), folder.join("decays.nii"))
    };
    let files = dose(&request, &mut Unheard).expect("from files");
    let memory = computed(volumes.clone()).expect("from memory");
    assert_eq!(memory.computed.tally_sha256, files.computed.tally_sha256);
    assert_eq!(memory.dose.dose_gy, files.dose.dose_gy);
    assert_eq!(memory.tables.rows.len(), 3);
    assert_eq!(format!("{:?}", memory.tables.rows), format!("{:?}", files.tables.rows));
    // in any axis order
    let turned = Volumes { activity: mirrored(&volumes.activity), ..volumes.clone() };
    assert_eq!(rows(&computed(turned).expect("turned")), rows(&memory));
    // alarm: one voxel of other activity, one of other matter
    let mut other = volumes.clone();
    other.activity.data[0] *= 2.0;
    assert_ne!(computed(other).expect("sound").computed.tally_sha256, memory.computed.tally_sha256);
    let mut other = volumes.clone();
    other.ct_hu.data[0] += 60.0;
    assert_ne!(computed(other).expect("sound").computed.tally_sha256, memory.computed.tally_sha256);
}

#[test]
fn engine_memory_is_held_to_the_same_bounds() {
    let folder = tempfile::tempdir().expect("temporary folder");
    patient(folder.path());
    let volumes = volumes(folder.path());
    for (wrong, words) in [
        (Volumes { unit: ActivityUnit::MbqH, ..volumes.clone() }, "would fit as decays"),
        (Volumes { ct_hu: volumes.ct_hu.map(|_| 9000.0), ..volumes.clone() }, "CT numbers"),
        (Volumes { labels: volumes.labels.as_ref().map(|l| l.map(|_| 0)), ..volumes.clone() }, "at least one region"),
        (Volumes { activity: volumes.activity.map(|_| -1.0), ..volumes.clone() }, "activity"),
    ] {
        let Err(Failure::User(error)) = computed(wrong) else { panic!("{words}: not refused") };
        let told = error.sentence().to_string();
        assert!(told.contains(words), "{words}: {told}");
    }
}

/// Ends the run once it is under way.
struct Impatient(usize);

impl Listener for Impatient {
    fn note(&mut self, _: Note) {}

    fn progress(&mut self, _: f64, _: Option<f64>, _: &str) -> ControlFlow<()> {
        self.0 += 1;
        if self.0 > 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn progress_ended(&mut self) {}
}

#[test]
fn engine_a_listener_ends_a_run() {
    let folder = tempfile::tempdir().expect("temporary folder");
    patient(folder.path());
    let volumes = volumes(folder.path());
    let mut hear = Impatient(0);
    let case = volumes.into_case(&run(), &mut hear).expect("a case");
    let ended = DoseResult::of(case, &run(), Emissions::All, &mut hear);
    assert!(matches!(ended, Err(Failure::Run(_))), "it ends, and that is no fault of the user's");
}

/// The cycles of a course in memory: the patient's images, the later cycle scaled.
fn course_in_memory(folder: &Path, factors: &[f64]) -> CourseVolumes {
    let images = |factor: f64| {
        let image = |time_h: f64| TimedImage {
            time_h,
            activity_bq_ml: nifti::read_as::<f64>(folder.join(format!("t{time_h}.nii")))
                .expect("an image")
                .map(|v| factor * v),
            rel_sigma: None,
        };
        [4.0, 24.0, 96.0, 168.0].map(image).to_vec()
    };
    let cycle = |(n, &factor): (usize, &f64)| CycleVolumes {
        day: 60 * n as i64 + 3,
        administered_mbq: 7400.0,
        images: images(factor),
    };
    CourseVolumes {
        ct_hu: nifti::read(folder.join("ct.nii")).expect("the CT"),
        labels: nifti::read_labels(folder.join("labels.nii")).expect("labels"),
        names: BTreeMap::from([(1, "body".to_owned()), (2, "kidney_right".to_owned()), (3, "kidney_left".to_owned())]),
        nuclide: Nuclide::load("lu177").expect("built in"),
        protocol: "iluminet".to_owned(),
        method: Method::Model(Model::Mono),
        grid: GridChoice::Scene,
        cycles: factors.iter().enumerate().map(cycle).collect(),
    }
}

fn treat(volumes: CourseVolumes, cache: Option<&Cache>) -> CourseResult {
    treated(volumes.into_source().expect("a course"), cache, &run(), &mut Unheard).expect("treated")
}

/// What a course found, to the last bit.
fn found(result: &CourseResult) -> String {
    let voxels = result.accumulated.voxels.as_ref().expect("voxel sums");
    let hashes: Vec<_> = result.computed.iter().map(|one| one.tally_sha256.clone()).collect();
    format!("{hashes:?} {:?} {:?}", result.accumulated.totals, voxels.sums.sum_dose_gy)
}

/// From memory as from files, with a cache as without one: one course.
#[test]
fn engine_a_course_in_memory_is_that_of_its_files() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    // half is exact in every format
    let memory = treat(course_in_memory(folder, &[1.0, 0.5]), None);
    assert_eq!(memory.computed.len(), 2);
    assert_eq!(memory.days, ["day 0", "day 60"]);
    assert_eq!(memory.course.cycles[1].interval_d, Some(60));
    let series = "schema = 1\nnuclide = \"lu177\"\nadministered_mbq = 7400\nunit = \"bq_ml\"\n\
                  decay_correction = \"none\"\nlabels = \"labels.nii\"\nlabel_names = \"names.csv\"\n\
                  [fit]\nmethod = \"mono\"\n";
    let images = |letter: &str| {
        [4, 24, 96, 168].map(|t| format!("[[images]]\nfile = \"{letter}{t}.nii\"\ntime_h = {t}\n")).concat()
    };
    for t in [4, 24, 96, 168] {
        let first = nifti::read_as::<f64>(folder.join(format!("t{t}.nii"))).expect("an image");
        nifti::write(folder.join(format!("u{t}.nii")), &first.map(|v| (0.5 * v) as f32), "").expect("written");
    }
    write(folder, "SERIES1.toml", &format!("{series}{}", images("t")));
    write(folder, "SERIES3.toml", &format!("{series}{}", images("u")));
    let cycle = |month: u32| {
        format!("[[cycles]]\ndate = 2024-{month:02}-15\nadministered_mbq = 7400\nseries = \"SERIES{month}.toml\"\n")
    };
    let course =
        "schema = 1\nprotocol = \"iluminet\"\nct = \"ct.nii\"\nlabels = \"labels.nii\"\nlabel_names = \"names.csv\"\n";
    write(folder, "COURSE.toml", &format!("{course}{}{}", cycle(1), cycle(3)));
    let cache = Cache { folder: folder.join("kept"), program_sha256: "this test".to_owned(), inputs: Inputs::none() };
    let of_files = || {
        let check = |_: &Course| Ok(());
        clinic_patient(folder.join("COURSE.toml"), None, (&cache, None), &run(), &check, &mut Unheard).expect("treated")
    };
    let (computed, kept) = (of_files(), of_files());
    assert_eq!(computed.computed[0].tally_sha256, memory.computed[0].tally_sha256);
    assert_eq!(found(&computed), found(&memory));
    assert!(computed.computed.iter().all(|one| !one.reused));
    assert!(kept.computed.iter().all(|one| one.reused));
    assert_eq!(found(&kept), found(&computed), "what is kept is what was computed");
    // alarm: another activity in one cycle
    assert_ne!(found(&treat(course_in_memory(folder, &[1.0, 1.01]), None)), found(&memory));
}

#[test]
fn engine_a_course_in_memory_is_held_to_the_same_bounds() {
    let folder = tempfile::tempdir().expect("temporary folder");
    patient(folder.path());
    let course = || course_in_memory(folder.path(), &[1.0, 0.5]);
    let mut backwards = course();
    backwards.cycles[1].day = 0;
    let mut much = course();
    much.cycles[0].administered_mbq = 1e9;
    let mut disorder = course();
    disorder.cycles[0].images.reverse();
    let mut bare = course();
    bare.cycles[1].images.clear();
    let unknown = CourseVolumes { protocol: "none such".to_owned(), ..course() };
    for (wrong, words) in [
        (backwards, "cycle 2: day"),
        (much, "cycle 1: administered activity"),
        (disorder, "times in order"),
        (bare, "images of cycle 2"),
        (unknown, "none such"),
    ] {
        let Err(error) = wrong.into_source() else { panic!("{words}: not refused") };
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
}
