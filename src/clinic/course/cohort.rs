//! A virtual cohort treated to the window of a protocol under several policies.

use crate::bed::LimitQuantity;
use crate::clinic::failure::{Failure, OrUserError, UserError};
use crate::course::cohort::{Cohort, CohortOutcome, Policy};
use crate::course::protocol::Protocol;
use crate::fault::Setting;

/// `patients` virtual patients, each policy in turn, treated to the first window of a built-in protocol.
///
/// Errors: a protocol that is not built in, or whose first step lacks a BED window with both edges.
pub fn cohort(protocol: &str, patients: u32, seed: u64) -> Result<(Cohort, Vec<CohortOutcome>), Failure> {
    let protocol = Protocol::built_in(protocol).or_user_error()?;
    let window = protocol.steps[0]
        .window
        .filter(|window| window.quantity == LimitQuantity::Bed && window.lower_gy.is_some())
        .ok_or_else(|| {
            UserError::invalid(
                Setting::Protocol,
                "",
                format!("{}, whose first step has no BED window", protocol.id),
                "iluminet, custom",
                "A cohort is sorted by a window with both edges.",
            )
        })?;
    let radiobiology = protocol.radiobiology().or_user_error()?;
    let cohort = Cohort { patients, seed, ..Cohort::default() };
    let outcomes = Policy::ALL
        .iter()
        .map(|&policy| cohort.treat(policy, &window, &radiobiology))
        .collect::<Result<Vec<_>, _>>()
        .or_user_error()?;
    Ok((cohort, outcomes))
}
