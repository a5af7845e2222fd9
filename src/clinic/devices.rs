//! What the transport can run on, as a record.

use crate::transport::DeviceInfo;
use crate::transport::gpu::AdapterSummary;
use serde_json::{Value, json};

/// The CPU and the adapters for machines; `chosen` is the number of the adapter that `auto` would take.
pub fn record(cpu: &DeviceInfo, adapters: &[AdapterSummary], chosen: Option<usize>) -> Value {
    let mut devices = vec![json!({
        "engine": "cpu", "name": cpu.name, "driver": cpu.driver, "usable": true, "auto": chosen.is_none(),
    })];
    devices.extend(adapters.iter().map(|adapter| {
        json!({
            "engine": format!("gpu:{}", adapter.number),
            "name": adapter.info.name,
            "kind": adapter.kind,
            "backend": adapter.info.backend,
            "driver": adapter.info.driver,
            "max_binding_bytes": adapter.max_binding_bytes,
            "max_buffer_bytes": adapter.max_buffer_bytes,
            "max_workgroup": adapter.max_workgroup,
            "max_storage_buffers": adapter.max_storage_buffers,
            "usable": adapter.usable(),
            "auto": chosen == Some(adapter.number),
        })
    }));
    json!({ "devices": devices })
}
