//! Which adapter the tests take, and what happens without one.

use crate::needs::{self, Need};
use lutra::transport::gpu::{AdapterSummary, GpuEngine, GpuOptions, automatic, list_adapters};
use std::sync::{Mutex, OnceLock};

/// The adapter that all tests take: the one `auto` would take, else the first usable one. `None` skips the test,
/// see `needs`.
pub fn chosen() -> Option<&'static AdapterSummary> {
    static CHOSEN: OnceLock<Option<AdapterSummary>> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| {
        let all = list_adapters();
        let number = automatic(&all).or_else(|| all.iter().find(|a| a.usable()).map(|a| a.number));
        number.map(|n| all[n].clone())
    });
    if chosen.is_none() {
        let why = "no adapter that the kernel can run on (Debian: apt-get install mesa-vulkan-drivers libvulkan1)";
        needs::skip(Need::Gpu, why);
    }
    chosen.as_ref()
}

/// A fresh engine on that adapter.
pub fn engine(options: GpuOptions) -> Option<GpuEngine> {
    let number = chosen()?.number;
    Some(GpuEngine::new(Some(number), options).unwrap_or_else(|e| panic!("{e}")))
}

/// Runs `with` on the one engine that tests share: its pipelines are made once.
pub fn shared(with: impl FnOnce(&mut GpuEngine)) {
    static SHARED: OnceLock<Mutex<Option<GpuEngine>>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| Mutex::new(engine(GpuOptions::default())));
    // a failed test before this one has left the engine whole: every job begins from cleared buffers
    let mut guard = shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    match guard.as_mut() {
        Some(engine) => with(engine),
        None => assert!(chosen().is_none()),
    }
}

/// Lists the adapters, one a line, for `./test` to read.
#[test]
fn engine_adapters_are_listed() {
    let all = list_adapters();
    for a in &all {
        println!("adapter {}: {} ({}, {}, {})", a.number, a.info.name, a.kind, a.info.backend, a.info.driver);
        assert_eq!(a.info.engine, "gpu");
        assert_eq!(all[a.number].info, a.info, "adapters are numbered in their order");
    }
    if let Some(a) = chosen() {
        println!("chosen {}: {}", a.number, a.info.name);
        assert!(a.usable());
    }
    assert!(automatic(&all).is_none_or(|n| all[n].kind != "software"), "auto never takes a software adapter");
}

/// An adapter that is not there is refused by name.
#[test]
fn engine_a_missing_adapter_is_refused() {
    let error = GpuEngine::new(Some(1000), GpuOptions::default()).expect_err("refused").to_string();
    assert!(error.contains("gpu:1000") && error.contains("lutra devices"), "{error}");
}
