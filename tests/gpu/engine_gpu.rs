//! The engine's contract on the adapter.

use crate::adapter;
use lutra::transport::Engine;

fn on_gpu(check: fn(&mut dyn Engine)) {
    adapter::shared(|engine| check(engine));
}

crate::engine_contract_tests!(on_gpu: energy_balances, what_is_moved_is_accounted_for, seeds_decide, bad_sources_are_refused, border_voxels_leak,
    one_voxel_is_enough, vacuum_keeps_nothing, shells_balance, sound_runs_raise_no_flag, tally_overflow_is_flagged,
    endless_rejection_is_flagged, a_halted_job_counts_for_nothing, a_spoiled_batch_ends_the_run);
