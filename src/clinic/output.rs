//! The files of a run: dose maps, region table, pictures, record.

use super::case::{Case, Computed};
use super::dose::{DoseResult, Tables, dose_map, tables, warnings};
use super::dose_budgets;
use super::failure::{AtPath, Failure};
use super::files::write_rows;
use super::invocation::Invocation;
use super::notes::Listener;
use super::pages::{self, Further};
use super::request::DicomOut;
use crate::cores;
use crate::dose::DoseMap;
use crate::dose::regions::{RegionDose, write_csv};
use crate::grid::Volume;
use crate::io::atomic::AtomicOutputDir;
use crate::io::dicom::{self, Capture, CaptureOptions, DoseOptions, DoseType, Origin, SegOptions};
use crate::io::nifti::{self, Stored, WriteOptions};
use crate::io::target::Target;
use crate::note::Note;
use crate::report::page::statement;
use crate::report::png::{Drawn, Outline, Picture, hottest_voxel, region_centre, slices};
use crate::report::run_record::{
    self, CostRecord, InputFile, PassRecord, RunRecord, SCHEMA, SceneRecord, cpu_seconds, peak_memory_bytes, utc,
};
use crate::text::counted;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::BufWriter;
use std::path::PathBuf;

/// The dose in DICOM.
pub const DOSE_FILE: &str = "dose_gy.dcm";
/// The regions in DICOM.
pub const LABELS_FILE: &str = "labels.dcm";
/// The patient's own S matrix.
pub const S_MATRIX_FILE: &str = "s_matrix.csv";
/// The batches of a shard.
pub const TALLY_FILE: &str = "tally.lutra";
/// Case data needed to merge a shard.
pub const CASE_FILE: &str = "case.lutra";
/// A further set of slices: stem of the file names, and the labels whose centre it passes through.
pub type ExtraSlices<'a> = (&'a str, &'a [u16]);

/// Makes further files from the dose map and the region table, before the folder is moved into place.
pub type MakeFurther<'a> =
    dyn FnMut(&DoseMap, &[RegionDose], &AtomicOutputDir, &mut dyn Listener) -> Result<Further, Failure> + 'a;

/// What was written, and its summary.
pub struct Written {
    /// The folder.
    pub place: PathBuf,
    /// The dose.
    pub dose: DoseMap,
    /// Regions and groups of regions.
    pub rows: Vec<RegionDose>,
    /// Text added by the command.
    pub text: String,
}

/// Adds nothing to the common output.
pub fn nothing_further(
    _: &DoseMap,
    _: &[RegionDose],
    _: &AtomicOutputDir,
    _: &mut dyn Listener,
) -> Result<Further, Failure> {
    Ok(Further::default())
}

/// Writes everything into `folder` and moves it into place.
///
/// Errors, without output: a ledger that does not balance; a disk that cannot be written.
#[allow(clippy::too_many_arguments, reason = "everything that a folder is made of, once")]
pub fn write(
    case: &Case,
    computed: &Computed,
    folder: AtomicOutputDir,
    invocation: &Invocation,
    seed: u64,
    extra: &[ExtraSlices<'_>],
    further: &mut MakeFurther<'_>,
    hear: &mut dyn Listener,
) -> Result<Written, Failure> {
    let dose = dose_map(case, computed)?;
    let tables = || tables(case, computed, &dose);
    let (place, text, rows) =
        write_of(case, computed, &dose, &tables, case.dicom, folder, invocation, seed, extra, further, hear)?;
    Ok(Written { place, dose, rows, text })
}

/// As [`write()`], of a dose that is already made, with these DICOM outputs: its folder.
///
/// Errors: as [`write()`].
pub fn write_result(
    result: &DoseResult,
    dicom: Option<DicomOut>,
    folder: AtomicOutputDir,
    invocation: &Invocation,
    seed: u64,
    further: &mut MakeFurther<'_>,
    hear: &mut dyn Listener,
) -> Result<PathBuf, Failure> {
    let DoseResult { case, computed, dose, tables } = result;
    let tables = || Ok(tables.clone());
    Ok(write_of(case, computed, dose, &tables, dicom, folder, invocation, seed, &[], further, hear)?.0)
}

/// Writes everything: the folder, the text of what is further made, the rows.
#[allow(clippy::too_many_arguments, reason = "everything that a folder is made of, once")]
fn write_of(
    case: &Case,
    computed: &Computed,
    dose: &DoseMap,
    tables: &(dyn Fn() -> Result<Tables, Failure> + Sync),
    dicom: Option<DicomOut>,
    folder: AtomicOutputDir,
    invocation: &Invocation,
    seed: u64,
    extra: &[ExtraSlices<'_>],
    further: &mut MakeFurther<'_>,
    hear: &mut dyn Listener,
) -> Result<(PathBuf, String, Vec<RegionDose>), Failure> {
    // maps and pictures in parallel with the page: together they take as long as the transport of a small run
    let words = || {
        let Tables { rows, group_rows, histograms, .. } = tables()?;
        let mut all_rows = rows.clone();
        all_rows.extend(group_rows.iter().cloned());
        let outlined = all_rows[..rows.len()].to_vec();
        let page = || {
            let path = folder.file("organs.csv");
            write_csv(&all_rows, BufWriter::new(path.create().at(&path)?)).at(&path)?;
            if let Some(own) = &computed.own {
                write_rows(&folder.file(S_MATRIX_FILE), &own.matrix.rows())?;
            }
            let Further { text, sections, layers, headline } = further(dose, &rows, &folder, hear)?;
            pages::dose::write_dose(
                case,
                computed,
                dose,
                &rows,
                &group_rows,
                histograms,
                &folder,
                invocation,
                seed,
                sections,
                &layers,
                headline,
            )?;
            Ok::<_, Failure>(text)
        };
        let (text, pictures) = cores::beside(page, || {
            write_pictures(case, dose, &outlined, &folder, extra, invocation.patient_label.as_deref())
        });
        let text = text?;
        write_dicom(case, dose, dicom, &pictures?, &folder, hear)?;
        Ok::<_, Failure>((text, all_rows))
    };
    let (said, maps) = cores::beside(words, || write_maps(case, dose, &folder));
    let (text, all_rows) = said?;
    maps?;
    write_record(case, computed, &all_rows, &folder, invocation, seed)?;
    let place = folder.commit()?;
    Ok((place, text, all_rows))
}

fn write_maps(case: &Case, dose: &DoseMap, folder: &AtomicOutputDir) -> Result<(), Failure> {
    let maps = [
        ("dose_gy.nii.gz", &dose.dose_gy, "absorbed dose, Gy"),
        ("sigma_rel.nii.gz", &dose.sigma_rel, "relative standard error of the dose"),
        ("dose_electron_gy.nii.gz", &dose.dose_electron_gy, "absorbed dose of electrons, Gy"),
        ("dose_photon_gy.nii.gz", &dose.dose_photon_gy, "absorbed dose of photons, Gy"),
    ];
    let written =
        cores::of_each(maps, |(name, values, description)| write_map(case, values, folder, name, description));
    written.into_iter().collect()
}

/// Doses for RT Dose. Tallies are signed, to keep the mean unbiased, so a voxel with hardly any dose may be slightly
/// negative, which the standard does not allow. NIfTI keeps such values; here they become 0, with a note.
pub fn storable(mut gy: Vec<f64>, name: &str, hear: &mut dyn Listener) -> Vec<f64> {
    let below = gy.iter().filter(|gy| **gy < 0.0).count();
    if below > 0 {
        let lowest = gy.iter().copied().fold(0.0, f64::min);
        let text = format!(
            "{} with a dose below 0 by statistics (the lowest {lowest:.2e} Gy) are written as 0, \
             since RT Dose holds none below; the NIfTI map keeps them",
            counted(below, "voxel")
        );
        hear.note(Note::info("negative-dose-clipped", text).at(name));
        gy.iter_mut().filter(|gy| **gy < 0.0).for_each(|gy| *gy = 0.0);
    }
    gy
}

/// Writes the dose as RT Dose in the study of `origin`.
///
/// Errors: a place that cannot be written; a grid that RT Dose does not hold.
pub fn write_rtdose(
    case: &Case,
    dose: &DoseMap,
    path: impl Into<Target>,
    origin: Option<&Origin>,
    out: DicomOut,
    hear: &mut dyn Listener,
) -> Result<(), Failure> {
    let gy = dose.dose_gy.iter().map(|&gy| f64::from(gy)).collect();
    let gy = Volume { grid: case.decays.grid.clone(), data: storable(gy, DOSE_FILE, hear) };
    let options = DoseOptions {
        dose_type: DoseType::Physical,
        depth: out.depth,
        description: "Lutra absorbed dose".to_owned(),
        comment: format!("{} Monte Carlo, dose to medium", case.nuclide.name),
        deidentify: out.deidentify,
        created: None,
    };
    Ok(dicom::write_rtdose(path, &gy, origin, &options)?)
}

/// Writes the dose as RT Dose and the regions as SEG, if requested.
fn write_dicom(
    case: &Case,
    dose: &DoseMap,
    dicom: Option<DicomOut>,
    pictures: &[Drawn],
    folder: &AtomicOutputDir,
    hear: &mut dyn Listener,
) -> Result<(), Failure> {
    let Some(out) = dicom else { return Ok(()) };
    let grid = &case.decays.grid;
    write_rtdose(case, dose, folder.file(DOSE_FILE), case.origin.as_ref(), out, hear)?;
    let labels = Volume { grid: grid.clone(), data: case.labels.clone() };
    let options = SegOptions { description: "Lutra regions".to_owned(), deidentify: out.deidentify };
    dicom::write_seg(folder.file(LABELS_FILE), &labels, &case.names, case.origin.as_ref(), &options)?;
    if out.pictures {
        write_captures(pictures, "Lutra absorbed dose, pictures", case.origin.as_ref(), out, folder)?;
    }
    Ok(())
}

/// Writes pictures as Secondary Capture objects.
pub fn write_captures(
    pictures: &[Drawn],
    description: &str,
    origin: Option<&Origin>,
    out: DicomOut,
    folder: &AtomicOutputDir,
) -> Result<(), Failure> {
    let capture = |one: &Drawn| Capture {
        path: folder.file(&format!("{}.dcm", one.name)),
        title: one.name.replace('_', " "),
        size: one.size,
        rgb: one.rgb.clone(),
    };
    let captures: Vec<Capture> = pictures.iter().map(capture).collect();
    let options = CaptureOptions { description: description.to_owned(), deidentify: out.deidentify };
    dicom::write_captures(&captures, origin, &options)?;
    Ok(())
}

/// Writes values of the case's grid in the axis order of the user's files.
pub fn write_map<T: Stored>(
    case: &Case,
    values: &[T],
    folder: &AtomicOutputDir,
    name: &str,
    description: &str,
) -> Result<(), Failure> {
    let values = case.orientation.restored(case.decays.grid.dims, values)?;
    let description = format!("{description}; {}", run_record::program());
    let options = WriteOptions { description, form_code: case.form_code };
    nifti::write_values(folder.file(name), case.orientation.grid(), &values, &options)?;
    Ok(())
}

fn write_pictures(
    case: &Case,
    dose: &DoseMap,
    rows: &[RegionDose],
    folder: &AtomicOutputDir,
    extra: &[ExtraSlices<'_>],
    label: Option<&str>,
) -> Result<Vec<Drawn>, Failure> {
    let background = case.background();
    let title = if case.hu.is_some() { "Absorbed dose over CT" } else { "Absorbed dose over density" };
    let title = label.map_or_else(|| title.to_owned(), |label| format!("{label}: {title}"));
    let outlines: Vec<Outline> = rows
        .iter()
        .map(|row| Outline { label: row.label, name: row.name.clone(), dose_gy: Some(row.dose_gy) })
        .collect();
    let picture = Picture {
        grid: &case.decays.grid,
        background,
        dose_gy: &dose.dose_gy,
        labels: Some(&case.labels),
        outlines: &outlines,
        title: &title,
    };
    let mut drawn = slices(&picture, "dose", hottest_voxel(&picture));
    for (stem, members) in extra {
        if let Some(centre) = region_centre(&case.decays.grid, &case.labels, members) {
            drawn.extend(slices(&picture, stem, centre));
        }
    }
    write_drawn(folder, &drawn)?;
    Ok(drawn)
}

/// Writes `run.json` with the hashes of the files written so far.
pub fn write_record(
    case: &Case,
    computed: &Computed,
    rows: &[RegionDose],
    folder: &AtomicOutputDir,
    invocation: &Invocation,
    seed: u64,
) -> Result<(), Failure> {
    let record = record(case, computed, rows, invocation, seed, hashes(folder)?);
    let path = folder.file("run.json");
    record.write(BufWriter::new(path.create().at(&path)?)).at(&path)
}

/// The record of a run; `outputs` are the hashes of its files by name, empty for a result in memory.
pub fn record(
    case: &Case,
    computed: &Computed,
    rows: &[RegionDose],
    invocation: &Invocation,
    seed: u64,
    outputs: BTreeMap<String, String>,
) -> RunRecord {
    let grid = &case.decays.grid;
    let settings = settings(case, computed);
    let passes = passes(computed);
    let decays_on_grid = crate::source::sum(case.decays.data.iter().copied());
    let stated = statement::Transport {
        settings: &settings,
        data_sets: &case.data_sets,
        passes: &passes,
        seed,
        tally_sha256: &computed.tally_sha256,
        dims: grid.dims,
        spacing_mm: grid.spacing_mm,
        from_ct: case.hu.is_some(),
        decays: decays_on_grid,
        record: "run.json",
    };
    let tg268 = statement::guideline(&stated);
    let mass_g = case.density_g_cm3.iter().map(|&density| f64::from(density)).sum::<f64>() * grid.voxel_cm3();
    RunRecord {
        schema: SCHEMA,
        program: run_record::program(),
        platform: run_record::platform(),
        command: invocation.command.clone(),
        patient_label: invocation.patient_label.clone(),
        started_utc: utc(invocation.moment),
        inputs: case.inputs.clone(),
        settings,
        data_sets: case.data_sets.clone(),
        seed,
        device: computed.device.clone(),
        scene: SceneRecord {
            dims: grid.dims,
            spacing_mm: grid.spacing_mm,
            affine: grid.affine,
            decays_in_file: case.decays_in_file,
            decays_on_grid,
            mass_g,
        },
        passes,
        energy_balance: [&computed.electron, &computed.photon].map(|pass| pass.balance.clone()).to_vec(),
        tally_sha256: computed.tally_sha256.clone(),
        regions: rows.to_vec(),
        budget: dose_budgets::in_record(case, computed.own.as_ref(), rows),
        cost: CostRecord {
            cpu_seconds: cpu_seconds(),
            transport_cpu_seconds: computed.cpu_seconds,
            transport_wall_seconds: computed.wall_seconds,
            wall_seconds: invocation.seconds(),
            peak_memory_bytes: peak_memory_bytes(),
        },
        tg268,
        warnings: warnings(case, computed, rows),
        outputs,
    }
}

/// Every setting of a run by name.
pub fn settings(case: &Case, computed: &Computed) -> BTreeMap<String, Value> {
    case.settings.iter().chain(&computed.settings).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Histories of each pass.
pub fn passes(computed: &Computed) -> Vec<PassRecord> {
    [&computed.electron, &computed.photon]
        .map(|pass| PassRecord { pass: pass.balance.pass.clone(), histories: pass.histories, batches: pass.batches })
        .to_vec()
}

/// A file written so far, as a record names it.
///
/// Errors: a disk that cannot be read.
pub fn written(folder: &AtomicOutputDir, role: &str, name: &str) -> Result<InputFile, Failure> {
    let target = folder.file(name);
    match folder.kept(name) {
        Some(bytes) => Ok(InputFile::of(role, &target, &bytes)),
        None => InputFile::read(role, &target).at(&target),
    }
}

/// Writes pictures as PNG, each under its name.
///
/// Errors: a disk that cannot be written.
pub fn write_drawn(folder: &AtomicOutputDir, drawn: &[Drawn]) -> Result<(), Failure> {
    for one in drawn {
        let target = folder.file(&format!("{}.png", one.name));
        target.write(one.png()?).at(&target)?;
    }
    Ok(())
}

/// SHA-256 of the files written so far, by name.
fn hashes(folder: &AtomicOutputDir) -> Result<BTreeMap<String, String>, Failure> {
    let mut hashes = BTreeMap::new();
    for name in folder.names()? {
        let file = written(folder, "output", &name)?;
        hashes.insert(name, file.sha256);
    }
    Ok(hashes)
}
