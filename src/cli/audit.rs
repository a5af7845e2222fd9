//! `lutra audit`: transport once, and every shortcut beside it.

use super::progress::{Terminal, invocation};
use super::show;
use crate::clinic::audit::{self, audit_into};
use crate::clinic::failure::Failure;
use crate::clinic::request::AuditRequest;
use crate::clinic::{guard, transport};
use crate::svalues::audit::{Audit, AuditRow};
use crate::units::rounded;

/// Runs `lutra audit`.
pub(super) fn run(request: &AuditRequest) -> Result<(), Failure> {
    let invocation = invocation();
    let names = [&guard::dose_names(request.dose.dicom)[..], &audit::FILE_NAMES].concat();
    let (out, force, run) = (&request.dose.out, request.dose.force, &request.dose.run);
    let folder = guard::folder_of_run(out, force, run, &guard::of_audit(request), &names)?;
    let done = audit_into(request, folder, &invocation, &lines, &mut Terminal::default())?;
    show::dose(&done.case, &done.computed, &done.written)?;
    transport::end(done.computed);
    Ok(())
}

/// The audit table for the terminal.
fn lines(audit: &Audit, tolerance_rel: f64) -> String {
    let mut text = format!("\naudit, tolerance {} %\n", 100.0 * tolerance_rel);
    let width = audit.rows.iter().map(|r| r.method.chars().count()).max().unwrap_or(8);
    let mut region: Option<u16> = None;
    for row in &audit.rows {
        if region != Some(row.label) {
            region = Some(row.label);
            let noise = row
                .noise_p95_percent
                .map_or_else(String::new, |n| format!("; noise of its voxels alone: 95 % within {n:.1} %"));
            text.push_str(&format!(
                "\n{} {}: transport {} Gy{noise}\n",
                row.label,
                row.region,
                rounded(row.transport_gy, 4)
            ));
            text.push_str(&format!(
                "  {:<width$}  {:>10} {:>8} {:>6}  {:<9} {:>8} {:>8} {:>6} {:>6}  cause\n",
                "method", "dose Gy", "ratio", "+- %", "verdict", "median %", "p95 %", "g 2/1", "g 3/3"
            ));
        }
        text.push_str(&line(row, width));
    }
    for kernel in &audit.kernels {
        text.push_str(&format!("\nkernel {}: {}\n", kernel.kernel, kernel.findings.join("; ")));
    }
    text
}

fn line(row: &AuditRow, width: usize) -> String {
    let number =
        |value: Option<f64>, decimals: usize| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.decimals$}"));
    let share = |value: Option<f64>| number(value.map(|v| 100.0 * v), 1);
    format!(
        "  {:<width$}  {:>10} {:>8} {:>6}  {:<9} {:>8} {:>8} {:>6} {:>6}  {}\n",
        row.method,
        rounded(row.dose_gy, 4),
        rounded(row.ratio, 4),
        rounded(100.0 * row.ratio_se, 2),
        row.verdict.name(),
        number(row.median_percent, 2),
        number(row.p95_percent, 1),
        share(row.gamma_2mm_1percent),
        share(row.gamma_3mm_3percent),
        row.cause
    )
}
