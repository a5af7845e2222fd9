//! `lutra man`: one manual page a subcommand.

use super::args::{RawArgs, RawMan};
use super::failure::OrUserError;
use super::printer;
use crate::clinic::failure::{AtPath, Failure};
use crate::io::atomic::AtomicOutputDir;
use clap::CommandFactory;
use std::path::PathBuf;

/// Writes the pages, `lutra.1` and `lutra-dose.1` and so on.
pub(super) fn run(request: &RawMan) -> Result<(), Failure> {
    let folder = AtomicOutputDir::create(&request.out, request.force).or_user_error()?;
    let written = || -> std::io::Result<Vec<String>> {
        clap_mangen::generate_to(RawArgs::command(), folder.path())?;
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder.path())? {
            let entry = entry?;
            let page = std::fs::read_to_string(entry.path())?;
            // what clap calls extra is our examples
            std::fs::write(entry.path(), page.replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n"))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    };
    let mut names = written().at(&request.out)?;
    names.sort();
    let place = folder.commit().or_user_error()?;
    let files: Vec<PathBuf> = names.iter().map(|name| place.join(name)).collect();
    printer::record(&serde_json::json!({ "pages": files }))?;
    printer::data(&files.iter().map(|file| format!("{}\n", file.display())).collect::<String>());
    printer::results(&format!("{} pages", files.len()), &place);
    Ok(())
}
