//! The region table and the energy balance for the terminal.

use super::{ENTRY_KEV, EnergyBalance};
use crate::dose::regions::RegionDose;
use crate::units::{DECAYS_PER_MBQ_H, rounded};
use std::fmt::Write;

/// Numbers below this are written with a power of ten.
const LEAST_PLAIN: f64 = 1e-4;

/// The region table as aligned lines, one a region, with a head and a rule; ends in a line feed.
///
/// Doses are rounded to two digits of their standard error (at least 3 and at most 6 digits are shown); the CSV
/// holds them in full. The activity column is left out where no administered activity was given, those of the whole
/// uncertainty where nothing is known but the transport's.
pub fn region_lines(rows: &[RegionDose]) -> String {
    let with_activity = rows.iter().any(|row| row.gy_per_gbq.is_some());
    let with_total = rows.iter().any(|row| row.total_rel_sigma.is_some());
    let mut heads = vec!["label", "region", "mass g", "TIA MBq h", "dose Gy", "± transport", "transport %"];
    if with_total {
        heads.extend(["total %", "95 % Gy"]);
    }
    heads.extend(["electron", "photon"]);
    if with_activity {
        heads.push("Gy/GBq");
    }
    heads.extend(["D98 Gy", "D50 Gy", "D2 Gy"]);
    let mut cells: Vec<Vec<String>> = vec![heads.into_iter().map(str::to_owned).collect()];
    cells.extend(rows.iter().map(|row| cells_of(row, with_activity, with_total)));
    aligned(&cells)
}

/// What the errors of the table are, and what is not assessed of which regions; ends in a line feed.
pub fn uncertainty_lines(rows: &[RegionDose]) -> String {
    let mut text = match rows.iter().any(|row| row.total_rel_sigma.is_some()) {
        true => "± and transport %: transport only, its statistics (k = 1); total %: all that is known (k = 1), ≥: a source that weighs is not assessed\n".to_owned(),
        false => "± and transport %: transport only, its statistics (k = 1); no total is known\n".to_owned(),
    };
    let mut holes: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in rows.iter().filter(|row| !row.not_assessed.is_empty()) {
        match holes.iter_mut().find(|(known, _)| *known == row.not_assessed) {
            Some((_, names)) => names.push(&row.name),
            None => holes.push((&row.not_assessed, vec![&row.name])),
        }
    }
    for (what, names) in &holes {
        let of = if names.len() == rows.len() { "any region".to_owned() } else { names.join(", ") };
        let _infallible = writeln!(text, "not assessed of {of}: {what}");
    }
    text
}

fn cells_of(row: &RegionDose, with_activity: bool, with_total: bool) -> Vec<String> {
    let (dose, error) = with_error(row.dose_gy, row.dose_se_gy);
    let se_percent = if row.dose_gy != 0.0 { 100.0 * row.dose_se_gy / row.dose_gy.abs() } else { 0.0 };
    let mut cells = vec![
        row.label.to_string(),
        row.name.clone(),
        significant(row.mass_g, 4),
        rounded(row.decays / DECAYS_PER_MBQ_H, 4),
        dose,
        error,
        format!("{se_percent:.2}"),
    ];
    if with_total {
        let none = || "-".to_owned();
        cells.push(row.total_rel_sigma.map_or_else(none, |u| {
            let least = if row.not_assessed_weighs { "≥ " } else { "" };
            format!("{least}{}", significant(100.0 * u, 2))
        }));
        let ends = row.low95_gy.zip(row.high95_gy);
        cells
            .push(ends.map_or_else(none, |(low, high)| format!("{} to {}", significant(low, 3), significant(high, 3))));
    }
    cells.extend([row.dose_electron_gy, row.dose_photon_gy].map(|gy| significant(gy, 4)));
    if with_activity {
        cells.push(row.gy_per_gbq.map_or_else(|| "-".to_owned(), |gy| significant(gy, 4)));
    }
    cells.extend([row.d98_gy, row.d50_gy, row.d2_gy].map(|gy| significant(gy, 3)));
    cells
}

/// A value and its standard error: two digits of the error, and 3 to 6 of the value; both with one power of ten where the
/// value is below 0.0001.
fn with_error(value: f64, error: f64) -> (String, String) {
    let place = |x: f64| if x == 0.0 || !x.is_finite() { 0 } else { x.abs().log10().floor() as i32 };
    if value != 0.0 && value.abs() < LEAST_PLAIN {
        let (leading, unit) = (place(value), 10_f64.powi(place(value)));
        let decimals = decimals_for(value / unit, error / unit);
        let scaled = |x: f64| format!("{:.decimals$}e{leading}", x / unit);
        return (scaled(value), scaled(error));
    }
    let decimals = decimals_for(value, error);
    let shown = |x: f64| {
        if x != 0.0 && x.abs() < 0.5 * 10_f64.powi(-(decimals as i32)) {
            // an error, however small, is none of 0
            significant(x, 2)
        } else {
            format!("{x:.decimals$}")
        }
    };
    (shown(value), shown(error))
}

/// Decimals that show two digits of the error, kept between 3 and 6 digits of the value.
fn decimals_for(value: f64, error: f64) -> usize {
    let place = |x: f64| if x == 0.0 { 0 } else { x.abs().log10().floor() as i32 };
    let leading = place(value);
    let wanted = if error > 0.0 { 1 - place(error) } else { 3 - leading };
    wanted.clamp(2 - leading, 5 - leading).clamp(0, 9) as usize
}

/// A number with this many significant digits, for a terminal: in plain notation, below 0.0001 with a power of ten, so
/// that no digit is lost.
pub fn significant(value: f64, digits: i32) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    if value.abs() < LEAST_PLAIN {
        return format!("{value:.*e}", (digits - 1).max(0) as usize);
    }
    let decimals = (digits - 1 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    format!("{value:.decimals$}")
}

/// Cells in columns two spaces apart; the second column (names) to the left, numbers to the right.
fn aligned(cells: &[Vec<String>]) -> String {
    let columns = cells.first().map_or(0, Vec::len);
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, row) in cells.iter().enumerate() {
        let padded: Vec<String> = (0..columns)
            .map(|column| {
                let (cell, width) = (&row[column], widths[column]);
                if column == 1 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            })
            .collect();
        let _infallible = writeln!(text, "{}", padded.join("  ").trim_end());
        if number == 0 {
            let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
            let _infallible = writeln!(text, "{}", rule.join("  "));
        }
    }
    text
}

/// The energy balance of each pass in whole tally entries and in shares; ends in a line feed.
pub fn balance_lines(balances: &[EnergyBalance]) -> String {
    let mut text = String::new();
    for balance in balances {
        let share = |units: u128| 100.0 * units as f64 / (balance.emitted as f64).max(1.0);
        let verdict = if balance.is_exact() {
            "exact".to_owned()
        } else {
            format!("OFF BY {}", balance.emitted.abs_diff(balance.spent()))
        };
        let _infallible = writeln!(
            text,
            "energy balance, {} pass: emitted {} = deposited {} + escaped {} + radiated {}  [{verdict}]",
            balance.pass, balance.emitted, balance.deposited, balance.escaped, balance.radiated
        );
        let _infallible = write!(
            text,
            "    {:.6e} keV followed: deposited {:.3} %, escaped {:.3} %, radiated {:.3} %",
            balance.emitted as f64 * ENTRY_KEV,
            share(balance.deposited),
            share(balance.escaped),
            share(balance.radiated)
        );
        let _infallible = match balance.estimated {
            0 => writeln!(text),
            estimated => writeln!(text, "; tallied along tracks {:.3} %", share(estimated)),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, dose_gy: f64, dose_se_gy: f64) -> RegionDose {
        RegionDose {
            label: 2,
            name: name.to_owned(),
            voxels: 5,
            volume_ml: 0.135,
            mass_g: 0.14175,
            decays: 2.5e12,
            dose_gy,
            dose_se_gy,
            dose_electron_gy: dose_gy * 0.95,
            dose_photon_gy: dose_gy * 0.05,
            gy_per_gbq: Some(dose_gy / 7.4),
            gy_per_gbq_se: Some(dose_se_gy / 7.4),
            min_gy: 0.0,
            d98_gy: 1.0,
            d90_gy: 1.5,
            d50_gy: 2.0,
            d2_gy: 3.0,
            max_gy: 4.0,
            total_rel_sigma: None,
            low95_gy: None,
            high95_gy: None,
            not_assessed: "calibration, outline".to_owned(),
            not_assessed_weighs: true,
            dosed_voxels: 5,
            negative_voxels: 0,
        }
    }

    #[test]
    fn cli_table_lines_up() {
        let text = region_lines(&[row("kidney", 4.987_654, 0.001_2), row("a_longer_name", 33.1, 0.25)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[2].contains("4.9877"), "{text}");
        assert!(lines[2].contains("0.0012"), "{text}");
        assert!(lines[3].contains("33.10"), "{text}");
        let width = |line: &str| line.chars().count();
        assert!(lines.iter().all(|line| width(line) == width(lines[0])), "{text}");
    }

    #[test]
    fn cli_table_drops_the_activity_column_without_activity() {
        let mut without = row("kidney", 5.0, 0.01);
        without.gy_per_gbq = None;
        assert!(!region_lines(&[without]).contains("Gy/GBq"));
    }

    /// The transport's error is called that; the total stands beside it where it is known, and what is not assessed is named.
    #[test]
    fn cli_table_says_whose_error_it_is() {
        let bare = [row("kidney", 5.0, 0.01)];
        assert!(region_lines(&bare).contains("± transport") && !region_lines(&bare).contains("total"));
        let said = uncertainty_lines(&bare);
        assert!(said.contains("transport only") && said.contains("no total is known"), "{said}");
        assert!(said.contains("not assessed of any region: calibration, outline"), "{said}");
        let mut known = row("tumour", 20.0, 0.1);
        (known.total_rel_sigma, known.low95_gy, known.high95_gy) = (Some(0.134), Some(15.4), Some(26.0));
        known.not_assessed = "registration".to_owned();
        let both = [bare[0].clone(), known];
        let table = region_lines(&both);
        assert!(table.contains("total %") && table.contains("≥ 13  15.4 to 26.0  "), "{table}");
        let said = uncertainty_lines(&both);
        assert!(said.contains("not assessed of tumour: registration\n") && said.contains("of kidney: calib"), "{said}");
    }

    /// No digit is lost of small numbers: 8e-9 is not 0.000000008 +- 0.000000000.
    #[test]
    fn law_small_numbers_keep_their_digits() {
        let text = region_lines(&[row("far", 8.123_456e-9, 1.234e-11), row("cold", 0.0, 0.0)]);
        assert!(text.contains("8.123e-9") && text.contains("0.012e-9"), "{text}");
        assert!(!text.contains("0.00000000"), "{text}");
        assert_eq!(with_error(-3.21e-7, 4.5e-7), ("-3.21e-7".into(), "4.50e-7".into()), "noise below 0");
        assert_eq!(with_error(0.012_345, 0.000_012), ("0.012345".into(), "0.000012".into()));
        assert_eq!(with_error(4.987_654, 1e-9), ("4.98765".into(), "1.0e-9".into()), "never an error of nothing");
        assert_eq!(significant(1.234e-12, 3), "1.23e-12");
        assert_eq!((significant(0.000_123_4, 3), significant(123_456.0, 3)), ("0.000123".into(), "123456".into()));
    }

    #[test]
    fn alarm_open_balance_is_shown() {
        let sound = EnergyBalance {
            pass: "electron".into(),
            emitted: 100,
            deposited: 92,
            escaped: 5,
            radiated: 3,
            estimated: 0,
        };
        assert!(balance_lines(std::slice::from_ref(&sound)).contains("[exact]"));
        let lost = EnergyBalance { deposited: 91, ..sound };
        assert!(!lost.is_exact());
        assert!(balance_lines(&[lost]).contains("[OFF BY 1]"));
    }
}
