//! Regions under other names. A name in the table of names is taken as the protocol's structure, with a note; a name close to a
//! missing structure is suggested.

use super::parts::Computed;
use crate::course::decision::{Gate, GateKind};
use crate::course::names::{near, standard};
use crate::course::protocol::Protocol;
use crate::note::Note;
use std::collections::BTreeSet;

/// Names of all regions of the cycles.
fn regions(computed: &[Computed]) -> BTreeSet<String> {
    computed.iter().flat_map(|one| one.regions.keys().chain(one.curves.iter().map(|c| &c.name))).cloned().collect()
}

/// Calls the regions that the table of names knows as a structure of the protocol by the structure's name, in every cycle that
/// has none of this name. Two regions that both may be meant keep their names: see [`missing`].
pub fn recognise(protocol: &Protocol, computed: &mut [Computed]) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    for structure in &protocol.organ.structures {
        let wanted = standard(structure).unwrap_or(structure);
        for one in computed.iter_mut() {
            let known: Vec<String> =
                one.regions.keys().filter(|name| standard(name) == Some(wanted)).cloned().collect();
            let [name] = known.as_slice() else { continue };
            if name == structure {
                continue;
            }
            rename(one, name, structure);
            let text = format!("the region {name} is taken as the protocol's {structure}, by the table of names");
            let note = Note::warning("name-recognised", text);
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    notes
}

fn rename(one: &mut Computed, from: &str, to: &str) {
    if let Some(region) = one.regions.remove(from) {
        one.regions.insert(to.to_owned(), region);
    }
    if let Some(half_life) = one.half_lives.remove(from) {
        one.half_lives.insert(to.to_owned(), half_life);
    }
    let names = one.map.iter_mut().flat_map(|map| map.names.values_mut());
    for name in names.chain(one.curves.iter_mut().map(|curve| &mut curve.name)).filter(|name| *name == from) {
        *name = to.to_owned();
    }
}

/// Structures of the protocol that no cycle has, each with what stands there in its place and the line that names it.
pub fn missing(protocol: &Protocol, computed: &[Computed]) -> Vec<Gate> {
    let found = regions(computed);
    if found.is_empty() {
        return Vec::new();
    }
    let lacking = protocol.organ.structures.iter().filter(|structure| !found.contains(*structure));
    let reason = |structure: &String| {
        let wanted = standard(structure).unwrap_or(structure);
        let meant: Vec<&str> = found.iter().filter(|name| standard(name) == Some(wanted)).map(String::as_str).collect();
        let others: Vec<&str> = found.iter().map(String::as_str).filter(|name| *name != "unlabelled").collect();
        let next = match (meant.as_slice(), near(structure, others.iter().copied())) {
            ([_, _, ..], _) => format!("{} may all be meant: keep one of them", meant.join(" and ")),
            (_, Some(other)) => format!("is {other} meant? Name its label {structure} in the file of label names"),
            _ => format!("name its label {structure} in the file of label names"),
        };
        format!(
            "no cycle has a region called {structure}, by which the {} are judged (found: {}); {next}, or override \
             `structure` if the patient has none",
            protocol.organ.name,
            others.join(", ")
        )
    };
    lacking.map(|structure| Gate::new(GateKind::Structure, reason(structure))).collect()
}
