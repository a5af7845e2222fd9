//! Output of a validation: `validation.md`, `validation.json` and one plot per comparison (SVG).

use super::{Comparison, Extent, Judged, Plot, Row, RowVerdict};
use crate::transport::DeviceInfo;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde::Serialize;
use std::fmt::Write as _;

/// Everything about a validation, as its JSON file has it.
#[derive(Debug, Serialize)]
pub struct Record<'a> {
    /// Version of Lutra.
    pub version: &'static str,
    /// How much was run.
    pub extent: Extent,
    /// Seed.
    pub seed: u64,
    /// Who ran it.
    pub device: &'a DeviceInfo,
    /// Wall time, s.
    pub wall_seconds: f64,
    /// Whether no row fails.
    pub passes: bool,
    /// The problems.
    pub comparisons: &'a [Comparison],
}

/// A number with as many digits as its standard error deserves, at least four.
fn figure(value: f64) -> String {
    if value.abs() < 1e-300 {
        "0".to_owned()
    } else if (1e-3..1e5).contains(&value.abs()) {
        let digits = (4 - value.abs().log10().floor() as i32).max(0) as usize;
        format!("{value:.digits$}")
    } else {
        format!("{value:.4e}")
    }
}

/// A number without needless zeros.
fn tick(value: f64) -> String {
    let text = figure(value);
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn percent(fraction: f64) -> String {
    format!("{:+.2}", 100.0 * fraction)
}

fn relative_sigma(value: super::verdict::Value) -> String {
    if value.sigma > 0.0 && value.value != 0.0 {
        format!(" ± {:.2} %", 100.0 * value.sigma / value.value.abs())
    } else {
        String::new()
    }
}

fn verdict(verdict: RowVerdict) -> &'static str {
    match verdict {
        RowVerdict::Pass => "pass",
        RowVerdict::Fail => "**FAIL**",
        RowVerdict::Open => "**open**",
        RowVerdict::Skipped => "skipped",
    }
}

/// A row of the table as its cells.
fn cells(row: &Row) -> [String; 7] {
    if row.verdict == RowVerdict::Skipped {
        let blank = String::new;
        return [
            row.problem.clone(),
            row.quantity.clone(),
            blank(),
            blank(),
            blank(),
            blank(),
            verdict(row.verdict).into(),
        ];
    }
    if row.judged == Judged::AtLeast {
        return [
            row.problem.clone(),
            row.quantity.clone(),
            format!("{:.1} %", 100.0 * row.lutra.value),
            String::new(),
            String::new(),
            format!("at least {:.0} %", 100.0 * row.reference.value),
            verdict(row.verdict).into(),
        ];
    }
    let unit = if row.unit == "1" { String::new() } else { format!(" {}", row.unit) };
    let base = if matches!(row.judged, Judged::OfTotal(_)) { " % of total" } else { " %" };
    [
        row.problem.clone(),
        row.quantity.clone(),
        format!("{}{unit}{}", figure(row.lutra.value), relative_sigma(row.lutra)),
        format!("{}{unit}{}", figure(row.reference.value), relative_sigma(row.reference)),
        format!("{} ± {:.2}{base}", percent(row.difference), 100.0 * row.sigma),
        format!("{} %", (100.0 * row.allowed * 1e6).round() / 1e6),
        match row.known.filter(|_| row.verdict == RowVerdict::Open) {
            Some(known) => format!("{}: known, to {} %", verdict(row.verdict), (100.0 * known * 1e6).round() / 1e6),
            None => verdict(row.verdict).into(),
        },
    ]
}

/// The table of `comparisons` in plain text, for the terminal; only failing rows where `failing`.
pub fn lines(comparisons: &[Comparison], failing: bool) -> String {
    let mut text = String::new();
    for row in comparisons.iter().flat_map(|c| &c.rows).filter(|r| !failing || r.verdict == RowVerdict::Fail) {
        let [problem, quantity, lutra, reference, difference, allowed, verdict] = cells(row);
        let _ = writeln!(
            text,
            "{:<8} {problem:<22} {quantity:<58} {lutra:>30} {reference:>30} {difference:>24}  {allowed}",
            verdict.replace("**", "")
        );
    }
    text
}

/// The page. `plot_folder` stands before the names of the plots.
pub fn markdown(record: &Record, plot_folder: &str) -> String {
    let rows = || record.comparisons.iter().flat_map(|c| &c.rows);
    let count = |wanted: RowVerdict| rows().filter(|r| r.verdict == wanted).count();
    let mut text = String::from("# Validation\n\n");
    let _ = writeln!(
        text,
        "Written by `lutra validate`{}; do not edit by hand. Lutra {}, engine {} ({}), seed {}. {} rows pass, {} fail, \
         {} open, {} skipped.\n",
        if record.extent == Extent::Quick { " in its quick form" } else { "" },
        record.version,
        record.device.engine,
        record.device.backend,
        record.seed,
        count(RowVerdict::Pass),
        count(RowVerdict::Fail),
        count(RowVerdict::Open),
        count(RowVerdict::Skipped),
    );
    text.push_str(
        "A row passes when Lutra differs from the reference by no more than the allowed difference and two combined \
         standard errors (±: one standard error). An open row is asked what rows of its kind are asked, is known to miss \
         it, and fails beyond the difference that is known. R1 to R6 are EGSnrc calculations with the same emissions, tissues \
         and mean excitation energies; `assets/reference/PROVENANCE.md` names code, settings, decay data and \
         statistics of every reference. \"Worst\" rows stand for all members of a group; the members are in \
         `validation.json`. Voxels count as agreeing when they lie within the percentage named and two combined \
         standard errors; symmetric voxels are averaged as in the reference. In shell scoring an electron rests on \
         the spot once its range is below 5 % of the shell's thickness.\n\n",
    );
    text.push_str("| problem | quantity | Lutra | reference | difference | allowed | verdict |\n");
    text.push_str("|---|---|---|---|---|---|---|\n");
    for row in rows() {
        let _ = writeln!(text, "| {} |", cells(row).join(" | "));
    }
    text.push_str("\n## Plots\n\nUpper part: Lutra (dots) and the reference (line). Lower part: difference in percent with one combined standard error, the band is what is allowed.\n");
    for plot in record.comparisons.iter().flat_map(|c| &c.plots) {
        let _ = writeln!(text, "\n![{}]({plot_folder}{}.svg)", plot.title, plot.name);
    }
    text
}

const WIDTH: u32 = 760;
const HEIGHT: u32 = 520;
const LUTRA: RGBColor = RGBColor(0, 90, 160);
const REFERENCE: RGBColor = RGBColor(200, 80, 30);
const BAND: RGBColor = RGBColor(225, 232, 225);

/// The plot as SVG.
pub fn svg(plot: &Plot) -> String {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH, HEIGHT)).into_drawing_area();
        // drawing into memory does not fail
        draw(plot, &area).expect("a string takes every drawing");
    }
    text
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type DrawError = Box<dyn std::error::Error>;

fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.filter(|v| v.is_finite()).fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)))
}

fn draw(plot: &Plot, area: &Area) -> Result<(), DrawError> {
    area.fill(&WHITE)?;
    if plot.points.is_empty() {
        return Ok(());
    }
    let title = TextStyle::from(("sans-serif", 17)).pos(Pos::new(HPos::Center, VPos::Top));
    area.draw(&Text::new(plot.title.clone(), (WIDTH as i32 / 2, 8), title))?;
    let (upper, lower) = area.margin(30, 4, 4, 12).split_vertically(290);
    let x = span(plot.points.iter().map(|p| p.x));
    let pad = if x.1 > x.0 { 0.02 * (x.1 - x.0) } else { 0.5 };
    let x = (x.0 - pad, x.1 + pad);

    let level = |v: f64| if plot.log_y { v.max(f64::MIN_POSITIVE).log10() } else { v };
    let y = span(
        plot.points
            .iter()
            .flat_map(|p| [p.lutra.value, p.reference.value])
            .filter(|v| !plot.log_y || *v > 0.0)
            .map(level),
    );
    let room = 0.06 * (y.1 - y.0).max(1e-12);
    let mut chart = ChartBuilder::on(&upper)
        .x_label_area_size(22)
        .y_label_area_size(78)
        .build_cartesian_2d(x.0..x.1, (y.0 - room)..(y.1 + room))?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .y_desc(if plot.log_y { format!("log10 of {}", plot.y_label) } else { plot.y_label.to_owned() })
        .y_label_formatter(&|v| tick(*v))
        .draw()?;
    let line = plot.points.iter().filter(|p| !plot.log_y || p.reference.value > 0.0);
    chart.draw_series(LineSeries::new(line.map(|p| (p.x, level(p.reference.value))), REFERENCE.stroke_width(2)))?;
    let dots = plot.points.iter().filter(|p| !plot.log_y || p.lutra.value > 0.0);
    chart.draw_series(dots.map(|p| Circle::new((p.x, level(p.lutra.value)), 2, LUTRA.filled())))?;
    legend(&upper)?;

    // percent; the window shows the band, and the points unless a few stray far
    let allowed = 100.0 * plot.points.iter().map(|p| p.allowed).fold(0.0, f64::max);
    let farthest = 100.0 * plot.points.iter().map(|p| p.difference.abs() + p.sigma).fold(0.0, f64::max);
    let reach = 1.15 * farthest.clamp(1.3 * allowed, 4.0 * allowed.max(0.05));
    let mut chart = ChartBuilder::on(&lower)
        .x_label_area_size(42)
        .y_label_area_size(78)
        .build_cartesian_2d(x.0..x.1, -reach..reach)?;
    band(plot, x, &mut chart)?;
    chart.configure_mesh().light_line_style(TRANSPARENT).x_desc(plot.x_label).y_desc("difference, %").draw()?;
    chart.draw_series(plot.points.iter().map(|p| {
        let (middle, half) = (100.0 * p.difference, 100.0 * p.sigma);
        let clip = |v: f64| v.clamp(-reach, reach);
        PathElement::new(vec![(p.x, clip(middle - half)), (p.x, clip(middle + half))], LUTRA)
    }))?;
    chart.draw_series(
        plot.points
            .iter()
            .filter(|p| 100.0 * p.difference.abs() <= reach)
            .map(|p| Circle::new((p.x, 100.0 * p.difference), 2, LUTRA.filled())),
    )?;
    area.present()?;
    Ok(())
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// What is allowed, as a band: it may change along the axis.
fn band(plot: &Plot, x: (f64, f64), chart: &mut Chart) -> Result<(), DrawError> {
    let points = &plot.points;
    let edge = |i: usize| {
        if i == 0 {
            x.0
        } else if i == points.len() {
            x.1
        } else {
            0.5 * (points[i - 1].x + points[i].x)
        }
    };
    chart.draw_series(points.iter().enumerate().map(|(i, p)| {
        let half = 100.0 * p.allowed;
        Rectangle::new([(edge(i), -half), (edge(i + 1), half)], BAND.filled())
    }))?;
    Ok(())
}

fn legend(area: &Area) -> Result<(), DrawError> {
    let (width, _) = area.dim_in_pixel();
    let left = width as i32 - 150;
    let style = TextStyle::from(("sans-serif", 13));
    area.draw(&Circle::new((left + 10, 14), 3, LUTRA.filled()))?;
    area.draw(&Text::new("Lutra", (left + 24, 7), style.clone()))?;
    area.draw(&PathElement::new(vec![(left, 32), (left + 20, 32)], REFERENCE.stroke_width(2)))?;
    area.draw(&Text::new("reference", (left + 24, 25), style))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{PlotPoint, verdict::Value};
    use super::*;

    #[test]
    fn io_a_plot_is_drawn_and_is_the_same_twice() {
        let value = |v| Value::new(v, 0.01 * v);
        let points = (1..20)
            .map(|i| {
                let x = f64::from(i);
                PlotPoint {
                    x,
                    lutra: value(1.01 / x),
                    reference: value(1.0 / x),
                    difference: 0.01,
                    sigma: 0.014,
                    allowed: 0.02,
                }
            })
            .collect();
        let plot = Plot { name: "n".into(), title: "a title".into(), x_label: "x", y_label: "y", log_y: true, points };
        let drawn = svg(&plot);
        assert!(drawn.contains("a title") && drawn.matches("<circle").count() > 30);
        assert_eq!(drawn, svg(&plot));
    }

    #[test]
    fn io_open_rows_are_told_and_counted() {
        let judge = |lutra: f64| {
            let (lutra, reference) = (Value::new(lutra, 0.0), Value::new(10.0, 0.0));
            Row::judge("R1", "radius", "mm", lutra, reference, Judged::Relative, 0.01).open(0.02)
        };
        let comparisons = [Comparison { rows: vec![judge(10.15), judge(10.0)], ..Comparison::default() }];
        let text = lines(&comparisons, false);
        assert!(text.starts_with("open: known, to 2 %") && text.contains("\npass "), "{text}");
        let device = DeviceInfo {
            engine: "cpu".to_owned(),
            name: "a processor".to_owned(),
            backend: "cpu".to_owned(),
            driver: String::new(),
        };
        let record = Record {
            version: "0",
            extent: Extent::Quick,
            seed: 1,
            device: &device,
            wall_seconds: 1.0,
            passes: true,
            comparisons: &comparisons,
        };
        let page = markdown(&record, "");
        assert!(page.contains("1 rows pass, 0 fail, 1 open, 0 skipped"), "{page}");
        assert!(page.contains("| 1 % | **open**: known, to 2 % |"), "{page}");
    }

    #[test]
    fn io_rows_are_told_with_their_verdict() {
        let row =
            Row::judge("R1", "energy", "keV", Value::new(10.5, 0.1), Value::new(10.0, 0.0), Judged::Relative, 0.01);
        let text = lines(&[Comparison { rows: vec![row], ..Comparison::default() }], true);
        assert!(text.starts_with("FAIL") && text.contains("+5.00 ± 1.00 %"), "{text}");
    }
}
