//! `lutra dose`: from files to a dose map.

use super::progress::{Terminal, duration, invocation};
use super::{printer, show};
use crate::clinic::case::{Case, Computed};
use crate::clinic::dose::balances;
use crate::clinic::failure::Failure;
use crate::clinic::output::{self, nothing_further};
use crate::clinic::request::DoseRequest;
use crate::clinic::{from_files, full_budget, guard, room, shard, transport};
use crate::report::table::balance_lines;
use crate::transport::batch_store::BatchStore;
use std::path::Path;
use std::time::Duration;

/// Runs `lutra dose`.
pub(super) fn run(request: &DoseRequest) -> Result<(), Failure> {
    let invocation = invocation();
    let names = match request.run.shard {
        Some(_) => shard::FILE_NAMES.to_vec(),
        None => guard::dose_names(request.dicom),
    };
    let folder = guard::folder_of_run(&request.out, request.force, &request.run, &guard::of_dose(request), &names)?;
    let hear = &mut Terminal::default();
    let mut case = from_files::case(request, hear)?;
    room::on_disk(&folder, &case.density_g_cm3)?;
    let computed = full_budget::compute(&mut case, &request.run, request.emissions, hear)?;
    let seed = request.run.seed;
    match &computed.store {
        Some(store) => {
            let place = shard::write(&case, &computed, store, folder, &invocation, seed)?;
            show_shard(&case, &computed, store, &place)?;
        }
        None => {
            let written = output::write(&case, &computed, folder, &invocation, seed, &[], &mut nothing_further, hear)?;
            show::dose(&case, &computed, &written)?;
        }
    }
    transport::end(computed);
    Ok(())
}

fn show_shard(case: &Case, computed: &Computed, store: &BatchStore, place: &Path) -> Result<(), Failure> {
    printer::record_file(&place.join("run.json"))?;
    printer::data(&balance_lines(&balances(computed)));
    show::warnings(case, computed, &[]);
    let about = format!(
        "{} of {} batches, for lutra merge, in {} on {}",
        store.batches().len(),
        store.planned,
        duration(Duration::from_secs_f64(computed.wall_seconds)),
        computed.device.name
    );
    printer::results(&about, place);
    Ok(())
}
