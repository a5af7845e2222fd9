//! `lutra init`: a commented configuration from a folder of images.

use super::options::said;
use super::printer;
use crate::clinic::failure::Failure;
use crate::clinic::init::{Next, init, shown};
use crate::clinic::request::InitRequest;
use crate::text::counted;

/// Runs `lutra init`.
pub(super) fn run(request: &InitRequest) -> Result<(), Failure> {
    let done = init(request)?;
    let next = match &done.next {
        Next::Dose(config) => format!("lutra dose --config {} --out DIR", shown(config)),
        Next::Course(file) => format!("lutra course {} --out DIR", shown(file)),
    };
    printer::record(&serde_json::json!({
        "written": done.drafts.iter().map(|draft| printer::shown(&draft.path)).collect::<Vec<_>>(),
        "to_fill_in": done.to_fill_in.iter().map(|(file, line, field)| serde_json::json!({
            "file": printer::shown(file), "line": line, "field": field,
        })).collect::<Vec<_>>(),
        "not_used": done.left.iter().map(said).collect::<Vec<_>>(),
        "next": next,
    }))?;
    printer::data(&match done.to_fill_in.len() {
        0 => "nothing is left to fill in; read it through nevertheless\n".to_owned(),
        n => format!("to be filled in by a person, {}:\n", counted(n, "field")),
    });
    for (file, line, field) in &done.to_fill_in {
        printer::data(&format!("  {}:{line}: {field}\n", file.display()));
    }
    for reason in &done.left {
        printer::note(&format!("not used: {}", said(reason)));
    }
    printer::note(&format!("then: {next}"));
    for draft in &done.drafts {
        printer::results("", &draft.path);
    }
    Ok(())
}
