//! `lutra init`: a commented configuration from a folder of images.

use super::printer;
use crate::clinic::failure::Failure;
use crate::clinic::init::init;
use crate::clinic::request::InitRequest;

/// Runs `lutra init`.
pub(super) fn run(request: &InitRequest) -> Result<(), Failure> {
    let done = init(request)?;
    printer::record(&serde_json::json!({
        "written": done.written.iter().map(|path| printer::shown(path)).collect::<Vec<_>>(),
        "to_fill_in": done.to_fill_in.iter().map(|(file, line, field)| serde_json::json!({
            "file": printer::shown(file), "line": line, "field": field,
        })).collect::<Vec<_>>(),
        "not_used": done.left,
        "next": done.next,
    }))?;
    printer::data(&match done.to_fill_in.len() {
        0 => "nothing is left to fill in; look it through all the same\n".to_owned(),
        n => format!("to be filled in by a person, {n} fields:\n"),
    });
    for (file, line, field) in &done.to_fill_in {
        printer::data(&format!("  {}:{line}: {field}\n", file.display()));
    }
    for reason in &done.left {
        printer::note(&format!("not used: {reason}"));
    }
    printer::note(&format!("then: {}", done.next));
    for path in &done.written {
        printer::results("", path);
    }
    Ok(())
}
