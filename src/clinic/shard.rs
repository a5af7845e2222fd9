//! Output folder of a shard: its batches, and what the merged run needs to write its files.

use super::case::{Case, Computed};
use super::dose::balances;
use super::failure::{AtPath, Failure, UserError};
use super::grid_bits::GridBits;
use super::invocation::Invocation;
use super::known::ActivityKnown;
use super::output::{CASE_FILE, TALLY_FILE, write_record};
use crate::decay::Nuclide;
use crate::fault::{Explained, Setting, words};
use crate::grid::Volume;
use crate::io::IoError;
use crate::io::atomic::AtomicOutputDir;
use crate::note::Note;
use crate::report::run_record::InputFile;
use crate::report::table::balance_lines;
use crate::transport::batch_store::{BatchStore, BlockReader, BlockWriter, read_store, write_store};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};

/// Names of the files of a shard.
pub const FILE_NAMES: [&str; 3] = [TALLY_FILE, CASE_FILE, "run.json"];
/// First bytes of the case's file.
const MAGIC: &[u8] = b"LUTRA CASE 2\n";

/// Data common to all shards of a run.
#[derive(Serialize, Deserialize)]
struct Common {
    grid: GridBits,
    file_grid: GridBits,
    form_code: i16,
    has_hu: bool,
    names: BTreeMap<u16, String>,
    groups: Vec<(u16, String, Vec<u16>)>,
    administered_mbq_bits: Option<u64>,
    decays_in_file_bits: u64,
    nuclide: String,
    half_life_h_bits: u64,
    nuclide_source: String,
    data_sets: BTreeMap<String, String>,
}

/// What may differ from shard to shard.
#[derive(Serialize, Deserialize)]
pub struct Own {
    /// First batch of the shard.
    pub first_batch: u32,
    /// Settings of the case by name.
    pub case_settings: BTreeMap<String, Value>,
    /// Settings of the transport by name.
    pub settings: BTreeMap<String, Value>,
    /// Files read: role, path, bytes, SHA-256.
    inputs: Vec<(String, String, u64, String)>,
    /// Warnings of the case.
    warnings: Vec<Note>,
    /// What is known of the uncertainty of the activity, by region.
    #[serde(default)]
    activity: ActivityKnown,
    /// Engine, name, backend and driver.
    pub device: [String; 4],
    /// CPU time of the transport, s.
    pub cpu_seconds: f64,
}

/// A case as a shard keeps it.
pub struct KeptCase {
    /// The case, without tissues, which merging does not need.
    pub case: Case,
    /// What may differ from shard to shard.
    pub own: Own,
    /// Hash of all that must not differ.
    pub hash: String,
}

/// Writes a shard's output folder and moves it into place.
pub fn write(
    case: &Case,
    computed: &Computed,
    store: &BatchStore,
    folder: AtomicOutputDir,
    invocation: &Invocation,
    seed: u64,
) -> Result<PathBuf, Failure> {
    let balances = balances(computed);
    if balances.iter().any(|balance| !balance.is_exact()) {
        return Err(Failure::run(format!(
            "the energy balance does not close: nothing was written\n{}",
            balance_lines(&balances).trim_end()
        )));
    }
    let path = folder.file(TALLY_FILE);
    write_store(BufWriter::with_capacity(1 << 20, path.create().at(&path)?), store, 0).at(&path)?;
    let path = folder.file(CASE_FILE);
    write_case(BufWriter::with_capacity(1 << 20, path.create().at(&path)?), case, computed, store).at(&path)?;
    write_record(case, computed, &[], &folder, invocation, seed)?;
    Ok(folder.commit()?)
}

fn write_case(to: impl io::Write, case: &Case, computed: &Computed, store: &BatchStore) -> io::Result<()> {
    let common = Common {
        grid: GridBits::of(&case.decays.grid),
        file_grid: GridBits::of(case.orientation.grid()),
        form_code: case.form_code,
        has_hu: case.hu.is_some(),
        names: case.names.clone(),
        groups: case.groups.clone(),
        administered_mbq_bits: case.administered_mbq.map(f64::to_bits),
        decays_in_file_bits: case.decays_in_file.to_bits(),
        nuclide: case.nuclide.name.clone(),
        half_life_h_bits: case.nuclide.half_life_h.to_bits(),
        nuclide_source: case.nuclide.source.clone(),
        data_sets: case.data_sets.clone(),
    };
    let device = &computed.device;
    let own = Own {
        first_batch: store.batches().first().copied().unwrap_or(u32::MAX),
        case_settings: case.settings.clone(),
        settings: computed.settings.clone(),
        inputs: case.inputs.iter().map(|i| (i.role.clone(), i.path.clone(), i.bytes, i.sha256.clone())).collect(),
        warnings: case.warnings.clone(),
        activity: case.activity.clone(),
        device: [&device.engine, &device.name, &device.backend, &device.driver].map(String::clone),
        cpu_seconds: computed.cpu_seconds,
    };
    let mut writer = BlockWriter::new(to, MAGIC)?;
    writer.plain(&serde_json::to_vec(&common)?)?;
    writer.packed(&case.density_g_cm3, f32::to_le_bytes)?;
    writer.packed(case.hu.as_deref().unwrap_or_default(), f32::to_le_bytes)?;
    writer.packed(&case.labels, u16::to_le_bytes)?;
    writer.packed(&case.decays.data, f64::to_le_bytes)?;
    writer.plain(&serde_json::to_vec(&own)?)?;
    writer.close()?;
    Ok(())
}

fn read_case(from: impl io::Read) -> io::Result<KeptCase> {
    let mut reader = BlockReader::new(from, MAGIC)?;
    let common: Common = reader.head()?;
    let grid = common.grid.grid();
    let voxels = grid.len();
    let density_g_cm3 = reader.packed(voxels, f32::from_le_bytes)?;
    let hu = reader.packed(if common.has_hu { voxels } else { 0 }, f32::from_le_bytes)?;
    let labels = reader.packed(voxels, u16::from_le_bytes)?;
    let decays = reader.packed(voxels, f64::from_le_bytes)?;
    let hash = reader.hash();
    let own: Own = reader.head()?;
    reader.close()?;
    let case = Case {
        decays: Volume { grid, data: decays },
        density_g_cm3,
        tissue: Vec::new(),
        tissues: Vec::new(),
        hu: common.has_hu.then_some(hu),
        labels,
        names: common.names,
        groups: common.groups,
        administered_mbq: common.administered_mbq_bits.map(f64::from_bits),
        decays_in_file: f64::from_bits(common.decays_in_file_bits),
        nuclide: Nuclide {
            name: common.nuclide,
            half_life_h: f64::from_bits(common.half_life_h_bits),
            beta: Vec::new(),
            electrons: Vec::new(),
            photons: Vec::new(),
            source: common.nuclide_source,
        },
        orientation: common.file_grid.grid().orientation(),
        image_times_h: Vec::new(),
        activity: own.activity.clone(),
        form_code: common.form_code,
        origin: None,
        dicom: None,
        inputs: own
            .inputs
            .iter()
            .map(|(role, path, bytes, sha256)| InputFile {
                role: role.clone(),
                path: path.clone(),
                bytes: *bytes,
                sha256: sha256.clone(),
            })
            .collect(),
        settings: own.case_settings.clone(),
        data_sets: common.data_sets,
        warnings: own.warnings.clone(),
    };
    Ok(KeptCase { case, own, hash })
}

/// Reads a file of a shard's folder.
fn open<T>(folder: &Path, name: &str, read: impl FnOnce(BufReader<File>) -> io::Result<T>) -> Result<T, UserError> {
    let path = folder.join(name);
    File::open(&path).and_then(|file| read(BufReader::with_capacity(1 << 20, file))).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => {
                words!("Name output folders of `lutra dose ", Setting::Shard, " K/N` that have run to their end.")
            }
            _ => "Compute this shard again.".into(),
        };
        IoError::read(&path, error)
            .fault()
            .allowed("the output folder of a shard")
            .form("{place}: cannot read: {found}; allowed: {allowed}")
            .then(hint)
    })
}

/// The case of a shard.
pub fn kept_case(folder: &Path) -> Result<KeptCase, UserError> {
    open(folder, CASE_FILE, read_case)
}

/// The batches of a shard.
pub fn batches(folder: &Path) -> Result<BatchStore, UserError> {
    open(folder, TALLY_FILE, read_store).map(|(store, _)| store)
}
