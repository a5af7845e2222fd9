//! Errors and notes of the library as Python's: parts and sentences, in which a setting is an argument.

use lutra::clinic::failure::{Failure, UserError};
use lutra::fault::{FaultKind, Setting, Words};
use lutra::note::{Note, Severity};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The argument that sets it.
pub fn argument(setting: Setting) -> &'static str {
    match setting {
        Setting::Output => "folder",
        Setting::Force => "force",
        Setting::Config => "config",
        Setting::Ct => "ct",
        Setting::Activity => "activity",
        Setting::ActivityUnit => "activity_unit",
        Setting::AdministeredMbq => "administered_mbq",
        Setting::EffectiveHalfLife => "effective_half_life_h",
        Setting::Labels => "labels",
        Setting::TargetSigma => "target_sigma",
        Setting::TargetLabels => "target_labels",
        Setting::JudgeLabels => "judge_labels",
        Setting::SourceLabel => "source_labels",
        Setting::Grid => "grid",
        Setting::InjectionTime => "injection_time",
        Setting::DecayCorrection => "decay_correction",
        Setting::AssumeBqMl => "assume_bq_ml",
        Setting::HalfLife => "half_life_h",
        Setting::Protocol => "protocol",
        Setting::Cache => "cache",
        Setting::Dicom => "dicom",
        Setting::Engine => "engine",
        Setting::Threads => "threads",
        Setting::Nuclide => "nuclide",
        Setting::TimeZone => "time_zone",
        Setting::Density => "density",
        Setting::Histories => "histories",
        Setting::Seed => "seed",
        Setting::Scene => "scene",
        Setting::Trace => "trace",
        Setting::Resume => "resume",
        Setting::Checkpoint => "checkpoint",
        Setting::Shard => "shard",
        Setting::Budget => "budget",
        Setting::DvhBands => "dvh_bands",
        Setting::AllowMissing => "allow_missing",
        Setting::ForceKernel => "force_kernel",
        Setting::KernelNuclide => "kernel_nuclide",
        Setting::KernelVoxel => "kernel_voxel_mm",
        Setting::KernelUnit => "kernel_unit",
        Setting::OutlineSharing => "outline_sharing",
        Setting::Metric => "metric",
    }
}

/// Words with an argument for each setting.
pub fn said(words: &Words) -> String {
    words.shown(argument)
}

fn kind(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Invalid => "invalid",
        FaultKind::Missing => "missing",
        FaultKind::Unknown => "unknown",
        FaultKind::Mismatch => "mismatch",
        FaultKind::Unreadable => "unreadable",
        FaultKind::Unwritable => "unwritable",
        FaultKind::Syntax => "syntax",
        FaultKind::Damaged => "damaged",
        FaultKind::TooLarge => "too_large",
        FaultKind::Occupied => "occupied",
        FaultKind::Device => "device",
        _ => "program",
    }
}

/// A failure as the exception of its kind.
pub fn raised(py: Python<'_>, failure: &Failure) -> PyErr {
    match failure {
        Failure::User(fault) => of_fault(py, fault),
        Failure::Run(fault) => {
            let parts = PyDict::new(py);
            made(py, "run", &said(fault.message()), &parts)
        }
    }
}

/// A fault as the exception of its kind.
pub fn of_fault(py: Python<'_>, fault: &UserError) -> PyErr {
    let parts = PyDict::new(py);
    for (name, part) in [
        ("file", &fault.file),
        ("place", &fault.place),
        ("field", &fault.field),
        ("found", &fault.found),
        ("allowed", &fault.allowed),
        ("next", &fault.next),
    ] {
        if let Err(error) = parts.set_item(name, part.as_ref().map(said)) {
            return error;
        }
    }
    made(py, kind(fault.kind), &said(&fault.sentence()), &parts)
}

fn made(py: Python<'_>, kind: &str, sentence: &str, parts: &Bound<'_, PyDict>) -> PyErr {
    let make = || py.import("lutra._errors")?.getattr("fault")?.call((kind, sentence), Some(parts));
    match make() {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => {
            let failed = PyRuntimeError::new_err(sentence.to_owned());
            failed.set_cause(py, Some(error));
            failed
        }
    }
}

/// A note as (code, severity, place, text).
pub fn note(note: &Note) -> (String, &'static str, Option<String>, String) {
    let severity = match note.severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
    };
    (note.code.to_string(), severity, note.place.as_ref().map(said), said(&note.text))
}

/// Notes as tuples.
pub fn notes<'a>(notes: impl IntoIterator<Item = &'a Note>) -> Vec<(String, &'static str, Option<String>, String)> {
    notes.into_iter().map(note).collect()
}
