//! Inputs with a fault of the field, made on the spot, that must be refused by name: wrong unit, wrong time, flipped side,
//! wrong place, wrong patient, damage. The sound inputs beside them must be accepted, so that a program which refuses
//! everything does not pass.

use super::patient::{COURSE, Patient, SERIES, hu, series};
use super::record::{Check, Group};
use crate::clinic::course::source::CourseSource;
use crate::clinic::failure::{Failure, OrUserError, UserError};
use crate::clinic::from_files;
use crate::clinic::notes::Unheard;
use crate::clinic::request::{ActivityChoice, DoseRequest, SceneInput};
use crate::grid::VoxelGrid;
use crate::io::dicom;
use crate::source::ActivityUnit;

/// What a request says to an input.
type Asked = Result<(), Failure>;

/// An input with a fault.
pub(super) struct Wrong {
    /// What is wrong with it.
    pub(super) name: &'static str,
    /// A word of the refusal: it names what is wrong, and not something else.
    pub(super) says: &'static str,
    /// Makes the input and asks for its result.
    pub(super) ask: fn(&Patient) -> Asked,
}

const fn wrong(name: &'static str, says: &'static str, ask: fn(&Patient) -> Asked) -> Wrong {
    Wrong { name, says, ask }
}

/// All faults that are tried.
pub(super) const ALL: &[Wrong] = &[
    wrong("CT: the second half of the file is missing", "ct-short.nii", |p| {
        p.changed("ct.nii", "ct-short.nii", &|bytes| bytes.truncate(bytes.len() / 2))?;
        dose(p, &|request| request.scene = scene(p, "ct-short.nii"))
    }),
    wrong("CT: a voxel is no number", "finite", |p| ct(p, &|voxel, n| if n == 500 { f32::NAN } else { hu(voxel) })),
    wrong("CT: stored values, 1024 not subtracted", "stored values", |p| ct(p, &|voxel, _| hu(voxel) + 1024.0)),
    wrong("CT: densities in place of HU", "densities", |p| ct(p, &|voxel, _| 1.0 + hu(voxel).max(-999.0) / 1000.0)),
    wrong("CT: negative HU saved as unsigned numbers", "unsigned", |p| {
        ct(p, &|voxel, _| if hu(voxel) < 0.0 { hu(voxel) + 65_536.0 } else { hu(voxel) })
    }),
    wrong("CT: states two places in space", "two places in space", |p| {
        p.changed("ct.nii", "ct-twice.nii", &|bytes| bytes[QFORM_X].copy_from_slice(&ELSEWHERE_MM.to_le_bytes()))?;
        dose(p, &|request| request.scene = scene(p, "ct-twice.nii"))
    }),
    wrong("activity: a voxel is no number", "finite", |p| {
        activity(p, &p.grid, &|n| if n == 7 { f32::NAN } else { 1e4 })
    }),
    wrong("activity: negative voxels", "negative", |p| activity(p, &p.grid, &|n| if n == 7 { -1e4 } else { 1e4 })),
    wrong("activity: nothing in it", "0", |p| activity(p, &p.grid, &|_| 0.0)),
    wrong("activity: another place, a metre away", "outside the CT", |p| {
        let [x, y, z] = p.grid.world_mm([0.0; 3]);
        let apart = VoxelGrid::axis_aligned(p.grid.dims, p.grid.spacing_mm, [x + 1000.0, y, z]);
        activity(p, &apart, &|_| 1e4)
    }),
    wrong("activity: Bq h/mL declared as MBq h a voxel", "MBq", |p| {
        dose(p, &|request| {
            request.activity = ActivityChoice::Map { file: p.place("activity.nii"), unit: ActivityUnit::MbqH };
            request.administered_mbq = Some(7400.0);
        })
    }),
    wrong("labels: no region", "at least one region", |p| {
        p.image("labels-none.nii", &|_, _| 0.0)?;
        dose(p, &|request| request.labels = Some(p.place("labels-none.nii")))
    }),
    wrong("labels: another grid than the images", "grid", |p| {
        let grid = VoxelGrid::axis_aligned([7, 6, 5], [8.0; 3], p.grid.world_mm([0.0; 3]));
        p.image_on("labels-elsewhere.nii", &grid, &|_, _| 1.0)?;
        dose(p, &|request| request.labels = Some(p.place("labels-elsewhere.nii")))
    }),
    wrong("nuclide: misspelt", "lu178", |p| dose(p, &|request| request.nuclide = "lu178".into())),
    wrong("RT Dose: relative units", "DoseUnits", |p| rtdose(p, b"GY", b"RE")),
    wrong("RT Dose: a difference of doses", "DoseType", |p| rtdose(p, b"PHYSICAL", b"ERROR   ")),
    wrong("RT Dose: the second half of the file is missing", "dose-short.dcm", |p| {
        p.changed("dose.dcm", "dose-short.dcm", &|bytes| bytes.truncate(bytes.len() / 2))?;
        user(dicom::read_rtdose(p.place("dose-short.dcm")).or_user_error())
    }),
    wrong("SEG: another frame of reference than the CT's", "frame of reference", |p| {
        user(dicom::read_seg(p.place("seg.dcm"), &p.grid, Some("1.2.3")).or_user_error())
    }),
    wrong("series: two images of one time", "order of time", |_| of_series("time_h = 24.3", "time_h = 4.1")),
    wrong("series: an image before the injection", "after injection", |_| of_series("time_h = 4.1", "time_h = -4.1")),
    wrong("series: whether decay is corrected is not said", "decay_correction", |_| {
        of_series("decay_correction = \"none\"\n", "")
    }),
    wrong("series: an unknown unit", "becquerel", |_| of_series("\"bq_ml\"", "\"becquerel\"")),
    wrong("course: a half-life longer than physical decay", "effective_half_life_h.kidney_left", |p| {
        course(p, "kidney_left = 50.0", "kidney_left = 500.0")
    }),
    wrong("course: activity in GBq", "administered_mbq", |p| {
        course(p, "administered_mbq = 7300", "administered_mbq = 7.3")
    }),
    wrong("course: cycles out of order", "order of time", |p| course(p, "2024-04-03", "2023-04-03")),
    wrong("course: a cycle without dose, counted as nothing", "cycle", |p| {
        course(p, "missing = \"scanner down\"\n", "")
    }),
    wrong("course: a mirrored transform", "mirrors", |p| {
        course(
            p,
            "missing = \"scanner down\"",
            "missing = \"x\"\ntransform = [[-1, 0, 0, 2], [0, 1, 0, 0], [0, 0, 1, 0]]",
        )
    }),
    wrong("course: a field that is still to be filled in", "protocol", |p| {
        course(p, "protocol = \"iluminet\"", "protocol = \"?\"")
    }),
    wrong("course: an unknown protocol", "iluminat", |p| course(p, "\"iluminet\"", "\"iluminat\"")),
    wrong("course: a misspelt field", "administerd_mbq", |p| {
        course(p, "administered_mbq = 7300", "administerd_mbq = 7300")
    }),
];

/// Bytes of qoffset_x in a NIfTI-1 header (nifti1.h): where the qform puts the first voxel.
const QFORM_X: std::ops::Range<usize> = 268..272;
/// Another place than that of the sform, mm.
const ELSEWHERE_MM: f32 = 30.0;

/// Tries inputs with faults, and the sound ones.
pub(super) fn checks(patient: &Patient, all: &[Wrong]) -> Vec<Check> {
    sound().into_iter().chain(all.iter().map(tried)).map(|try_it| try_it(patient)).collect()
}

type Try<'a> = Box<dyn Fn(&Patient) -> Check + 'a>;

/// The sound inputs, which must be accepted.
fn sound<'a>() -> Vec<Try<'a>> {
    let accepted = |name: &'static str, ask: fn(&Patient) -> Asked| -> Try<'a> {
        Box::new(move |patient| {
            let (good, found) = match ask(patient) {
                Ok(()) => (true, "accepted".to_owned()),
                Err(error) => (false, format!("refused: {}", patient.without_folder(&error.to_string()))),
            };
            Check::new(Group::Faults, name, good, found, "accepted")
        })
    };
    vec![
        accepted("sound images are accepted", |p| dose(p, &|_| {})),
        accepted("a sound RT Dose is accepted", |p| user(dicom::read_rtdose(p.place("dose.dcm")).or_user_error())),
        accepted("a sound SEG is accepted", |p| {
            user(dicom::read_seg(p.place("seg.dcm"), &p.grid, None).or_user_error())
        }),
        accepted("a sound series is accepted", |_| user(series(SERIES))),
        accepted("a sound course is accepted", |p| user(CourseSource::of_file(p.place("COURSE.toml")))),
    ]
}

/// A fault tried: refused, as the user's, by name.
fn tried(wrong: &Wrong) -> Try<'_> {
    Box::new(move |patient| {
        let (good, found) = match (wrong.ask)(patient) {
            Ok(()) => (false, "accepted".to_owned()),
            Err(Failure::User(error)) => {
                let message = patient.without_folder(&error.sentence().to_string());
                (message.contains(wrong.says), format!("refused: {message}"))
            }
            Err(Failure::Run(error)) => (false, format!("failed: {}", patient.without_folder(&error.to_string()))),
        };
        Check::new(Group::Faults, wrong.name, good, found, format!("refused, naming “{}”", wrong.says))
    })
}

fn user<T>(asked: Result<T, UserError>) -> Asked {
    asked.map(|_| ()).map_err(Failure::User)
}

/// Asks for a dose with a changed request.
fn dose(patient: &Patient, change: &dyn Fn(&mut DoseRequest)) -> Asked {
    let mut request = patient.request();
    change(&mut request);
    user(from_files::case(&request, &mut Unheard))
}

fn scene(patient: &Patient, ct: &str) -> SceneInput {
    SceneInput::Ct(patient.place(ct))
}

/// Asks for a dose in another CT.
fn ct(patient: &Patient, value: &dyn Fn([usize; 3], usize) -> f32) -> Asked {
    patient.image("ct-wrong.nii", value)?;
    dose(patient, &|request| request.scene = scene(patient, "ct-wrong.nii"))
}

/// Asks for a dose of another activity, Bq h/mL.
fn activity(patient: &Patient, grid: &VoxelGrid, value: &dyn Fn(usize) -> f32) -> Asked {
    patient.image_on("activity-wrong.nii", grid, &|_, n| value(n))?;
    let file = patient.place("activity-wrong.nii");
    dose(patient, &|request| {
        request.activity = ActivityChoice::Map { file: file.clone(), unit: ActivityUnit::BqMlH };
        // labels lie on the grid of the CT
        request.labels = None;
    })
}

/// Reads a dose of which one value is replaced by another of the same length.
fn rtdose(patient: &Patient, from: &[u8], to: &[u8]) -> Asked {
    patient.changed("dose.dcm", "dose-wrong.dcm", &|bytes| replace(bytes, from, to))?;
    user(dicom::read_rtdose(patient.place("dose-wrong.dcm")).or_user_error())
}

/// Replaces the first place of some bytes by others of the same length.
fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    if let Some(at) = bytes.windows(from.len()).position(|found| found == from) {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
}

/// Reads a series of which one line is another.
fn of_series(from: &str, to: &str) -> Asked {
    user(series(&SERIES.replacen(from, to, 1)))
}

/// Reads a course of which one line is another.
fn course(patient: &Patient, from: &str, to: &str) -> Asked {
    patient.text("COURSE-wrong.toml", &COURSE.replacen(from, to, 1))?;
    user(CourseSource::of_file(patient.place("COURSE-wrong.toml")))
}
