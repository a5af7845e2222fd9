//! Files as a page hands them over.

use lutra::place::{Buffers, BuffersError};
use std::collections::BTreeMap;
use std::sync::Arc;
use wasm_bindgen::prelude::*;

/// Named files: a folder that was dropped.
#[wasm_bindgen]
#[derive(Default)]
pub struct Files {
    named: Vec<(String, Arc<[u8]>)>,
}

#[wasm_bindgen]
impl Files {
    /// None yet.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file; its name is a path such as `CT/1.dcm`.
    pub fn add(&mut self, name: String, bytes: Vec<u8>) {
        self.named.push((name, bytes.into()));
    }

    /// The names, in the order in which they were added.
    pub fn names(&self) -> Vec<String> {
        self.named.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The bytes of a file.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.named.iter().find(|(own, _)| own == name).map(|(_, bytes)| bytes.to_vec())
    }
}

impl Files {
    /// Files that the library made.
    pub fn of(made: BTreeMap<String, Vec<u8>>) -> Self {
        Self { named: made.into_iter().map(|(name, bytes)| (name, bytes.into())).collect() }
    }

    /// As the library reads them; nothing is copied.
    ///
    /// Errors: a name that is none, or stands twice.
    pub fn buffers(&self) -> Result<Buffers, BuffersError> {
        Buffers::new(self.named.iter().map(|(name, bytes)| (name.clone(), Arc::clone(bytes))))
    }
}
