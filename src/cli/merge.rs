//! `lutra merge`: the shards of one run added to the whole run, bit for bit.

use super::failure::OrUserError;
use super::progress::{Terminal, invocation};
use super::show;
use crate::clinic::failure::Failure;
use crate::clinic::merge::merge_shards;
use crate::clinic::output::{self, FILE_NAMES, nothing_further};
use crate::clinic::request::MergeRequest;
use crate::io::atomic::AtomicOutputDir;

/// Runs `lutra merge`.
pub(super) fn run(request: &MergeRequest) -> Result<(), Failure> {
    let invocation = invocation();
    let folder = AtomicOutputDir::create(&request.out, request.force).or_user_error()?.replaces(&FILE_NAMES);
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
