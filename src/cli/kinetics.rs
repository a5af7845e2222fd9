//! `lutra kinetics`: priors of kinetics, listed, learnt and planned with.

use super::args::RawKineticsWhat;
use super::failure::OrUserError;
use super::printer;
use crate::clinic::failure::Failure;
use crate::clinic::guard;
use crate::clinic::kinetics::{LearnRequest, PlanRequest, learn_from, plan_of};
use crate::clinic::priors::physical_half_life_h;
use crate::io::atomic::OutputFiles;
use crate::kinetics::{BUILT_IN, OrganPrior, Prior};
use crate::units::rounded;

/// Plans that the terminal shows; `--json` holds all.
const SHOWN: usize = 10;

/// Runs `lutra kinetics`.
pub(super) fn run(what: RawKineticsWhat) -> Result<(), Failure> {
    match what {
        RawKineticsWhat::List => list(),
        RawKineticsWhat::Learn(raw) => learn(&raw.check()),
        RawKineticsWhat::Plan(raw) => plan(&raw.check()?),
    }
}

/// Parameters of an organ in words, one a line.
fn lines(organ: &OrganPrior) -> String {
    let of = |(p, name): (usize, &&str)| {
        format!(
            "  {:<10} {name:<22} median {:>8}, standard deviation of the logarithm {:.3} among patients, {:.3} among cycles\n",
            organ.organ,
            rounded(organ.median(p), 3),
            organ.patient_sd[p],
            organ.cycle_sd[p]
        )
    };
    organ.parameter_names().iter().enumerate().map(of).collect()
}

fn list() -> Result<(), Failure> {
    let (mut text, mut all) = (String::new(), Vec::new());
    for (name, file) in BUILT_IN {
        let prior = Prior::parse(file, name, physical_half_life_h).or_user_error()?;
        let patients =
            prior.patients.map_or("number of patients not known here".to_owned(), |n| format!("{n} patients"));
        let of = prior.pharmaceutical.join(", ");
        text.push_str(&format!("{name}: {of}, {}; {patients}\n  {}\n", prior.nuclide, prior.source));
        prior.organs.iter().for_each(|organ| text.push_str(&lines(organ)));
        all.push(serde_json::json!({ "name": name, "toml": file }));
    }
    printer::record(&serde_json::json!({ "priors": all }))?;
    printer::data(&text);
    Ok(())
}

fn learn(request: &LearnRequest) -> Result<(), Failure> {
    let claimed = OutputFiles::claim(&[&request.out], request.force, &guard::of_learn(request)).or_user_error()?;
    let done = learn_from(request)?;
    let text = done.prior.text();
    claimed.write(&request.out, |to| to.write_all(text.as_bytes())).or_user_error()?;
    let record = |organ: &crate::clinic::kinetics::OrganLearnt| {
        let learnt = organ.learnt.as_ref();
        serde_json::json!({
            "organ": organ.organ,
            "regions": organ.regions,
            "converged": learnt.ok().map(|learnt| learnt.converged),
            "cycles_told": learnt.ok().map(|learnt| learnt.cycles_told),
            "not_learnt": learnt.err(),
        })
    };
    printer::record(&serde_json::json!({
        "prior": text,
        "organs": done.organs.iter().map(record).collect::<Vec<_>>(),
        "file": printer::shown(&request.out),
    }))?;
    for organ in &done.organs {
        match &organ.learnt {
            Ok(learnt) => {
                printer::data(&format!("{} from {} regions\n{}", organ.organ, organ.regions, lines(&learnt.prior)));
                if !learnt.cycles_told {
                    printer::warning(&format!(
                        "{}: too few patients have two cycles: the spread among cycles is that of {}",
                        organ.organ, request.start
                    ));
                }
                if !learnt.converged {
                    printer::warning(&format!(
                        "{}: the search did not come to rest; its last step stands",
                        organ.organ
                    ));
                }
            }
            Err(reason) => printer::warning(&format!("{}: not learnt: {reason}", organ.organ)),
        }
    }
    printer::results("", &request.out);
    Ok(())
}

fn plan(request: &PlanRequest) -> Result<(), Failure> {
    let (organ, plans) = plan_of(request)?;
    printer::record(&serde_json::json!({ "organ": organ.organ, "prior": request.prior, "plans": plans }))?;
    let scatter = 100.0 * organ.scan_rel_sigma;
    let mut text = format!(
        "{} by {}, a scan uncertain by {scatter:.1} %: uncertainty of the time-integrated activity (k = 1)\n{:<32} {:>8} {:>16}\n",
        organ.organ, request.prior, "scans at, h", "+- %", "worst tenth, %"
    );
    for plan in plans.iter().take(SHOWN) {
        let times: Vec<String> = plan.times_h.iter().map(f64::to_string).collect();
        let [mean, worst] = [plan.rel_sigma, plan.worst_tenth].map(|share| 100.0 * share);
        text.push_str(&format!("{:<32} {mean:>8.2} {worst:>16.2}\n", times.join(", ")));
    }
    printer::data(&text);
    Ok(())
}
