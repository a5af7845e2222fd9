//! `lutra tia`: from a series of activity images to decays per voxel.

use super::failure::OrUserError;
use super::options::said;
use super::printer;
use super::progress::Terminal;
use crate::budget::best_scan;
use crate::clinic::budgets::{of_region, scan_gains};
use crate::clinic::failure::Failure;
use crate::clinic::guard;
use crate::clinic::partial_volume::Record;
use crate::clinic::request::TiaRequest;
use crate::clinic::series::{OpenSeries, SeriesRegions, integrate_alone};
use crate::clinic::series_files::{FILE_NAMES, U_FIT, write};
use crate::clinic::shelf::Shelf;
use crate::clinic::volumes::Measured;
use crate::course::tia::{RegionIntegral, TiaMap};
use crate::units::{DECAYS_PER_MBQ_H, rounded};

/// Runs `lutra tia`.
pub(super) fn run(request: &TiaRequest) -> Result<(), Failure> {
    let folder = guard::folder(&request.out, request.force, &guard::of_tia(request), &FILE_NAMES)?;
    let hear = &mut Terminal::default();
    let opened = match request.series.as_slice() {
        [one] => OpenSeries::open(one, &request.images, hear)?,
        several => OpenSeries::of_images(several, &request.images, hear)?,
    };
    let administered_mbq = opened.administered_mbq();
    let from = SeriesRegions {
        labels: request.labels.as_ref(),
        label_names: request.label_names.as_ref(),
        ct: request.ct.as_ref(),
        sharing: request.outline_sharing,
        quiet: false,
    };
    let done = integrate_alone(opened, from, &mut Shelf::default(), hear)?;
    write(&done, &folder)?;
    let place = folder.commit().or_user_error()?;
    printer::record_file(&place.join("tia.json"))?;
    printer::data(&table(&done.map, administered_mbq));
    printer::data(U_FIT);
    printer::data(&volumes(&done.volumes));
    printer::data(&further(&done.map, done.partial_volume.as_ref()));
    for warning in done.warnings.iter().chain(&done.map.warnings) {
        printer::warning(&said(&warning.sentence()));
    }
    let total: f64 = done.map.decays.data.iter().sum();
    printer::results(
        &format!("{} MBq h in the map, {total:.4e} decays (Bq s)", rounded(total / DECAYS_PER_MBQ_H, 4)),
        &place,
    );
    Ok(())
}

/// What one scan more would bring each region, as text; nothing where none would bring anything.
fn further(map: &TiaMap, correction: Option<&Record>) -> String {
    let line = |region: &RegionIntegral| {
        let gains = scan_gains(&of_region(region, correction), &region.further);
        Some(format!("{}\n", best_scan(&gains)?.sentence(&region.name)))
    };
    map.regions.iter().filter_map(line).collect()
}

/// The volumes of interest as text.
fn volumes(all: &[Measured]) -> String {
    let line = |one: &Measured| {
        let contours: Vec<String> = one
            .images
            .iter()
            .map(|seen| format!("{} mL {} MBq", rounded(seen.volume_ml, 3), rounded(seen.activity_mbq, 4)))
            .collect();
        format!(
            "{}{}: {}; {} MBq h ({}), {} g, {} Gy by mass-scaled S\n",
            one.chain.as_ref().map(|chain| format!("{chain}, ")).unwrap_or_default(),
            one.region,
            contours.join(", "),
            rounded(one.tia_mbq_h, 4),
            one.method,
            rounded(one.mass_g, 4),
            rounded(one.dose_gy, 4)
        )
    };
    all.iter().map(line).collect()
}

/// The regions as text: time-integrated activity, and its coefficient where the activity given is known.
fn table(map: &TiaMap, administered_mbq: Option<f64>) -> String {
    let mut heads = vec!["region", "TIA (MBq h)"];
    heads.extend(administered_mbq.map(|_| "TIAC (h)"));
    heads.extend(["u fit (%)", "T_eff (h)", "after last (%)", "method; flags"]);
    let mut cells: Vec<Vec<String>> = vec![heads.into_iter().map(str::to_owned).collect()];
    for row in map.regions.iter().filter_map(|region| region.row()) {
        let mut line = vec![row.name, rounded(row.tia_mbq_h, 4)];
        line.extend(administered_mbq.map(|mbq| rounded(row.tia_mbq_h / mbq, 3)));
        line.push(row.rel_sigma.map_or_else(|| "-".to_owned(), |s| rounded(100.0 * s, 2)));
        line.push(rounded(row.effective_half_life_h, 3));
        line.push(rounded(100.0 * row.extrapolated_fraction, 3));
        let flags = if row.flags.is_empty() { String::new() } else { format!("; {}", row.flags) };
        line.push(format!("{}{flags}", row.method));
        cells.push(line);
    }
    let last = cells[0].len() - 1;
    let widths: Vec<usize> =
        (0..last).map(|n| cells.iter().map(|line| line[n].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for line in &cells {
        for (n, width) in widths.iter().enumerate() {
            let (cell, width) = (&line[n], *width);
            text.push_str(&if n == 0 { format!("{cell:<width$}  ") } else { format!("{cell:>width$}  ") });
        }
        text.push_str(&line[last]);
        text.push('\n');
    }
    text
}
