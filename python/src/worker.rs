//! Work beside the interpreter: the GIL is free, signals are answered, progress reaches a callable in the caller's thread.

use crate::fault;
use lutra::clinic::failure::Failure;
use lutra::clinic::notes::{Halt, Listener, Note};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often signals are looked for.
const LOOK: Duration = Duration::from_millis(20);
/// How long an interrupted call waits for its work to end.
const PATIENCE: Duration = Duration::from_millis(120);

/// What the work says.
enum Said<T> {
    Note(Note),
    Progress(f64, Option<f64>, String),
    Done(Box<Result<T, Failure>>),
}

/// The listener of the work: sends what it hears, and ends the run when the caller asks.
struct Speaker<T> {
    to: Sender<Said<T>>,
    halt: Halt,
}

impl<T> Listener for Speaker<T> {
    fn note(&mut self, note: Note) {
        let _nobody_listens = self.to.send(Said::Note(note));
    }

    fn progress(&mut self, fraction_done: f64, sigma_rel: Option<f64>, what: &str) -> ControlFlow<()> {
        let _nobody_listens = self.to.send(Said::Progress(fraction_done, sigma_rel, what.to_owned()));
        if self.halt.asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn progress_ended(&mut self) {}

    fn halt(&self) -> Option<Halt> {
        Some(self.halt.clone())
    }
}

/// Work whose caller was interrupted before it had ended, and the process it belongs to: a fork has none of it.
static LEFT: Mutex<(u32, Vec<JoinHandle<()>>)> = Mutex::new((0, Vec::new()));

fn leave(work: JoinHandle<()>) {
    let mut left = LEFT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if left.0 != std::process::id() {
        left.1.drain(..).for_each(std::mem::forget);
        left.0 = std::process::id();
    }
    left.1.retain(|work| !work.is_finished());
    left.1.push(work);
}

/// Whether work of an interrupted call still ends.
fn ending() -> bool {
    let mut left = LEFT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    left.1.retain(|work| !work.is_finished());
    left.0 == std::process::id() && !left.1.is_empty()
}

/// Waits until interrupted work has ended, with its checkpoint written, at most this many seconds; whether it has.
#[pyfunction]
pub fn wait_for_ended(py: Python<'_>, seconds: f64) -> PyResult<bool> {
    let until = Instant::now() + Duration::from_secs_f64(seconds.clamp(0.0, 1e6));
    while ending() {
        if Instant::now() >= until {
            return Ok(false);
        }
        py.detach(|| std::thread::sleep(LOOK));
        py.check_signals()?;
    }
    Ok(true)
}

/// What `work` makes, and the notes said meanwhile.
///
/// `progress` is called with the fraction done, the relative standard error or `None`, and what is being done; an exception of
/// it ends the work, and so does a signal.
pub fn work<T: Send + 'static>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&mut dyn Listener) -> Result<T, Failure> + Send + 'static,
) -> PyResult<(T, Vec<Note>)> {
    wait_for_ended(py, f64::MAX)?;
    let (to, from) = channel();
    // a receiver is for one thread at a time, and this call alone uses it
    let from = Mutex::new(from);
    let halt = Halt::default();
    let mut speaker = Speaker { to: to.clone(), halt: halt.clone() };
    let thread = std::thread::Builder::new().name("lutra".to_owned()).spawn(move || {
        let made = work(&mut speaker);
        let _nobody_listens = to.send(Said::Done(Box::new(made)));
    })?;
    let mut notes = Vec::new();
    match attend(py, progress, &from, &mut notes) {
        Ok(made) => {
            py.detach(|| thread.join()).map_err(|_| PyRuntimeError::new_err("the work of lutra panicked"))?;
            made.map(|made| (made, notes)).map_err(|failure| fault::raised(py, &failure))
        }
        Err(interrupted) => {
            halt.ask();
            py.detach(|| {
                let until = Instant::now() + PATIENCE;
                while !thread.is_finished() && Instant::now() < until {
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
            leave(thread);
            Err(interrupted)
        }
    }
}

/// Listens until the work is done, or until a signal or the callable ends it.
fn attend<T: Send>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    from: &Mutex<Receiver<Said<T>>>,
    notes: &mut Vec<Note>,
) -> PyResult<Result<T, Failure>> {
    loop {
        let (latest, done) = py.detach(|| listen(from, notes));
        tell(progress, latest)?;
        match done {
            Some(Ok(made)) => return Ok(*made),
            Some(Err(())) => return Err(PyRuntimeError::new_err("the work of lutra panicked: please report it")),
            None => py.check_signals()?,
        }
    }
}

/// What was last said of progress.
type Latest = Option<(f64, Option<f64>, String)>;

/// Listens for a while, whatever is said: the interpreter is not asked for more often than that. What was last said of
/// progress, and the result once it is there; an error where the work panicked.
#[allow(clippy::type_complexity, reason = "taken apart at once")]
fn listen<T: Send>(
    from: &Mutex<Receiver<Said<T>>>,
    notes: &mut Vec<Note>,
) -> (Latest, Option<Result<Box<Result<T, Failure>>, ()>>) {
    let from = from.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let until = Instant::now() + LOOK;
    let mut latest = None;
    loop {
        match from.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Said::Note(note)) => notes.push(note),
            Ok(Said::Progress(done, sigma, what)) => latest = Some((done, sigma, what)),
            Ok(Said::Done(made)) => return (latest, Some(Ok(made))),
            Err(RecvTimeoutError::Timeout) => return (latest, None),
            Err(RecvTimeoutError::Disconnected) => return (latest, Some(Err(()))),
        }
    }
}

fn tell(progress: Option<&Bound<'_, PyAny>>, latest: Latest) -> PyResult<()> {
    if let (Some(progress), Some(latest)) = (progress, latest) {
        progress.call1(latest)?;
    }
    Ok(())
}
