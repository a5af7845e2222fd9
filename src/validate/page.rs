//! Output of a validation: `validation.md`, `validation.json` and one plot per comparison (SVG).

use super::{Comparison, Extent, Judged, Plot, PlotPoint, Row, RowVerdict};
use crate::report::page::chart::comparison::{self, ComparisonChart, ComparisonPoint};
use crate::transport::DeviceInfo;
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

/// The plot as SVG.
pub fn svg(plot: &Plot) -> String {
    let point = |p: &PlotPoint| ComparisonPoint {
        x: p.x,
        value: p.lutra.value,
        reference: p.reference.value,
        difference: p.difference,
        sigma: p.sigma,
        allowed: p.allowed,
    };
    let points: Vec<ComparisonPoint> = plot.points.iter().map(point).collect();
    let Plot { title, x_label, y_label, log_y, .. } = plot;
    comparison::svg(&ComparisonChart { title, x_label, y_label, log_y: *log_y, points: &points })
}

#[cfg(test)]
mod tests {
    use super::super::verdict::Value;
    use super::*;

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
