//! Progress of a run on standard error: a bar on a terminal, a line now and then elsewhere, nothing with `--quiet`.

use super::options::said;
use super::printer;
use crate::clinic::invocation::Invocation;
use crate::clinic::notes::{Listener, Note, Severity};
use crate::transport::run::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Steps of the bar.
const STEPS: u64 = 1000;
/// Shortest time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(15);
/// Environment variable that sets another time between two lines, s.
const LINE_VARIABLE: &str = "LUTRA_PROGRESS_SECONDS";

/// A progress bar that shows the uncertainty reached and the time left.
pub struct Bar {
    bar: Option<ProgressBar>,
    began: Instant,
    last_line: Instant,
    line_every: Duration,
}

impl Bar {
    /// A bar at its start.
    pub fn new() -> Self {
        let bar = (std::io::stderr().is_terminal() && !printer::is_quiet()).then(|| {
            let style = ProgressStyle::with_template("{prefix} [{bar:28}] {percent:>3} %  {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> ");
            ProgressBar::new(STEPS).with_style(style).with_prefix("transport")
        });
        let now = Instant::now();
        Self { bar, began: now, last_line: now, line_every: line_every(std::env::var(LINE_VARIABLE).ok().as_deref()) }
    }

    /// Shows how far the run is: the share done from 0 to 1, the relative standard error reached if it is known, and
    /// what is being done.
    pub fn show(&mut self, fraction_done: f64, sigma_reached: Option<f64>, message: &str) {
        let fraction = fraction_done.clamp(0.0, 1.0);
        let text = status(fraction, sigma_reached, self.began.elapsed());
        if let Some(bar) = &self.bar {
            bar.set_position((fraction * STEPS as f64) as u64);
            bar.set_prefix(message.to_owned());
            bar.set_message(text);
        } else if self.last_line.elapsed() >= self.line_every {
            self.last_line = Instant::now();
            printer::note(&format!("{message}: {:.0} %  {text}", 100.0 * fraction));
        }
    }

    /// A warning in a line of its own, above the bar.
    pub fn say(&self, note: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| printer::warning(note)),
            None => printer::warning(note),
        }
    }

    /// Takes the bar away.
    pub fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Default for Bar {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress for Bar {
    fn update(&mut self, fraction_done: f64, sigma_rel: Option<f64>, message: &str) -> ControlFlow<()> {
        self.show(fraction_done, sigma_rel, message);
        ControlFlow::Continue(())
    }

    fn note(&mut self, note: &Note) {
        self.say(&said(&note.sentence()));
    }
}

/// Hears a request for the terminal.
#[derive(Default)]
pub struct Terminal {
    bar: Option<Bar>,
}

impl Listener for Terminal {
    fn note(&mut self, note: Note) {
        let text = said(&note.sentence());
        match note.severity {
            Severity::Info => printer::note(&text),
            Severity::Warning => match &self.bar {
                Some(bar) => bar.say(&text),
                None => printer::warning(&text),
            },
        }
    }

    fn progress(&mut self, fraction_done: f64, sigma_rel: Option<f64>, what: &str) -> ControlFlow<()> {
        self.bar.get_or_insert_with(Bar::new).show(fraction_done, sigma_rel, what);
        ControlFlow::Continue(())
    }

    fn progress_ended(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish();
        }
    }
}

/// The command line of this process, now.
pub fn invocation() -> Invocation {
    let command = recorded_command(std::env::args_os().map(|word| word.to_string_lossy().into_owned()));
    let mut invocation = Invocation::now(command);
    invocation.patient_label = PATIENT.get().cloned();
    invocation
}

/// The words that `--patient-label` gives.
static PATIENT: OnceLock<String> = OnceLock::new();

/// Keeps the words of `--patient-label` for this run's pages, pictures and records.
pub(super) fn about(label: Option<String>) {
    if let Some(label) = label {
        let _first = PATIENT.set(label);
    }
}

/// Options whose value is a date, which identifies.
const DATED: &str = "--injection-time";

/// A command line as it is recorded: as given, without dates of the patient.
fn recorded_command(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut dated = false;
    words
        .map(|word| {
            let value_follows = word == DATED;
            match word.split_once('=') {
                _ if std::mem::replace(&mut dated, value_follows) => "(not recorded)".to_owned(),
                Some((DATED, _)) => format!("{DATED}=(not recorded)"),
                _ => word,
            }
        })
        .collect()
}

/// Time between two lines: what the variable holds, or the usual one where that is no number of seconds.
fn line_every(variable: Option<&str>) -> Duration {
    let seconds = variable.and_then(|text| text.parse::<f64>().ok());
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(LINE_EVERY)
}

/// The words beside the bar; the time left is the time spent times the share left over the share done.
fn status(fraction: f64, sigma_reached: Option<f64>, elapsed: Duration) -> String {
    let mut parts = Vec::new();
    if let Some(sigma) = sigma_reached {
        parts.push(format!("uncertainty {:.2} %", 100.0 * sigma));
    }
    if fraction > 0.0 && fraction < 1.0 && elapsed >= Duration::from_millis(500) {
        parts.push(format!("{} left", duration(elapsed.mul_f64((1.0 - fraction) / fraction))));
    }
    parts.join(", ")
}

/// A duration for the reader: `42 s`, `3 min 05 s`, `2 h 07 min`.
pub fn duration(span: Duration) -> String {
    let seconds = span.as_secs_f64().round() as u64;
    match seconds {
        0..=99 => format!("{seconds} s"),
        100..=5999 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_status_tells_uncertainty_and_time_left() {
        let text = status(0.25, Some(0.012_3), Duration::from_secs(10));
        assert_eq!(text, "uncertainty 1.23 %, 30 s left");
        assert_eq!(status(0.0, None, Duration::from_secs(10)), "");
        assert_eq!(line_every(Some("0.5")), Duration::from_millis(500));
        assert_eq!([line_every(None), line_every(Some("soon")), line_every(Some("-1"))], [LINE_EVERY; 3]);
        assert_eq!(duration(Duration::from_secs(185)), "3 min 05 s");
        assert_eq!(duration(Duration::from_secs(7_620)), "2 h 07 min");
    }
}
