//! The audit's section of the report: every shortcut compared with transport, by region.

use crate::dose::regions::RegionDose;
use crate::report::page::number::{name, percent, significant};
use crate::report::page::{Banner, Block, Cell, Section, Table, Tone, number_or_unknown};
use crate::svalues::audit::{Audit, AuditRow};
use crate::svalues::compare::Agreement;

/// The section.
pub fn section(audit: &Audit, rows: &[RegionDose], tolerance_rel: f64) -> Section {
    let outside = audit.rows.iter().filter(|row| row.verdict == Agreement::Outside).count();
    let mut blocks = vec![
        Block::Text(format!(
            "Each shortcut computes the same decays in the same matter; transport is the reference. Tolerance: {} % of a \
             region’s mean dose. Of {} results {} lie outside it by more than two standard errors.",
            percent(tolerance_rel, 1),
            audit.rows.len(),
            outside
        )),
        Block::Table(summary(audit)),
        Block::Text(
            "The differences by voxel are layers of the slices below; red is above the transport, blue below, and nothing \
             is drawn where the transport’s own error is above 10 % or the dose below 1 % of the highest."
                .into(),
        ),
    ];
    for region in rows {
        let of: Vec<&AuditRow> = audit.rows.iter().filter(|row| row.label == region.label).collect();
        if of.is_empty() {
            continue;
        }
        blocks.push(Block::Folded {
            summary: format!("{}: transport {} Gy", name(&region.name), significant(region.dose_gy, 4)),
            blocks: vec![Block::Table(table(&of, &name(&region.name)))],
        });
    }
    for kernel in &audit.kernels {
        blocks.push(Block::Text(format!("Kernel {}: {}.", kernel.kernel, kernel.findings.join("; "))));
    }
    blocks.push(Block::Heading("What each shortcut is".into()));
    blocks.push(Block::Terms(audit.methods.iter().map(|m| (name(&m.name), m.description.clone())).collect()));
    Section::new("audit", "Shortcuts beside transport", "Audit", blocks)
}

/// The banner: which shortcuts are adequate, and where the worst one fails.
pub fn banner(audit: &Audit, tolerance_rel: f64) -> Banner {
    let outside = audit.rows.iter().filter(|row| row.verdict == Agreement::Outside).count();
    let limit = percent(tolerance_rel, 1);
    let off = |row: &AuditRow| (row.ratio - 1.0).abs();
    let within = |method: &str| {
        let of = audit.rows.iter().filter(|row| row.method == method);
        of.fold((0, 0), |(good, all), row| (good + usize::from(row.verdict == Agreement::Within), all + 1))
    };
    let best = audit.methods.iter().map(|m| (within(&m.name), &m.name)).rev().max_by_key(|((good, _), _)| *good);
    let mut lines = Vec::new();
    if let Some(((good, all), method)) = best {
        lines.push(format!("Closest: {}, within {limit} % in {good} of {all} regions.", name(method)));
    }
    if let Some(worst) = audit.rows.iter().max_by(|a, b| off(a).total_cmp(&off(b))) {
        let (method, region) = (name(&worst.method), name(&worst.region));
        lines.push(format!(
            "Furthest: {method} in {region}, {} %: {}.",
            signed(100.0 * (worst.ratio - 1.0)),
            worst.cause
        ));
    }
    lines.push("The doses of the transport are the reference. No limits were checked.".into());
    Banner {
        tone: if outside == 0 { Tone::Good } else { Tone::Attention },
        heading: match outside {
            0 => format!("No shortcut is shown to be off by more than {limit} %"),
            _ => format!("{outside} of {} shortcut doses are off by more than {limit} %", audit.rows.len()),
        },
        lines,
    }
}

/// One row per shortcut: number of regions where it is adequate, and where it is worst.
fn summary(audit: &Audit) -> Table {
    let rows = audit
        .methods
        .iter()
        .filter_map(|method| {
            let of: Vec<&AuditRow> = audit.rows.iter().filter(|row| row.method == method.name).collect();
            let worst = of.iter().max_by(|a, b| (a.ratio - 1.0).abs().total_cmp(&(b.ratio - 1.0).abs()))?;
            let within = of.iter().filter(|row| row.verdict == Agreement::Within).count();
            let undecided = of.iter().filter(|row| row.verdict == Agreement::Undecided).count();
            Some(vec![
                Cell::Text(name(&method.name)),
                Cell::Number(format!("{within} of {}", of.len())),
                Cell::Number(undecided.to_string()),
                Cell::Number(signed(100.0 * (worst.ratio - 1.0))),
                Cell::Text(format!("{}: {}", name(&worst.region), worst.cause)),
            ])
        })
        .collect();
    Table::new(
        "Shortcuts; regions within the tolerance, regions where the statistics do not tell, and the largest deviation",
        &["Shortcut", "Within", "Undecided", "Worst|%", "Where and why"],
        rows,
    )
}

fn signed(value: f64) -> String {
    format!("{value:+.1}").replace('-', "−")
}

/// Every shortcut of one region.
fn table(of: &[&AuditRow], region: &str) -> Table {
    let rows = of
        .iter()
        .map(|row| {
            let (tone, word) = match row.verdict {
                Agreement::Within => (Tone::Good, "within"),
                Agreement::Outside => (Tone::Stop, "outside"),
                Agreement::Undecided => (Tone::Attention, "undecided"),
            };
            vec![
                Cell::Text(name(&row.method)),
                Cell::Number(significant(row.dose_gy, 4)),
                Cell::Number(format!("{:.4} ± {:.4}", row.ratio, row.ratio_se)),
                Cell::Mark(tone, word.into()),
                number_or_unknown(row.median_percent.map(signed)),
                number_or_unknown(row.p95_percent.map(|p| format!("{p:.1}"))),
                number_or_unknown(row.gamma_3mm_3percent.map(|share| percent(share, 1))),
                Cell::Text(row.cause.clone()),
            ]
        })
        .collect();
    Table::new(
        &format!("Shortcuts in {region}"),
        &["Shortcut", "Dose|Gy", "Ratio ± SE", "Verdict", "Median|%", "95 % within|%", "Gamma 3 mm/3 %|%", "Why"],
        rows,
    )
}
