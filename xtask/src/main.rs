//! Lutra's workshop: `cargo xtask shaders` writes `shaders/` from `src/kernel/`.

mod shaders;

use anyhow::{Context as _, Result, bail};
use std::path::Path;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("shaders") => {
            for module in shaders::generate(&root.join("src/kernel"))? {
                std::fs::write(root.join(format!("shaders/{}.wgsl", module.name)), module.wgsl)?;
            }
            Ok(())
        }
        other => bail!("found {other:?}; say `cargo xtask shaders`"),
    }
}
