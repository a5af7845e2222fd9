//! From volumes in memory to a case, for Python arrays, web pages and tests.

use super::case::Case;
use super::described::Described;
use super::failure::{OrUserError, UserError};
use super::from_files::{Decays, case_from};
use super::images::{Image, OpenedRegions, RegionMap, recorded_values};
use super::notes::Listener;
use super::request::{DoseRequest, GridChoice, RunOptions};
use super::shelf::Shelf;
use crate::bounds::Given;
use crate::decay::Nuclide;
use crate::grid::Volume;
use crate::source::{ActivityMap, ActivityUnit};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// Images in memory, each on its own grid, in any axis order.
#[derive(Clone, Debug)]
pub struct Volumes {
    /// CT, HU.
    pub ct_hu: Volume<f32>,
    /// Time-integrated activity.
    pub activity: Volume<f64>,
    /// What its values mean.
    pub unit: ActivityUnit,
    /// Regions, 0 for none, on the grid of the CT or of the activity; `None` for one region of everything except air.
    pub labels: Option<Volume<u16>>,
    /// Names of the labels.
    pub names: BTreeMap<u16, String>,
    /// The nuclide.
    pub nuclide: Nuclide,
    /// Administered activity, MBq, where it is known: it bounds the decays, and doses are stated per GBq.
    pub administered_mbq: Option<f64>,
    /// Grid of the result.
    pub grid: GridChoice,
}

/// Stated source of volumes that were never files.
pub(super) fn place(role: &str) -> String {
    format!("{role} in memory")
}

/// A volume in memory as an image in canonical order.
pub(super) fn image(role: &str, volume: Volume<f32>) -> Image<f32> {
    let input = recorded_values(role, &place(role), &volume.data, f32::to_le_bytes);
    let (volume, orientation) = volume.to_canonical();
    Image { volume, orientation, form_code: 1, input, origin: None, described: Described::default() }
}

/// Labels in memory as regions in canonical order.
pub(super) fn regions(labels: Volume<u16>, names: BTreeMap<u16, String>) -> OpenedRegions {
    let input = recorded_values("labels", &place("labels"), &labels.data, u16::to_le_bytes);
    OpenedRegions::silent(RegionMap { labels: labels.to_canonical().0, names, inputs: vec![input] })
}

impl Volumes {
    /// The case, put on one grid as files are.
    ///
    /// Errors: implausible CT, activity or region values; more decays than the administered activity can bring; grids
    /// that do not fit.
    pub fn into_case(self, run: &RunOptions, hear: &mut dyn Listener) -> Result<Case, UserError> {
        let Self { ct_hu, activity, unit, labels, names, nuclide, administered_mbq, grid } = self;
        let mut shelf = Shelf::default();
        let request = DoseRequest {
            administered_mbq,
            nuclide: nuclide.name.as_str().into(),
            labels: labels.as_ref().map(|_| place("labels").into()),
            grid,
            run: run.clone(),
            ..DoseRequest::of_decays(Path::new(&place("ct")), Path::new(&place("activity")))
        };
        let input = recorded_values("activity", &place("activity"), &activity.data, f64::to_le_bytes);
        let (activity, orientation) = activity.to_canonical();
        let map = ActivityMap::new(activity, unit, "activity").or_user_error()?;
        map.check("activity", &Given::new(administered_mbq, nuclide.half_life_h)).or_user_error()?;
        shelf.give_nuclide(&nuclide.name.clone(), nuclide);
        shelf.give_ct(&place("ct"), image("ct", ct_hu));
        if let Some(labels) = labels {
            shelf.give_regions(&place("labels"), regions(labels, names));
        }
        let decays = Decays { map: map.to_decays(), orientation, form_code: 1, input, judged: false };
        let mut case = case_from(&request, Some(decays), &mut shelf, hear)?;
        case.settings.insert("activity_unit".to_owned(), json!(unit.name()));
        Ok(case)
    }
}
