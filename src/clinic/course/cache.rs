//! Doses of cycles, kept between runs of `lutra course`.
//!
//! An entry of the cache lies under the hash of everything its dose depends on: the content of every file read, the
//! settings, and the program itself. What it holds is hashed too, so that a damaged entry is computed again and never
//! used.

use super::parts::{Computed, KeptRun, Mapped};
use crate::clinic::dose::{dose_map, tables};
use crate::clinic::failure::{AtPath, Failure, OrUserError, UserError};
use crate::clinic::files::write_json;
use crate::clinic::images::hashed;
use crate::clinic::notes::Listener;
use crate::clinic::request::{ActivityChoice, DoseRequest, SceneInput, Stop};
use crate::clinic::series::Integrated;
use crate::clinic::{from_files, room, transport};
use crate::course::accumulate::RegionCycle;
use crate::io::atomic::{AtomicOutputDir, OutputFiles};
use crate::io::inputs::Inputs;
use crate::io::nifti::{self, WriteOptions};
use crate::io::open::origin_of;
use crate::report::run_record::{self, InputFile};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where finished cycles are kept, by which program, and the course's inputs, which nothing kept may touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// The folder.
    pub folder: PathBuf,
    /// Hash of the program: one that was built anew may compute anew.
    pub program_sha256: String,
    /// What the course reads.
    pub inputs: Inputs,
}

/// Layout of a cache entry; raised when its content changes meaning.
const CACHE_SCHEMA: u32 = 3;
/// The maps of an entry.
const MAPS: [&str; 4] = ["dose_gy.nii.gz", "density_g_cm3.nii.gz", "labels.nii.gz", "sigma_rel.nii.gz"];

/// The record of an entry.
const RECORD: &str = "cycle.json";

/// A region of a finished cycle.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct KeptRegion {
    label: u16,
    name: String,
    mass_g: f64,
    decays: f64,
    dose_gy: f64,
    dose_se_gy: f64,
    dose_photon_gy: f64,
}

/// A finished cycle's record.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    schema: u32,
    depends_on: BTreeMap<String, String>,
    /// Hashes of the maps beside it.
    maps_sha256: BTreeMap<String, String>,
    tally_sha256: String,
    regions: Vec<KeptRegion>,
    warnings: Vec<String>,
    form_code: i16,
    run: KeptRun,
}

/// Keeps the decays of a series in the cache, under the hash of their values, and returns the file.
pub fn keep_tia(series: &Integrated, cache: &Cache) -> Result<PathBuf, Failure> {
    let decays = &series.map.decays;
    let mut hash = Sha256::new();
    hash.update(format!("{:?} {}", decays.grid, series.form_code));
    for value in &decays.data {
        hash.update(value.to_le_bytes());
    }
    let file = cache.folder.join(format!("tia-{}.nii.gz", run_record::hex(&hash.finalize())));
    let whole = nifti::read_as::<f64>(&file).is_ok_and(|kept| kept.data == decays.data);
    if !whole {
        make_folder(&cache.folder)?;
        OutputFiles::claim(&[&file], true, &cache.inputs).or_user_error()?;
        let options = WriteOptions { description: "decays per voxel".to_owned(), form_code: series.form_code };
        nifti::write_with(&file, decays, &options).or_user_error()?;
    }
    Ok(file)
}

fn make_folder(folder: &Path) -> Result<(), UserError> {
    std::fs::create_dir_all(folder).map_err(|error| {
        UserError::new(
            format!("{}: cannot write: {error}", folder.display()),
            "Give --cache a folder that you may write to.",
        )
    })
}

/// Everything a transported dose depends on, by name.
fn dependencies(request: &DoseRequest, cache: &Cache) -> Result<BTreeMap<String, String>, UserError> {
    let histories = match request.run.stop {
        Stop::Histories(count) => count,
        Stop::Default | Stop::TargetSigma { .. } | Stop::Seconds(_) => transport::DEFAULT_HISTORIES,
    };
    let mut depends_on = BTreeMap::from([
        ("program".to_owned(), run_record::program()),
        ("program_sha256".to_owned(), cache.program_sha256.clone()),
        ("cache".to_owned(), CACHE_SCHEMA.to_string()),
        ("nuclide".to_owned(), request.nuclide.clone()),
        ("grid".to_owned(), format!("{:?}", request.grid)),
        ("seed".to_owned(), request.run.seed.to_string()),
        ("histories".to_owned(), histories.to_string()),
    ]);
    let mut files: Vec<(&str, &Path)> = Vec::new();
    if let ActivityChoice::Map { file, unit } = &request.activity {
        depends_on.insert("unit".to_owned(), unit.to_string());
        files.push(("activity", file));
    }
    if let SceneInput::Ct(ct) = &request.scene {
        files.push(("ct", ct));
    }
    files.extend(request.labels.as_deref().map(|path| ("labels", path)));
    files.extend(request.label_names.as_deref().map(|path| ("label_names", path)));
    if Path::new(&request.nuclide).is_file() {
        files.push(("nuclide_file", Path::new(&request.nuclide)));
    }
    for (role, path) in files {
        depends_on.insert(format!("{role}_sha256"), hashed(role, path)?.sha256);
    }
    Ok(depends_on)
}

/// Refuses an input that is not the one that the dose depends on: it was changed meanwhile.
fn as_computed(input: InputFile, depends_on: &BTreeMap<String, String>) -> Result<InputFile, UserError> {
    match depends_on.get(&format!("{}_sha256", input.role)) {
        Some(hash) if *hash != input.sha256 => Err(UserError::new(
            format!("{}: found another file than a moment ago; allowed: the same from first to last", input.path),
            "Start again when nothing writes to it any more.",
        )),
        _ => Ok(input),
    }
}

/// The entry's record, if the entry is whole and belongs to `depends_on`.
fn whole(entry: &Path, depends_on: &BTreeMap<String, String>) -> Option<Kept> {
    let text = std::fs::read_to_string(entry.join(RECORD)).ok()?;
    let kept: Kept = serde_json::from_str(&text).ok()?;
    let maps = MAPS.iter().all(|name| {
        let found = InputFile::read("map", &entry.join(name)).ok().map(|file| file.sha256);
        found.is_some() && found.as_ref() == kept.maps_sha256.get(*name)
    });
    (kept.schema == CACHE_SCHEMA && kept.depends_on == *depends_on && maps).then_some(kept)
}

/// The dose of a request: from the cache, else by transport.
pub fn transported(request: &DoseRequest, cache: &Cache, hear: &mut dyn Listener) -> Result<Computed, Failure> {
    let depends_on = dependencies(request, cache)?;
    let mut hash = Sha256::new();
    for (name, value) in &depends_on {
        hash.update(format!("{name}\0{value}\0"));
    }
    let entry = cache.folder.join(run_record::hex(&hash.finalize()));
    let found = whole(&entry, &depends_on);
    let reused = found.is_some();
    let kept = match found {
        Some(kept) => {
            // the entry does not depend on the activity given, the bounds do
            from_files::check_activity(request)?;
            kept
        }
        None => {
            if entry.exists() {
                hear.warning(format!("{}: the cache entry is damaged and computed again", entry.display()));
            }
            make_folder(&cache.folder)?;
            compute_into(request, &entry, &cache.inputs, depends_on.clone(), hear)?;
            whole(&entry, &depends_on).ok_or_else(|| {
                UserError::new(
                    format!("{}: what was written cannot be read back", entry.display()),
                    "Give --cache a folder on a sound disk.",
                )
            })?
        }
    };
    let dose_gy = nifti::read(entry.join(MAPS[0])).or_user_error()?;
    let density = nifti::read(entry.join(MAPS[1])).or_user_error()?;
    let labels = nifti::read_labels(entry.join(MAPS[2])).or_user_error()?;
    let sigma_rel = nifti::read(entry.join(MAPS[3])).or_user_error()?;
    let mut inputs = Vec::new();
    if let ActivityChoice::Map { file, .. } = &request.activity {
        inputs.push(as_computed(hashed("activity", file)?, &depends_on)?);
    }
    let mut origin = None;
    if let SceneInput::Ct(ct) = &request.scene {
        inputs.push(as_computed(hashed("ct", ct)?, &depends_on)?);
        origin = origin_of(ct).or_user_error()?;
    }
    let regions = kept.regions.iter().map(|region| {
        let value = RegionCycle {
            label: Some(region.label),
            dose_se_gy: region.dose_se_gy,
            dose_photon_gy: Some(region.dose_photon_gy),
            mass_g: Some(region.mass_g),
            ..RegionCycle::of_dose(region.dose_gy, "")
        };
        (region.name.clone(), value)
    });
    Ok(Computed {
        regions: regions.collect(),
        map: Some(Mapped {
            dose_gy,
            sigma_rel: Some(sigma_rel),
            density_g_cm3: Some(density.data),
            labels: labels.data,
            names: kept.regions.iter().map(|region| (region.label, region.name.clone())).collect(),
            form_code: kept.form_code,
            origin,
        }),
        half_lives: BTreeMap::new(),
        inputs,
        tally_sha256: Some(kept.tally_sha256),
        warnings: kept.warnings,
        reused,
        curves: Vec::new(),
        run: Some(kept.run),
    })
}

/// Computes a dose and keeps it as a cache entry, whole or not at all.
fn compute_into(
    request: &DoseRequest,
    entry: &Path,
    inputs: &Inputs,
    depends_on: BTreeMap<String, String>,
    hear: &mut dyn Listener,
) -> Result<(), Failure> {
    let own = [&MAPS[..], &[RECORD]].concat();
    let folder = AtomicOutputDir::create(entry, true, inputs)
        .and_then(|folder| folder.owning(&own).expecting(&own))
        .or_user_error()?;
    let mut case = from_files::case(request, hear)?;
    for input in &case.inputs {
        as_computed(input.clone(), &depends_on)?;
    }
    room::on_disk(&folder, &case.density_g_cm3)?;
    let computed = transport::compute(&mut case, &request.run, request.emissions, hear)?;
    let kept = || -> Result<(), Failure> {
        let map = dose_map(&case, &computed)?;
        let rows = tables(&case, &computed, &map)?.rows;
        let grid = &case.decays.grid;
        let options = |text: &str| WriteOptions { description: text.to_owned(), form_code: case.form_code };
        nifti::write_values(folder.file(MAPS[0]), grid, &map.dose_gy, &options("absorbed dose, Gy"))?;
        nifti::write_values(folder.file(MAPS[1]), grid, &case.density_g_cm3, &options("density, g/cm3"))?;
        nifti::write_values(folder.file(MAPS[2]), grid, &case.labels, &options("labels"))?;
        let sigma = "relative standard error of the dose";
        nifti::write_values(folder.file(MAPS[3]), grid, &map.sigma_rel, &options(sigma))?;
        let mut maps_sha256 = BTreeMap::new();
        for name in MAPS {
            maps_sha256
                .insert(name.to_owned(), InputFile::read("map", &folder.file(name)).at(&folder.file(name))?.sha256);
        }
        let kept = Kept {
            schema: CACHE_SCHEMA,
            depends_on,
            maps_sha256,
            tally_sha256: computed.tally_sha256.clone(),
            regions: rows
                .iter()
                .map(|row| KeptRegion {
                    label: row.label,
                    name: row.name.clone(),
                    mass_g: row.mass_g,
                    decays: row.decays,
                    dose_gy: row.dose_gy,
                    dose_se_gy: row.dose_se_gy,
                    dose_photon_gy: row.dose_photon_gy,
                })
                .collect(),
            warnings: case.warnings.iter().chain(&computed.warnings).cloned().collect(),
            form_code: case.form_code,
            run: KeptRun::of(&case, &computed, request.run.seed),
        };
        write_json(&folder.file(RECORD), &kept)?;
        folder.commit()?;
        Ok(())
    };
    kept()
}
