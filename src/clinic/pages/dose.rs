//! The report page of a dose: from what was computed to `report.html`, and the histograms beside it.

use super::OwnLayer;
use super::blocks::{
    DVH_CAPTION, INTENDED_USE, SIGMA_EDGES, dvh_words, energy_section, histogram_table, mbq_h_words, series, shown,
    total_caption, uncertainty_words, volume_points_gy, write_histograms,
};
use super::uncertainty::{self, LEAST, interval_words, total_words};
use crate::budget::DoseBudget;
use crate::clinic::case::{Case, Computed};
use crate::clinic::dose;
use crate::clinic::dose_budgets;
use crate::clinic::failure::{AtPath, Failure};
use crate::clinic::invocation::Invocation;
use crate::clinic::known::OwnBudget;
use crate::clinic::request::DvhBands;
use crate::dose::DoseMap;
use crate::dose::regions::{RegionDose, RegionHistogram};
use crate::io::atomic::AtomicOutputDir;
use crate::report::EnergyBalance;
use crate::report::page::chart;
use crate::report::page::number::{name, percent, significant, tick, with_error};
use crate::report::page::viewer::{Layer, Scale, Scene, Viewer};
use crate::report::page::{
    Banner, Block, Cell, Fact, Page, Section, ShownRegion, Table, Tone, number_or_unknown, render, statement,
};
use crate::report::png::{Picture, hottest_voxel, scale_top_gy};
use crate::report::run_record::{self, PassRecord, utc};
use crate::text::plain_lines;

/// Writes `report.html`, `dvh.csv` and `dvh.json` of a dose run.
#[allow(clippy::too_many_arguments, reason = "everything a run has found, once")]
pub fn write_dose(
    case: &Case,
    computed: &Computed,
    dose: &DoseMap,
    rows: &[RegionDose],
    group_rows: &[RegionDose],
    histograms: Vec<RegionHistogram>,
    folder: &AtomicOutputDir,
    invocation: &Invocation,
    seed: u64,
    more: Vec<Section>,
    layers: &[OwnLayer],
    headline: Option<(&'static str, Banner)>,
) -> Result<(), Failure> {
    let (own, grouped_ones) = histograms.split_at(rows.len());
    write_histograms(&[("absorbed dose", &histograms)], "mass", computed.dvh_bands, folder)?;
    let page =
        dose_page(case, computed, dose, rows, group_rows, own, grouped_ones, invocation, seed, more, layers, headline);
    let path = folder.file("report.html");
    path.write(plain_lines(&render(&page)).as_bytes()).at(&path)
}

/// The page `report.html` of a dose in memory, whole.
pub fn html(result: &dose::DoseResult, invocation: &Invocation, seed: u64) -> String {
    let dose::DoseResult { case, computed, dose, tables } = result;
    let (rows, groups) = (&tables.rows, &tables.group_rows);
    let (own, grouped) = tables.histograms.split_at(rows.len());
    let page = dose_page(case, computed, dose, rows, groups, own, grouped, invocation, seed, Vec::new(), &[], None);
    plain_lines(&render(&page)).into_owned()
}

/// The table of doses.
fn dose_table(rows: &[RegionDose], group_rows: &[RegionDose], regions: &[ShownRegion]) -> Table {
    let with_activity = rows.iter().any(|row| row.gy_per_gbq.is_some());
    let with_total = rows.iter().any(|row| row.total_rel_sigma.is_some());
    let mut heads = vec!["Region", "Mass|g", "TIA|MBq h", "Dose ± transport|Gy", "Transport only|%"];
    if with_total {
        heads.extend(["In all, k = 1|%", "95 %|Gy"]);
    }
    if with_activity {
        heads.push("Absorbed dose coefficient|Gy/GBq");
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
        if with_total {
            let least = row.not_assessed_weighs;
            cells.push(number_or_unknown(row.total_rel_sigma.map(|u| total_words(u, least))));
            let ends = row.low95_gy.zip(row.high95_gy);
            cells.push(number_or_unknown(ends.map(|(low, high)| interval_words([low, high], least))));
        }
        if with_activity {
            cells.push(number_or_unknown(row.gy_per_gbq.map(|gy| significant(gy, 4))));
        }
        cells.extend([row.dose_electron_gy, row.dose_photon_gy].map(|gy| Cell::Number(significant(gy, 3))));
        cells
    };
    let mut all: Vec<Vec<Cell>> = rows.iter().enumerate().map(|(n, row)| cells(Some(n), row)).collect();
    all.extend(group_rows.iter().map(|row| cells(None, row)));
    let mut caption = "Mean absorbed dose of the regions; ±: transport only, its statistics".to_owned();
    if with_total {
        caption.push_str("; in all: by everything known (“Uncertainty”)");
    }
    if rows.iter().any(|row| row.total_rel_sigma.is_some() && row.not_assessed_weighs) {
        caption.push_str(&format!(". {LEAST}"));
    }
    Table::new(&caption, &heads, all)
}

/// How sure the regions' doses are, without the remainder of the body.
fn uncertainty_rows(
    case: &Case,
    own: Option<&OwnBudget>,
    rows: &[RegionDose],
    regions: &[ShownRegion],
) -> Vec<uncertainty::Row> {
    let budgets = dose_budgets::of_rows(case, own, rows).into_iter();
    let of = |((row, region), budget): ((&RegionDose, &ShownRegion), DoseBudget)| {
        uncertainty::Row::of(Cell::Region(region.colour, name(&row.name)), name(&row.name), budget)
    };
    let named = |((row, _), _): &((&RegionDose, &ShownRegion), DoseBudget)| !row.name.contains("remainder");
    rows.iter().zip(regions).zip(budgets).filter(named).filter_map(of).collect()
}

/// Slices of dose and uncertainty.
pub fn slices(
    case: &Case,
    dose: &DoseMap,
    region_labels: &[u16],
    regions: &[ShownRegion],
    further: &[OwnLayer],
) -> Viewer {
    let background = case.background();
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
            zero: None,
        },
        Layer {
            name: "Standard error of a voxel".into(),
            unit: "%".into(),
            values: &sigma_percent,
            scale: Scale::Classes { edges: SIGMA_EDGES.to_vec() },
            zero: None,
        },
    ];
    layers.extend(further.iter().map(|layer| Layer {
        name: layer.name.clone(),
        unit: layer.unit.clone(),
        values: &layer.values,
        scale: layer.scale.clone(),
        zero: None,
    }));
    Viewer::new(&Scene {
        grid: &case.decays.grid,
        background,
        labels: Some(&case.labels),
        region_labels,
        regions,
        layers,
        start: hottest_voxel(&picture),
        unseen: None,
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
    invocation: &Invocation,
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
                    drawing: chart::dvh(&series(own, &regions), "Absorbed dose", "mass", &dvh_words(own, &regions)),
                    caption: match computed.dvh_bands {
                        DvhBands::Transport => DVH_CAPTION.into(),
                        DvhBands::Total => total_caption(own),
                    },
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
            let rows = uncertainty_rows(case, computed.own.as_ref(), rows, &regions);
            let mut blocks = uncertainty_words(!rows.is_empty());
            blocks.extend(uncertainty::blocks(&rows, "the mean dose"));
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
        record: "run.json",
    };
    sections.extend(statement::sections(&stated, &case.inputs, clinic(case, rows)));
    let mut warnings = dose::warnings(case, computed, rows);
    warnings.extend(group_rows.iter().filter_map(RegionDose::note));
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
        warnings: warnings.iter().map(|warning| statement::without_paths(&warning.to_string(), &case.inputs)).collect(),
        sections,
        unknown: dose_unknown(case, rows),
        run_facts: vec![
            ("Started (UTC)".into(), utc(invocation.moment)),
            (
                "Ran on".into(),
                format!("{} ({}), {}", computed.device.name, computed.device.engine, run_record::platform()),
            ),
            ("Time of the transport".into(), format!("{} s", significant(computed.wall_seconds, 3))),
            ("CPU time of the transport".into(), format!("{} s", significant(computed.cpu_seconds, 3))),
        ],
        intended_use: INTENDED_USE.into(),
        patient: invocation.patient_label.clone(),
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
        let transport = format!("{} % (transport only)", percent(error.max(1e-4), 2));
        let total = row.total_rel_sigma.zip(row.low95_gy).zip(row.high95_gy).map(|((u, low), high)| {
            let least = row.not_assessed_weighs;
            let known = if least { " of known sources only" } else { "" };
            let u = format!("± {} %{known} (k = 1)", total_words(u, least));
            format!("{u}, 95 %: {} Gy; of it ± {transport}", interval_words([low, high], least))
        });
        let mut note = vec![total.unwrap_or_else(|| format!("± {transport}"))];
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
        note: "needs radiobiology: “lutra course”".into(),
    });
    facts.push(Fact {
        name: "Time-integrated activity".into(),
        value: format!("{} MBq h", mbq_h_words(decays)),
        note: "in the grid".into(),
    });
    facts
}

/// Times of the activity images in words; `None` for a ready map of decays.
fn image_times(case: &Case) -> Option<String> {
    let times: Vec<String> = case.image_times_h.iter().map(|h| tick((10.0 * h).round() / 10.0)).collect();
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
        item("Patient and cycle", "as on top of the page where stated; else left out on purpose"),
        item("Nuclide", &format!("{}, half-life {} h", case.nuclide.name, significant(case.nuclide.half_life_h, 5))),
        item("Radiopharmaceutical", &not("the inputs do not name it")),
        (
            "Administered activity".into(),
            case.administered_mbq.map_or_else(
                || not("the administered activity was not given"),
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
        item("BED and EQD2", &not(&format!("{}; “lutra course” computes them", bed_needs(case)))),
        item("Voxel size", &format!("{} mm", case.decays.grid.spacing_mm.map(|mm| significant(mm, 3)).join(" × "))),
        item(
            "Uncertainty",
            match rows.iter().any(|row| row.total_rel_sigma.is_some()) {
                true => "by source under “Uncertainty”, k = 1 and 95 %",
                false => "transport only, k = 1; that of the activity is not known",
            },
        ),
        item("Limits used", "none"),
    ]
}

/// What BED lacks here: of images the half-lives are known, of a ready map they are not.
fn bed_needs(case: &Case) -> &'static str {
    match image_times(case) {
        Some(_) => "they need the tissue’s radiobiology (alpha/beta, repair half-life), which a dose run is not given",
        None => {
            "they need the tissue’s radiobiology (alpha/beta, repair half-life) and each region’s effective half-life, which a \
             dose run is not given"
        }
    }
}

fn dose_unknown(case: &Case, rows: &[RegionDose]) -> Vec<String> {
    let mut unknown = vec![
        format!("BED and EQD2: {}; “lutra course” computes them.", bed_needs(case)),
        "Equivalent uniform dose: it needs a parameter of the tissue that no input states.".to_owned(),
        match image_times(case) {
            Some(times) => format!(
                "Time-activity curves and their residuals: the images at {times} were integrated on the way; “lutra tia” shows the fits."
            ),
            None => {
                "Time-activity curves and their residuals: this run starts from time-integrated activity.".to_owned()
            }
        },
        "Limits, earlier cycles and the next cycle.".to_owned(),
    ];
    if rows.iter().all(|row| row.total_rel_sigma.is_none()) {
        unknown.push("The uncertainty of the activity (calibration, partial volume, outlines, time curve).".into());
    }
    if case.administered_mbq.is_none() {
        unknown.push("Dose per administered activity: the administered activity was not given.".into());
    }
    unknown
}
