//! `lutra devices`: what the transport can run on.

use super::printer;
use crate::clinic::devices::record;
use crate::clinic::failure::Failure;
use crate::transport::cpu::CpuEngine;
use crate::transport::gpu::{AdapterSummary, automatic, list_adapters};
use crate::transport::{DeviceInfo, Engine};
use std::fmt::Write;

/// Prints the list: data on standard output.
pub(super) fn run() -> Result<(), Failure> {
    let adapters = list_adapters();
    let cpu = CpuEngine::new(0).device();
    printer::data(&listing(&cpu, &adapters));
    printer::record(&record(&cpu, &adapters, automatic(&adapters)))?;
    if adapters.is_empty() {
        printer::note("no adapter found; a GPU needs its Vulkan, Metal or DirectX 12 driver");
    }
    Ok(())
}

/// The CPU, the adapters with their limits, and what `auto` would take.
fn listing(cpu: &DeviceInfo, adapters: &[AdapterSummary]) -> String {
    let chosen = automatic(adapters);
    let mut text = String::new();
    let mark = |auto: bool| if auto { "  [auto]" } else { "" };
    let _infallible = writeln!(text, "cpu    {}, {}{}", cpu.name, cpu.driver, mark(chosen.is_none()));
    for adapter in adapters {
        let info = &adapter.info;
        let _infallible = writeln!(
            text,
            "gpu:{}  {}, {} {}, driver {}{}",
            adapter.number,
            info.name,
            adapter.kind,
            info.backend,
            if info.driver.is_empty() { "unknown" } else { &info.driver },
            mark(chosen == Some(adapter.number))
        );
        let _infallible = writeln!(
            text,
            "       binding {} MiB, buffer {} MiB, workgroup {}, {} storage buffers{}",
            adapter.max_binding_bytes >> 20,
            adapter.max_buffer_bytes >> 20,
            adapter.max_workgroup,
            adapter.max_storage_buffers,
            if adapter.usable() { "" } else { ": too few for the transport" }
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(number: usize, kind: &'static str, max_storage_buffers: u32) -> AdapterSummary {
        AdapterSummary {
            number,
            info: DeviceInfo {
                engine: "gpu".into(),
                name: format!("device {number}"),
                backend: "vulkan".into(),
                driver: String::new(),
            },
            kind,
            max_binding_bytes: 128 << 20,
            max_buffer_bytes: 256 << 20,
            max_workgroup: 256,
            max_storage_buffers,
        }
    }

    #[test]
    fn cli_listing_marks_what_auto_takes() {
        let cpu = CpuEngine::new(2).device();
        let marked = |adapters: &[AdapterSummary]| {
            let text = listing(&cpu, adapters);
            assert_eq!(text.matches("[auto]").count(), 1, "{text}");
            text.lines().find(|line| line.contains("[auto]")).expect("a mark").to_owned()
        };
        assert!(marked(&[]).starts_with("cpu "));
        assert!(marked(&[adapter(0, "software", 16)]).starts_with("cpu "), "a software adapter is never taken");
        assert!(marked(&[adapter(0, "integrated", 16), adapter(1, "discrete", 16)]).starts_with("gpu:1"));
        assert!(marked(&[adapter(0, "integrated", 16), adapter(1, "discrete", 4)]).starts_with("gpu:0"));
    }
}
