//! From volumes in memory to a case: what Python arrays, a page and a test start from.

use super::case::Case;
use super::failure::{OrUserError, UserError};
use super::images::{Image, RegionMap};
use super::matter::{Frame, Parts, all_but_air, check_target_labels, matter_of_ct, regions_on};
use super::notes::Listener;
use super::request::{GridChoice, RunOptions};
use crate::bounds::Given;
use crate::decay::Nuclide;
use crate::grid::Volume;
use crate::report::run_record::{InputFile, hex};
use crate::source::{ActivityMap, ActivityUnit};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Images in memory, each on its own grid, in any axis order.
#[derive(Clone, Debug)]
pub struct Volumes {
    /// CT, HU.
    pub ct_hu: Volume<f32>,
    /// Time-integrated activity.
    pub activity: Volume<f64>,
    /// What its values mean.
    pub unit: ActivityUnit,
    /// Regions, 0 for none, on the grid of the CT or of the activity; none for one region of all that is not air.
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

/// The record of values that never were a file: their place says so, their digest is that of the bytes of the values.
fn recorded<T: Copy, const N: usize>(role: &str, values: &[T], bytes: fn(T) -> [u8; N]) -> InputFile {
    let mut digest = Sha256::new();
    values.iter().for_each(|&value| digest.update(bytes(value)));
    InputFile {
        role: role.to_owned(),
        path: format!("{role} in memory"),
        bytes: (values.len() * N) as u64,
        sha256: hex(&digest.finalize()),
    }
}

impl Volumes {
    /// The case, put on one grid as files are.
    ///
    /// Errors: values that are no CT, no activity or no regions; more decays than was given can bring; grids that do not
    /// fit.
    pub fn into_case(self, run: &RunOptions, hear: &mut dyn Listener) -> Result<Case, UserError> {
        let Self { ct_hu, activity, unit, labels, names, nuclide, administered_mbq, grid } = self;
        let mut warnings = Vec::new();
        let mut inputs =
            vec![recorded("ct", &ct_hu.data, f32::to_le_bytes), recorded("activity", &activity.data, f64::to_le_bytes)];
        let (activity, orientation) = activity.to_canonical();
        let frame = Frame { grid: activity.grid.clone(), orientation, form_code: 1 };
        let map = ActivityMap::new(activity, unit, "activity").or_user_error()?;
        map.check("activity", &Given::new(administered_mbq, nuclide.half_life_h)).or_user_error()?;
        let (volume, orientation) = ct_hu.to_canonical();
        let ct = Image { volume, orientation, form_code: 1, input: inputs[0].clone(), origin: None };
        let matter = matter_of_ct(ct, "ct", grid, Some(&frame), &mut warnings)?;
        let on_grid = match labels {
            None => all_but_air(&matter),
            Some(labels) => {
                inputs.push(recorded("labels", &labels.data, u16::to_le_bytes));
                let own = RegionMap { labels: labels.to_canonical().0, names, inputs: Vec::new() };
                regions_on(own, "labels", &matter, Some(&frame), hear, &mut warnings)?
            }
        };
        check_target_labels(&run.stop, &on_grid.labels, &matter.density_g_cm3)?;
        let mut settings = run.settings();
        settings.extend([
            ("activity_unit".to_owned(), json!(unit.name())),
            ("administered_mbq".to_owned(), json!(administered_mbq)),
            ("grid".to_owned(), grid.setting()),
            ("nuclide".to_owned(), json!(nuclide.name)),
        ]);
        let parts = Parts {
            nuclide,
            matter,
            labels: on_grid.labels,
            names: on_grid.names,
            administered_mbq,
            image_times_h: Vec::new(),
            dicom: None,
            inputs,
            settings,
            warnings,
        };
        parts.with_decays(&map.to_decays(), hear)
    }
}
