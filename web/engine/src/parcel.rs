//! What one worker of the page hands to another: a scene, a job, and what came of it. Arrays lie in memory that both see, one
//! behind the other in a list of JavaScript; the rest is JSON.

use bytemuck::{Pod, Zeroable, cast_slice, cast_slice_mut};
use js_sys::{Array, SharedArrayBuffer, Uint8Array};
use lutra::fault::Explained;
use lutra::tally::Ledger;
use lutra::transport::emission::{EmissionTable, Pass};
use lutra::transport::spent::EngineSpent;
use lutra::transport::{DeviceInfo, EngineError, Job, SceneData};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

/// Numbers in memory that all workers see.
fn shared<T: Pod>(numbers: &[T]) -> JsValue {
    let bytes: &[u8] = cast_slice(numbers);
    let size = u32::try_from(bytes.len()).expect("memory of 32 bits holds no larger array");
    let view = Uint8Array::new(&SharedArrayBuffer::new(size));
    view.copy_from(bytes);
    view.into()
}

/// Numbers out of such memory.
fn taken<T: Pod + Zeroable>(part: JsValue) -> Vec<T> {
    let view: Uint8Array = part.unchecked_into();
    let mut numbers = vec![T::zeroed(); view.length() as usize / size_of::<T>()];
    view.copy_to(cast_slice_mut(&mut numbers));
    numbers
}

/// A scene as far as histories need it.
pub fn of_scene(scene: &SceneData) -> Array {
    Array::from_iter([
        shared(&[scene.params]),
        shared(&scene.voxels),
        shared(&scene.electron_table),
        shared(&scene.photon_table),
        shared(&scene.scatter_table),
        shared(&scene.electron_emission.words),
        shared(&scene.photon_emission.words),
        shared(&[scene.bins as u64]),
    ])
}

/// The scene of [`of_scene`].
pub fn scene(parts: &Array) -> SceneData {
    let emission = |n: u32| EmissionTable { words: taken(parts.get(n)), ..EmissionTable::default() };
    SceneData {
        params: taken(parts.get(0))[0],
        voxels: taken(parts.get(1)),
        electron_table: taken(parts.get(2)),
        photon_table: taken(parts.get(3)),
        scatter_table: taken(parts.get(4)),
        electron_emission: emission(5),
        photon_emission: emission(6),
        bins: taken::<u64>(parts.get(7))[0] as usize,
        home_kev_per_decay: Vec::new(),
    }
}

/// A job.
pub fn of_job(job: &Job) -> Array {
    Array::from_iter([shared(&[job.pass as u32]), shared(&[job.params]), shared(&job.source_table)])
}

/// The job of [`of_job`].
pub fn job(parts: &Array) -> Job {
    let pass = match taken::<u32>(parts.get(0))[0] {
        0 => Pass::Electron,
        _ => Pass::Photon,
    };
    Job { pass, params: taken(parts.get(1))[0], source_table: taken(parts.get(2)) }
}

/// What came of a job, but for its bins.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Account {
    /// The energy account.
    pub ledger: Ledger,
    /// Histories finished.
    pub histories: u64,
    /// Flags raised.
    pub flags: u32,
    /// What the engine spent since it was opened.
    pub spent: EngineSpent,
}

/// An adapter as a list of devices needs it.
#[derive(Debug, Deserialize, Serialize)]
pub struct Adapter {
    /// What it says of itself.
    pub info: DeviceInfo,
    /// Integrated, or software.
    pub kind: String,
    /// Largest storage buffer binding, largest buffer, bytes.
    pub most_bytes: [u64; 2],
    /// Largest workgroup, and storage buffers that a shader stage may bind.
    pub most: [u32; 2],
}

/// Why an engine cannot go on.
#[derive(Debug, Deserialize, Serialize)]
pub enum Failed {
    /// No adapter.
    Missing { found: String, next: String },
    /// A device that fails.
    Device { device: String, message: String },
    /// One that does not compute as the kernel needs it.
    Unfit { device: String, found: String },
    /// A buffer that is too large for it.
    TooLarge { needed_mib: f64, allowed_mib: f64, device: String },
}

impl From<EngineError> for Failed {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NoDevice { found, hint } => {
                Self::Missing { found: crate::thrown::shown(&found), next: crate::thrown::shown(&hint) }
            }
            EngineError::Device { device, message } => Self::Device { device, message },
            EngineError::Unfit { device, found } => Self::Unfit { device, found },
            EngineError::TooLarge { needed_mib, allowed_mib, device, .. } => {
                Self::TooLarge { needed_mib, allowed_mib, device }
            }
            other => Self::Device { device: "engine".into(), message: crate::thrown::shown(&other.fault().sentence()) },
        }
    }
}

impl From<Failed> for EngineError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Missing { found, next } => Self::NoDevice { found: found.into(), hint: next.into() },
            Failed::Device { device, message } => Self::Device { device, message },
            Failed::Unfit { device, found } => Self::Unfit { device, found },
            Failed::TooLarge { needed_mib, allowed_mib, device } => {
                Self::TooLarge { what: "the scene or its tally", needed_mib, allowed_mib, device }
            }
        }
    }
}
