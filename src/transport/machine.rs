//! What a run may be carried out on: the threads and adapters of this machine, or devices that a front end lends. A browser's
//! page has its devices in workers of their own, which this one cannot open.

use super::cpu::{Carrier, CpuEngine};
use super::gpu::{AdapterSummary, GpuOptions, list_adapters, open_blocking};
use super::{Engine, EngineError};
use crate::fault::Words;
use std::fmt::Debug;
use std::sync::Arc;

/// Devices, and engines on them.
pub trait Machine: Debug + Send + Sync {
    /// The adapters that there are.
    fn adapters(&self) -> Vec<AdapterSummary>;

    /// Why there is no adapter, where there is none.
    fn lacking(&self) -> Words {
        "no GPU found".into()
    }

    /// An engine on adapter `number`, else on the first usable one, that has passed [the probe](super::gpu::probe).
    ///
    /// Errors: no such adapter; one that fails, or does not compute as the kernel needs it.
    fn gpu(&self, number: Option<usize>) -> Result<Box<dyn Engine>, EngineError>;

    /// An engine on so many threads, 0 for all, that carries histories in this way, else in the fastest.
    fn cpu(&self, threads: usize, way: Option<Carrier>) -> Box<dyn Engine>;
}

/// This machine.
#[derive(Debug)]
struct Here;

impl Machine for Here {
    fn adapters(&self) -> Vec<AdapterSummary> {
        list_adapters()
    }

    fn gpu(&self, number: Option<usize>) -> Result<Box<dyn Engine>, EngineError> {
        open_blocking(number, GpuOptions::default())
    }

    fn cpu(&self, threads: usize, way: Option<Carrier>) -> Box<dyn Engine> {
        Box::new(way.map_or_else(|| CpuEngine::new(threads), |way| CpuEngine::with(threads, way)))
    }
}

/// Whose devices a run uses.
#[derive(Clone, Debug, Default)]
pub enum Devices {
    /// Those of this machine.
    #[default]
    Own,
    /// Those that a front end lends.
    Lent(Arc<dyn Machine>),
}

impl Devices {
    /// What has them.
    pub fn machine(&self) -> &dyn Machine {
        match self {
            Self::Own => &Here,
            Self::Lent(machine) => machine.as_ref(),
        }
    }
}

/// Devices are the same where they are one machine's.
impl PartialEq for Devices {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Own, Self::Own) => true,
            (Self::Lent(one), Self::Lent(other)) => Arc::ptr_eq(one, other),
            (Self::Own, Self::Lent(_)) | (Self::Lent(_), Self::Own) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_devices_are_one_machines() {
        let [one, other] = [(); 2].map(|()| Devices::Lent(Arc::new(Here)));
        assert!(Devices::Own == Devices::default() && one == one.clone());
        assert!(one != other && one != Devices::Own);
    }
}
