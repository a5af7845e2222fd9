//! A verdict as text.

use std::fmt::Write as _;

use super::decision::{Exceedance, State, StructureSum, Verdict};
use super::rules::{Answer, Eligibility};
use crate::bed::LimitQuantity;
use crate::fault::Setting;
use crate::units::rounded;

/// The verdict in words: state, numbers, options, rules, what is missing, what it is for.
pub fn verdict_words(verdict: &Verdict) -> String {
    verdict_words_with(verdict, Setting::name)
}

/// The same with a name for each setting, as a front end has it.
pub fn verdict_words_with(verdict: &Verdict, name: impl Fn(Setting) -> &'static str) -> String {
    let mut text = String::new();
    let warnings: Vec<String> = verdict.warnings.iter().map(|warning| warning.sentence().shown(&name)).collect();
    // Writing to a String does not fail.
    let _ = write_verdict(&mut text, verdict, &warnings);
    text
}

fn write_verdict(t: &mut String, v: &Verdict, warnings: &[String]) -> std::fmt::Result {
    writeln!(t, "{}", v.headline)?;
    write_state(t, &v.state)?;
    writeln!(t)?;
    writeln!(t, "Protocol {}, {}", v.protocol, v.step)?;
    let quantity = v.window.map_or("BED", |w| quantity_word(w.quantity));
    if let Some(w) = &v.window {
        match w.lower_gy {
            Some(lower) => writeln!(t, "Window: {quantity} {lower} to {} Gy, target {} Gy", w.upper_gy, w.target_gy)?,
            None => writeln!(t, "Limit: {quantity} {} Gy", w.upper_gy)?,
        }
    }
    writeln!(t)?;
    for structure in &v.structures {
        write_structure(t, structure)?;
    }
    writeln!(t, "Judged by {}: {}", v.driver, v.driver_reason)?;
    if let Some(lies) = v.lies {
        let incomplete = if v.incomplete { " (incomplete: holds predicted doses)" } else { "" };
        writeln!(t, "Now {}{incomplete}", lies.word())?;
    }
    if let Some(now) = &v.exceedance_now {
        write_exceedance(t, "now", now)?;
    }
    if let Some(next) = &v.exceedance_next {
        write_exceedance(t, "after the next standard cycle", next)?;
    }
    if !v.predictions.is_empty() {
        writeln!(t, "\nPredicted absorbed dose coefficient of the next cycle (Gy/GBq):")?;
        for p in &v.predictions {
            writeln!(
                t,
                "  {:<14} {} +- {} %",
                p.predictor.name(),
                rounded(p.gy_per_gbq, 3),
                rounded(100.0 * p.rel_sigma, 2)
            )?;
        }
    }
    if !v.rules.is_empty() {
        writeln!(t, "\nRules:")?;
        for rule in &v.rules {
            let answer = match rule.answer {
                Answer::Pass => "pass",
                Answer::Fail => "FAIL",
                Answer::Unknown => "unknown",
            };
            writeln!(t, "  {answer:<8} {} ({})", rule.text, rule.reason)?;
            if let Some(decided) = &rule.overridden {
                writeln!(t, "           overridden by {}: {}", decided.by, decided.reason)?;
            }
        }
    }
    let decided: Vec<String> = v
        .overrides
        .iter()
        .filter(|entry| !v.rules.iter().any(|rule| rule.rule == entry.rule))
        .map(|entry| format!("{} overridden by {}: {}", entry.rule, entry.by, entry.reason))
        .collect();
    for (head, lines) in [
        ("Overrides", &decided[..]),
        ("Missing", &v.missing),
        ("Warnings", warnings),
        ("Left open by the protocol's source", &v.open_questions),
    ] {
        if !lines.is_empty() {
            writeln!(t, "\n{head}:")?;
            for line in lines {
                writeln!(t, "  {line}")?;
            }
        }
    }
    writeln!(t, "\n{}", v.intended_use)
}

fn quantity_word(quantity: LimitQuantity) -> &'static str {
    match quantity {
        LimitQuantity::Bed => "BED",
        LimitQuantity::AbsorbedDose => "absorbed dose",
    }
}

fn write_structure(t: &mut String, s: &StructureSum) -> std::fmt::Result {
    let doses: Vec<String> = s.dose_gy.iter().map(|d| rounded(*d, 4)).collect();
    writeln!(
        t,
        "{:<16} absorbed dose {}{} Gy; BED {} Gy{}; standard uncertainty (k = 1) {} Gy as budgeted, {} Gy if errors are \
         independent, {} Gy if correlated",
        s.structure,
        if doses.len() > 1 { format!("{} = ", doses.join(" + ")) } else { String::new() },
        rounded(s.course_dose_gy, 4),
        rounded(s.total_bed_gy, 4),
        if s.prior_bed_gy > 0.0 {
            format!(" (of it {} Gy before this course)", rounded(s.prior_bed_gy, 4))
        } else {
            String::new()
        },
        rounded(s.sigma.budget_gy, 3),
        rounded(s.sigma.independent_gy, 3),
        rounded(s.sigma.correlated_gy, 3),
    )?;
    if !s.imputed_cycles.is_empty() {
        writeln!(t, "{:<16} cycles {:?} are predicted, not measured", "", s.imputed_cycles)?;
    }
    Ok(())
}

/// A probability with three decimals; what is smaller is said to be so.
fn probability(p: f64) -> String {
    if p < 0.0005 { "below 0.001".to_owned() } else { format!("{p:.3}") }
}

/// A probability as budgeted and by both extremes; once where they agree.
fn in_three([budget, independent, correlated]: [f64; 3]) -> String {
    let [budget, independent, correlated] = [budget, independent, correlated].map(probability);
    if budget == independent && independent == correlated {
        format!("{budget}, for independent and for correlated errors")
    } else {
        format!("{budget} as budgeted, {independent} if errors are independent, {correlated} if correlated")
    }
}

fn write_exceedance(t: &mut String, when: &str, e: &Exceedance) -> std::fmt::Result {
    let above = in_three([e.above_budget, e.above_independent, e.above_correlated]);
    write!(t, "Probability above the window {when}, at {} Gy: {above}", rounded(e.value_gy, 4))?;
    match (e.inside_budget, e.inside_independent, e.inside_correlated) {
        (Some(b), Some(i), Some(c)) => writeln!(t, "; inside it: {}", in_three([b, i, c])),
        _ => writeln!(t),
    }
}

fn write_state(t: &mut String, state: &State) -> std::fmt::Result {
    match state {
        State::Hold { reasons } => {
            writeln!(t, "No option is stated until this is cleared:")?;
            reasons.iter().try_for_each(|reason| writeln!(t, "  {reason}"))
        }
        State::Stop { reasons } => {
            writeln!(t, "{} stated by the physician", state.word())?;
            reasons.iter().try_for_each(|reason| writeln!(t, "  {reason}"))
        }
        State::Continue { activity_gbq, predicted_cumulative_gy, predicted_lies } => {
            write!(t, "{} is within the protocol: next cycle {} GBq", state.word(), rounded(*activity_gbq, 3))?;
            match (predicted_cumulative_gy, predicted_lies) {
                (Some(gy), Some(lies)) => writeln!(t, ", predicted {} Gy, {}", rounded(*gy, 4), lies.word()),
                _ => writeln!(t),
            }
        }
        State::StepComplete { step, because, next_step, eligibility } => {
            writeln!(t, "{}: {step}: {because}", state.word())?;
            match (next_step, eligibility) {
                (Some(next), Some(answer)) => {
                    let word = match answer {
                        Eligibility::Eligible => "ELIGIBLE",
                        Eligibility::NotEligible => "NOT ELIGIBLE",
                        Eligibility::NotAssessable => "NOT ASSESSABLE",
                    };
                    writeln!(t, "{next}: {word}")
                }
                _ => writeln!(t, "No further step in the protocol"),
            }
        }
        State::Conflict { options, by_policy } => {
            let word = state.word();
            writeln!(t, "{word}: a further standard cycle would pass the window that is not reached yet; options:")?;
            for o in options {
                let mark = if *by_policy == Some(o.option) { " (the protocol file's policy)" } else { "" };
                writeln!(
                    t,
                    "  {:<17} {} GBq, {} Gy more, cumulative {} Gy, {}: {}{mark}",
                    o.option,
                    rounded(o.activity_gbq, 3),
                    rounded(o.next_dose_gy, 3),
                    rounded(o.cumulative_gy, 4),
                    o.lies.word(),
                    o.note
                )?;
            }
            Ok(())
        }
    }
}
