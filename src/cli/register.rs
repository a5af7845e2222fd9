//! `lutra register`: how the patient moved between two images.

use super::failure::OrUserError;
use super::options::said;
use super::printer;
use super::progress::{Terminal, invocation};
use crate::clinic::failure::Failure;
use crate::clinic::guard;
use crate::clinic::register::{FILE_NAMES, run as register};
use crate::clinic::request::RegisterRequest;

/// Runs `lutra register`.
pub(super) fn run(request: &RegisterRequest) -> Result<(), Failure> {
    let invocation = invocation();
    let folder = guard::folder(&request.out, request.force, &guard::of_register(request), &FILE_NAMES)?;
    let hear = &mut Terminal::default();
    let done = register(request, hear)?;
    done.save(request, &folder, &invocation)?;
    let place = folder.commit().or_user_error()?;
    printer::record_file(&place.join("run.json"))?;
    printer::data(&done.words());
    for warning in &done.warnings {
        printer::warning(&said(&warning.sentence()));
    }
    printer::results("", &place);
    Ok(())
}
