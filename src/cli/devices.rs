//! `lutra devices`: what the transport can run on.

use super::failure::Failure;
use super::printer;
use crate::transport::Engine;
use crate::transport::cpu::CpuEngine;

/// Prints the list.
pub(super) fn run() -> Result<(), Failure> {
    let cpu = CpuEngine::new(0).device();
    printer::data(&format!("cpu    {}  ({})\n", cpu.name, cpu.driver));
    Ok(())
}
