//! From images over time to decays, and from cycles to a verdict.
//!
//! One cycle: activities at several times after injection become time-integrated activity
//! (`time_activity`, `single_time_point`, `hybrid`). A course: doses of all cycles, treatments
//! before them (`ledger`), a protocol (`protocol`) and facts about the patient (`rules`) become
//! cumulative dose and BED with uncertainty (`uncertainty`), a prediction of the next cycle
//! (`predict`) and a verdict (`decision`). This module knows neither files nor engines: maps come in as volumes, doses
//! through a function.

pub mod accumulate;
pub mod cohort;
pub mod decision;
pub mod file;
mod fit;
pub mod frame;
pub mod further;
pub mod hybrid;
pub mod input;
mod integral;
pub mod ledger;
pub mod names;
mod place;
mod population;
pub mod predict;
pub mod protocol;
pub mod registration;
mod residuals;
pub mod rules;
mod search;
pub mod series;
pub mod single_time_point;
pub mod tia;
pub mod time_activity;
pub mod total_budget;
pub mod uncertainty;
pub mod words;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_course;
#[cfg(test)]
mod tests_fit;
#[cfg(test)]
mod tests_population;
#[cfg(test)]
mod tests_series;
