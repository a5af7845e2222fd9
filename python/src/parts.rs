//! A run in parts: shards computed anywhere, added to the whole run bit for bit.

use crate::ask;
use crate::dose::{Dose, Kept, checkpoints_free};
use crate::fault;
use crate::worker::work;
use lutra::clinic::dose::DoseResult;
use lutra::clinic::failure::{Failure, UserError};
use lutra::clinic::invocation::Invocation;
use lutra::clinic::merge::{Merged, merge_shards};
use lutra::clinic::request::MergeRequest;
use lutra::clinic::{guard, room, shard as part, transport};
use lutra::fault::Setting;
use pyo3::prelude::*;
use std::path::PathBuf;
use std::time::Instant;

type NoteParts = (String, &'static str, Option<String>, String);

/// Transports one shard of a case and writes its folder; the folder, and what was said.
#[pyfunction]
pub fn shard(
    py: Python<'_>,
    asked: ask::Dose<'_>,
    folder: PathBuf,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<(PathBuf, Vec<NoteParts>)> {
    let (request, handed) = asked.request(py)?;
    let invocation = Invocation::now(vec!["lutra.shard".to_owned()]);
    let (place, heard) = work(py, progress, move |hear| {
        let run = request.run.clone();
        if run.shard.is_none() {
            let next = "Say which part of how many it is.";
            return Err(UserError::invalid(Setting::Shard, "", "none", "(K, N)", next).into());
        }
        let (emissions, inputs) = (request.emissions, guard::of_dose(&request));
        checkpoints_free(&request, &inputs)?;
        let folder = guard::folder_of_run(&folder, request.force, &run, &inputs, &part::FILE_NAMES)?;
        let mut case = handed.case(request, hear)?;
        room::on_disk(&folder, &case.density_g_cm3)?;
        let computed = transport::compute(&mut case, &run, emissions, hear)?;
        let store = computed.store.as_ref().ok_or_else(|| Failure::run("a shard without its batches"))?;
        let place = part::write(&case, &computed, store, folder, &invocation, run.seed)?;
        transport::end(computed);
        Ok(place)
    })?;
    Ok((place, fault::notes(&heard)))
}

/// Adds the shards of one run, in any order, to the dose of the whole run.
#[pyfunction]
pub fn merge(
    py: Python<'_>,
    folders: Vec<PathBuf>,
    allow_missing: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Dose> {
    let invocation = Invocation::now(vec!["lutra.merge".to_owned()]);
    let (kept, heard) = work(py, progress, move |_| {
        let begun = Instant::now();
        let request = MergeRequest { outputs: folders, out: PathBuf::new(), allow_missing, force: false };
        let inputs = guard::of_merge(&request);
        let Merged { case, computed, seed } = merge_shards(&request)?;
        let result = DoseResult::made(case, computed)?;
        Ok(Kept::merged(result, invocation, seed, inputs, begun.elapsed().as_secs_f64()))
    })?;
    Ok(Dose::of(kept, fault::notes(&heard)))
}
