//! Lutra in a browser or in Node.js: what JavaScript asks becomes a request of `lutra::clinic`, what comes out becomes JSON and
//! bytes. What is computed, refused and written is the library's.
//!
//! Every call blocks but those of [`carrier::Carrier`]: a page makes it in a worker, and ends it by ending the worker. A run borrows the
//! devices of other workers ([`lent`]). What fails is thrown as an object of the
//! library's fault: `message`, `next`, and its parts.

mod asked;
mod carrier;
mod lent;
mod made;
#[cfg(target_family = "wasm")]
mod memory;
mod parcel;
mod thrown;

use asked::Files;
use js_sys::{Array, Function, Uint8Array};
use lutra::clinic::asked as words;
use lutra::clinic::course::source::CourseSource;
use lutra::clinic::course::treated;
use lutra::clinic::dose::DoseResult;
use lutra::clinic::failure::{Failure, OrUserError};
use lutra::clinic::request::RunOptions;
use lutra::clinic::series::{OpenSeries, SeriesRegions, integrate_alone};
use lutra::clinic::shelf::Shelf;
use lutra::clinic::{
    audit as held, demo as phantom, from_files, inspection, output, practice as patient, series_files, survey,
    transport,
};
use lutra::io::atomic::AtomicOutputDir;
use lutra::io::dicom;
use lutra::io::target::Kept;
use lutra::kernel::single::context::Params;
use lutra::report::run_record;
use lutra::svalues::audit::Audit as Audited;
use lutra::transport::cpu::Carrier;
use lutra::transport::emission::Emissions;
use lutra::transport::gpu::{layout, probe};
use made::Made;
use std::io::{Cursor, Write};
use thrown::{shown, thrown};
use wasm_bindgen::prelude::*;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A fault of the program ends a call as an error with its words; the engine must then be begun anew.
#[wasm_bindgen(start)]
pub fn begin() {
    std::panic::set_hook(Box::new(|fault| wasm_bindgen::throw_str(&fault.to_string())));
}

/// Name and version of the program.
#[wasm_bindgen]
pub fn program() -> String {
    run_record::program()
}

/// What lies in a folder of files, or in one of them, as JSON.
#[wasm_bindgen]
pub fn inspect(files: &Files, path: &str, images_json: &str) -> Result<String, JsValue> {
    let found = || -> Result<serde_json::Value, Failure> {
        let files = files.buffers().or_user_error()?;
        let place = files.place(path);
        let options = words::read::<words::Images>(images_json)?.options()?;
        if dicom::is_dicom(&place) {
            let inspected = dicom::inspect(&place, &options);
            if inspected.as_ref().is_err_and(survey::no_dicom) {
                let found = survey::survey(&place, survey::Reach::Below)?;
                if !(found.images.is_empty() && found.left.is_empty()) {
                    return Ok(inspection::of_folder(&found, shown));
                }
            }
            return Ok(serde_json::to_value(inspected.or_user_error()?.shown(thrown::field))?);
        }
        Ok(inspection::of_nifti(&place)?.record(&place))
    };
    Ok(found().map_err(|failure| thrown(&failure))?.to_string())
}

/// A dose of the files.
#[wasm_bindgen]
pub fn dose(files: &Files, request_json: &str, began_ms: f64, progress: &Function) -> Result<Made, JsValue> {
    Made::by(began_ms, "dose", progress, |invocation, hear| {
        let files = files.buffers().or_user_error()?;
        let mut request = words::read::<words::Dose>(request_json)?.request(&files)?;
        request.run.devices = lent::devices();
        let case = from_files::case(&request, hear)?;
        let result = DoseResult::of(case, &request.run, request.emissions, hear)?;
        let (folder, kept) = AtomicOutputDir::in_memory("dose");
        let seed = request.run.seed;
        output::write_result(&result, request.dicom, folder, invocation, seed, &mut output::nothing_further, hear)?;
        Ok(of_dose(&result, kept))
    })
}

/// The dose of the procedural abdomen.
#[wasm_bindgen]
pub fn demo(run_json: &str, began_ms: f64, progress: &Function) -> Result<Made, JsValue> {
    Made::by(began_ms, "demo", progress, |invocation, hear| {
        let run = RunOptions { devices: lent::devices(), ..words::read::<words::Run>(run_json)?.options()? };
        let case = phantom::phantom(run.settings())?;
        let result = DoseResult::of(case, &run, Emissions::All, hear)?;
        let (folder, kept) = AtomicOutputDir::in_memory("demo");
        output::write_result(&result, None, folder, invocation, run.seed, &mut output::nothing_further, hear)?;
        Ok(of_dose(&result, kept))
    })
}

/// The practice patient, as files that a person could have dropped.
#[wasm_bindgen]
pub fn practice() -> Result<Files, JsValue> {
    let (folder, kept) = AtomicOutputDir::in_memory("practice");
    patient::write(&folder).map_err(|failure| thrown(&failure))?;
    Ok(Files::of(kept.take()))
}

/// Images over time to decays.
#[wasm_bindgen]
pub fn tia(files: &Files, request_json: &str, began_ms: f64, progress: &Function) -> Result<Made, JsValue> {
    Made::by(began_ms, "tia", progress, |_, hear| {
        let files = files.buffers().or_user_error()?;
        let request = words::read::<words::Tia>(request_json)?.request(&files)?;
        let opened = match request.series.as_slice() {
            [one] => OpenSeries::open(one, &request.images, hear)?,
            several => OpenSeries::of_images(several, &request.images, hear)?,
        };
        let from = SeriesRegions {
            labels: request.labels.as_ref(),
            label_names: request.label_names.as_ref(),
            ct: request.ct.as_ref(),
            sharing: request.outline_sharing,
            quiet: false,
        };
        let done = integrate_alone(opened, from, &mut Shelf::default(), hear)?;
        let (folder, kept) = AtomicOutputDir::in_memory("tia");
        series_files::write(&done, &folder)?;
        let summary = serde_json::json!({
            "regions": done.map.regions.iter().filter_map(|region| region.row()).collect::<Vec<_>>(),
        });
        Ok((kept, summary))
    })
}

/// A course of cycles to its verdict.
#[wasm_bindgen]
pub fn course(files: &Files, request_json: &str, began_ms: f64, progress: &Function) -> Result<Made, JsValue> {
    Made::by(began_ms, "course", progress, |invocation, hear| {
        let files = files.buffers().or_user_error()?;
        let (place, study, mut run) = words::read::<words::Course>(request_json)?.request(&files)?;
        run.devices = lent::devices();
        let _of_before = lent::taken();
        let source = match &study {
            Some(choice) => CourseSource::of_study(&place, choice, hear)?,
            None => CourseSource::of_file(&place)?,
        };
        let result = treated(source, None, &run, hear)?;
        let (folder, kept) = AtomicOutputDir::in_memory("course");
        result.save(&folder, invocation, None, hear)?;
        let summary = serde_json::json!({
            "verdict": result.verdict,
            "words": lutra::course::words::verdict_words_with(&result.verdict, thrown::field),
            "cycles": result.accumulated.cycles,
            "totals": result.accumulated.totals,
            "devices": lent::taken(),
            "tally_sha256": result.computed.iter().map(|one| &one.tally_sha256).collect::<Vec<_>>(),
        });
        Ok((kept, summary))
    })
}

/// A dose, and every shortcut beside it.
#[wasm_bindgen]
pub fn audit(files: &Files, request_json: &str, began_ms: f64, progress: &Function) -> Result<Made, JsValue> {
    Made::by(began_ms, "audit", progress, |invocation, hear| {
        let files = files.buffers().or_user_error()?;
        let mut request = words::read::<words::Audit>(request_json)?.request(&files)?;
        request.dose.run.devices = lent::devices();
        let (folder, kept) = AtomicOutputDir::in_memory("audit");
        let done = held::audit_into(&request, folder, invocation, &|_: &Audited, _: f64| String::new(), hear)?;
        let summary = serde_json::json!({
            "tally_sha256": done.computed.tally_sha256,
            "device": done.computed.device,
            "regions": done.written.rows,
            "notes": done.case.warnings.iter().chain(&done.computed.warnings).map(|note| shown(&note.sentence())).collect::<Vec<_>>(),
        });
        Ok((kept, summary))
    })
}

/// What the transport of the demo stands on, as JSON: the fields that `parity.json` has of a run. Equal tallies need equal ones.
#[wasm_bindgen]
pub fn identity() -> Result<String, JsValue> {
    let found = || transport::identity(&phantom::phantom(Default::default())?);
    let fields = found().map_err(|failure| thrown(&failure))?.fields;
    Ok(serde_json::Value::from_iter(fields).to_string())
}

/// The ways in which this engine runs histories: what a request may name as its engine.
#[wasm_bindgen]
pub fn ways() -> Vec<String> {
    Carrier::available().into_iter().map(|way| format!("cpu:{}", way.word())).collect()
}

/// What a run may be carried out on, as JSON: the ways of the processor, the graphics card's name or none, and whether a run takes
/// the card by itself.
#[wasm_bindgen]
pub fn devices() -> String {
    let (card, automatic) = lent::card();
    serde_json::json!({ "ways": ways(), "card": card, "automatic": automatic }).to_string()
}

/// The pass that finds out whether a device computes as the kernel needs it, as JSON: its text, the invocations, the words of
/// its cases and of what it leaves.
#[wasm_bindgen]
pub fn probe() -> String {
    let together = [2 * probe::BINS, layout::LEDGER_WORDS];
    serde_json::json!({
        "text": probe::text(), "cases": probe::CASES, "inputs": probe::inputs(),
        "params_bytes": size_of::<Params>(), "answer_words": probe::ANSWER_WORDS * probe::CASES, "together_words": together,
    })
    .to_string()
}

/// What the answers of that pass say of the device, as JSON, and in words where it cannot be trusted.
#[wasm_bindgen]
pub fn probed(answers: &[u32], together: &[u32]) -> String {
    let found = probe::Conformance::of(answers, together);
    serde_json::json!({ "sound": found.is_sound(), "words": found.words(), "found": found }).to_string()
}

/// Named files as one archive, not compressed: most of them are already.
#[wasm_bindgen]
pub fn zip(names: Vec<String>, files: &Array) -> Result<Vec<u8>, JsValue> {
    let packed = || -> Result<Vec<u8>, ZipError> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (name, file) in names.iter().zip(files.iter()) {
            archive.start_file(name, options)?;
            archive.write_all(&Uint8Array::new(&file).to_vec())?;
        }
        Ok(archive.finish()?.into_inner())
    };
    packed().map_err(|error| js_sys::Error::new(&error.to_string()).into())
}

/// A dose in words and its files.
fn of_dose(result: &DoseResult, kept: Kept) -> (Kept, serde_json::Value) {
    let DoseResult { case, computed, tables, .. } = result;
    let grid = &case.decays.grid;
    let summary = serde_json::json!({
        "tally_sha256": computed.tally_sha256,
        "device": computed.device,
        "histories": [computed.electron.histories, computed.photon.histories],
        "balance": lutra::clinic::dose::balances(computed),
        "regions": tables.rows.iter().chain(&tables.group_rows).collect::<Vec<_>>(),
        "grid": { "dims": grid.dims, "spacing_mm": grid.spacing_mm },
        "notes": result.warnings().map(|note| shown(&note.sentence())).collect::<Vec<_>>(),
    });
    (kept, summary)
}
