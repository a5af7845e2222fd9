//! Reasons to hold that only the computed cycles show: a refused fit of the dose-limiting organ, a nuclide that is not that of
//! the images, times and half-lives that contradict the curve.

use super::parts::Computed;
use crate::course::decision::{Gate, GateKind};
use crate::course::protocol::Protocol;
use crate::course::time_activity::FitFlag;
use crate::note::Note;

/// The gate that a note closes; none for notes that only tell.
fn gate_of(note: &Note) -> Option<GateKind> {
    match note.code.as_ref() {
        "nuclide-stated" | "energy-window-other-nuclide" => Some(GateKind::Nuclide),
        "header-contradicts" => Some(GateKind::Header),
        "sides-exchanged" => Some(GateKind::Sides),
        "total-rises" | "times-in-days" | "half-life-in-days" => Some(GateKind::Times),
        _ => None,
    }
}

/// Reasons to hold that the cycles give, in the order of the cycles; `doubts` are those of the course's own file.
pub fn gates(protocol: &Protocol, doubts: &[Note], computed: &[Computed]) -> Vec<Gate> {
    let organ = &protocol.organ.structures;
    let mut gates: Vec<Gate> = Vec::new();
    let mut add = |gate: Gate| {
        if !gates.contains(&gate) {
            gates.push(gate);
        }
    };
    for (number, one) in (1..).zip(computed) {
        for curve in one.curves.iter().filter(|curve| organ.contains(&curve.name)) {
            let reason = match &curve.integral {
                None => Some("no image shows activity above 0".to_owned()),
                Some(integral) => integral.flags.iter().find_map(|flag| match flag {
                    FitFlag::FellBack { reason } => Some(reason.clone()),
                    _ => None,
                }),
            };
            if let Some(reason) = reason {
                add(Gate::new(
                    GateKind::Fit,
                    format!("cycle {number}: the fit of {} is refused: {reason}", curve.name),
                ));
            }
        }
        for note in &one.warnings {
            if let Some(kind) = gate_of(note) {
                add(Gate::new(kind, format!("cycle {number}: {note}")));
            }
        }
    }
    for note in doubts {
        if let Some(kind) = gate_of(note) {
            add(Gate::new(kind, note.to_string()));
        }
    }
    gates
}
