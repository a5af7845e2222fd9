//! `lutra man`: one manual page a subcommand.

use super::args::{RawArgs, RawMan};
use super::failure::{Failure, OrUserError};
use super::printer;
use crate::io::atomic::AtomicOutputDir;
use anyhow::Context;
use clap::CommandFactory;
use std::path::PathBuf;

/// Writes the pages, `lutra.1` and `lutra-dose.1` and so on.
pub(super) fn run(request: &RawMan) -> Result<(), Failure> {
    let folder = AtomicOutputDir::create(&request.out, request.force).or_user_error()?;
    let written = || -> anyhow::Result<Vec<String>> {
        clap_mangen::generate_to(RawArgs::command(), folder.path())?;
        let entries = std::fs::read_dir(folder.path())?;
        let mut names = entries.map(|e| Ok(e?.file_name().to_string_lossy().into_owned()));
        names.by_ref().collect()
    };
    let mut names = written().with_context(|| format!("{}", request.out.display()))?;
    names.sort();
    let place = folder.commit().or_user_error()?;
    let files: Vec<PathBuf> = names.iter().map(|name| place.join(name)).collect();
    printer::record(&serde_json::json!({ "pages": files }))?;
    printer::data(&files.iter().map(|file| format!("{}\n", file.display())).collect::<String>());
    printer::results(&format!("{} pages", files.len()), &place);
    Ok(())
}
