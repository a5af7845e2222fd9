//! Merges the shards of one run into the whole run, bit for bit.

use super::case::{Case, Computed};
use super::failure::{Failure, OrUserError, UserError};
use super::request::MergeRequest;
use super::shard::{KeptCase, batches, kept_case};
use super::transport;
use crate::fault::FaultKind;
use crate::note::Note;
use crate::transport::DeviceInfo;
use crate::transport::batch_store::{BatchStore, MergeError, merge};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The run merged from shards.
pub struct Merged {
    /// Its case.
    pub case: Case,
    /// Its results.
    pub computed: Computed,
    /// Its seed.
    pub seed: u64,
}

/// Adds the shards of one run.
///
/// Errors: folders without a shard; shards of different runs or cases; missing shards, unless allowed.
pub fn merge_shards(request: &MergeRequest) -> Result<Merged, Failure> {
    let store = sum(request)?;
    let mut cases = Vec::new();
    for folder in &request.outputs {
        let kept = kept_case(folder)?;
        check_case(&cases, folder, &kept)?;
        // one full case is enough; from the others keep only what differs
        let first = cases.iter().all(|(_, other): &(&Path, KeptCase)| kept.own.first_batch < other.own.first_batch);
        cases.insert(if first { 0 } else { cases.len() }, (folder.as_path(), kept));
        for (_, spare) in cases.iter_mut().skip(1) {
            spare.case.density_g_cm3 = Vec::new();
            spare.case.hu = None;
            spare.case.labels = Vec::new();
            spare.case.decays.data = Vec::new();
        }
    }
    let device = device(&cases);
    let cpu_seconds = cases.iter().map(|(_, kept)| kept.own.cpu_seconds).sum();
    let (_, first) = cases.swap_remove(0);
    let seed = seed(&store, &request.outputs)?;
    let mut settings = first.own.settings;
    let names: Vec<String> = request.outputs.iter().map(|path| path.display().to_string()).collect();
    settings.insert("merged".to_owned(), json!(names));
    let mut case = first.case;
    case.settings.remove("shard");
    let planned = store.planned;
    let found = store.batches().len();
    let mut simulation = store.into_simulation(device);
    if found < planned as usize {
        simulation.warnings.push(Note::warning(
            "batches-missing",
            format!("merged {found} of {planned} batches: the result of a shorter run"),
        ));
    }
    let computed = transport::computed(&case, simulation, settings, cpu_seconds);
    Ok(Merged { case, computed, seed })
}

/// The seed of the run, as its shards record it: without one the merged record would state a seed that nobody chose.
fn seed(store: &BatchStore, folders: &[PathBuf]) -> Result<u64, UserError> {
    let stated = store.identity.fields.iter().find(|(name, _)| name == "seed").map(|(_, seed)| seed.as_str());
    stated.and_then(|seed| seed.parse().ok()).ok_or_else(|| {
        let names: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        let found = stated.unwrap_or("none").to_owned();
        UserError::invalid(names.join(", "), "seed", found, "a whole number", "Compute these shards again.")
    })
}

/// The sum of all shards, read one after another.
fn sum(request: &MergeRequest) -> Result<BatchStore, Failure> {
    let mut unreadable = None;
    let parts = request.outputs.iter().map_while(|folder| match batches(folder) {
        Ok(store) => Some(Ok::<_, MergeError>((folder.display().to_string(), store))),
        Err(error) => {
            unreadable = Some(error);
            None
        }
    });
    let merged = merge(parts, request.allow_missing);
    match unreadable {
        Some(error) => Err(error.into()),
        None => Ok(merged.or_user_error()?),
    }
}

/// Refuses a shard whose CT, names or file geometry differ from the others.
fn check_case(cases: &[(&Path, KeptCase)], folder: &Path, kept: &KeptCase) -> Result<(), UserError> {
    match cases.first() {
        Some((first, other)) if other.hash != kept.hash => Err(UserError::invalid(
            folder,
            "case",
            format!("another CT, label names, administered activity or file geometry than in {}", first.display()),
            "the same in all",
            "Compute all shards from the same files.",
        )
        .kind(FaultKind::Mismatch)),
        _ => Ok(()),
    }
}

/// The devices that computed the shards, each named once.
fn device(cases: &[(&Path, KeptCase)]) -> DeviceInfo {
    let field = |n: usize| {
        let all: BTreeSet<&str> = cases.iter().map(|(_, kept)| kept.own.device[n].as_str()).collect();
        all.into_iter().collect::<Vec<_>>().join(" + ")
    };
    DeviceInfo { engine: field(0), name: field(1), backend: field(2), driver: field(3) }
}
