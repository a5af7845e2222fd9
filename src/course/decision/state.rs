//! The states and their order: docs/methods/course.md, section 2.

use super::{ConflictOption, DecisionInput, State};
use crate::bed::{DoseWindow, LimitQuantity, Radiobiology, Window};
use crate::course::protocol::{ActivityRule, ConflictPolicy};
use crate::units::rounded;

/// The activity, GBq, and dose, Gy, that lead from `sum_gy` exactly to `target_gy` of BED:
///   D = [-1 + sqrt(1 + 4 g (T - B))] / (2 g), g = G/(alpha/beta); A = D/(Gy/GBq)
///                                                                     [methods/course.md eq. 3]
pub fn reduced_activity(
    radiobiology: &Radiobiology,
    g: f64,
    bed_so_far_gy: f64,
    target_bed_gy: f64,
    gy_per_gbq: f64,
) -> (f64, f64) {
    let dose_gy = radiobiology.dose_for_bed_gy((target_bed_gy - bed_so_far_gy).max(0.0), g);
    (dose_gy / gy_per_gbq, dose_gy)
}

/// The activity, GBq, that spreads what is left of an absorbed-dose target over the cycles left:
/// A = f (D_target - Sum D)/(n_left d), not capped.                      [methods/course.md eq. 4]
pub fn spread_activity_gbq(
    target_dose_gy: f64,
    dose_so_far_gy: f64,
    cycles_left: u32,
    gy_per_gbq: f64,
    reduction_factor: f64,
) -> f64 {
    reduction_factor * (target_dose_gy - dose_so_far_gy).max(0.0) / (f64::from(cycles_left) * gy_per_gbq)
}

/// The quantity that governs a step.
pub(super) fn step_quantity(window: Option<&DoseWindow>) -> LimitQuantity {
    window.map_or(LimitQuantity::Bed, |w| w.quantity)
}

/// Input of the state machine.
pub(super) struct Situation<'a> {
    pub(super) input: &'a DecisionInput<'a>,
    pub(super) window: Option<&'a DoseWindow>,
    pub(super) last_cycle: Option<u32>,
    pub(super) total_gy: f64,
    pub(super) next_value_gy: f64,
    pub(super) gy_per_gbq: f64,
    pub(super) g: f64,
    pub(super) radiobiology: Radiobiology,
    pub(super) complete: &'a dyn Fn(String) -> State,
}

/// Rules 2 to 4 of the state machine, after stop and hold.
pub(super) fn next_state(s: &Situation<'_>) -> State {
    let protocol = s.input.protocol;
    let given = s.input.cycles.len();
    if let Some(window) = s.window {
        let lies = window.classify(s.total_gy);
        if lies != Window::Below || (window.lower_gy.is_none() && s.total_gy >= window.upper_gy) {
            return (s.complete)(format!("{} Gy lies {}", rounded(s.total_gy, 4), lies.word()));
        }
    }
    if let Some(last) = s.last_cycle
        && given >= last as usize
    {
        return (s.complete)(format!("{given} of {last} cycles given"));
    }
    if given >= protocol.max_cycles as usize {
        return (s.complete)(format!("{given} cycles given, the protocol's most"));
    }
    let Some(window) = s.window else {
        return State::Continue {
            activity_gbq: protocol.activity.standard_gbq,
            predicted_cumulative_gy: None,
            predicted_lies: None,
        };
    };
    if let ActivityRule::SpreadTarget { cycles } = protocol.activity.rule {
        let left = cycles.saturating_sub(u32::try_from(given).unwrap_or(u32::MAX)).max(1);
        let activity_gbq =
            spread_activity_gbq(window.target_gy, s.total_gy, left, s.gy_per_gbq, s.input.reduction_factor)
                .min(protocol.activity.max_gbq);
        let after = s.total_gy + value_of_dose(s, activity_gbq * s.gy_per_gbq);
        return State::Continue {
            activity_gbq,
            predicted_cumulative_gy: Some(after),
            predicted_lies: Some(window.classify(after)),
        };
    }
    let after = s.total_gy + s.next_value_gy;
    if after <= window.upper_gy {
        return State::Continue {
            activity_gbq: protocol.activity.standard_gbq,
            predicted_cumulative_gy: Some(after),
            predicted_lies: Some(window.classify(after)),
        };
    }
    conflict(s, window, after)
}

/// The step's quantity of a dose.
fn value_of_dose(s: &Situation<'_>, dose_gy: f64) -> f64 {
    match step_quantity(s.window) {
        LimitQuantity::Bed => s.radiobiology.bed_gy(dose_gy, s.g),
        LimitQuantity::AbsorbedDose => dose_gy,
    }
}

/// The three options.
fn conflict(s: &Situation<'_>, window: &DoseWindow, after_gy: f64) -> State {
    let protocol = s.input.protocol;
    let (reduced_gbq, reduced_gy) = match window.quantity {
        LimitQuantity::Bed => reduced_activity(&s.radiobiology, s.g, s.total_gy, window.target_gy, s.gy_per_gbq),
        LimitQuantity::AbsorbedDose => {
            let dose = (window.target_gy - s.total_gy).max(0.0);
            (dose / s.gy_per_gbq, dose)
        }
    };
    let reduced_total = s.total_gy + value_of_dose(s, reduced_gy);
    let option = |option, activity_gbq, next_dose_gy, cumulative_gy, note: String| ConflictOption {
        option,
        activity_gbq,
        next_dose_gy,
        cumulative_gy,
        lies: window.classify(cumulative_gy),
        note,
    };
    let small = if reduced_gbq < protocol.activity.min_gbq {
        format!("; below the protocol's least activity of {} GBq", protocol.activity.min_gbq)
    } else {
        String::new()
    };
    State::Conflict {
        options: vec![
            option("stop-below", 0.0, 0.0, s.total_gy, "no further cycle in this step".to_owned()),
            option(
                "reduced-activity",
                reduced_gbq,
                reduced_gy,
                reduced_total,
                format!("reaches the target of {} Gy{small}", window.target_gy),
            ),
            option(
                "accept-overshoot",
                protocol.activity.standard_gbq,
                s.gy_per_gbq * protocol.activity.standard_gbq,
                after_gy,
                format!(
                    "passes the upper edge of {} Gy by {} Gy",
                    window.upper_gy,
                    rounded(after_gy - window.upper_gy, 3)
                ),
            ),
        ],
        by_policy: match protocol.conflict_policy {
            ConflictPolicy::Ask => None,
            ConflictPolicy::StopBelow => Some("stop-below"),
            ConflictPolicy::ReducedActivity => Some("reduced-activity"),
            ConflictPolicy::AcceptOvershoot => Some("accept-overshoot"),
        },
    }
}
