//! The adapters that wgpu finds, and the choice among them.

use super::{AdapterSummary, automatic};
use crate::fault::{Setting, words};
use crate::transport::{DeviceInfo, EngineError};

fn kind_name(kind: wgpu::DeviceType) -> &'static str {
    match kind {
        wgpu::DeviceType::DiscreteGpu => "discrete",
        wgpu::DeviceType::IntegratedGpu => "integrated",
        wgpu::DeviceType::VirtualGpu => "virtual",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    }
}

/// What else than the processor helps where there is no adapter: in a browser, nothing of the page.
const DRIVER: &str =
    if cfg!(target_family = "wasm") { "" } else { "install a Vulkan driver (Debian: mesa-vulkan-drivers), or " };

fn instance() -> wgpu::Instance {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    descriptor.backends =
        wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12 | wgpu::Backends::BROWSER_WEBGPU;
    wgpu::Instance::new(descriptor)
}

pub(super) fn device_info(info: &wgpu::AdapterInfo) -> DeviceInfo {
    DeviceInfo {
        engine: "gpu".into(),
        // browsers keep it to themselves
        name: if info.name.is_empty() { "an adapter without a name".to_owned() } else { info.name.clone() },
        backend: info.backend.to_string(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
    }
}

/// All adapters, asked for once in a process: some drivers print lines of their own each time.
#[cfg(not(target_family = "wasm"))]
async fn adapters() -> Vec<wgpu::Adapter> {
    static FOUND: std::sync::OnceLock<Vec<wgpu::Adapter>> = std::sync::OnceLock::new();
    if let Some(found) = FOUND.get() {
        return found.clone();
    }
    let found = instance().enumerate_adapters(wgpu::Backends::all()).await;
    FOUND.get_or_init(|| found).clone()
}

/// A browser shows the one adapter that suits what is asked.
#[cfg(target_family = "wasm")]
async fn adapters() -> Vec<wgpu::Adapter> {
    let power_preference = wgpu::PowerPreference::HighPerformance;
    let asked = wgpu::RequestAdapterOptions { power_preference, ..Default::default() };
    instance().request_adapter(&asked).await.into_iter().collect()
}

/// What an adapter is. A browser tells software from chips and no more: any chip counts as integrated, with as many threads as
/// the least of them can take.
pub(super) fn kind(info: &wgpu::AdapterInfo) -> wgpu::DeviceType {
    match (info.backend, info.device_type) {
        (wgpu::Backend::BrowserWebGpu, wgpu::DeviceType::Other) => wgpu::DeviceType::IntegratedGpu,
        (_, kind) => kind,
    }
}

fn summary(number: usize, adapter: &wgpu::Adapter) -> AdapterSummary {
    let (info, limits) = (adapter.get_info(), adapter.limits());
    AdapterSummary {
        number,
        info: device_info(&info),
        kind: kind_name(kind(&info)),
        max_binding_bytes: limits.max_storage_buffer_binding_size,
        max_buffer_bytes: limits.max_buffer_size,
        max_workgroup: limits.max_compute_invocations_per_workgroup,
        max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
    }
}

/// All adapters of the machine, in the order of their numbers.
pub async fn find_adapters() -> Vec<AdapterSummary> {
    adapters().await.iter().enumerate().map(|(number, adapter)| summary(number, adapter)).collect()
}

/// Adapter `number`; `None`: the one that `auto` takes, else the first usable one of any kind.
pub(super) async fn choose(number: Option<usize>) -> Result<wgpu::Adapter, EngineError> {
    let all = adapters().await;
    let count = all.len();
    let (pick, missing) = match number {
        Some(n) => (
            Some(n),
            EngineError::NoDevice {
                found: words!(
                    Setting::Engine,
                    format!(" gpu:{n}: found {count} adapters, counted from 0; allowed: one of them, or cpu")
                ),
                hint: words!("run `lutra devices` to see the adapters, or use ", Setting::Engine, " cpu"),
            },
        ),
        None => {
            let summaries: Vec<AdapterSummary> =
                all.iter().enumerate().map(|(n, adapter)| summary(n, adapter)).collect();
            let usable = || summaries.iter().find(|a| a.usable()).map(|a| a.number);
            (
                automatic(&summaries).or_else(usable),
                EngineError::NoDevice {
                    found: format!("no usable adapter among {count} found").into(),
                    hint: words!(DRIVER, "use ", Setting::Engine, " cpu"),
                },
            )
        }
    };
    pick.and_then(|n| all.into_iter().nth(n)).ok_or(missing)
}
