//! Priors of kinetics: built in by name, or from a file.

use super::failure::{OrUserError, UserError};
use super::files::{beside, read_text};
use super::images::read;
use crate::course::series::Series;
use crate::course::tia::Method;
use crate::decay::Nuclide;
use crate::kinetics::{BUILT_IN, Prior};
use crate::note::Note;
use crate::place::Place;
use crate::report::run_record::InputFile;
use std::sync::Arc;

/// Physical half-life of a nuclide by name, h.
pub fn physical_half_life_h(nuclide: &str) -> Option<f64> {
    Nuclide::load(nuclide).ok().map(|nuclide| nuclide.half_life_h)
}

/// A prior by its name, or from the file of this name beside `from`; the file is put among the `inputs`.
///
/// Errors: no built-in prior and no file of this name; a file that is no prior.
pub fn open(from: &Place, name: &str, inputs: &mut Vec<InputFile>) -> Result<Prior, UserError> {
    if let Some((name, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
        return Prior::parse(text, name, physical_half_life_h).or_user_error();
    }
    let file = beside(from, name);
    if !file.is_file() {
        let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        let allowed = format!("{}, or a file", names.join(", "));
        let found = format!("\"{name}\"");
        return Err(UserError::invalid(from, "prior", found, allowed, "See docs/methods/kinetics.md."));
    }
    inputs.push(read("prior", &file)?);
    Prior::parse(&read_text(&file)?, &file.display().to_string(), physical_half_life_h).or_user_error()
}

/// Reads the priors that the methods of a series name, and tells where they are for something else.
pub(super) fn read_all(
    from: &Place,
    series: &mut Series,
    nuclide: &str,
    inputs: &mut Vec<InputFile>,
    warnings: &mut Vec<Note>,
) -> Result<(), UserError> {
    let Series { default_method, regions, pharmaceutical, .. } = series;
    let mut known: Vec<(String, Arc<Prior>)> = Vec::new();
    for method in std::iter::once(default_method).chain(regions.iter_mut().map(|region| &mut region.method)) {
        let Method::Kinetics { prior, read } = method else { continue };
        let opened = match known.iter().find(|(name, _)| name == prior) {
            Some((_, opened)) => opened.clone(),
            None => {
                let opened = Arc::new(open(from, prior, inputs)?);
                warnings.extend(opened.notes(nuclide, pharmaceutical.as_deref()));
                known.push((prior.clone(), opened.clone()));
                opened
            }
        };
        *read = Some(opened);
    }
    Ok(())
}
