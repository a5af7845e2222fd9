//! `lutra man`: one manual page a subcommand.

use super::args::{RawArgs, RawMan};
use super::failure::{Failure, OrUserError};
use super::printer;
use crate::io::atomic::AtomicOutputDir;
use crate::io::inputs::Inputs;
use anyhow::Context;
use clap::CommandFactory;
use std::path::PathBuf;

/// Writes the pages, `lutra.1` and `lutra-dose.1` and so on.
pub(super) fn run(request: &RawMan) -> Result<(), Failure> {
    let folder = AtomicOutputDir::create(&request.out, request.force, &Inputs::none()).or_user_error()?;
    let written = || -> anyhow::Result<Vec<String>> {
        clap_mangen::generate_to(RawArgs::command(), folder.path())?;
        let names = folder.names()?;
        for name in &names {
            let page = std::fs::read_to_string(folder.file(name))?;
            // what clap calls extra is our examples
            std::fs::write(folder.file(name), page.replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n"))?;
        }
        Ok(names)
    };
    let names = written().with_context(|| format!("{}", request.out.display()))?;
    let place = folder.commit().or_user_error()?;
    let files: Vec<PathBuf> = names.iter().map(|name| place.join(name)).collect();
    printer::record(&serde_json::json!({ "pages": files }))?;
    printer::data(&files.iter().map(|file| format!("{}\n", file.display())).collect::<String>());
    printer::results(&format!("{} pages", files.len()), &place);
    Ok(())
}
