//! Step lengths halved and doubled: the effect of the electron step length on the results.

use super::bench::{ValidationError, Workbench};
use super::r4_slabs::{self, SlabSource};
use super::verdict::{Comparison, Judged, Row, Value};
use super::{r1_point, r5_interface};

/// Quantities of R1, R4 and R5 with the bench's settings: problem, quantity, unit, value.
fn quantities(
    bench: &mut Workbench,
    histories: u64,
) -> Result<Vec<(String, String, &'static str, Value)>, ValidationError> {
    let parts = [
        r1_point::beta(bench, histories)?,
        r4_slabs::run(bench, SlabSource::Lung, 6 * histories, false)?,
        r5_interface::run(bench, 8 * histories, false)?,
    ];
    let rows = parts.into_iter().flat_map(|part| part.rows);
    // the worst of a group may be another member in another run
    let single = rows.filter(|row| row.judged == Judged::Relative && !row.quantity.contains("worst"));
    Ok(single.map(|row| (row.problem, row.quantity, row.unit, row.lutra)).collect())
}

/// Both step limits times 0.5 and times 2, against the default; 0.3 % is allowed.
pub fn run(bench: &mut Workbench, histories: u64) -> Result<Comparison, ValidationError> {
    let usual = bench.settings;
    let base = quantities(bench, histories)?;
    let mut comparison = Comparison::default();
    for (name, factor) in [("halved", 0.5), ("doubled", 2.0)] {
        bench.settings.step_scattering = factor * usual.step_scattering;
        bench.settings.step_loss = factor * usual.step_loss;
        let changed = quantities(bench, histories);
        bench.settings = usual;
        for ((problem, quantity, unit, before), (.., after)) in base.iter().zip(changed?) {
            comparison.rows.push(Row::judge(
                &format!("steps {name}"),
                format!("{problem}, {quantity}"),
                unit,
                after,
                *before,
                Judged::Relative,
                0.003,
            ));
        }
    }
    Ok(comparison)
}
