//! Common parts of the pages: histograms, energy balance, text about uncertainty.

use crate::clinic::failure::{AtPath, Failure};
use crate::clinic::files::write_json;
use crate::clinic::request::DvhBands;
use crate::dose::dvh::band::Curve;
use crate::dose::regions::RegionHistogram;
use crate::io::atomic::AtomicOutputDir;
use crate::report::page::chart::{self, DvhSeries};
use crate::report::page::number::{grouped, name, percent, scientific, significant, tick};
use crate::report::page::{Block, Cell, Section, ShownRegion, Table, Tone};
use crate::report::{ENTRY_KEV, EnergyBalance, run_record};
use crate::text::rows;
use serde_json::json;
use std::io::BufWriter;

/// Regions shown at first in charts and slices.
const SHOWN: usize = 8;
/// Edges of the classes of the uncertainty map, %.
pub(super) const SIGMA_EDGES: [f64; 7] = [1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0];
/// Intended use, stated on every page.
pub const INTENDED_USE: &str = "Lutra is research software. It supports the judgement of a medical physicist and \
a physician and does not replace it; it is not a medical device.";

/// Decays in MBq h.
pub fn mbq_h(decays: f64) -> f64 {
    decays / 3.6e9
}

/// Decays in MBq h, as text.
pub fn mbq_h_words(decays: f64) -> String {
    let value = mbq_h(decays);
    if value >= 1000.0 { grouped(value.round() as u128) } else { significant(value, 4) }
}

/// Round doses between 5 % and 100 % of the hottest region's D2, at most five: doses for V-points.
pub fn volume_points_gy(d2_gy: impl Iterator<Item = f64>) -> Vec<f64> {
    let top = d2_gy.fold(0.0, f64::max);
    if top <= 0.0 {
        return Vec::new();
    }
    let mut points: Vec<f64> = (-9..9)
        .flat_map(|decade| [1.0, 2.0, 5.0].map(|digit: f64| digit * 10_f64.powi(decade)))
        .filter(|gy| (0.05 * top..=top).contains(gy))
        .collect();
    points.sort_by(f64::total_cmp);
    points
}

/// The regions with the highest mean dose are shown initially; the remainder of the body never is.
pub fn shown(rows: &[(String, f64)]) -> Vec<ShownRegion> {
    let mut order: Vec<usize> = (0..rows.len()).filter(|&n| !rows[n].0.contains("remainder")).collect();
    order.sort_by(|&a, &b| rows[b].1.total_cmp(&rows[a].1).then(a.cmp(&b)));
    let on: Vec<usize> = order.into_iter().take(SHOWN).collect();
    let (mut shown, mut hidden) = (0..chart::COLOURS, chart::COLOURS..);
    rows.iter()
        .enumerate()
        .map(|(n, row)| {
            let on = on.contains(&n);
            let colour = if on { shown.next() } else { hidden.next() }.unwrap_or(0);
            ShownRegion { name: name(&row.0), colour, on }
        })
        .collect()
}

/// Series of a histogram chart.
pub fn series(histograms: &[RegionHistogram], regions: &[ShownRegion]) -> Vec<DvhSeries> {
    histograms
        .iter()
        .zip(regions)
        .enumerate()
        .map(|(n, (one, region))| DvhSeries {
            region: n,
            colour: region.colour,
            name: region.name.clone(),
            curve: drawn(one),
            on: region.on,
            second: false,
        })
        .collect()
}

/// The curve with the band that is drawn: of everything known where that was asked for.
fn drawn(one: &RegionHistogram) -> Curve {
    match &one.total {
        Some(band) => Curve { low: band.low.clone(), high: band.high.clone(), ..one.curve.clone() },
        None => one.curve.clone(),
    }
}

/// Text alternative of the histogram figure.
pub fn dvh_words(histograms: &[RegionHistogram], regions: &[ShownRegion]) -> String {
    let point = |one: &RegionHistogram, percent: f64| {
        significant(f64::from(one.dvh.dose_at_volume_gy(percent).unwrap_or(0.0)), 3)
    };
    let words: Vec<String> = histograms
        .iter()
        .zip(regions)
        .filter(|(_, region)| region.on)
        .map(|(one, region)| {
            format!("{}: D98 {}, D50 {}, D2 {} Gy", region.name, point(one, 98.0), point(one, 50.0), point(one, 2.0))
        })
        .collect();
    words.join("; ")
}

/// Caption of a histogram figure.
pub const DVH_CAPTION: &str = "Share of each region’s mass that receives at least the dose below. Shaded: 95 % band \
of the transport’s statistics alone, from the batches; it holds the broadening by noise as well, and is often thinner than \
the line. Activity, registration and outlines are not in it. Curves of maps made from SPECT are limited by its resolution. \
All points are in dvh.csv and dvh.json.";

/// Caption of a histogram figure with bands of everything known.
pub fn total_caption(histograms: &[RegionHistogram]) -> String {
    let without: Vec<String> = histograms.iter().filter(|one| one.total.is_none()).map(|one| name(&one.name)).collect();
    let without = match &without[..] {
        [] => String::new(),
        names => format!(
            " Of {} nothing is known of the activity: the band there is the transport’s alone.",
            names.join(", ")
        ),
    };
    format!(
        "Share of each region’s mass that receives at least the dose below. Shaded: 95 % band of everything known of the region’s \
         dose. It holds the errors that all voxels of a region have in common, which move the whole curve along the dose (activity, \
         mass, decay data, the transport’s mean). It does not hold the noise of single voxels, the resolution of the images, which \
         limits the curve’s shape, nor what is not assessed.{without} All points are in dvh.csv and dvh.json, with the band of the \
         transport’s statistics beside."
    )
}

/// Writes `dvh.csv` and `dvh.json` of one or more quantities; shares are of mass or of volume. With `bands` of everything known they
/// have these too, empty where there are none.
pub fn write_histograms(
    quantities: &[(&str, &[RegionHistogram])],
    weights: &str,
    bands: DvhBands,
    folder: &AtomicOutputDir,
) -> Result<(), Failure> {
    let total = bands == DvhBands::Total;
    let path = folder.file("dvh.csv");
    let mut table = rows::Table::new(BufWriter::new(path.create().at(&path)?));
    let mut heads = vec!["quantity", "label", "region", "value_gy", "mass_percent", "low_percent", "high_percent"];
    if total {
        heads.extend(["total_low_percent", "total_high_percent"]);
    }
    table.row(heads).at(&path)?;
    for (quantity, all) in quantities {
        for one in *all {
            for n in 0..one.curve.dose_gy.len() {
                let share = |share: f64| format!("{:.6}", 100.0 * share);
                let mut numbers = vec![
                    format!("{:.6e}", one.curve.dose_gy[n]),
                    share(one.curve.share[n]),
                    share(one.curve.low[n]),
                    share(one.curve.high[n]),
                ];
                if total {
                    let edges = one.total.as_ref().map(|band| [band.low[n], band.high[n]].map(share));
                    numbers.extend(edges.unwrap_or_default());
                }
                let cells = [*quantity, &one.label.to_string(), &one.name];
                table.row(cells.into_iter().chain(numbers.iter().map(String::as_str))).at(&path)?;
            }
        }
    }
    table.finish().at(&path)?;
    let region = |one: &RegionHistogram| {
        let points: serde_json::Map<String, serde_json::Value> = [98.0, 95.0, 90.0, 70.0, 50.0, 30.0, 10.0, 5.0, 2.0]
            .iter()
            .map(|&p| {
                let range = one.curve.dose_range_gy(p);
                let value = one.dvh.dose_at_volume_gy(p);
                let mut point = json!({"value": value, "low": range[0], "high": range[1]});
                if let Some([low, high]) =
                    one.total.as_ref().zip(value).map(|(band, gy)| band.dose_range_gy(f64::from(gy)))
                {
                    point["total_low"] = json!(low);
                    point["total_high"] = json!(high);
                }
                (format!("d{p}_gy"), point)
            })
            .collect();
        let mut curve = json!({
            "value_gy": one.curve.dose_gy, "mass_share": one.curve.share, "low": one.curve.low, "high": one.curve.high,
        });
        if let Some(band) = &one.total {
            curve["total_low"] = json!(band.low);
            curve["total_high"] = json!(band.high);
        }
        json!({
            "label": one.label, "region": one.name, "mean_gy": one.dvh.mean_gy(), "points": points, "curve": curve,
        })
    };
    let quantities: Vec<_> = quantities
        .iter()
        .map(|(quantity, all)| json!({"quantity": quantity, "regions": all.iter().map(region).collect::<Vec<_>>()}))
        .collect();
    let mut record = json!({
        "schema": 1, "program": run_record::program(), "band": "95 %, statistics of the transport alone",
        "weights": weights, "histograms": quantities,
    });
    if total {
        record["band_total"] = json!(
            "95 %, everything known of the region's dose that its voxels have in common; without the noise of single voxels and \
             what is not assessed"
        );
    }
    write_json(&folder.file("dvh.json"), &record)
}

/// The share of a region's mass at or above each dose, for a table.
pub fn volume_cells(one: &RegionHistogram, points_gy: &[f64]) -> Vec<Cell> {
    points_gy.iter().map(|&gy| Cell::Number(percent(one.dvh.volume_at_dose(gy as f32), 1))).collect()
}

/// Columns of the histogram table behind the region's name.
pub fn histogram_table(caption: &str, all: &[RegionHistogram], regions: &[ShownRegion], points_gy: &[f64]) -> Table {
    let heads: Vec<String> = ["Region", "D98|Gy", "D90|Gy", "D50|Gy", "D2|Gy"]
        .iter()
        .map(|&head| head.to_owned())
        .chain(points_gy.iter().map(|gy| format!("V{} Gy|%", tick(*gy))))
        .collect();
    let below = all.iter().any(|one| one.dvh.dose_at_volume_gy(98.0).is_some_and(|gy| gy < 0.0));
    let caption = if below {
        &format!("{caption}. A point below 0 is noise of single voxels with few histories: more histories mend it")
    } else {
        caption
    };
    let rows = all
        .iter()
        .enumerate()
        .map(|(n, one)| {
            let label = name(&one.name);
            let mut cells = vec![regions.get(n).map_or_else(
                || Cell::Text(format!("{label} (together)")),
                |region| Cell::Region(region.colour, label.clone()),
            )];
            cells.extend([98.0, 90.0, 50.0, 2.0].map(|p| {
                let value = one.dvh.dose_at_volume_gy(p).map(f64::from);
                let range = one.curve.dose_range_gy(p);
                value.map_or(Cell::Unknown, |gy| point_cell(gy, range))
            }));
            cells.extend(volume_cells(one, points_gy));
            cells
        })
        .collect();
    Table::new(caption, &heads.iter().map(String::as_str).collect::<Vec<_>>(), rows)
}

/// A histogram point, and its 95 % range where that differs from it in the digits shown. A range of no width is that of a
/// curve without a band.
fn point_cell(gy: f64, [low, high]: [f64; 2]) -> Cell {
    let (text, low, high) = (significant(gy, 3), significant(low, 3), significant(high, 3));
    if low == high { Cell::Number(text) } else { Cell::Range(text, format!("{low} to {high}")) }
}

/// Energy balances as table and bar.
pub fn energy_section(balances: &[EnergyBalance]) -> Section {
    let share = |units: u128, of: &EnergyBalance| 100.0 * units as f64 / (of.emitted as f64).max(1.0);
    let bars: Vec<(String, Vec<(String, f64)>)> = balances
        .iter()
        .map(|balance| {
            let parts =
                [("deposited", balance.deposited), ("escaped", balance.escaped), ("bremsstrahlung", balance.radiated)];
            (format!("{}s", balance.pass), parts.map(|(what, units)| (what.to_owned(), share(units, balance))).to_vec())
        })
        .collect();
    let rows = balances
        .iter()
        .map(|balance| {
            vec![
                Cell::Text(format!("{}s", balance.pass)),
                Cell::Number(scientific(balance.emitted as f64 * ENTRY_KEV, 6)),
                Cell::Number(format!("{:.3}", share(balance.deposited, balance))),
                Cell::Number(format!("{:.3}", share(balance.escaped, balance))),
                Cell::Number(format!("{:.3}", share(balance.radiated, balance))),
                if balance.is_exact() {
                    Cell::Mark(Tone::Good, "closes to the last unit".into())
                } else {
                    Cell::Mark(
                        Tone::Stop,
                        format!("open by {} units", grouped(balance.emitted.abs_diff(balance.spent()))),
                    )
                },
            ]
        })
        .collect();
    let words: Vec<String> = bars
        .iter()
        .map(|(pass, parts)| {
            let parts: Vec<String> = parts.iter().map(|(what, p)| format!("{what} {p:.2} %")).collect();
            format!("{pass}: {}", parts.join(", "))
        })
        .collect();
    Section::new(
        "energy",
        "Energy balance",
        "Energy",
        vec![
            Block::Text(
                "Every unit of energy of the histories followed is accounted for: deposited in the grid, escaped from \
                 it, or radiated as bremsstrahlung, whose photons are part of the photon pass. The sums are whole numbers and must be equal."
                    .into(),
            ),
            Block::Figure {
                drawing: chart::bars(&bars, &words.join("; ")),
                caption: "Where the energy of the histories went, by pass.".into(),
            },
            Block::Table(Table::new(
                "Energy of the histories followed",
                &["Pass", "Emitted|keV", "Deposited|%", "Escaped|%", "Bremsstrahlung|%", "Balance"],
                rows,
            )),
        ],
    )
}

/// How the uncertainties are to be read, with the statistics of the regions.
pub fn uncertainty_words(known: bool) -> Vec<Block> {
    let words = if known {
        "The ± behind a dose is transport only: one standard error (k = 1) of the Monte Carlo statistics. The whole uncertainty, by \
         source, stands here as far as its sources are known; a source that is not assessed is named, and the total is then the \
         least it can be."
    } else {
        "The ± behind a dose is transport only: one standard error (k = 1) of the Monte Carlo statistics. It says nothing of the \
         activity: calibration, partial volume, outlines and the time curve usually make up 10 to 20 % of an organ’s dose and far \
         more of a small tumour’s. That part is not known from the inputs of this run."
    };
    vec![Block::Text(words.into())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_a_point_shows_its_range_where_there_is_one() {
        let shown = |gy: f64, range: [f64; 2]| match point_cell(gy, range) {
            Cell::Number(text) => text,
            Cell::Range(text, range) => format!("{text} ({range})"),
            _ => "another cell".to_owned(),
        };
        assert_eq!(shown(4.97, [4.95, 4.99]), "4.97 (4.95 to 4.99)");
        assert_eq!(shown(4.970, [4.9701, 4.9702]), "4.97", "the digits shown are the same");
        // alarm: a curve without a band has no range, though it is read between other points than the value
        assert_eq!(shown(0.584, [0.586, 0.586]), "0.584");
    }
}
