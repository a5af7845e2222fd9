//! `lutra tia`: from a series of activity images to decays per voxel.

use super::failure::OrUserError;
use super::options::said;
use super::printer;
use super::progress::Terminal;
use crate::clinic::failure::Failure;
use crate::clinic::guard;
use crate::clinic::request::TiaRequest;
use crate::clinic::series::{OpenSeries, SeriesRegions, integrate};
use crate::clinic::series_files::{FILE_NAMES, write};
use crate::clinic::shelf::Shelf;
use crate::course::tia::TiaMap;
use std::collections::BTreeMap;

/// Runs `lutra tia`.
pub(super) fn run(request: &TiaRequest) -> Result<(), Failure> {
    let folder = guard::folder(&request.out, request.force, &guard::of_tia(request), &FILE_NAMES)?;
    let hear = &mut Terminal::default();
    let opened = match request.series.as_slice() {
        [one] => OpenSeries::open(one, &request.images, hear)?,
        several => OpenSeries::of_images(several, &request.images, hear)?,
    };
    let from = SeriesRegions {
        labels: request.labels.as_ref(),
        label_names: request.label_names.as_ref(),
        ct: request.ct.as_ref(),
        quiet: false,
    };
    let done = integrate(opened, &BTreeMap::new(), from, &mut Shelf::default(), hear)?;
    write(&done, &folder)?;
    let place = folder.commit().or_user_error()?;
    printer::record_file(&place.join("tia.json"))?;
    printer::data(&table(&done.map));
    for warning in done.warnings.iter().chain(&done.map.warnings) {
        printer::warning(&said(&warning.sentence()));
    }
    let total: f64 = done.map.decays.data.iter().sum();
    printer::results(&format!("{total:.6e} decays in the map"), &place);
    Ok(())
}

/// The regions as text.
fn table(map: &TiaMap) -> String {
    let mut text = format!(
        "{:<34} {:>12} {:>9} {:>9} {:>8}  {}\n",
        "region", "TIA (MBq h)", "sigma (%)", "T_eff (h)", "extra (%)", "method; flags"
    );
    for row in map.regions.iter().filter_map(|region| region.row()) {
        let sigma = row.rel_sigma.map_or_else(|| "-".to_owned(), |s| format!("{:.2}", 100.0 * s));
        let flags = if row.flags.is_empty() { String::new() } else { format!("; {}", row.flags) };
        text.push_str(&format!(
            "{:<34} {:>12.2} {:>9} {:>9.2} {:>8.1}  {}{}\n",
            row.name,
            row.tia_mbq_h,
            sigma,
            row.effective_half_life_h,
            100.0 * row.extrapolated_fraction,
            row.method,
            flags
        ));
    }
    text
}
