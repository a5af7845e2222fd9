//! `lutra svalue`: S values from source regions to every region of a labelled scene.

use super::failure::OrUserError;
use super::options::said;
use super::printer;
use super::progress::Terminal;
use crate::clinic::failure::Failure;
use crate::clinic::guard;
use crate::clinic::request::SvalueRequest;
use crate::clinic::svalue::{csv, svalues};
use crate::io::atomic::OutputFiles;

/// Runs `lutra svalue`.
pub(super) fn run(request: &SvalueRequest) -> Result<(), Failure> {
    let (out, force) = (&request.dose.out, request.dose.force);
    let claimed = OutputFiles::claim(&[out], force, &guard::of_svalue(request)).or_user_error()?;
    let result = svalues(request, &mut Terminal::default())?;
    let seed = request.dose.run.seed;
    let text = csv(&result.rows, seed);
    claimed.write(out, |to| to.write_all(text.as_bytes())).or_user_error()?;
    printer::record(&serde_json::json!({ "seed": seed, "s_values": result.rows }))?;
    let width = result.names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("source".len());
    let mut table =
        format!("{:<width$} {:<width$} {:>14} {:>8} {:>12}\n", "source", "target", "mGy/(MBq s)", "+- %", "mass g");
    for row in &result.rows {
        table.push_str(&format!(
            "{:<width$} {:<width$} {:>14.5e} {:>8.2} {:>12.3}\n",
            row.source,
            row.target,
            row.s_mgy_per_mbq_s,
            100.0 * row.sigma_rel,
            row.target_mass_g
        ));
    }
    printer::data(&table);
    for warning in &result.warnings {
        printer::warning(&said(&warning.sentence()));
    }
    printer::results("", &request.dose.out);
    Ok(())
}
