//! Maintainer's tasks: `cargo xtask tables` writes `assets/` from evaluated source data, `cargo xtask shaders` writes
//! `shaders/` and `cargo xtask lanes` writes `src/kernel/lanes/kernel.rs`, both from `src/kernel/`, `cargo xtask
//! reference` writes `assets/reference/` from the results of reference calculations; `cargo xtask chips` shows what the
//! compiler of real graphics chips makes of the shaders; `cargo xtask dossier` writes hazards, requirements, tests and parts of
//! others into `docs/dossier/`; `cargo xtask mutants` plants faults and sees which of them the tests find; `cargo xtask bindgen` (feature `bindgen`) makes the JavaScript of a WebAssembly module.

#[cfg(feature = "bindgen")]
mod bindgen;
mod chips;
mod dossier;
mod lanes;
mod mutants;
mod parts;
mod reference;
mod shaders;
mod subset;
mod tables;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((task, rest)) if task == "tables" => tables::run(rest),
        Some((task, rest)) if task == "reference" => reference::run(rest),
        #[cfg(feature = "bindgen")]
        Some((task, rest)) if task == "bindgen" => bindgen::run(rest),
        Some((task, rest)) if task == "chips" => chips::run(rest),
        Some((task, rest)) if task == "dossier" => dossier::run(rest),
        Some((task, rest)) if task == "mutants" => mutants::run(rest),
        Some((task, [])) if task == "shaders" => shaders::write(),
        Some((task, [])) if task == "lanes" => lanes::write(),
        _ => Err(anyhow::anyhow!(
            "usage: cargo xtask tables --from DATA_FOLDER --refs REFS_FOLDER, cargo xtask reference --refs REFS_FOLDER \
             --data DATA_FOLDER, cargo xtask shaders, cargo xtask lanes, cargo xtask chips, cargo xtask mutants, or cargo xtask dossier"
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
