//! A dose from volumes in memory is the dose from files.

use crate::patient::patient;
use lutra::clinic::dose::{DoseResult, dose};
use lutra::clinic::failure::Failure;
use lutra::clinic::from_memory::Volumes;
use lutra::clinic::notes::{Listener, Note, Unheard};
use lutra::clinic::request::{DoseRequest, EngineChoice, GridChoice, RunOptions, Stop};
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
        labels: Some(folder.join("labels.nii")),
        label_names: Some(folder.join("own_names.csv")),
        run: run(),
        ..DoseRequest::of_decays(&folder.join("ct.nii"), &folder.join("decays.nii"))
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
        (Volumes { ct_hu: volumes.ct_hu.map(|_| 9000.0), ..volumes.clone() }, "ct: "),
        (Volumes { labels: volumes.labels.as_ref().map(|l| l.map(|_| 0)), ..volumes.clone() }, "at least one region"),
        (Volumes { activity: volumes.activity.map(|_| -1.0), ..volumes.clone() }, "activity"),
    ] {
        let Err(Failure::User(error)) = computed(wrong) else { panic!("{words}: not refused") };
        let told = format!("{error} {}", error.hint().unwrap_or_default());
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
