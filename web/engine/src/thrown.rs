//! What is said meanwhile, and what is thrown.

use js_sys::{Function, Reflect};
use lutra::clinic::failure::Failure;
use lutra::clinic::notes::{Listener, Note, Severity};
use lutra::fault::{Fault, Part, Setting, Words};
use std::ops::ControlFlow;
use wasm_bindgen::prelude::*;

/// The field of a request that sets what a message calls so; what no field sets has the library's name.
pub fn field(setting: Setting) -> &'static str {
    match setting {
        Setting::Ct => "ct",
        Setting::Activity => "activity",
        Setting::ActivityUnit => "activity_unit",
        Setting::AdministeredMbq => "administered_mbq",
        Setting::EffectiveHalfLife => "effective_half_life_h",
        Setting::HalfLife => "half_life_h",
        Setting::InjectionTime => "injection_time",
        Setting::TimeZone => "time_zone",
        Setting::DecayCorrection => "decay_correction",
        Setting::AssumeBqMl => "assume_bq_ml",
        Setting::Labels => "labels",
        Setting::TargetSigma => "target_sigma",
        Setting::TargetLabels => "target_labels",
        Setting::Histories => "histories",
        Setting::Seed => "seed",
        Setting::Grid => "grid",
        Setting::Nuclide => "nuclide",
        Setting::Protocol => "protocol",
        Setting::Dicom => "dicom",
        Setting::Engine => "engine",
        Setting::OutlineSharing => "outline_sharing",
        other => other.name(),
    }
}

/// The field that a fault is about, if it is about one.
fn field_of(fault: &Fault) -> Option<&'static str> {
    fault.place.as_ref()?.parts().iter().find_map(|part| match part {
        Part::Setting(setting) => Some(field(*setting)),
        Part::Text(_) => None,
    })
}

/// A sentence as the page shows it.
pub fn shown(words: &Words) -> String {
    words.shown(field)
}

/// A failure as an object: `kind` (`user` or `run`), `message`, `next`, and the `fault` with its parts.
pub fn thrown(failure: &Failure) -> JsValue {
    let told = match failure {
        Failure::User(fault) => serde_json::json!({
            "kind": "user", "message": shown(&fault.message()), "next": fault.next.as_ref().map(shown),
            "field": field_of(fault), "fault": fault,
        }),
        Failure::Run(fault) => serde_json::json!({ "kind": "run", "message": shown(fault.message()) }),
    };
    let error = js_sys::Error::new(told["message"].as_str().unwrap_or_default());
    let parts = js_sys::JSON::parse(&told.to_string()).unwrap_or(JsValue::NULL);
    // an error object takes any property
    let _set = Reflect::set(&error, &"lutra".into(), &parts);
    error.into()
}

/// Hands what is heard to a function of JavaScript, `(fraction, sigma or null, what, note or null) => go on`.
pub struct Heard<'a> {
    to: &'a Function,
    notes: Vec<String>,
}

impl<'a> Heard<'a> {
    /// To this function.
    pub fn new(to: &'a Function) -> Self {
        Self { to, notes: Vec::new() }
    }

    /// The sentences that were said.
    pub fn notes(self) -> Vec<String> {
        self.notes
    }

    fn tell(&self, of: [JsValue; 4]) -> bool {
        let of: js_sys::Array = of.into_iter().collect();
        // a function that throws ends the run
        self.to.apply(&JsValue::NULL, &of).is_ok_and(|answer| answer.as_bool() != Some(false))
    }
}

impl Listener for Heard<'_> {
    fn note(&mut self, note: Note) {
        let sentence = shown(&note.sentence());
        let weight = if note.severity == Severity::Warning { "warning" } else { "info" };
        self.tell([JsValue::NULL, JsValue::NULL, weight.into(), sentence.as_str().into()]);
        self.notes.push(sentence);
    }

    fn progress(&mut self, done: f64, sigma_rel: Option<f64>, what: &str) -> ControlFlow<()> {
        let sigma = sigma_rel.map_or(JsValue::NULL, JsValue::from_f64);
        match self.tell([done.into(), sigma, what.into(), JsValue::NULL]) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    }

    fn progress_ended(&mut self) {}
}
