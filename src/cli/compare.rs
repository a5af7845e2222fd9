//! `lutra compare`: compares two dose maps.

use super::failure::OrUserError;
use super::printer;
use super::progress::invocation;
use crate::clinic::compare::{FILE_NAMES, compare};
use crate::clinic::failure::Failure;
use crate::clinic::guard;
use crate::clinic::request::CompareRequest;

/// Runs `lutra compare`.
pub(super) fn run(request: &CompareRequest) -> Result<(), Failure> {
    let invocation = invocation();
    let folder = guard::folder(&request.out, request.force, &guard::of_compare(request), &FILE_NAMES)?;
    let done = compare(request)?;
    done.save(request, &folder, &invocation)?;
    let place = folder.commit().or_user_error()?;
    printer::record_file(&place.join("compare.json"))?;
    printer::data(&done.words());
    printer::results("", &place);
    Ok(())
}
