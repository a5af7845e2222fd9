//! Results as a page takes them.

use crate::thrown::{Heard, thrown};
use jiff::Timestamp;
use js_sys::Function;
use lutra::clinic::failure::Failure;
use lutra::clinic::invocation::Invocation;
use lutra::clinic::notes::Listener;
use lutra::io::target::Kept;
use serde_json::Value;
use std::collections::BTreeMap;
use wasm_bindgen::prelude::*;

/// The files of a result, as the command line writes them, and its figures.
#[wasm_bindgen]
pub struct Made {
    files: BTreeMap<String, Vec<u8>>,
    summary: String,
}

#[wasm_bindgen]
impl Made {
    /// Figures, as JSON.
    pub fn summary(&self) -> String {
        self.summary.clone()
    }

    /// Names of the files.
    pub fn names(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    /// Hands a file out; it is kept no longer.
    pub fn take(&mut self, name: &str) -> Option<Vec<u8>> {
        self.files.remove(name)
    }
}

impl Made {
    /// What `work` makes, asked at this moment (ms since 1970) under this name.
    pub fn by(
        began_ms: f64,
        name: &str,
        progress: &Function,
        work: impl FnOnce(&Invocation, &mut dyn Listener) -> Result<(Kept, Value), Failure>,
    ) -> Result<Self, JsValue> {
        let moment = Timestamp::from_millisecond(began_ms as i64).map_err(|error| JsValue::from(error.to_string()))?;
        let invocation = Invocation::at(moment, vec![format!("lutra.{name}")]);
        let mut heard = Heard::new(progress);
        let (kept, mut summary) = work(&invocation, &mut heard).map_err(|failure| thrown(&failure))?;
        summary["heard"] = heard.notes().into();
        Ok(Self { files: kept.take(), summary: summary.to_string() })
    }
}
