//! `lutra man`: one manual page a subcommand.

use super::args::{RawArgs, RawMan};
use super::failure::OrUserError;
use super::printer;
use crate::clinic::failure::{AtPath, Failure};
use crate::io::atomic::AtomicOutputDir;
use crate::io::inputs::Inputs;
use clap::CommandFactory;
use std::path::PathBuf;

/// Writes the pages, `lutra.1` and `lutra-dose.1` and so on.
pub(super) fn run(request: &RawMan) -> Result<(), Failure> {
    let folder = AtomicOutputDir::create(&request.out, request.force, &Inputs::none()).or_user_error()?;
    let written = || -> Result<Vec<String>, Failure> {
        clap_mangen::generate_to(RawArgs::command(), folder.path()).at(&request.out)?;
        let names = folder.names()?;
        for name in &names {
            let page = std::fs::read_to_string(folder.file(name).path()).at(&request.out)?;
            // what clap calls extra is our examples
            let page = page.replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n");
            folder.file(name).write(page).at(&request.out)?;
        }
        Ok(names)
    };
    let names = written()?;
    let place = folder.commit().or_user_error()?;
    let files: Vec<PathBuf> = names.iter().map(|name| place.join(name)).collect();
    printer::record(
        &serde_json::json!({ "pages": files.iter().map(|file| printer::shown(file)).collect::<Vec<_>>() }),
    )?;
    printer::data(&files.iter().map(|file| format!("{}\n", file.display())).collect::<String>());
    printer::results(&format!("{} pages", files.len()), &place);
    Ok(())
}
