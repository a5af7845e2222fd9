//! The files of a course.

use super::checks::{holes, used};
use super::frame::Frame;
use super::parts::Computed;
use crate::bounds;
use crate::clinic::failure::{AtPath, Failure};
use crate::clinic::files::{write_json, write_rows};
use crate::clinic::notes::Listener;
use crate::clinic::output::{self, DOSE_FILE, LABELS_FILE};
use crate::clinic::request::DicomOut;
use crate::course::accumulate::{Accumulated, CycleDose, RegionCycle, VoxelSums};
use crate::course::decision::Verdict;
use crate::course::file::{Course, CourseCycle};
use crate::course::protocol::Protocol;
use crate::course::words::verdict_words;
use crate::fault::{Setting, words};
use crate::grid::{Orientation, Volume};
use crate::io::atomic::AtomicOutputDir;
use crate::io::dicom::{self, DoseOptions, DoseType, SegOptions};
use crate::io::nifti::{self, WriteOptions};
use crate::report::png::{self, Background, Drawn, Outline, Picture};
use crate::report::run_record::{self, InputFile};
use std::collections::BTreeMap;

/// Names of the files written; more per cycle and with DICOM.
pub const FILE_NAMES: [&str; 11] = [
    "verdict.json",
    "verdict.txt",
    "cycles.csv",
    "cumulative.csv",
    "dose_sum_gy.nii.gz",
    "g_dose2_sum_gy2.nii.gz",
    "bed_gy.nii.gz",
    "eqd2_gy.nii.gz",
    "report.html",
    "dvh.csv",
    "dvh.json",
];

/// The BED in DICOM.
pub const BED_FILE: &str = "bed_gy.dcm";

/// Name of a cycle's dose map in the course's frame, cycles counted from 1.
pub fn cycle_map(cycle: usize) -> String {
    format!("cycle_{cycle}_dose_gy.nii.gz")
}

/// Names of the files that a course with this many cycles may write.
pub fn names(cycles: usize, dicom: Option<DicomOut>) -> Vec<String> {
    let mut names: Vec<String> = FILE_NAMES.map(str::to_owned).to_vec();
    names.extend((1..=cycles).map(cycle_map));
    if let Some(out) = dicom {
        names.extend([DOSE_FILE, LABELS_FILE, BED_FILE].map(str::to_owned));
        names.extend(
            ["axial", "coronal", "sagittal"].iter().filter(|_| out.pictures).map(|p| format!("dose_sum_{p}.dcm")),
        );
    }
    names
}

/// What is written.
pub struct Written<'a> {
    /// Record entry of the course's file or folder.
    pub input: &'a InputFile,
    /// Whom it is about, in the user's own words, where stated.
    pub patient_label: Option<&'a str>,
    /// The course.
    pub course: &'a Course,
    /// Its protocol.
    pub protocol: &'a Protocol,
    /// Days of its cycles.
    pub days: &'a [String],
    /// Doses by cycle.
    pub cycles: &'a [CycleDose],
    /// Sums.
    pub accumulated: &'a Accumulated,
    /// The verdict.
    pub verdict: &'a Verdict,
    /// Cycles as computed.
    pub computed: &'a [Computed],
    /// The course's frame, where there is one.
    pub frame: Option<&'a Frame>,
    /// DICOM outputs.
    pub dicom: Option<DicomOut>,
}

/// How sure a region's dose is, and, of a structure that the protocol steers by, what the verdict takes for it and from where.
fn uncertainty(name: &str, region: &RegionCycle, cycle: &CourseCycle, protocol: &Protocol) -> serde_json::Value {
    let holes = holes(region);
    let steers = protocol.organ.structures.iter().any(|structure| structure == name);
    let mut all = serde_json::to_value(region.budget()).expect("a budget is plain data");
    let more = [
        ("from", serde_json::json!(if holes.is_empty() { "budget" } else { "protocol" })),
        ("not_known", serde_json::json!(holes)),
        ("in_verdict", serde_json::json!(steers.then(|| used(region, cycle, protocol)))),
    ];
    if let Some(fields) = all.as_object_mut() {
        fields.extend(more.map(|(name, value)| (name.to_owned(), value)));
    }
    all
}

/// The same of all regions of a cycle.
fn uncertainties(cycle: &CourseCycle, doses: &CycleDose, protocol: &Protocol) -> BTreeMap<String, serde_json::Value> {
    let of = |(name, region): (&String, &RegionCycle)| (name.clone(), uncertainty(name, region, cycle, protocol));
    doses.regions.iter().map(of).collect()
}

/// Tables, maps and the verdict.
pub fn write(folder: &AtomicOutputDir, w: &Written<'_>, hear: &mut dyn Listener) -> Result<(), Failure> {
    write_rows(&folder.file("cycles.csv"), &w.accumulated.cycles)?;
    write_rows(&folder.file("cumulative.csv"), &w.accumulated.totals)?;
    let text = folder.file("verdict.txt");
    text.write(verdict_words(w.verdict)).at(&text)?;
    let cycles: Vec<serde_json::Value> = w
        .course
        .cycles
        .iter()
        .zip(w.computed)
        .zip(w.days)
        .zip(w.cycles)
        .map(|(((cycle, one), day), doses)| {
            serde_json::json!({
                "date": day,
                "administered_mbq": cycle.administered_mbq,
                "inputs": one.inputs,
                "tally_sha256": one.tally_sha256,
                "uncertainty": uncertainties(cycle, doses, w.protocol),
                "registration": one.motion,
                "registrations": one.motions,
                "points": one.curves.iter().map(|c| (c.name.as_str(), &c.points)).collect::<BTreeMap<_, _>>(),
            })
        })
        .collect();
    let totals: BTreeMap<&str, _> =
        w.accumulated.totals.iter().filter_map(|row| Some((row.region.as_str(), row.budget.as_ref()?))).collect();
    let record = serde_json::json!({
        "schema": 1,
        "program": run_record::program(),
        "course": w.input,
        "patient": w.course.patient_id,
        "patient_label": w.patient_label,
        "verdict": w.verdict,
        "cycles": cycles,
        "regions_by_cycle": w.accumulated.cycles,
        "regions_cumulative": w.accumulated.totals,
        "uncertainty_cumulative": totals,
    });
    write_json(&folder.file("verdict.json"), &record)?;
    if let (Some(frame), Some(voxels)) = (w.frame, &w.accumulated.voxels) {
        let orientation: Orientation = frame.grid.orientation();
        let write_map = |name: &str, text: &str, data: Vec<f32>| -> Result<(), Failure> {
            let volume = orientation.restore(Volume { grid: frame.grid.clone(), data })?;
            let description = format!("{text}; {}", run_record::program());
            nifti::write_with(folder.file(name), &volume, &WriteOptions { description, form_code: frame.form_code })?;
            Ok(())
        };
        let single = |what: &str, values: &[f64]| {
            values.iter().map(|&value| bounds::single(what, value)).collect::<Result<Vec<f32>, _>>()
        };
        let stated = "0 where no radiobiology is stated";
        write_map(
            "dose_sum_gy.nii.gz",
            "cumulative absorbed dose, Gy",
            single("dose_sum_gy", &voxels.sums.sum_dose_gy)?,
        )?;
        write_map(
            "g_dose2_sum_gy2.nii.gz",
            "sum of G D^2, Gy^2",
            single("g_dose2_sum_gy2", &voxels.sums.sum_g_dose2_gy2)?,
        )?;
        write_map("bed_gy.nii.gz", &format!("cumulative BED, Gy; {stated}"), voxels.bed_gy.clone())?;
        write_map("eqd2_gy.nii.gz", &format!("cumulative EQD2, Gy; {stated}"), voxels.eqd2_gy.clone())?;
        for (index, cycle) in w.cycles.iter().enumerate() {
            if let Some(dose_gy) = &cycle.dose_gy {
                write_map(&cycle_map(index + 1), "absorbed dose of the cycle, Gy", dose_gy.clone())?;
            }
        }
        if let Some(out) = w.dicom {
            write_dicom(folder, frame, voxels, w, out, hear)?;
        }
    } else if w.dicom.is_some() {
        return Err(Failure::run(words!(
            Setting::Dicom,
            ": there is no dose map to write: no cycle has one, or the maps have no frame in common"
        )));
    }
    Ok(())
}

/// Writes the course's dose and BED as RT Dose and its regions as SEG.
fn write_dicom(
    folder: &AtomicOutputDir,
    frame: &Frame,
    voxels: &VoxelSums,
    w: &Written<'_>,
    out: DicomOut,
    hear: &mut dyn Listener,
) -> Result<(), Failure> {
    let (dose_gy, bed_gy) = (&voxels.sums.sum_dose_gy, &voxels.bed_gy);
    let cycles = w.course.cycles.len();
    let options = |dose_type, description: &str, comment: String| DoseOptions {
        dose_type,
        depth: out.depth,
        description: description.to_owned(),
        comment,
        deidentify: out.deidentify,
        created: None,
    };
    let mut volume =
        |data: Vec<f64>, name: &str| Volume { grid: frame.grid.clone(), data: output::storable(data, name, hear) };
    let origin = frame.origin.as_ref();
    let absorbed = options(DoseType::Physical, "Lutra absorbed dose, all cycles", format!("sum of {cycles} cycles"));
    let dose = volume(dose_gy.to_vec(), DOSE_FILE);
    dicom::write_rtdose(folder.file(DOSE_FILE), &dose, origin, &absorbed)?;
    let bed = options(
        DoseType::Effective,
        "Lutra BED, all cycles",
        format!("BED of {cycles} cycles; 0 where no alpha/beta is stated"),
    );
    let bed_gy = volume(bed_gy.iter().map(|&gy| f64::from(gy)).collect(), BED_FILE);
    dicom::write_rtdose(folder.file(BED_FILE), &bed_gy, origin, &bed)?;
    let labels = Volume { grid: frame.grid.clone(), data: frame.labels.clone() };
    let regions = SegOptions { description: "Lutra regions".to_owned(), deidentify: out.deidentify };
    dicom::write_seg(folder.file(LABELS_FILE), &labels, &frame.names, origin, &regions)?;
    if out.pictures {
        let pictures = pictures(frame, dose_gy, w.patient_label);
        output::write_captures(&pictures, "Lutra absorbed dose, all cycles, pictures", origin, out, folder)?;
    }
    Ok(())
}

/// Slices of the course's dose through its hottest place, under the user's words for the patient where there are any.
fn pictures(frame: &Frame, dose_gy: &[f64], label: Option<&str>) -> Vec<Drawn> {
    const TITLE: &str = "Absorbed dose of all cycles over density";
    let title = label.map_or_else(|| TITLE.to_owned(), |label| format!("{label}: {TITLE}"));
    let dose_gy: Vec<f32> = dose_gy.iter().map(|&gy| gy as f32).collect();
    // without a density (existing dose maps) the background stays dark
    let nothing = vec![0.84_f32; frame.labels.len()];
    let background = Background::Density(frame.density_g_cm3.as_ref().unwrap_or(&nothing));
    let mean = |label: u16| {
        let (sum, count) = (frame.labels.iter().zip(&dose_gy).filter(|(own, _)| **own == label))
            .fold((0.0, 0_usize), |(sum, count), (_, gy)| (sum + f64::from(*gy), count + 1));
        (count > 0).then(|| sum / count as f64)
    };
    let outlines: Vec<Outline> =
        frame.names.iter().map(|(&label, name)| Outline { label, name: name.clone(), dose_gy: mean(label) }).collect();
    let picture = Picture {
        grid: &frame.grid,
        background,
        dose_gy: &dose_gy,
        labels: Some(&frame.labels),
        outlines: &outlines,
        title: &title,
    };
    png::slices(&picture, "dose_sum", png::hottest_voxel(&picture))
}
