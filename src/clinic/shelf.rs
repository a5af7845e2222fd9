//! Shelf of a request's images, regions and nuclides: each is opened, decoded and hashed once.
//!
//! A front end may put its own volumes on the shelf under names; later uses of a name take them from there without
//! touching a file.

use super::failure::{OrUserError, UserError};
use super::images::{self, Anatomy, Image, OpenedRegions};
use crate::decay::Nuclide;
use crate::note::Note;
use crate::place::Place;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A CT as opened.
pub struct OpenedCt {
    /// The image, HU.
    pub image: Image<f32>,
    /// What its reader had to say.
    pub notes: Vec<Note>,
}

/// Source of opened regions: their file, that of their names, and the CT whose grid they were mapped to.
type RegionsKey = (Place, Option<Place>, Place);

/// Inputs opened by a request. Volumes given by a front end stay; of files, only the last CT and regions are kept,
/// since a course with many anatomies would fill the memory.
#[derive(Default)]
pub struct Shelf {
    given_cts: BTreeMap<PathBuf, Arc<OpenedCt>>,
    given_regions: BTreeMap<PathBuf, Arc<OpenedRegions>>,
    given_nuclides: BTreeMap<String, Nuclide>,
    ct: Option<(Place, Arc<OpenedCt>)>,
    regions: Option<(RegionsKey, Arc<OpenedRegions>)>,
}

impl Shelf {
    /// Puts a CT on the shelf.
    pub fn give_ct(&mut self, name: &str, image: Image<f32>) {
        self.given_cts.insert(name.into(), Arc::new(OpenedCt { image, notes: Vec::new() }));
    }

    /// Puts regions on the shelf.
    pub fn give_regions(&mut self, name: &str, regions: OpenedRegions) {
        self.given_regions.insert(name.into(), Arc::new(regions));
    }

    /// Puts a nuclide on the shelf.
    pub fn give_nuclide(&mut self, name: &str, nuclide: Nuclide) {
        self.given_nuclides.insert(name.to_owned(), nuclide);
    }

    /// The CT of this name or path.
    ///
    /// Errors: those of [`images::ct`].
    pub fn ct(&mut self, path: &Place) -> Result<Arc<OpenedCt>, UserError> {
        if let Some(given) = self.given_cts.get(path.path()) {
            return Ok(Arc::clone(given));
        }
        if let Some((kept, ct)) = &self.ct
            && kept == path
        {
            return Ok(Arc::clone(ct));
        }
        // drop the previous one first, so that two CTs are not in memory at once
        self.ct = None;
        let mut notes = Vec::new();
        let image = images::ct(path, &mut notes)?;
        let ct = Arc::new(OpenedCt { image, notes });
        self.ct = Some((path.clone(), Arc::clone(&ct)));
        Ok(ct)
    }

    /// The regions of this name or path, those of DICOM on the grid of `ct`.
    ///
    /// Errors: those of [`images::open_regions`] and [`Shelf::ct`].
    pub fn regions(
        &mut self,
        path: &Place,
        names: Option<&Place>,
        ct: &Place,
    ) -> Result<Arc<OpenedRegions>, UserError> {
        if let Some(given) = self.given_regions.get(path.path()) {
            return Ok(Arc::clone(given));
        }
        let key = (path.clone(), names.cloned(), ct.clone());
        if let Some((kept, regions)) = &self.regions
            && *kept == key
        {
            return Ok(Arc::clone(regions));
        }
        let ct = self.ct(ct)?;
        let anatomy = Anatomy { grid: &ct.image.volume.grid, origin: ct.image.origin.as_ref() };
        let regions = Arc::new(images::open_regions(path, names, &anatomy)?);
        self.regions = Some((key, Arc::clone(&regions)));
        Ok(regions)
    }

    /// The regions that a front end gave under this name.
    pub fn given_regions(&self, name: &Place) -> Option<Arc<OpenedRegions>> {
        self.given_regions.get(name.path()).cloned()
    }

    /// The nuclide of this name, or of the file at this path.
    ///
    /// Errors: those of [`Nuclide::load`].
    pub fn nuclide(&self, name: &Place) -> Result<Nuclide, UserError> {
        match name.path().to_str().and_then(|name| self.given_nuclides.get(name)) {
            Some(given) => Ok(given.clone()),
            None => Nuclide::load(name).or_user_error(),
        }
    }
}
