//! What the terminal says of a dose: its table, its balance, its warnings, where it is.

use super::options::said;
use super::printer;
use super::progress::duration;
use crate::clinic::case::{Case, Computed};
use crate::clinic::dose::{self, balances};
use crate::clinic::failure::Failure;
use crate::clinic::output::Written;
use crate::dose::regions::RegionDose;
use crate::report::table::{balance_lines, region_lines, uncertainty_lines};
use std::time::Duration;

/// Says what was computed and written.
pub(super) fn dose(case: &Case, computed: &Computed, written: &Written) -> Result<(), Failure> {
    printer::record_file(&written.place.join("run.json"))?;
    printer::data(&region_lines(&written.rows));
    printer::data(&uncertainty_lines(&written.rows));
    printer::data(&format!("\n{}", balance_lines(&balances(computed))));
    printer::data(&written.text);
    warnings(case, computed, &written.rows);
    let about = format!(
        "{} electron and {} photon histories in {} on {}",
        computed.electron.histories,
        computed.photon.histories,
        duration(Duration::from_secs_f64(computed.wall_seconds)),
        computed.device.name
    );
    printer::results(&about, &written.place);
    Ok(())
}

/// Says the warnings of a run.
pub(super) fn warnings(case: &Case, computed: &Computed, rows: &[RegionDose]) {
    for warning in dose::warnings(case, computed, rows) {
        printer::warning(&said(&warning.sentence()));
    }
}
