//! The report page of a run: from what was computed to `report.html`, and the histograms beside it.

use super::case::{Case, Computed};
use super::output::{Clock, OwnLayer};
use crate::dose::DoseMap;
use crate::dose::regions::{RegionDose, RegionHistogram};
use crate::io::atomic::AtomicOutputDir;
use crate::report::page::chart::{self, DvhSeries};
use crate::report::page::number::{grouped, name, percent, scientific, significant, with_error};
use crate::report::page::viewer::{Layer, Scale, Scene, Viewer};
use crate::report::page::{
    Banner, Block, Cell, Fact, Page, Section, ShownRegion, Table, Tone, number_or_unknown, render, statement,
};
use crate::report::png::{Background, Picture, hottest_voxel, scale_top_gy};
use crate::report::run_record::{self, PassRecord, utc};
use crate::report::{ENTRY_KEV, EnergyBalance};
use anyhow::Context;
use serde_json::json;

/// Regions shown at first in charts and slices.
const SHOWN: usize = 8;
/// Edges of the classes of the uncertainty map, %.
const SIGMA_EDGES: [f64; 7] = [1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0];
/// What every page is for.
pub(super) const INTENDED_USE: &str = "Lutra is research software. It supports the judgement of a medical physicist and \
a physician and does not replace it; it is not a medical device.";

/// Decays in MBq h.
pub(super) fn mbq_h(decays: f64) -> f64 {
    decays / 3.6e9
}

/// Decays in MBq h, as text.
pub(super) fn mbq_h_words(decays: f64) -> String {
    let value = mbq_h(decays);
    if value >= 1000.0 { grouped(value.round() as u128) } else { significant(value, 4) }
}

/// Round doses between 5 % and all of the hottest region's D2, at most five: where V-points are taken.
pub(super) fn volume_points_gy(d2_gy: impl Iterator<Item = f64>) -> Vec<f64> {
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

/// The regions with the highest mean dose are shown at first; what is left over of the body never is.
pub(super) fn shown(rows: &[(String, f64)]) -> Vec<ShownRegion> {
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
pub(super) fn series(histograms: &[RegionHistogram], regions: &[ShownRegion]) -> Vec<DvhSeries> {
    histograms
        .iter()
        .zip(regions)
        .enumerate()
        .map(|(n, (one, region))| DvhSeries {
            region: n,
            colour: region.colour,
            name: region.name.clone(),
            curve: one.curve.clone(),
            on: region.on,
            second: false,
        })
        .collect()
}

/// What the histogram's figure says to those who cannot see it.
pub(super) fn dvh_words(histograms: &[RegionHistogram], regions: &[ShownRegion]) -> String {
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

/// The line under a histogram figure.
pub(super) const DVH_CAPTION: &str = "Share of each region’s mass that receives at least the dose below. Shaded: 95 % band \
of the transport’s statistics alone, from the batches; it holds the broadening by noise as well, and is often thinner than \
the line. Activity, registration and outlines are not in it. Curves of maps made from SPECT are limited by its resolution. \
All points are in dvh.csv and dvh.json.";

/// Writes `dvh.csv` and `dvh.json` of one or more quantities; shares are of mass or of volume.
pub(super) fn write_histograms(
    quantities: &[(&str, &[RegionHistogram])],
    weights: &str,
    folder: &AtomicOutputDir,
) -> anyhow::Result<()> {
    let path = folder.file("dvh.csv");
    let mut writer = csv::Writer::from_path(&path).with_context(|| format!("{}", path.display()))?;
    writer.write_record(["quantity", "label", "region", "value_gy", "mass_percent", "low_percent", "high_percent"])?;
    for (quantity, all) in quantities {
        for one in *all {
            for n in 0..one.curve.dose_gy.len() {
                writer.write_record([
                    (*quantity).to_owned(),
                    one.label.to_string(),
                    one.name.clone(),
                    format!("{:.6e}", one.curve.dose_gy[n]),
                    format!("{:.6}", 100.0 * one.curve.share[n]),
                    format!("{:.6}", 100.0 * one.curve.low[n]),
                    format!("{:.6}", 100.0 * one.curve.high[n]),
                ])?;
            }
        }
    }
    writer.flush()?;
    let region = |one: &RegionHistogram| {
        let points: serde_json::Map<String, serde_json::Value> = [98.0, 95.0, 90.0, 70.0, 50.0, 30.0, 10.0, 5.0, 2.0]
            .iter()
            .map(|&p| {
                let range = one.curve.dose_range_gy(p);
                let value = one.dvh.dose_at_volume_gy(p);
                (format!("d{p}_gy"), json!({"value": value, "low": range[0], "high": range[1]}))
            })
            .collect();
        json!({
            "label": one.label, "region": one.name, "mean_gy": one.dvh.mean_gy(), "points": points,
            "curve": {
                "value_gy": one.curve.dose_gy, "mass_share": one.curve.share, "low": one.curve.low, "high": one.curve.high,
            },
        })
    };
    let quantities: Vec<_> = quantities
        .iter()
        .map(|(quantity, all)| json!({"quantity": quantity, "regions": all.iter().map(region).collect::<Vec<_>>()}))
        .collect();
    let record = json!({
        "schema": 1, "program": run_record::program(), "band": "95 %, statistics of the transport alone",
        "weights": weights, "histograms": quantities,
    });
    super::tia::write_json(&folder.file("dvh.json"), &record)
}

/// The share of a region's mass at or above each dose, for a table.
pub(super) fn volume_cells(one: &RegionHistogram, points_gy: &[f64]) -> Vec<Cell> {
    points_gy.iter().map(|&gy| Cell::Number(percent(one.dvh.volume_at_dose(gy as f32), 1))).collect()
}

/// Columns of the histogram table behind the region's name.
pub(super) fn histogram_table(
    caption: &str,
    all: &[RegionHistogram],
    regions: &[ShownRegion],
    points_gy: &[f64],
) -> Table {
    let heads: Vec<String> = ["Region", "D98|Gy", "D90|Gy", "D50|Gy", "D2|Gy"]
        .iter()
        .map(|&head| head.to_owned())
        .chain(points_gy.iter().map(|gy| format!("V{} Gy|%", chart_tick(*gy))))
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

/// A histogram point, and its 95 % range where that differs from it in the digits shown.
fn point_cell(gy: f64, [low, high]: [f64; 2]) -> Cell {
    let (text, low, high) = (significant(gy, 3), significant(low, 3), significant(high, 3));
    if low == text && high == text { Cell::Number(text) } else { Cell::Range(text, format!("{low} to {high}")) }
}

fn chart_tick(gy: f64) -> String {
    crate::report::page::number::tick(gy)
}

/// Energy balances as table and bar.
pub(super) fn energy_section(balances: &[EnergyBalance]) -> Section {
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
pub(super) fn uncertainty_words() -> Vec<Block> {
    vec![
        Block::Text(
            "The ± behind a dose is one standard error (k = 1) of the Monte Carlo statistics. It says nothing of the activity: \
             calibration, partial volume, outlines and the time curve usually make up 10 to 20 % of an organ’s dose and far \
             more of a small tumour’s. That part is not known from the inputs of this run unless stated below."
                .into(),
        ),
    ]
}

/// Writes `report.html`, `dvh.csv` and `dvh.json` of a dose run.
#[allow(clippy::too_many_arguments, reason = "everything a run has found, once")]
pub(super) fn write_dose(
    case: &Case,
    computed: &Computed,
    dose: &DoseMap,
    rows: &[RegionDose],
    group_rows: &[RegionDose],
    histograms: Vec<RegionHistogram>,
    folder: &AtomicOutputDir,
    clock: Clock,
    seed: u64,
    more: Vec<Section>,
    layers: &[OwnLayer],
    headline: Option<(&'static str, Banner)>,
) -> anyhow::Result<()> {
    let (own, grouped_ones) = histograms.split_at(rows.len());
    write_histograms(&[("absorbed dose", &histograms)], "mass", folder)?;
    let page =
        dose_page(case, computed, dose, rows, group_rows, own, grouped_ones, clock, seed, more, layers, headline);
    let path = folder.file("report.html");
    std::fs::write(&path, render(&page)).with_context(|| format!("{}", path.display()))
}

/// The table of doses.
fn dose_table(rows: &[RegionDose], group_rows: &[RegionDose], regions: &[ShownRegion]) -> Table {
    let with_activity = rows.iter().any(|row| row.gy_per_gbq.is_some());
    let mut heads = vec!["Region", "Mass|g", "TIA|MBq h", "Dose ± SE|Gy", "SE|%"];
    if with_activity {
        heads.push("Per activity|Gy/GBq");
    }
    heads.extend(["Electrons|Gy", "Photons|Gy"]);
    let cells = |n: Option<usize>, row: &RegionDose| {
        let label = name(&row.name);
        let mut cells = vec![
            n.map_or_else(
                || Cell::Text(format!("{label} (together)")),
                |n| Cell::Region(regions[n].colour, label.clone()),
            ),
            Cell::Number(significant(row.mass_g, 4)),
            Cell::Number(mbq_h_words(row.decays)),
            Cell::Number(with_error(row.dose_gy, row.dose_se_gy)),
            Cell::Number(if row.dose_gy > 0.0 { percent(row.dose_se_gy / row.dose_gy, 2) } else { "0".into() }),
        ];
        if with_activity {
            cells.push(number_or_unknown(row.gy_per_gbq.map(|gy| significant(gy, 4))));
        }
        cells.extend([row.dose_electron_gy, row.dose_photon_gy].map(|gy| Cell::Number(significant(gy, 3))));
        cells
    };
    let mut all: Vec<Vec<Cell>> = rows.iter().enumerate().map(|(n, row)| cells(Some(n), row)).collect();
    all.extend(group_rows.iter().map(|row| cells(None, row)));
    Table::new("Mean absorbed dose of the regions; SE: standard error of the transport’s statistics", &heads, all)
}

/// Slices of dose and uncertainty.
pub(super) fn slices(
    case: &Case,
    dose: &DoseMap,
    region_labels: &[u16],
    regions: &[ShownRegion],
    further: &[OwnLayer],
) -> Viewer {
    let background = match &case.hu {
        Some(hu) => Background::Hu(hu),
        None => Background::Density(&case.density_g_cm3),
    };
    let sigma_percent: Vec<f32> = dose.sigma_rel.iter().map(|sigma| 100.0 * sigma.abs()).collect();
    let picture = Picture {
        grid: &case.decays.grid,
        background,
        dose_gy: &dose.dose_gy,
        labels: Some(&case.labels),
        outlines: &[],
        title: "",
    };
    let mut layers = vec![
        Layer {
            name: "Absorbed dose".into(),
            unit: "Gy".into(),
            values: &dose.dose_gy,
            scale: Scale::Root { top: scale_top_gy(&dose.dose_gy) },
        },
        Layer {
            name: "Standard error of a voxel".into(),
            unit: "%".into(),
            values: &sigma_percent,
            scale: Scale::Classes { edges: SIGMA_EDGES.to_vec() },
        },
    ];
    layers.extend(further.iter().map(|layer| Layer {
        name: layer.name.clone(),
        unit: layer.unit.clone(),
        values: &layer.values,
        scale: layer.scale.clone(),
    }));
    Viewer::new(&Scene {
        grid: &case.decays.grid,
        background,
        labels: Some(&case.labels),
        region_labels,
        regions,
        layers,
        start: hottest_voxel(&picture),
    })
}

#[allow(clippy::too_many_arguments, reason = "everything a run has found, once")]
fn dose_page(
    case: &Case,
    computed: &Computed,
    dose: &DoseMap,
    rows: &[RegionDose],
    group_rows: &[RegionDose],
    own: &[RegionHistogram],
    groups: &[RegionHistogram],
    clock: Clock,
    seed: u64,
    more: Vec<Section>,
    layers: &[OwnLayer],
    headline: Option<(&'static str, Banner)>,
) -> Page {
    let regions = shown(&rows.iter().map(|row| (row.name.clone(), row.dose_gy)).collect::<Vec<_>>());
    let points_gy = volume_points_gy(rows.iter().map(|row| row.d2_gy));
    let balances = [computed.electron.balance.clone(), computed.photon.balance.clone()];
    let region_labels: Vec<u16> = rows.iter().map(|row| row.label).collect();
    let mut sections = vec![
        Section::new(
            "regions",
            "Regions",
            "Regions",
            vec![
                Block::Table(dose_table(rows, group_rows, &regions)),
                Block::Table(histogram_table(
                    "Histogram points by mass, with the 95 % range of the transport’s statistics; Vx: share of the mass that \
                     receives x or more",
                    &own.iter().chain(groups).cloned().collect::<Vec<_>>(),
                    &regions,
                    &points_gy,
                )),
            ],
        ),
        Section::new(
            "histograms",
            "Dose-volume histograms",
            "Histograms",
            vec![
                Block::RegionChoice(regions.clone()),
                Block::Figure {
                    drawing: chart::dvh(&series(own, &regions), "Absorbed dose", &dvh_words(own, &regions)),
                    caption: DVH_CAPTION.into(),
                },
            ],
        ),
    ];
    sections.extend(more);
    sections.extend([
        Section::new(
            "slices",
            "Slices",
            "Slices",
            vec![
                Block::RegionChoice(regions.clone()),
                Block::Viewer(Box::new(slices(case, dose, &region_labels, &regions, layers))),
            ],
        ),
        Section::new("uncertainty", "Uncertainty", "Uncertainty", {
            let mut blocks = uncertainty_words();
            blocks.push(Block::Text(
                "The map of the standard error of single voxels is under “Slices”: choose “Standard error of a voxel”. A \
                 voxel’s error does not average out like independent noise; the region’s own error stands in the table."
                    .into(),
            ));
            blocks
        }),
        energy_section(&balances),
    ]);
    let passes: Vec<PassRecord> = [&computed.electron, &computed.photon]
        .map(|pass| PassRecord { pass: pass.balance.pass.clone(), histories: pass.histories, batches: pass.batches })
        .to_vec();
    let settings = case.settings.iter().chain(&computed.settings).map(|(n, v)| (n.clone(), v.clone())).collect();
    let stated = statement::Transport {
        settings: &settings,
        data_sets: &case.data_sets,
        passes: &passes,
        seed,
        tally_sha256: &computed.tally_sha256,
        dims: case.decays.grid.dims,
        spacing_mm: case.decays.grid.spacing_mm,
        from_ct: case.hu.is_some(),
        decays: crate::source::sum(case.decays.data.iter().copied()),
    };
    sections.extend(statement::sections(&stated, &case.inputs, clinic(case, rows)));
    let warnings = case.warnings.iter().chain(&computed.warnings);
    let (title, banner) = headline.unwrap_or_else(|| ("Absorbed dose report", dose_banner(&balances)));
    Page {
        title: title.into(),
        lead: format!(
            "{} · {}{}",
            case.nuclide.name,
            case.administered_mbq.map_or_else(
                || "administered activity not known".to_owned(),
                |mbq| format!("{} GBq administered", significant(mbq / 1000.0, 4))
            ),
            format_args!(" · {}", run_record::program())
        ),
        banner,
        facts: dose_facts(case, rows, group_rows),
        warnings: warnings.map(|warning| statement::without_paths(warning, &case.inputs)).collect(),
        sections,
        unknown: dose_unknown(case),
        run_facts: vec![
            ("Started (UTC)".into(), utc(clock.moment())),
            (
                "Ran on".into(),
                format!("{} ({}), {}", computed.device.name, computed.device.engine, run_record::platform()),
            ),
            ("Time of the transport".into(), format!("{} s", significant(computed.wall_seconds, 3))),
            ("CPU time of the transport".into(), format!("{} s", significant(computed.cpu_seconds, 3))),
        ],
        intended_use: INTENDED_USE.into(),
    }
}

fn dose_banner(balances: &[EnergyBalance]) -> Banner {
    let exact = balances.iter().all(EnergyBalance::is_exact);
    Banner {
        tone: if exact { Tone::Plain } else { Tone::Stop },
        heading: "No limits were checked".into(),
        lines: vec![
            "A dose run knows neither the cycles before nor a protocol. “lutra course” adds cycles, computes BED and holds \
             them against a protocol’s limits."
                .into(),
            if exact {
                "The energy balance closes to the last unit.".into()
            } else {
                "The energy balance is open: do not use these doses.".to_owned()
            },
        ],
    }
}

/// The numbers on top: organs at risk and the hottest region.
fn dose_facts(case: &Case, rows: &[RegionDose], group_rows: &[RegionDose]) -> Vec<Fact> {
    let fact = |row: &RegionDose| {
        let error = if row.dose_gy > 0.0 { row.dose_se_gy / row.dose_gy } else { 0.0 };
        let mut note = vec![format!("± {} % by the transport alone", percent(error.max(1e-4), 2))];
        note.extend(row.gy_per_gbq.map(|gy| format!("{} Gy/GBq", significant(gy, 3))));
        Fact { name: name(&row.name), value: format!("{} Gy", significant(row.dose_gy, 3)), note: note.join("; ") }
    };
    let kidney = |row: &&RegionDose| row.name.to_lowercase().contains("kidney");
    let mut facts: Vec<Fact> = if group_rows.iter().any(|row| kidney(&row)) {
        group_rows.iter().filter(kidney).map(fact).collect()
    } else {
        rows.iter().filter(kidney).take(2).map(fact).collect()
    };
    if let Some(hottest) = rows.iter().max_by(|a, b| a.dose_gy.total_cmp(&b.dose_gy)) {
        let hottest = fact(hottest);
        if facts.iter().all(|known| known.name != hottest.name) {
            facts.push(Fact { note: format!("highest mean dose; {}", hottest.note), ..hottest });
        }
    }
    let decays = crate::source::sum(case.decays.data.iter().copied());
    facts.push(Fact {
        name: "BED".into(),
        value: "not known".into(),
        note: "needs half-lives and radiobiology: “lutra course”".into(),
    });
    facts.push(Fact {
        name: "Time-integrated activity".into(),
        value: format!("{} MBq h", mbq_h_words(decays)),
        note: "in the grid".into(),
    });
    facts
}

/// Times of the activity images in words; none of a ready map of decays.
fn image_times(case: &Case) -> Option<String> {
    let times: Vec<String> = case.image_times_h.iter().map(|h| chart_tick((10.0 * h).round() / 10.0)).collect();
    (!times.is_empty()).then(|| format!("{} h", times.join(", ")))
}

/// The EANM's items for a dose run.
fn clinic(case: &Case, rows: &[RegionDose]) -> Vec<(String, String)> {
    let item = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let not = |why: &str| format!("not known: {why}");
    let times = match image_times(case) {
        Some(times) => format!("images at {times} after injection, from their headers"),
        None => not("this run starts from time-integrated activity"),
    };
    let curves = |of_images: &str| match image_times(case) {
        Some(_) => not(of_images),
        None => not("this run starts from time-integrated activity"),
    };
    vec![
        item("Patient and cycle", "left out of this page on purpose"),
        item("Nuclide", &format!("{}, half-life {} h", case.nuclide.name, significant(case.nuclide.half_life_h, 5))),
        item("Radiopharmaceutical", &not("the inputs do not name it")),
        (
            "Administered activity".into(),
            case.administered_mbq.map_or_else(
                || not("--administered-mbq was not given"),
                |mbq| format!("{} MBq, as stated", significant(mbq, 5)),
            ),
        ),
        item("Traceability of the activity meter", &not("no input states it")),
        item("Injection and scan times", &times),
        item("Camera, collimator, window, corrections, calibration", &curves("the headers are not repeated here")),
        item("Partial-volume correction", &not("none is applied here; the activity is used as it is")),
        (
            "Regions, their volumes and masses".into(),
            format!("{} regions; masses from the density of their voxels, in the table of regions", rows.len()),
        ),
        item("Time-activity curves", &curves("“lutra tia” and “lutra course” fit and show them")),
        item(
            "BED and EQD2",
            &not(
                "they need the tissue’s alpha/beta and repair half-life and each region’s effective half-life, which a \
                  dose run is not given; “lutra course” computes them",
            ),
        ),
        item("Voxel size", &format!("{} mm", case.decays.grid.spacing_mm.map(|mm| significant(mm, 3)).join(" × "))),
        item("Uncertainty", "statistics of the transport, k = 1; that of the activity is not known"),
        item("Limits used", "none"),
    ]
}

fn dose_unknown(case: &Case) -> Vec<String> {
    let mut unknown = vec![
        "BED and EQD2: they need the tissue’s radiobiology (alpha/beta, repair half-life) and each region’s effective \
         half-life, which a dose run is not given; “lutra course” computes them."
            .to_owned(),
        "Equivalent uniform dose: it needs a parameter of the tissue that no input states.".to_owned(),
        match image_times(case) {
            Some(times) => format!(
                "Time-activity curves and their residuals: the images at {times} were integrated on the way; “lutra tia” shows the fits."
            ),
            None => {
                "Time-activity curves and their residuals: this run starts from time-integrated activity.".to_owned()
            }
        },
        "The uncertainty of the activity (calibration, partial volume, outlines, time curve).".to_owned(),
        "Limits, earlier cycles and the next cycle.".to_owned(),
    ];
    if case.administered_mbq.is_none() {
        unknown.push("Dose per administered activity: --administered-mbq was not given.".into());
    }
    unknown
}
