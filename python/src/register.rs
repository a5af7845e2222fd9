//! Two images of one patient to the transform between them.

use crate::ask::{Names, Source};
use crate::dose::json;
use crate::fault;
use crate::more::names;
use crate::worker::work;
use lutra::clinic::failure::{OrUserError, UserError};
use lutra::clinic::guard;
use lutra::clinic::invocation::Invocation;
use lutra::clinic::register::{FILE_NAMES, Lent, run_lent};
use lutra::clinic::request::RegisterRequest;
use lutra::fault::{FaultKind, Setting};
use lutra::place::Place;
use lutra::register::{Kind, Likeness};
use pyo3::prelude::*;
use std::path::PathBuf;

type NoteParts = (String, &'static str, Option<String>, String);

/// What is asked of a registration beside its images.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Terms {
    kind: String,
    metric: String,
    deidentify: bool,
    force: bool,
}

impl Terms {
    fn kind(&self) -> Result<Kind, UserError> {
        [Kind::Rigid, Kind::Affine].into_iter().find(|kind| kind.name() == self.kind).ok_or_else(|| {
            let next = "Rigid turns and shifts, affine also scales and shears.";
            UserError::invalid("kind", "", format!("\"{}\"", self.kind), "rigid, affine", next).kind(FaultKind::Unknown)
        })
    }

    /// The metric; none for the one that the kinds of the images ask for.
    fn metric(&self) -> Result<Option<Likeness>, UserError> {
        let known = [Likeness::MutualInformation, Likeness::Correlation, Likeness::LogCorrelation];
        if self.metric == "auto" {
            return Ok(None);
        }
        known.into_iter().find(|metric| metric.name() == self.metric).map(Some).ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|metric| metric.name()).collect();
            let allowed = format!("auto, {}", names.join(", "));
            let next = "Leave it out: the kinds of the images decide.";
            UserError::invalid(Setting::Metric, "", format!("\"{}\"", self.metric), allowed, next)
                .kind(FaultKind::Unknown)
        })
    }
}

/// An image, or where it lies.
fn side(py: Python<'_>, image: Source<'_>, role: &'static str) -> PyResult<(Place, Option<lutra::Volume<f32>>)> {
    match image {
        Source::Path(path) => Ok((path.into(), None)),
        Source::Image(image) => Ok((PathBuf::from(format!("{role} in memory")).into(), Some(image.single(py, role)?))),
        Source::Paths(_) => {
            let next = "Give the folder of the series.";
            let fault = UserError::invalid(role, "", "several files", "one image", next);
            Err(fault::of_fault(py, &fault))
        }
    }
}

/// How the patient moved between two images: the transform with its figures as JSON, the words, the folder if one was asked
/// for, and what was said.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "one argument each of Python's")]
#[allow(clippy::type_complexity, reason = "taken apart at once by the Python side")]
pub fn register(
    py: Python<'_>,
    fixed: Source<'_>,
    moving: Source<'_>,
    regions: Option<Source<'_>>,
    label_names: Option<Names>,
    terms: Terms,
    folder: Option<PathBuf>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<(String, String, Option<PathBuf>, Vec<NoteParts>)> {
    let asked = || Ok((terms.kind()?, terms.metric()?));
    let (kind, metric) = asked().map_err(|fault| fault::of_fault(py, &fault))?;
    let ((fixed, of_fixed), (moving, of_moving)) = (side(py, fixed, "fixed")?, side(py, moving, "moving")?);
    let (stated, label_names) = names(label_names);
    let (mask, of_mask) = match regions {
        None => (None, None),
        Some(Source::Image(image)) => (None, Some((image.labels(py, "labels")?, stated))),
        Some(other) => (Some(side(py, other, "labels")?.0), None),
    };
    let request = RegisterRequest {
        fixed,
        moving,
        mask,
        label_names: label_names.map(Place::from),
        kind,
        metric,
        deidentify: terms.deidentify,
        out: folder.clone().unwrap_or_default(),
        force: terms.force,
    };
    let lent = Lent { fixed: of_fixed, moving: of_moving, mask: of_mask };
    let invocation = Invocation::now(vec!["lutra.register".to_owned()]);
    let ((record, words, notes, place), heard) = work(py, progress, move |hear| {
        let claimed = folder
            .as_ref()
            .map(|folder| guard::folder(folder, request.force, &guard::of_register(&request), &FILE_NAMES))
            .transpose()?;
        let done = run_lent(&request, lent, hear)?;
        let mut place = None;
        if let Some(folder) = claimed {
            done.save(&request, &folder, &invocation)?;
            place = Some(folder.commit().or_user_error()?);
        }
        Ok((done.transform_file(&request)?, done.words(), done.warnings, place))
    })?;
    Ok((json(&record)?, words, place, fault::notes(heard.iter().chain(&notes))))
}
