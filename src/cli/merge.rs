//! `lutra merge`: the shards of one run added to the whole run, bit for bit.

use super::progress::{Terminal, invocation};
use super::show;
use crate::clinic::failure::Failure;
use crate::clinic::guard;
use crate::clinic::merge::merge_shards;
use crate::clinic::output::{self, nothing_further};
use crate::clinic::request::MergeRequest;

/// Runs `lutra merge`.
pub(super) fn run(request: &MergeRequest) -> Result<(), Failure> {
    let invocation = invocation();
    let folder = guard::folder(&request.out, request.force, &guard::of_merge(request), &guard::dose_names(None))?;
    let merged = merge_shards(request)?;
    let hear = &mut Terminal::default();
    let written = output::write(
        &merged.case,
        &merged.computed,
        folder,
        &invocation,
        merged.seed,
        &[],
        &mut nothing_further,
        hear,
    )?;
    show::dose(&merged.case, &merged.computed, &written)
}
