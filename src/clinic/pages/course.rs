//! The report page of a course: verdict and limits on top, then the cycles.

use super::blocks::{
    DVH_CAPTION, INTENDED_USE, SIGMA_EDGES, dvh_words, energy_section, histogram_table, series, shown,
    uncertainty_words, volume_points_gy, write_histograms,
};
use super::motion::Moved;
use super::uncertainty::{self, LEAST, interval_words, total_words};
use crate::bed::{LimitQuantity, Window};
use crate::budget::at_least;
use crate::clinic::course::checks::{StatedBy, holes, used};
use crate::clinic::course::frame::Frame;
use crate::clinic::course::histograms::Histograms;
use crate::clinic::course::parts::Computed;
use crate::clinic::failure::{AtPath, Failure};
use crate::clinic::invocation::Invocation;
use crate::clinic::request::DvhBands;
use crate::course::accumulate::{Accumulated, CycleDose, TotalRow};
use crate::course::decision::{State, Verdict};
use crate::course::file::{Course, CourseCycle, CycleContent};
use crate::course::protocol::Protocol;
use crate::course::rules::{Answer, Eligibility};
use crate::course::tia::{RegionIntegral, flag_words};
use crate::course::time_activity::Kinetics;
use crate::decay::Nuclide;
use crate::dose::regions::RegionHistogram;
use crate::grid::Volume;
use crate::io::atomic::AtomicOutputDir;
use crate::register::Affine;
use crate::register::agreement::middles;
use crate::report::page::chart::{self, ActivityChart, CourseChart, CourseLine, WindowBand};
use crate::report::page::number::{name, percent, significant, tick, with_error};
use crate::report::page::viewer::{Layer, Scale, Scene, Viewer};
use crate::report::page::{
    Banner, Block, Cell, Fact, Page, Section, ShownRegion, Table, Tone, number_or_unknown, render, statement,
};
use crate::report::png::{Background, Picture, hottest_voxel, scale_top_gy};
use crate::report::run_record::{InputFile, platform, program, utc};
use crate::text::{counted, plain_lines};

/// Caption of the tables of fits.
const FITS: &str = "Fits; TIA: time-integrated activity on the grid of the dose; χ² with its degrees of freedom; extrapolated: \
                    share of the integral after the last image";
/// The file that names the inputs.
const RECORD: &str = "verdict.json";
/// Points of a drawn time-activity curve.
const CURVE_POINTS: usize = 120;

/// Content of the page.
pub struct Found<'a> {
    /// The course.
    pub course: &'a Course,
    /// Its protocol.
    pub protocol: &'a Protocol,
    /// Doses by cycle.
    pub cycles: &'a [CycleDose],
    /// Cycles as computed.
    pub computed: &'a [Computed],
    /// The course's frame, where there is one.
    pub frame: Option<&'a Frame>,
    /// Sums.
    pub accumulated: &'a Accumulated,
    /// The verdict.
    pub verdict: &'a Verdict,
    /// Histograms.
    pub histograms: &'a Histograms,
    /// When it began.
    pub invocation: &'a Invocation,
    /// The course file.
    pub course_file: InputFile,
}

/// Writes `report.html`, and `dvh.csv` and `dvh.json` where there are voxel sums.
pub fn write(folder: &AtomicOutputDir, found: &Found<'_>) -> Result<(), Failure> {
    if !found.histograms.dose.is_empty() {
        write_histograms(
            &[("cumulative absorbed dose", &found.histograms.dose), ("cumulative BED", &found.histograms.bed)],
            "mass",
            DvhBands::Transport,
            folder,
        )?;
    }
    let path = folder.file("report.html");
    path.write(plain_lines(&render(&page(found))).as_bytes()).at(&path)
}

fn quantity_word(quantity: LimitQuantity) -> &'static str {
    match quantity {
        LimitQuantity::Bed => "BED",
        LimitQuantity::AbsorbedDose => "absorbed dose",
    }
}

fn page(f: &Found<'_>) -> Page {
    let verdict = f.verdict;
    let quantity = verdict.window.map_or("BED", |window| quantity_word(window.quantity));
    let means: Vec<(String, f64)> = f.accumulated.totals.iter().map(|row| (row.region.clone(), row.dose_gy)).collect();
    let regions = shown(&means);
    let mut sections = vec![limits(f, quantity), next_cycle(f), regions_section(f, &regions), cycles(f, &regions)];
    sections.push(activity(f, &regions));
    sections.extend(motion(f));
    sections.extend(histograms(f, &regions));
    sections.extend(slices(f, &regions));
    sections.push(uncertainty(f, &regions));
    sections.push(energy(f));
    sections.extend(provenance(f));
    let files = files(f);
    let clean = |text: &String| statement::without_paths(text, &files);
    let mut unknown: Vec<String> = verdict.missing.iter().map(clean).collect();
    unknown.extend(not_known(f));
    Page {
        title: "Treatment course report".into(),
        lead: format!(
            "{} · {}, {} GBq in all · protocol {} · {}",
            nuclide(f),
            counted(f.course.cycles.len(), "cycle"),
            significant(f.course.cycles.iter().map(|c| c.administered_mbq).sum::<f64>() / 1000.0, 4),
            verdict.protocol,
            program()
        ),
        banner: banner(verdict, quantity),
        facts: facts(f, quantity),
        warnings: verdict.warnings.iter().map(|warning| clean(&warning.to_string())).collect(),
        sections,
        unknown,
        run_facts: run_facts(f),
        intended_use: format!("{} {INTENDED_USE}", verdict.intended_use),
        patient: f.invocation.patient_label.clone(),
    }
}

/// When and where it ran, and what each transported cycle took.
fn run_facts(f: &Found<'_>) -> Vec<(String, String)> {
    let mut facts = vec![("Started (UTC)".into(), utc(f.invocation.moment)), ("Ran on".into(), platform())];
    facts.extend((1..).zip(f.computed).filter_map(|(cycle, one)| {
        let run = one.run.as_ref()?;
        let (device, seconds) = (run.device.as_deref()?, run.wall_seconds?);
        let kept = if one.reused { "; taken from the cache" } else { "" };
        Some((format!("Transport of cycle {cycle}"), format!("{} s on {device}{kept}", significant(seconds, 3))))
    }));
    facts
}

/// State, reasons, probabilities.
fn banner(verdict: &Verdict, quantity: &str) -> Banner {
    let mut lines = Vec::new();
    let tone = match &verdict.state {
        State::Hold { reasons } => {
            lines.extend(reasons.iter().skip(1).cloned());
            lines.push("No option is stated until this is cleared.".to_owned());
            Tone::Stop
        }
        State::Stop { .. } => Tone::Stop,
        State::Continue { predicted_cumulative_gy, predicted_lies, .. } => {
            if let (Some(gy), Some(lies)) = (predicted_cumulative_gy, predicted_lies) {
                lines.push(format!("Predicted cumulative {quantity} after it: {gy:.1} Gy, {}.", lies.word()));
            }
            // what nobody has assessed is no good news
            let above = predicted_lies.is_some_and(|l| l == Window::Above);
            if above || !verdict.not_assessed.is_empty() { Tone::Attention } else { Tone::Good }
        }
        State::StepComplete { because, next_step, eligibility, .. } => {
            lines.push(format!("{because}."));
            lines.push(match (next_step, eligibility) {
                (Some(next), Some(answer)) => {
                    let word = match answer {
                        Eligibility::Eligible => "eligible",
                        Eligibility::NotEligible => "not eligible",
                        Eligibility::NotAssessable => "not assessable: a fact is missing",
                    };
                    format!("For {next} the patient is {word}; the rules are below.")
                }
                _ => "The protocol has no further step.".to_owned(),
            });
            Tone::Attention
        }
        State::Conflict { options, .. } => {
            lines.push(
                "A further standard cycle would pass the upper edge of the window, whose lower edge is not reached yet."
                    .into(),
            );
            let words: Vec<String> = options
                .iter()
                .map(|o| {
                    format!(
                        "{} ({} GBq, {:.1} Gy in all)",
                        o.option.replace('-', " "),
                        significant(o.activity_gbq, 3),
                        o.cumulative_gy
                    )
                })
                .collect();
            lines.push(format!("Options: {}.", words.join("; ")));
            Tone::Attention
        }
    };
    // HOLD and STOP lead their line already
    let (word, line) = (verdict.state.word(), &verdict.headline);
    let heading = if line.starts_with(word) { line.clone() } else { format!("{word}: {line}") };
    lines.push(format!("Judged by {}: {}.", name(&verdict.driver), name(&verdict.driver_reason)));
    if let (Some(window), Some(lies)) = (&verdict.window, verdict.lies) {
        let range = window.lower_gy.map_or_else(
            || format!("limit {} Gy", tick(window.upper_gy)),
            |lower| format!("window {} to {} Gy", tick(lower), tick(window.upper_gy)),
        );
        let incomplete = if verdict.incomplete { "; a predicted dose stands in for a missing one" } else { "" };
        lines.push(format!("Now {} ({range} of {quantity}{incomplete}).", lies.word()));
    }
    Banner { tone, heading, lines }
}

fn facts(f: &Found<'_>, quantity: &str) -> Vec<Fact> {
    let verdict = f.verdict;
    let mut facts = Vec::new();
    let fact = |name: String, value: String, note: String| Fact { name, value, note };
    let probability = |p: f64| if p < 0.001 { "below 0.1 %".to_owned() } else { format!("{} %", percent(p, 1)) };
    if let Some(now) = &verdict.exceedance_now {
        facts.push(fact(
            format!("Cumulative {quantity}, {}", name(&verdict.driver)),
            format!("{:.1} ± {:.1} Gy", now.value_gy, now.sigma_gy),
            match guessed(f).is_empty() {
                true => "standard uncertainty (k = 1) as budgeted".into(),
                false => {
                    "standard uncertainty (k = 1) as budgeted, the protocol’s guess for what is not assessed".into()
                }
            },
        ));
        facts.push(fact(
            "Probability of lying above the window now".into(),
            probability(now.above_budget),
            format!(
                "{} if errors are independent from cycle to cycle, {} if correlated",
                probability(now.above_independent),
                probability(now.above_correlated)
            ),
        ));
    }
    if let Some(next) = &verdict.exceedance_next {
        facts.push(fact(
            "After the next standard cycle".into(),
            format!("{:.1} ± {:.1} Gy", next.value_gy, next.sigma_gy),
            format!("predicted; probability of lying above: {}", probability(next.above_budget)),
        ));
    }
    if let Some(prediction) = verdict.predictions.first() {
        facts.push(fact(
            "Predicted for the next cycle".into(),
            format!("{} Gy/GBq", significant(prediction.gy_per_gbq, 3)),
            format!(
                "absorbed dose coefficient, ± {} %, by “{}”",
                percent(prediction.rel_sigma, 0),
                prediction.predictor.name()
            ),
        ));
    }
    facts
}

/// The chart against the windows, the structures and the rules.
fn limits(f: &Found<'_>, quantity: &str) -> Section {
    let verdict = f.verdict;
    let wanted = verdict.window.map_or(LimitQuantity::Bed, |window| window.quantity);
    let windows: Vec<WindowBand> = f
        .protocol
        .steps
        .iter()
        .enumerate()
        .filter_map(|(n, step)| {
            let window = step.window.filter(|window| window.quantity == wanted)?;
            Some(WindowBand {
                name: step.name.clone(),
                lower_gy: window.lower_gy,
                target_gy: window.target_gy,
                upper_gy: window.upper_gy,
                current: n + 1 == f.course.step,
            })
        })
        .collect();
    let lines: Vec<CourseLine> = verdict
        .structures
        .iter()
        .map(|s| {
            let (parts, before) = match wanted {
                LimitQuantity::Bed => (&s.bed_gy, s.prior_bed_gy),
                LimitQuantity::AbsorbedDose => (&s.dose_gy, s.prior_dose_gy.unwrap_or(0.0)),
            };
            let mut sum = before;
            let mut cumulative_gy = vec![before];
            cumulative_gy.extend(parts.iter().map(|gy| {
                sum += gy;
                sum
            }));
            let mut sigma_gy = vec![None; cumulative_gy.len()];
            if let Some(last) = sigma_gy.last_mut() {
                *last = Some(s.sigma.budget_gy);
            }
            CourseLine {
                name: name(&s.structure),
                cumulative_gy,
                sigma_gy,
                imputed: s.imputed_cycles.clone(),
                driver: s.structure == verdict.driver,
            }
        })
        .collect();
    let words: Vec<String> = lines
        .iter()
        .map(|line| {
            let values: Vec<String> = line.cumulative_gy.iter().skip(1).map(|gy| format!("{gy:.1}")).collect();
            format!("{}: {} Gy", line.name, values.join(", "))
        })
        .collect();
    let next = verdict.exceedance_next.as_ref().map(|next| [next.value_gy, next.sigma_gy]);
    let drawing = chart::course(&CourseChart {
        quantity: quantity.to_owned(),
        windows,
        lines,
        next,
        description: format!("Cumulative after each cycle, {}", words.join("; ")),
    });
    let rows = verdict
        .structures
        .iter()
        .map(|s| {
            let eqd2 = 1.0 + 2.0 / f.protocol.organ.alpha_beta_gy;
            vec![
                Cell::Text(name(&s.structure)),
                Cell::Number(s.dose_gy.iter().map(|gy| significant(*gy, 3)).collect::<Vec<_>>().join(" + ")),
                number_or_unknown(s.total_dose_gy.map(|gy| significant(gy, 4))),
                Cell::Number(significant(s.total_bed_gy, 4)),
                Cell::Number(significant(s.total_bed_gy / eqd2, 4)),
                Cell::Number(significant(s.sigma.independent_gy, 3)),
                Cell::Number(significant(s.sigma.correlated_gy, 3)),
                Cell::Number(significant(s.sigma.budget_gy, 3)),
            ]
        })
        .collect();
    let mut blocks = vec![
        Block::Figure {
            drawing,
            caption: format!(
                "Cumulative {quantity} after each cycle. Shaded: the protocol’s windows, the patient’s step darker. The bar at the \
                 last cycle is its standard uncertainty (k = 1, stated budget); dashed: the next standard cycle as predicted. \
                 Hollow: predicted, not measured."
            ),
        },
        Block::Table(Table::new(
            &format!(
                "Structures of the dose-limiting organ ({}), treatments before this course included; u: standard uncertainty of the \
                 total (k = 1) if errors are independent from cycle to cycle, correlated, or as budgeted",
                f.protocol.organ.name
            ),
            &[
                "Structure",
                "Dose by cycle|Gy",
                "Dose|Gy",
                "BED|Gy",
                "EQD2|Gy",
                "u independent|Gy",
                "u correlated|Gy",
                "u budget|Gy",
            ],
            rows,
        )),
        Block::Text(format!(
            "Radiobiology of the dose-limiting organ: α/β {} Gy, repair half-life {} h ({}). Limits: {}.",
            tick(f.protocol.organ.alpha_beta_gy),
            tick(f.protocol.organ.repair_half_life_h),
            f.protocol.organ.source,
            f.protocol.source
        )),
    ];
    if !verdict.rules.is_empty() {
        let rows = verdict
            .rules
            .iter()
            .map(|rule| {
                let (tone, word) = match rule.answer {
                    Answer::Pass => (Tone::Good, "met"),
                    Answer::Fail => (Tone::Stop, "not met"),
                    Answer::Unknown => (Tone::Attention, "not known"),
                };
                let decided =
                    rule.overridden.as_ref().map_or_else(String::new, |o| format!("; overridden: {}", o.reason));
                vec![
                    Cell::Text(rule.text.clone()),
                    Cell::Mark(tone, word.into()),
                    Cell::Text(format!("{}{decided}", rule.reason.replace('`', ""))),
                ]
            })
            .collect();
        blocks.push(Block::Table(Table::new("Rules", &["Rule", "Answer", "Because"], rows)));
    }
    if !verdict.open_questions.is_empty() {
        blocks.push(Block::Folded {
            summary: "Left open by the protocol’s source, and how the protocol file decides it".into(),
            blocks: vec![Block::List(verdict.open_questions.clone())],
        });
    }
    Section::new("limits", "Limits", "Limits", blocks)
}

fn next_cycle(f: &Found<'_>) -> Section {
    let verdict = f.verdict;
    let mut blocks = Vec::new();
    if let State::Conflict { options, by_policy } = &verdict.state {
        let rows = options
            .iter()
            .map(|o| {
                let mark = if *by_policy == Some(o.option) { " (the protocol file’s policy)" } else { "" };
                vec![
                    Cell::Text(format!("{}{mark}", o.option.replace('-', " "))),
                    Cell::Number(significant(o.activity_gbq, 3)),
                    Cell::Number(significant(o.next_dose_gy, 3)),
                    Cell::Number(significant(o.cumulative_gy, 4)),
                    Cell::Text(o.lies.word().into()),
                    Cell::Text(o.note.clone()),
                ]
            })
            .collect();
        blocks.push(Block::Table(Table::new(
            "Options",
            &["Option", "Activity|GBq", "Dose of the cycle|Gy", "Cumulative|Gy", "Lies", "Note"],
            rows,
        )));
    }
    let standard = f.protocol.activity.standard_gbq;
    let rows = verdict
        .predictions
        .iter()
        .map(|p| {
            vec![
                Cell::Text(p.predictor.name().into()),
                Cell::Number(significant(p.gy_per_gbq, 3)),
                Cell::Number(percent(p.rel_sigma, 1)),
                Cell::Number(significant(p.gy_per_gbq * standard, 3)),
            ]
        })
        .collect();
    let at_standard = format!("At {} GBq|Gy", tick(standard));
    blocks.push(Block::Table(Table::new(
        "Predicted dose of the next cycle to the driving structure; the first predictor is the one used",
        &["Predictor", "Absorbed dose coefficient|Gy/GBq", "±|%", &at_standard],
        rows,
    )));
    Section::new("next", "Next cycle", "Next cycle", blocks)
}

/// What the doses of a cycle with images come from: how many images, and what the curve between and behind them is.
fn of_images(f: &Found<'_>, cycle: usize) -> String {
    let curves = f.computed.get(cycle).map_or(&[][..], |one| &one.curves);
    let images = match curves.iter().map(|curve| curve.points.len()).max() {
        Some(1) => "one image",
        _ => "images over time",
    };
    let mut ways: Vec<&str> = Vec::new();
    for integral in curves.iter().filter_map(|curve| curve.integral.as_ref()) {
        let way = way_words(&integral.method, integral.fell_back());
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    ways.sort_by_key(|way| *way == SUBSTITUTE);
    let ways = if ways.is_empty() { "nothing to integrate".to_owned() } else { ways.join(" or ") };
    format!("{images}, integrated by {ways}, transported")
}

/// What stands in for a method that a region's points cannot bear.
const SUBSTITUTE: &str = "a substitute where that fails (flagged under “Time-activity curves”)";

/// What a method of integration takes for the curve; `fell_back`: it could not be used.
fn way_words(method: &str, fell_back: bool) -> &'static str {
    match method {
        _ if fell_back => SUBSTITUTE,
        "population" => "a population’s curves with the patient’s images (prior)",
        "population-half-life" => "a stated effective half-life",
        "previous-half-life" => "the half-life of an earlier cycle",
        "hanscheid-2018" => "the rule for one image (Hänscheid 2018)",
        _ => "a fit of each region",
    }
}

/// Days from the first injection to each.
fn days(course: &Course) -> Vec<i64> {
    let mut day = 0;
    course
        .cycles
        .iter()
        .map(|cycle| {
            day += cycle.interval_d.unwrap_or(0);
            day
        })
        .collect()
}

fn cycles(f: &Found<'_>, regions: &[ShownRegion]) -> Section {
    let rows = f
        .course
        .cycles
        .iter()
        .zip(days(f.course))
        .enumerate()
        .map(|(n, (cycle, day))| {
            let from = match &cycle.content {
                CycleContent::Series(_) => of_images(f, n),
                CycleContent::Tia { .. } => "ready map of time-integrated activity, transported".to_owned(),
                CycleContent::Dose(_) => "ready dose map".to_owned(),
                CycleContent::Stated(_) => "stated mean doses".to_owned(),
                CycleContent::Missing(_) => "no dosimetry".to_owned(),
            };
            vec![
                Cell::Text((n + 1).to_string()),
                Cell::Number(day.to_string()),
                Cell::Number(significant(cycle.administered_mbq / 1000.0, 4)),
                number_or_unknown(cycle.prescribed_mbq.map(|mbq| significant(mbq / 1000.0, 4))),
                Cell::Text(from),
            ]
        })
        .collect();
    let by_cycle = f
        .accumulated
        .cycles
        .iter()
        .map(|row| {
            let number = f.accumulated.totals.iter().position(|total| total.region == row.region);
            let value = |v: Option<f64>, digits| number_or_unknown(v.map(|v| significant(v, digits)));
            vec![
                number.map_or_else(
                    || Cell::Text(name(&row.region)),
                    |n| Cell::Region(regions[n].colour, name(&row.region)),
                ),
                Cell::Number(row.cycle.to_string()),
                value(row.mass_g, 4),
                Cell::Number(if row.dose_se_gy > 0.0 {
                    with_error(row.dose_gy, row.dose_se_gy)
                } else {
                    significant(row.dose_gy, 4)
                }),
                number_or_unknown(row.dose_total_rel_sigma.map(|u| total_words(u, row.not_assessed_weighs))),
                Cell::Number(significant(row.gy_per_gbq, 3)),
                value(row.effective_half_life_h, 3),
                value(row.g, 3),
                value(row.bed_gy, 4),
                value(row.eqd2_gy, 4),
                Cell::Text(row.method.clone()),
            ]
        })
        .collect();
    let mut by_cycle: Vec<Vec<Cell>> = by_cycle;
    by_cycle.sort_by_key(|row| {
        let place = |region: &str| f.accumulated.totals.iter().position(|t| name(&t.region) == region);
        match &row[0] {
            Cell::Region(_, region) | Cell::Text(region) => place(region).unwrap_or(usize::MAX),
            _ => usize::MAX,
        }
    });
    Section::new(
        "cycles",
        "Cycles",
        "Cycles",
        vec![
            Block::Table(Table::new(
                "Cycles given; days count from the first injection (the dates are in verdict.json)",
                &["Cycle", "Day", "Given|GBq", "Prescribed|GBq", "Dosimetry from"],
                rows,
            )),
            Block::Table(doses_by_cycle(f, regions)),
            Block::Folded {
                summary: "Every region of every cycle: mass, half-life, BED, method".into(),
                blocks: vec![Block::Table(Table::new(
                    "±: transport only, its statistics; in all: by everything known; T_eff: effective half-life; G: Lea-Catcheside factor",
                    &[
                        "Region",
                        "Cycle",
                        "Mass|g",
                        "Dose ± transport|Gy",
                        "In all, k = 1|%",
                        "Absorbed dose coefficient|Gy/GBq",
                        "T_eff|h",
                        "G",
                        "BED|Gy",
                        "EQD2|Gy",
                        "Method",
                    ],
                    by_cycle,
                ))],
            },
        ],
    )
}

/// Mean doses, one column per cycle.
fn doses_by_cycle(f: &Found<'_>, regions: &[ShownRegion]) -> Table {
    let mut heads = vec!["Region".to_owned()];
    heads.extend((1..=f.cycles.len()).map(|n| format!("Cycle {n}|Gy")));
    let rows = f
        .accumulated
        .totals
        .iter()
        .enumerate()
        .map(|(n, row)| {
            let mut cells = vec![Cell::Region(regions[n].colour, name(&row.region))];
            cells.extend(f.cycles.iter().map(|cycle| {
                number_or_unknown(cycle.regions.get(&row.region).map(|region| match region.dose_se_gy {
                    se if se > 0.0 => with_error(region.dose_gy, se),
                    _ => significant(region.dose_gy, 4),
                }))
            }));
            cells
        })
        .collect();
    Table::new(
        "Mean absorbed dose; ±: transport only, its statistics; in all (k = 1) under “Uncertainty”",
        &heads.iter().map(String::as_str).collect::<Vec<_>>(),
        rows,
    )
}

/// The nuclide's name; a file name is left out, since it may contain a person's name.
fn nuclide(f: &Found<'_>) -> String {
    match Nuclide::load(&f.course.nuclide) {
        Ok(nuclide) if Nuclide::built_in_names().contains(&f.course.nuclide.as_str()) => nuclide.name,
        _ => "a nuclide of its own file".to_owned(),
    }
}

fn regions_section(f: &Found<'_>, regions: &[ShownRegion]) -> Section {
    let totals = &f.accumulated.totals;
    let value = |v: Option<f64>| number_or_unknown(v.map(|v| significant(v, 4)));
    let any = |of: &dyn Fn(&TotalRow) -> Option<f64>| totals.iter().any(|row| of(row).is_some());
    let (eubed, geud, voxel) = (any(&|r| r.eubed_gy), any(&|r| r.geud_gy), any(&|r| r.voxel_mean_bed_gy));
    let total = any(&|r| r.dose_total_rel_sigma);
    let mut heads = vec!["Region", "Cycles", "Dose|Gy"];
    heads.extend(total.then_some(["In all, k = 1|%", "95 %|Gy"]).into_iter().flatten());
    heads.push("BED|Gy");
    heads.extend(total.then_some("95 %, BED|Gy"));
    heads.push("EQD2|Gy");
    heads.extend(voxel.then_some("Mean voxel BED|Gy"));
    heads.extend(eubed.then_some("EUBED|Gy"));
    heads.extend(geud.then_some("gEUD|Gy"));
    let rows = totals
        .iter()
        .enumerate()
        .map(|(n, row)| {
            let cycles = if row.cycles_missing > 0 {
                format!("{} of {}", row.cycles, row.cycles + row.cycles_missing)
            } else {
                row.cycles.to_string()
            };
            let mut cells = vec![
                Cell::Region(regions[n].colour, name(&row.region)),
                Cell::Number(cycles),
                Cell::Number(significant(row.dose_gy, 4)),
            ];
            let least = row.budget.as_ref().is_some_and(|budget| at_least(&budget.not_assessed));
            let ends = |low: Option<f64>, high: Option<f64>| {
                number_or_unknown(low.zip(high).map(|(low, high)| interval_words([low, high], least)))
            };
            let in_all = || {
                let u = number_or_unknown(row.dose_total_rel_sigma.map(|u| total_words(u, least)));
                [u, ends(row.dose_low95_gy, row.dose_high95_gy)]
            };
            cells.extend(total.then(in_all).into_iter().flatten());
            cells.push(value(row.bed_gy));
            cells.extend(total.then(|| ends(row.bed_low95_gy, row.bed_high95_gy)));
            cells.push(value(row.eqd2_gy));
            cells.extend(voxel.then(|| value(row.voxel_mean_bed_gy)));
            cells.extend(eubed.then(|| value(row.eubed_gy)));
            cells.extend(geud.then(|| value(row.geud_gy)));
            cells
        })
        .collect();
    let mut blocks = vec![Block::Table(Table::new(
        &format!(
            "Cumulative dose and BED of the region means, with their uncertainty by everything known where a budget holds for every \
             cycle (k = 1; 95 % by draws); the mean of the voxels’ BED is another quantity, to which the protocols’ \
             limits do not apply. {LEAST}. Not known: neither course file nor protocol states alpha/beta, repair half-life or \
             effective half-life of the region"
        ),
        &heads,
        rows,
    ))];
    for (caption, list) in [
        (
            "Histogram points of the cumulative absorbed dose, by mass, with the 95 % range of the transport’s statistics",
            &f.histograms.dose,
        ),
        ("Histogram points of the cumulative BED", &f.histograms.bed),
    ] {
        if list.is_empty() {
            continue;
        }
        let points = volume_points_gy(list.iter().map(|one| f64::from(one.dvh.dose_at_volume_gy(2.0).unwrap_or(0.0))));
        let colours = colours(f, list, regions);
        let part = |on: bool| -> (Vec<RegionHistogram>, Vec<ShownRegion>) {
            list.iter().cloned().zip(colours.iter().cloned()).filter(|(_, region)| region.on == on).unzip()
        };
        let ((own, shown), (others, hidden)) = (part(true), part(false));
        blocks.push(Block::Table(histogram_table(caption, &own, &shown, &points)));
        if !others.is_empty() {
            blocks.push(Block::Folded {
                summary: "Histogram points of the regions with lower doses".into(),
                blocks: vec![Block::Table(histogram_table(caption, &others, &hidden, &points))],
            });
        }
    }
    Section::new("regions", "Regions", "Regions", blocks)
}

/// The regions of some histograms as they are shown.
fn colours(f: &Found<'_>, list: &[RegionHistogram], regions: &[ShownRegion]) -> Vec<ShownRegion> {
    list.iter()
        .map(|one| {
            let n = f.accumulated.totals.iter().position(|row| row.region == one.name).unwrap_or(0);
            regions[n].clone()
        })
        .collect()
}

/// Activity of a curve at a time, MBq; `None` if the curve is known at its points alone.
fn curve_mbq(integral: &RegionIntegral, time_h: f64) -> Option<f64> {
    match &integral.integral.as_ref()?.kinetics {
        Kinetics::Exponentials(curve) => Some(curve.value(time_h)),
        Kinetics::Sampled(_) => None,
    }
}

/// Time-integrated activity of a region in a cycle (from 0) on the grid of the dose, MBq h: what its dose comes from.
fn tia_mbq_h(f: &Found<'_>, cycle: usize, region: &str) -> Option<f64> {
    f.accumulated.cycles.iter().find(|row| row.cycle == cycle + 1 && row.region == region)?.tia_mbq_h
}

/// The table of fits; a flag that all of them have stands in the caption alone.
fn fits(mut rows: Vec<Vec<Cell>>) -> Table {
    let mut heads =
        vec!["Region", "Method", "Points", "TIA|MBq h", "±|%", "T_eff|h", "Extrapolated|%", "χ² / d.o.f.", "Flags"];
    let first = rows.first().and_then(|row| row.last()).cloned();
    let shared = first.filter(|flags| rows.iter().all(|row| row.last() == Some(flags)));
    let caption = match shared {
        Some(Cell::Text(flags)) => {
            heads.pop();
            rows.iter_mut().for_each(|row| drop(row.pop()));
            if flags.is_empty() { format!("{FITS}. None is flagged") } else { format!("{FITS}. Flag of each: {flags}") }
        }
        _ => FITS.to_owned(),
    };
    Table::new(&caption, &heads, rows)
}

fn activity(f: &Found<'_>, regions: &[ShownRegion]) -> Section {
    // of the dose-limiting organ, and of all other regions
    let (mut figures, mut other_figures) = (Vec::new(), Vec::new());
    let (mut rows, mut other_rows) = (Vec::new(), Vec::new());
    for (cycle, one) in f.computed.iter().enumerate() {
        for region in &one.curves {
            let number = f.accumulated.totals.iter().position(|row| row.region == region.name);
            let shown = number.is_some_and(|n| regions[n].on);
            let steers = f.protocol.organ.structures.contains(&region.name);
            let (rows, figures) = match steers {
                true => (&mut rows, &mut figures),
                false => (&mut other_rows, &mut other_figures),
            };
            let Some(integral) = &region.integral else {
                let title = format!("{}, cycle {}", name(&region.name), cycle + 1);
                let mut row =
                    vec![Cell::Region(number.map_or(0, |n| regions[n].colour), title), Cell::Text("none".into())];
                row.push(Cell::Number(region.points.len().to_string()));
                row.extend((0..5).map(|_| number_or_unknown(None)));
                row.push(Cell::Text("no image shows activity above 0: no decays".into()));
                rows.push(row);
                continue;
            };
            // the tail after the last scan carries a good part of the integral: half a half-life of it is drawn
            let last_scan_h = region.points.last().map_or(1.0, |point| point.time_h);
            let last_h = last_scan_h + 0.5 * integral.effective_half_life_h.min(last_scan_h);
            let curve: Vec<[f64; 2]> = (0..=CURVE_POINTS)
                .map(|n| last_h * n as f64 / CURVE_POINTS as f64)
                .filter_map(|time_h| Some([time_h, curve_mbq(region, time_h)?]))
                .collect();
            let flags: Vec<String> = integral.flags.iter().map(flag_words).collect();
            let title = format!("{}, cycle {}", name(&region.name), cycle + 1);
            let colour = number.map_or(0, |n| regions[n].colour);
            let chart = ActivityChart {
                title: title.clone(),
                region: colour,
                points: region.points.iter().map(|p| (p.time_h, p.activity_mbq, p.rel_sigma)).collect(),
                residual: region
                    .points
                    .iter()
                    .map(|p| curve_mbq(region, p.time_h).filter(|v| *v > 0.0).map(|v| p.activity_mbq / v - 1.0))
                    .collect(),
                curve,
            };
            rows.push(vec![
                Cell::Region(colour, title.clone()),
                Cell::Text(integral.method.clone()),
                Cell::Number(region.points.len().to_string()),
                number_or_unknown(tia_mbq_h(f, cycle, &region.name).map(|tia| significant(tia, 4))),
                number_or_unknown(integral.rel_sigma.map(|s| percent(s, 1))),
                Cell::Number(significant(integral.effective_half_life_h, 3)),
                Cell::Number(percent(integral.after_last_fraction, 1)),
                Cell::Number(if integral.degrees_of_freedom > 0 {
                    format!("{} / {}", significant(integral.chi2, 3), integral.degrees_of_freedom)
                } else {
                    "no freedom".into()
                }),
                Cell::Text(flags.join("; ")),
            ]);
            if shown || steers {
                figures.push((chart::activity(&chart), title));
            }
        }
    }
    if rows.is_empty() {
        (rows, figures) = (std::mem::take(&mut other_rows), std::mem::take(&mut other_figures));
    }
    let blocks = if rows.is_empty() {
        vec![Block::Text(
            "Not known: no cycle of this course was given as a series of images, so no curve was fitted. Half-lives are those \
             stated in the course file."
                .into(),
        )]
    } else {
        let mut blocks = vec![
            Block::Figures(figures),
            Block::Text(
                "Points: measured activity of the region with its stated error; line: curve, dashed after the last image, where it is \
                 extrapolated; activity on a logarithmic axis; below: (measured − curve) / curve. A single image is a point: its \
                 dashed line is what the method in the table takes for its half-life, nothing is fitted."
                    .into(),
            ),
            Block::Table(fits(rows)),
        ];
        if !other_rows.is_empty() {
            blocks.push(Block::Folded {
                summary: "Curves and fits of the other regions".into(),
                blocks: vec![Block::Figures(other_figures), Block::Table(fits(other_rows))],
            });
        }
        blocks
    };
    Section::new("activity", "Time-activity curves", "Curves", blocks)
}

/// What was moved by how much; none where nothing states a registration.
fn motion(f: &Found<'_>) -> Option<Section> {
    let middles = f.frame.map(|frame| {
        let labels = Volume { grid: frame.grid.clone(), data: frame.labels.clone() };
        let named = middles(&labels).into_iter();
        named.filter_map(|(label, middle)| Some((frame.names.get(&label)?.clone(), middle))).collect::<Vec<_>>()
    });
    let cycles: Vec<Moved<'_>> = (1..)
        .zip(f.computed)
        .map(|(cycle, one)| {
            let map = one.motion.as_ref().and_then(|own| Affine::from_4x4(own.moving_from_fixed_ras_mm?).ok());
            let regions = map.zip(middles.as_ref()).map_or_else(Vec::new, |(map, middles)| {
                middles.iter().map(|(region, middle)| (region.clone(), map.displacement_mm(*middle))).collect()
            });
            Moved { cycle: Some(cycle), own: one.motion.as_ref(), images: &one.motions, regions }
        })
        .collect();
    super::motion::section(&cycles)
}

fn histograms(f: &Found<'_>, regions: &[ShownRegion]) -> Vec<Section> {
    if f.histograms.dose.is_empty() {
        return vec![Section::new(
            "histograms",
            "Histograms",
            "Histograms",
            vec![Block::Text(
                "Not known: not every cycle with dosimetry has a dose map in the frame of the course, so nothing can be summed \
                 voxel by voxel."
                    .into(),
            )],
        )];
    }
    let mut figures = Vec::new();
    let mut blocks = vec![Block::RegionChoice(regions.to_vec())];
    for (quantity, list) in [("Cumulative absorbed dose", &f.histograms.dose), ("Cumulative BED", &f.histograms.bed)] {
        if list.is_empty() {
            blocks.push(Block::Text(format!("{quantity}: not known, no region states its radiobiology.")));
            continue;
        }
        let shown = colours(f, list, regions);
        let mut curves = series(list, &shown);
        for (curve, one) in curves.iter_mut().zip(list) {
            curve.region = f.accumulated.totals.iter().position(|row| row.region == one.name).unwrap_or(0);
        }
        let caption = if quantity.ends_with("BED") {
            "BED by voxel, for the regions whose radiobiology is stated. The protocols’ limits are for the BED of mean doses."
        } else {
            DVH_CAPTION
        };
        figures.push((chart::dvh(&curves, quantity, "mass", &dvh_words(list, &shown)), caption.to_owned()));
    }
    blocks.push(Block::Pair(figures));
    vec![Section::new("histograms", "Dose-volume and BED-volume histograms", "Histograms", blocks)]
}

fn slices(f: &Found<'_>, regions: &[ShownRegion]) -> Option<Section> {
    let frame = f.frame?;
    let voxels = f.accumulated.voxels.as_ref()?;
    let sum: Vec<f32> = voxels.sums.sum_dose_gy.iter().map(|&gy| gy as f32).collect();
    let percent: Option<Vec<f32>> =
        f.histograms.sigma_rel.as_ref().map(|sigma| sigma.iter().map(|s| 100.0 * s).collect());
    // without a density (existing dose maps) the background stays dark
    let nothing = vec![0.84_f32; frame.labels.len()];
    let density = frame.density_g_cm3.as_ref().unwrap_or(&nothing);
    let background = Background::Density(density);
    let picture =
        Picture { grid: &frame.grid, background, dose_gy: &sum, labels: Some(&frame.labels), outlines: &[], title: "" };
    let mut layers = vec![Layer {
        name: "Cumulative absorbed dose".into(),
        unit: "Gy".into(),
        values: &sum,
        scale: Scale::Root { top: scale_top_gy(&sum) },
        zero: None,
    }];
    if !f.histograms.bed.is_empty() {
        layers.push(Layer {
            name: "Cumulative BED".into(),
            unit: "Gy".into(),
            values: &voxels.bed_gy,
            scale: Scale::Root { top: scale_top_gy(&voxels.bed_gy) },
            // no radiobiology, no BED
            zero: Some("not known"),
        });
    }
    if let Some(percent) = &percent {
        layers.push(Layer {
            name: "Standard error of a voxel".into(),
            unit: "%".into(),
            values: percent,
            scale: Scale::Classes { edges: SIGMA_EDGES.to_vec() },
            zero: None,
        });
    }
    let region_labels: Vec<u16> = f
        .accumulated
        .totals
        .iter()
        .map(|row| frame.names.iter().find(|(_, known)| **known == row.region).map_or(u16::MAX, |(&label, _)| label))
        .collect();
    let viewer = Viewer::new(&Scene {
        grid: &frame.grid,
        background,
        labels: Some(&frame.labels),
        region_labels: &region_labels,
        regions,
        layers,
        start: hottest_voxel(&picture),
        unseen: frame.density_g_cm3.is_none().then_some("the course was given ready dose maps, without a CT"),
    });
    let blocks = vec![Block::RegionChoice(regions.to_vec()), Block::Viewer(Box::new(viewer))];
    Some(Section::new("slices", "Slices", "Slices", blocks))
}

/// How sure the regions' sums are, without the remainder of the body.
fn uncertainty_rows(f: &Found<'_>, regions: &[ShownRegion]) -> Vec<uncertainty::Row> {
    let of = |(row, region): (&TotalRow, &ShownRegion)| {
        let budget = row.budget.as_ref().filter(|_| !row.region.contains("remainder"))?;
        let parts = f.cycles.iter().filter_map(|cycle| cycle.regions.get(&row.region)).flat_map(|r| r.budget().parts);
        Some(uncertainty::Row {
            region: Cell::Region(region.colour, name(&row.region)),
            name: name(&row.region),
            by_source: budget.by_source.iter().map(|share| (share.source, share.rel_sigma)).collect(),
            rel_sigma: budget.dose.rel_sigma,
            interval95_gy: budget.dose.interval95_gy,
            not_assessed: budget.not_assessed.clone(),
            parts: parts.collect(),
            improve: budget.improve.clone(),
            scans: Vec::new(),
        })
    };
    f.accumulated.totals.iter().zip(regions).filter_map(of).collect()
}

/// What the verdict takes for the uncertainty of each structure and cycle, and from where.
fn used_words(f: &Found<'_>) -> Vec<String> {
    let structures = f.protocol.organ.structures.iter();
    let of = |structure: &String| {
        let each = f.cycles.iter().zip(&f.course.cycles).enumerate().filter_map(|(n, (cycle, stated))| {
            let region = cycle.regions.get(structure)?;
            let used = used(region, stated, f.protocol);
            let holes: Vec<&str> = holes(region).iter().map(|source| source.words()).collect();
            let hole = match used.common_from {
                StatedBy::Protocol | StatedBy::Series if !holes.is_empty() => {
                    format!("; not assessed: {}", holes.join(", "))
                }
                _ => String::new(),
            };
            Some(format!(
                "cycle {}: {} % random ({}), {} % common ({}{hole})",
                n + 1,
                percent(used.random_rel_sigma, 1),
                used.random_from.words(),
                percent(used.common_rel_sigma, 1),
                used.common_from.words()
            ))
        });
        let each: Vec<String> = each.collect();
        (!each.is_empty()).then(|| format!("{}, {}.", name(structure), each.join("; ")))
    };
    structures.filter_map(of).collect()
}

fn uncertainty(f: &Found<'_>, regions: &[ShownRegion]) -> Section {
    let plan = &f.protocol.uncertainty;
    let rows = uncertainty_rows(f, regions);
    let mut blocks = uncertainty_words(!rows.is_empty());
    blocks.extend(uncertainty::blocks(&rows, "the cumulative mean dose"));
    let used = used_words(f);
    if !used.is_empty() {
        blocks.push(Block::Heading("What the limits are judged with".into()));
        blocks.push(Block::List(used));
    }
    blocks.push(Block::Text(format!(
        "The budget of the limits: where a cycle states no uncertainty of its own and the budget of a structure has a hole, the \
         protocol’s guess stands in, {} % random and {} % systematic{} ({}). A random part adds in squares from cycle to cycle, a systematic one in full. Both extremes, all \
         independent and all correlated, are in the table of structures.",
        percent(plan.random_rel, 0),
        percent(plan.systematic_rel, 0),
        plan.one_image_rel.map_or_else(String::new, |rel| format!(", {} % where a cycle has one image", percent(rel, 0))),
        plan.source
    )));
    if f.histograms.sigma_rel.is_some() {
        blocks.push(Block::Text(
            "The map of the standard error of single voxels of the cumulative dose is under “Slices”.".into(),
        ));
    } else {
        blocks.push(Block::Text("A map of the uncertainty is not known: a cycle’s dose map states none.".into()));
    }
    Section::new("uncertainty", "Uncertainty", "Uncertainty", blocks)
}

fn energy(f: &Found<'_>) -> Section {
    let mut all = Vec::new();
    for (n, one) in f.computed.iter().enumerate() {
        for mut balance in one.run.as_ref().and_then(|run| run.balances()).unwrap_or_default() {
            balance.pass = format!("cycle {}, {}", n + 1, balance.pass);
            all.push(balance);
        }
    }
    if all.is_empty() {
        return Section::new(
            "energy",
            "Energy balance",
            "Energy",
            vec![Block::Text("Not known: no cycle of this course was transported.".into())],
        );
    }
    energy_section(&all)
}

/// Files of all cycles, the course first.
fn files(f: &Found<'_>) -> Vec<InputFile> {
    let mut files = vec![f.course_file.clone()];
    for file in f.computed.iter().flat_map(|one| &one.inputs) {
        if !files.contains(file) {
            files.push(file.clone());
        }
    }
    files
}

fn provenance(f: &Found<'_>) -> Vec<Section> {
    let files = files(f);
    let clinic = clinic(f);
    let transported =
        f.computed.iter().enumerate().find_map(|(n, one)| Some((n, one, one.run.as_ref()?, one.map.as_ref()?)));
    let Some((first, one, run, map)) = transported else {
        return vec![Section::new(
            "provenance",
            "Provenance",
            "Provenance",
            vec![
                Block::Text("No cycle was transported: doses are as stated in the course file or its maps.".into()),
                Block::Heading("What a clinic records (EANM lists of 2011 and 2022)".into()),
                Block::Terms(clinic),
                Block::Table(statement::inputs(&files, RECORD)),
            ],
        )];
    };
    let passes = run.passes();
    let stated = statement::Transport {
        settings: &run.settings,
        data_sets: &run.data_sets,
        passes: &passes,
        seed: run.seed,
        tally_sha256: one.tally_sha256.as_deref().unwrap_or(statement::NOT_KNOWN),
        dims: map.dose_gy.grid.dims,
        spacing_mm: map.dose_gy.grid.spacing_mm,
        from_ct: run.from_ct,
        decays: run.decays,
        record: RECORD,
    };
    let mut sections = statement::sections(&stated, &files, clinic);
    if let Some(method) = sections.first_mut() {
        method.blocks.push(Block::Text(format!(
            "Each cycle with images or a map of decays was transported in this way (the figures below are those of cycle {}). \
             BED is ΣD + ΣG D²/(α/β) over the cycles, with the Lea-Catcheside factor G of the region’s fitted or stated time \
             course; the limit applies to the BED of the mean dose of each structure.",
            first + 1
        )));
        let hashes: Vec<Vec<Cell>> = f
            .computed
            .iter()
            .enumerate()
            .map(|(n, one)| {
                vec![
                    Cell::Text((n + 1).to_string()),
                    one.tally_sha256.as_ref().map_or(Cell::Unknown, |hash| Cell::Text(hash.clone())),
                ]
            })
            .collect();
        method.blocks.push(Block::Table(Table::new(
            "Fingerprint of the tallies of each cycle",
            &["Cycle", "SHA-256"],
            hashes,
        )));
    }
    sections
}

/// The EANM's items for a course.
fn clinic(f: &Found<'_>) -> Vec<(String, String)> {
    let item = |name: &str, value: String| (name.to_owned(), value);
    let not = |why: &str| format!("not known: {why}");
    let curves = f.computed.iter().flat_map(|one| &one.curves);
    let mut times: Vec<String> = curves.flat_map(|r| r.points.iter().map(|p| tick(p.time_h))).collect();
    times.dedup();
    let mut seen: Vec<String> = Vec::new();
    for time in times {
        if !seen.contains(&time) {
            seen.push(time);
        }
    }
    let given: Vec<String> = f.course.cycles.iter().map(|cycle| significant(cycle.administered_mbq, 4)).collect();
    let before: Vec<String> =
        f.course.ledger.iter().map(|entry| format!("{} ({})", entry.what, name(&entry.structure))).collect();
    vec![
        item(
            "Patient",
            f.invocation.patient_label.clone().unwrap_or_else(|| "left out of this page on purpose".to_owned()),
        ),
        item("Nuclide", nuclide(f)),
        item("Radiopharmaceutical", not("the course file does not name it")),
        item("Administered activity", format!("{} MBq, as stated in the course file", given.join(", "))),
        item("Traceability of the activity meter", not("no input states it")),
        item("Days of injection", format!("{:?} after the first", days(f.course)).replace(['[', ']'], "")),
        item(
            "Scan times",
            if seen.is_empty() {
                not("no cycle was given as a series of images")
            } else {
                format!("{} h after injection", seen.join(", "))
            },
        ),
        item("Camera, collimator, window, corrections, calibration", not("the activity images do not state them")),
        item("Partial-volume correction", not("none is applied here; the activity is used as it is")),
        item(
            "Regions, their volumes and masses",
            "in the table of cycles; masses from the density of their voxels".into(),
        ),
        item("Time-activity model, residuals, extrapolation", "under “Time-activity curves”".into()),
        item(
            "Radiobiology",
            format!(
                "dose-limiting organ: α/β {} Gy, repair half-life {} h; other regions as in the table",
                tick(f.protocol.organ.alpha_beta_gy),
                tick(f.protocol.organ.repair_half_life_h)
            ),
        ),
        item(
            "Treatments before",
            if before.is_empty() { "none stated in the course file".into() } else { before.join("; ") },
        ),
        item("Limits and their source", format!("{} {}: {}", f.protocol.id, f.protocol.version, f.protocol.source)),
        item("Toxicity grading", f.protocol.toxicity_grading.clone()),
        item("Uncertainty", "budget under “Uncertainty”, k = 1".into()),
    ]
}

/// Cycles, from 1, where the protocol's guess stands in for what is not assessed of a dose-limiting structure.
fn guessed(f: &Found<'_>) -> Vec<usize> {
    let of = |(n, (doses, cycle)): (usize, (&CycleDose, &CourseCycle))| {
        let mut own = f.protocol.organ.structures.iter().filter_map(|name| doses.regions.get(name));
        own.any(|region| used(region, cycle, f.protocol).common_from == StatedBy::Protocol).then_some(n + 1)
    };
    f.cycles.iter().zip(&f.course.cycles).enumerate().filter_map(of).collect()
}

fn not_known(f: &Found<'_>) -> Vec<String> {
    let mut unknown = Vec::new();
    let without: Vec<String> =
        f.accumulated.totals.iter().filter(|row| row.bed_gy.is_none()).map(|row| name(&row.region)).collect();
    if !without.is_empty() {
        unknown
            .push(format!("BED and EQD2 of {}: the course file states no radiobiology for them.", without.join(", ")));
    }
    if f.accumulated.totals.iter().all(|row| row.eubed_gy.is_none() && row.geud_gy.is_none()) {
        unknown.push("Equivalent uniform dose: no region states alpha_per_gy or geud_a.".into());
    }
    if f.accumulated.voxels.is_none() {
        unknown.push("Histograms and slices of the sum: not every cycle has a map in the frame of the course.".into());
    }
    let stated: Vec<String> = guessed(f).iter().map(usize::to_string).collect();
    if !stated.is_empty() {
        unknown.push(format!(
            "The whole uncertainty of the doses of {} {}: the protocol’s guess stands in for what is not assessed.",
            if stated.len() == 1 { "cycle" } else { "cycles" },
            stated.join(", ")
        ));
    }
    if f.cycles.iter().any(|cycle| cycle.regions.is_empty()) {
        unknown.push("Doses of the cycles without dosimetry.".into());
    }
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flag of all fits is said once; flags that differ keep their column.
    #[test]
    fn law_a_flag_of_all_fits_stands_once() {
        let row = |flags: &str| {
            let mut row = vec![Cell::Text("kidney".into()); 8];
            row.push(Cell::Text(flags.into()));
            row
        };
        let (same, none) = (fits(vec![row("tail"), row("tail")]), fits(vec![row(""), row("")]));
        assert!(same.heads.len() == 8 && same.rows[1].len() == 8 && same.caption.ends_with("Flag of each: tail"));
        assert!(none.heads.len() == 8 && none.caption.ends_with("None is flagged"), "{}", none.caption);
        let differ = fits(vec![row("tail"), row("")]);
        assert!(
            differ.heads.len() == 9 && differ.rows[0].len() == 9 && differ.caption == FITS,
            "alarm: flags that differ"
        );
    }

    /// Each way to a half-life is told from the others.
    #[test]
    fn law_a_stated_half_life_is_no_population() {
        let ways = ["population", "population-half-life", "previous-half-life", "hanscheid-2018", "mono"]
            .map(|method| way_words(method, false));
        for (n, way) in ways.iter().enumerate() {
            assert!(ways.iter().skip(n + 1).all(|other| other != way), "{way}");
        }
        assert!(ways[0].contains("population") && ways[1].contains("stated"), "alarm: {ways:?}");
        assert_eq!(way_words("population-half-life", true), SUBSTITUTE, "alarm: what nobody stated");
    }
}
