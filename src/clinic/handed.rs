//! Builds a case from inputs that lie partly in memory and partly in files, for front ends whose users hold images.

use super::case::Case;
use super::failure::{OrUserError, UserError};
use super::from_files::{Decays, anatomy_from, case_from};
use super::from_memory::{image, place, regions};
use super::images::recorded_values;
use super::notes::Listener;
use super::request::{DoseRequest, SceneInput};
use super::shelf::Shelf;
use crate::bounds::Given;
use crate::decay::Nuclide;
use crate::grid::Volume;
use crate::io::open::settled;
use crate::place::Place;
use crate::source::{ActivityMap, ActivityUnit};
use serde_json::json;
use std::collections::BTreeMap;

/// What lies in memory, each volume on its own grid and in any axis order. What is not here is read from the request's
/// files.
#[derive(Clone, Debug, Default)]
pub struct HandedOver {
    /// CT, HU, in place of the request's scene.
    pub ct_hu: Option<Volume<f32>>,
    /// Time-integrated activity and what its values mean, in place of the request's activity.
    pub activity: Option<(Volume<f64>, ActivityUnit)>,
    /// Regions, 0 for none, in place of the request's labels.
    pub labels: Option<Volume<u16>>,
    /// Names of the labels; they go before those that a file of regions states.
    pub names: BTreeMap<u16, String>,
}

/// A volume on the grid that its affine has when it is read from a file: what single precision made of a voxel edge does
/// not change the transport.
fn settle<T>(role: &str, volume: Volume<T>) -> Result<Volume<T>, UserError> {
    Ok(Volume { grid: settled(place(role), volume.grid).or_user_error()?, data: volume.data })
}

/// Puts regions that lie in memory on the shelf; the name that a request calls them by.
///
/// Errors: a grid that cannot be.
pub fn regions_in_memory(
    labels: Volume<u16>,
    names: BTreeMap<u16, String>,
    shelf: &mut Shelf,
) -> Result<Place, UserError> {
    let mut opened = regions(labels, names);
    opened.map.labels = settle("labels", opened.map.labels)?;
    shelf.give_regions(&place("labels"), opened);
    Ok(place("labels").as_str().into())
}

impl HandedOver {
    /// The case, put on one grid as files are; its integers are those of the same images in files.
    ///
    /// Errors: as [`super::from_memory::Volumes::into_case`] and [`super::from_files::case`].
    pub fn case(mut self, mut request: DoseRequest, hear: &mut dyn Listener) -> Result<Case, UserError> {
        let mut shelf = Shelf::default();
        let decays = self.decays(&request)?;
        let names = self.shelve(&mut request, &mut shelf)?;
        let unit = self.activity.map(|(_, unit)| unit.name());
        let mut case = case_from(&request, decays, &mut shelf, hear)?;
        case.settings.extend(unit.map(|name| ("activity_unit".to_owned(), json!(name))));
        case.names.extend(names);
        Ok(case)
    }

    /// The labelled scene, still without decays.
    ///
    /// Errors: as [`super::from_files::anatomy`].
    pub fn anatomy(mut self, mut request: DoseRequest, hear: &mut dyn Listener) -> Result<Case, UserError> {
        let mut shelf = Shelf::default();
        let names = self.shelve(&mut request, &mut shelf)?;
        let mut case = anatomy_from(&request, &mut shelf, hear)?;
        case.names.extend(names);
        Ok(case)
    }

    /// Puts CT and regions on the shelf; the names that are left for regions of a file.
    fn shelve(&mut self, request: &mut DoseRequest, shelf: &mut Shelf) -> Result<BTreeMap<u16, String>, UserError> {
        if let Some(ct) = self.ct_hu.take() {
            let mut ct = image("ct", ct);
            ct.volume = settle("ct", ct.volume)?;
            shelf.give_ct(&place("ct"), ct);
            request.scene = SceneInput::Ct(place("ct").as_str().into());
        }
        let names = std::mem::take(&mut self.names);
        let Some(labels) = self.labels.take() else { return Ok(names) };
        request.labels = Some(regions_in_memory(labels, names, shelf)?);
        Ok(BTreeMap::new())
    }

    /// The decays, checked as those of a file.
    fn decays(&mut self, request: &DoseRequest) -> Result<Option<Decays>, UserError> {
        let Some((activity, unit)) = &mut self.activity else { return Ok(None) };
        let half_life_h = Nuclide::load(&request.nuclide).or_user_error()?.half_life_h;
        let grid = activity.grid.clone();
        let activity = std::mem::replace(activity, Volume { grid, data: Vec::new() });
        let name = place("activity");
        let input = recorded_values("activity", &name, &activity.data, f64::to_le_bytes);
        let (activity, orientation) = activity.to_canonical();
        let map = ActivityMap::new(settle("activity", activity)?, *unit, &name).or_user_error()?;
        map.check(&name, &Given::new(request.administered_mbq, half_life_h)).or_user_error()?;
        Ok(Some(Decays { map: map.to_decays(), orientation, form_code: 1, input, judged: false }))
    }
}
