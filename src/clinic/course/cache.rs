//! Cache of cycle doses between runs of a course.
//!
//! The computation from images to dose does not depend on the cache: a dose is computed in memory, and an entry is a
//! copy. The key of an entry is the hash of everything its dose depends on: the content of every file or volume, the
//! settings, and the program itself. The content is hashed too, so a damaged entry is never used but computed again.

use super::parts::{Computed, KeptRun, Mapped};
use crate::clinic::dose::DoseResult;
use crate::clinic::failure::{Failure, OrUserError, UserError};
use crate::clinic::files::write_json;
use crate::clinic::from_files::{self, Decays, case_from};
use crate::clinic::grid_bits::GridBits;
use crate::clinic::images::hashed;
use crate::clinic::notes::Listener;
use crate::clinic::request::{ActivityChoice, DoseRequest, SceneInput, Stop};
use crate::clinic::shelf::Shelf;
use crate::clinic::{output, room, transport};
use crate::course::accumulate::RegionCycle;
use crate::dose::regions::RegionDose;
use crate::fault::{Explained, Setting, words};
use crate::grid::Volume;
use crate::io::IoError;
use crate::io::atomic::AtomicOutputDir;
use crate::io::inputs::Inputs;
use crate::io::nifti::{self, WriteOptions};
use crate::note::Note;
use crate::report::run_record::{self, InputFile};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The cache folder, the program's hash, and the course's inputs, which the cache must not touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// The folder.
    pub folder: PathBuf,
    /// Hash of the program: a new build computes again.
    pub program_sha256: String,
    /// The inputs of the course.
    pub inputs: Inputs,
}

/// Layout of a cache entry; raised when its content changes meaning.
const CACHE_SCHEMA: u32 = 5;
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

/// An entry's record.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    schema: u32,
    depends_on: BTreeMap<String, String>,
    /// Hashes of the maps beside it.
    maps_sha256: BTreeMap<String, String>,
    /// Exact grid of the maps; their headers hold it only in single precision.
    grid: GridBits,
    #[serde(flatten)]
    told: Told,
}

impl KeptRegion {
    fn of(row: &RegionDose) -> Self {
        Self {
            label: row.label,
            name: row.name.clone(),
            mass_g: row.mass_g,
            decays: row.decays,
            dose_gy: row.dose_gy,
            dose_se_gy: row.dose_se_gy,
            dose_photon_gy: row.dose_photon_gy,
        }
    }

    fn cycle(&self) -> (String, RegionCycle) {
        let value = RegionCycle {
            label: Some(self.label),
            dose_se_gy: self.dose_se_gy,
            dose_photon_gy: Some(self.dose_photon_gy),
            mass_g: Some(self.mass_g),
            decays: Some(self.decays),
            ..RegionCycle::of_dose(self.dose_gy, "")
        };
        (self.name.clone(), value)
    }
}

/// Data of a cycle besides its maps: regions, run details, warnings.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Told {
    tally_sha256: String,
    regions: Vec<KeptRegion>,
    warnings: Vec<Note>,
    form_code: i16,
    run: KeptRun,
}

/// Four maps of a dose on their grid.
struct Maps {
    dose_gy: Volume<f32>,
    density_g_cm3: Vec<f32>,
    labels: Vec<u16>,
    sigma_rel: Vec<f32>,
}

fn make_folder(folder: &Path) -> Result<(), UserError> {
    std::fs::create_dir_all(folder).map_err(|error| {
        let next = words!("Give ", Setting::Cache, " a folder that you may write to.");
        IoError::write(folder, error).fault().then(next)
    })
}

/// Everything a transported dose depends on, by name.
fn dependencies(
    request: &DoseRequest,
    decays: Option<&Decays>,
    cache: &Cache,
    shelf: &mut Shelf,
) -> Result<BTreeMap<String, String>, UserError> {
    let histories = match request.run.stop {
        Stop::Histories(count) => count,
        Stop::Default | Stop::TargetSigma { .. } | Stop::Seconds(_) => transport::DEFAULT_HISTORIES,
    };
    let mut depends_on = BTreeMap::from([
        ("program".to_owned(), run_record::program()),
        ("program_sha256".to_owned(), cache.program_sha256.clone()),
        ("cache".to_owned(), CACHE_SCHEMA.to_string()),
        ("nuclide".to_owned(), request.nuclide.display().to_string()),
        ("grid".to_owned(), format!("{:?}", request.grid)),
        ("outline_sharing".to_owned(), request.outline_sharing.name().to_owned()),
        ("seed".to_owned(), request.run.seed.to_string()),
        ("histories".to_owned(), histories.to_string()),
    ]);
    let mut depend = |input: &InputFile| depends_on.insert(format!("{}_sha256", input.role), input.sha256.clone());
    let [activity, ct] = inputs(request, decays, shelf)?;
    depend(&activity);
    depend(&ct);
    if let (Some(labels), SceneInput::Ct(ct)) = (&request.labels, &request.scene) {
        let regions = shelf.regions(labels, request.label_names.as_ref(), ct)?;
        regions.map.inputs.iter().for_each(|input| {
            depend(input);
        });
    }
    if request.nuclide.is_file() {
        depend(&hashed("nuclide_file", &request.nuclide)?);
    }
    match (&request.activity, decays) {
        (ActivityChoice::Map { unit, .. }, _) => depends_on.insert("unit".to_owned(), unit.to_string()),
        (_, Some(decays)) => depends_on.insert("decays_on".to_owned(), format!("{:?}", decays.map.grid())),
        _ => None,
    };
    Ok(depends_on)
}

/// The records of activity and CT.
fn inputs(request: &DoseRequest, decays: Option<&Decays>, shelf: &mut Shelf) -> Result<[InputFile; 2], UserError> {
    let none = |what: &str| UserError::invalid("", what, "none", "one", "State it in the course.");
    let activity = match (&request.activity, decays) {
        (_, Some(decays)) => decays.input.clone(),
        (ActivityChoice::Map { file, .. }, None) => hashed("activity", file)?,
        (_, None) => return Err(none("activity")),
    };
    let SceneInput::Ct(ct) = &request.scene else { return Err(none("ct")) };
    Ok([activity, shelf.ct(ct)?.image.input.clone()])
}

/// Refuses an input that has changed since the dose's hash was taken.
fn as_computed(input: &InputFile, depends_on: &BTreeMap<String, String>) -> Result<(), UserError> {
    match depends_on.get(&format!("{}_sha256", input.role)) {
        Some(hash) if *hash != input.sha256 => Err(UserError::invalid(
            &input.path,
            "",
            "another file than a moment ago",
            "the same from first to last",
            "Start again when nothing writes to it any more.",
        )),
        _ => Ok(()),
    }
}

/// The place of one dose in the cache.
struct Entry {
    folder: PathBuf,
    depends_on: BTreeMap<String, String>,
}

impl Entry {
    fn of(request: &DoseRequest, decays: Option<&Decays>, cache: &Cache, shelf: &mut Shelf) -> Result<Self, UserError> {
        let depends_on = dependencies(request, decays, cache, shelf)?;
        let mut hash = Sha256::new();
        for (name, value) in &depends_on {
            hash.update(format!("{name}\0{value}\0"));
        }
        Ok(Self { folder: cache.folder.join(crate::digest::finished(hash)), depends_on })
    }

    /// The entry, if it is intact.
    fn find(&self) -> Option<(Told, Maps)> {
        let text = std::fs::read_to_string(self.folder.join(RECORD)).ok()?;
        let kept: Kept = serde_json::from_str(&text).ok()?;
        let maps = MAPS.iter().all(|name| {
            let found = InputFile::read("map", &self.folder.join(name)).ok().map(|file| file.sha256);
            found.is_some() && found.as_ref() == kept.maps_sha256.get(*name)
        });
        if kept.schema != CACHE_SCHEMA || kept.depends_on != self.depends_on || !maps {
            return None;
        }
        let maps = self.maps(&kept).ok()?;
        Some((kept.told, maps))
    }

    fn maps(&self, kept: &Kept) -> Result<Maps, IoError> {
        let grid = kept.grid.grid();
        Ok(Maps {
            dose_gy: Volume { grid, data: nifti::read(self.folder.join(MAPS[0]))?.data },
            density_g_cm3: nifti::read(self.folder.join(MAPS[1]))?.data,
            labels: nifti::read_labels(self.folder.join(MAPS[2]))?.data,
            sigma_rel: nifti::read(self.folder.join(MAPS[3]))?.data,
        })
    }

    /// Creates the entry's folder before anything is computed.
    fn prepare(&self, cache: &Cache, hear: &mut dyn Listener) -> Result<AtomicOutputDir, UserError> {
        if self.folder.exists() {
            let damaged = Note::warning("cache-damaged", "the cache entry is damaged and computed again");
            hear.note(damaged.at(self.folder.as_path()));
        }
        make_folder(&cache.folder)?;
        let own = [&MAPS[..], &[RECORD]].concat();
        AtomicOutputDir::create(&self.folder, true, &cache.inputs)
            .and_then(|folder| folder.owning(&own).expecting(&own))
            .or_user_error()
    }

    /// Stores a dose atomically.
    fn keep(self, told: &Told, maps: &Maps, folder: AtomicOutputDir) -> Result<(), Failure> {
        let grid = &maps.dose_gy.grid;
        let options = |text: &str| WriteOptions { description: text.to_owned(), form_code: told.form_code };
        nifti::write_values(folder.file(MAPS[0]), grid, &maps.dose_gy.data, &options("absorbed dose, Gy"))?;
        nifti::write_values(folder.file(MAPS[1]), grid, &maps.density_g_cm3, &options("density, g/cm3"))?;
        nifti::write_values(folder.file(MAPS[2]), grid, &maps.labels, &options("labels"))?;
        let sigma = "relative standard error of the dose";
        nifti::write_values(folder.file(MAPS[3]), grid, &maps.sigma_rel, &options(sigma))?;
        let mut maps_sha256 = BTreeMap::new();
        for name in MAPS {
            maps_sha256.insert(name.to_owned(), output::written(&folder, "map", name)?.sha256);
        }
        let kept = Kept {
            schema: CACHE_SCHEMA,
            depends_on: self.depends_on,
            maps_sha256,
            grid: GridBits::of(grid),
            told: told.clone(),
        };
        write_json(&folder.file(RECORD), &kept)?;
        folder.commit()?;
        Ok(())
    }
}

/// The dose of a request: from the cache, else by transport and then stored. `decays` replace the request's activity.
///
/// Errors: those of a dose; a cache that cannot be written to, detected before anything is computed. If storing fails
/// afterwards, the dose is not lost: a warning says so.
pub fn transported(
    request: &DoseRequest,
    decays: Option<Decays>,
    cache: Option<&Cache>,
    shelf: &mut Shelf,
    hear: &mut dyn Listener,
) -> Result<Computed, Failure> {
    let place = cache.map(|cache| Ok((cache, Entry::of(request, decays.as_ref(), cache, shelf)?)));
    let place: Option<(&Cache, Entry)> = place.transpose().map_err(|error: UserError| error)?;
    let read = inputs(request, decays.as_ref(), shelf)?;
    let found = place.as_ref().and_then(|(_, entry)| entry.find());
    let reused = found.is_some();
    let (told, maps) = match found {
        Some(found) => {
            // the entry does not depend on the activity given, the bounds do
            from_files::check_activity(request, decays.as_ref(), shelf)?;
            found
        }
        None => {
            let place = place.map(|(cache, entry)| Ok((entry.prepare(cache, hear)?, entry)));
            let place = place.transpose().map_err(|error: UserError| error)?;
            let (told, maps) = computed(request, decays, place.as_ref(), shelf, hear)?;
            if let Some((folder, entry)) = place {
                let name = entry.folder.clone();
                if let Err(failure) = entry.keep(&told, &maps, folder) {
                    let text =
                        format!("the dose of this cycle could not be kept and is computed again next time: {failure}");
                    hear.note(Note::warning("cache-not-kept", text).at(&name));
                }
            }
            (told, maps)
        }
    };
    let SceneInput::Ct(ct) = &request.scene else { unreachable!("a cycle's scene is a CT: its record was made above") };
    let grid = maps.dose_gy.grid.clone();
    Ok(Computed {
        regions: told.regions.iter().map(KeptRegion::cycle).collect(),
        map: Some(Mapped {
            dose_gy: maps.dose_gy,
            sigma_rel: Some(Volume { grid, data: maps.sigma_rel }),
            density_g_cm3: Some(maps.density_g_cm3),
            labels: maps.labels,
            names: told.regions.iter().map(|region| (region.label, region.name.clone())).collect(),
            form_code: told.form_code,
            origin: shelf.ct(ct)?.image.origin.clone(),
        }),
        half_lives: BTreeMap::new(),
        inputs: read.to_vec(),
        tally_sha256: Some(told.tally_sha256),
        warnings: told.warnings,
        reused,
        curves: Vec::new(),
        run: Some(told.run),
        motions: Vec::new(),
        motion: None,
    })
}

/// The dose of a request, in memory.
fn computed(
    request: &DoseRequest,
    decays: Option<Decays>,
    place: Option<&(AtomicOutputDir, Entry)>,
    shelf: &mut Shelf,
    hear: &mut dyn Listener,
) -> Result<(Told, Maps), Failure> {
    let case = case_from(request, decays, shelf, hear)?;
    if let Some((folder, entry)) = place {
        case.inputs.iter().try_for_each(|input| as_computed(input, &entry.depends_on))?;
        room::on_disk(folder, &case.density_g_cm3)?;
    }
    let result = DoseResult::of(case, &request.run, request.emissions, hear)?;
    let told = Told {
        tally_sha256: result.computed.tally_sha256.clone(),
        regions: result.tables.rows.iter().map(KeptRegion::of).collect(),
        warnings: result.warnings().map(Note::plain).collect(),
        form_code: result.case.form_code,
        run: KeptRun::of(&result.case, &result.computed, request.run.seed),
    };
    let DoseResult { case, dose, .. } = result;
    let maps = Maps {
        dose_gy: Volume { grid: case.decays.grid, data: dose.dose_gy },
        density_g_cm3: case.density_g_cm3,
        labels: case.labels,
        sigma_rel: dose.sigma_rel,
    };
    Ok((told, maps))
}
