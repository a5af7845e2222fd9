//! The population fit against an independent sampler (NUTS of numpyro) on small cases.

use crate::outside;
use lutra::kinetics::{BUILT_IN, Prior, Scan, fit, sample};
use std::io::Write;
use std::process::{Command, Stdio};

/// Mean and standard deviation of ln TIA by the twin.
fn twin(python: &str, case: &serde_json::Value) -> (f64, f64) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kinetics/twin.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the interpreter starts");
    child.stdin.take().expect("a pipe").write_all(case.to_string().as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    (found["mean"].as_f64().expect("a mean"), found["sd"].as_f64().expect("a width"))
}

#[test]
fn twin_population_fit_is_that_of_an_independent_sampler() {
    let Some(python) = outside::sampler() else { return };
    let prior = Prior::parse(BUILT_IN[0].1, BUILT_IN[0].0, |_| Some(159.53)).expect("built in");
    let kidney = prior.organ_of("kidney").expect("an organ");
    let scan = |time_h: f64, activity_mbq: f64| Scan { time_h, activity_mbq, rel_sigma: Some(0.05) };
    let one = vec![vec![scan(24.0, 40.0)]];
    let three = vec![vec![scan(24.0, 40.0), scan(96.0, 16.5), scan(168.0, 6.0)]];
    let two_cycles = vec![three[0].clone(), vec![scan(24.0, 38.0)]];
    for cycles in [one, three, two_cycles] {
        let rows: Vec<Vec<[f64; 3]>> =
            cycles.iter().map(|c| c.iter().map(|s| [s.time_h, s.activity_mbq, 0.05]).collect()).collect();
        let case = serde_json::json!({
            "mean": kidney.mean[0], "patient_sd": kidney.patient_sd[0], "cycle_sd": kidney.cycle_sd[0], "cycles": rows,
        });
        let (mean, sd) = twin(python, &case);
        let found = fit(kidney, &cycles).expect("a fit");
        let sampled = sample(kidney, &cycles, &found, 40_000, 3).expect("draws");
        println!("{} cycles: {mean} {sd}; {} {}", cycles.len(), sampled.log_mean_mbq_h.ln(), found.rel_sigma);
        assert!((sampled.log_mean_mbq_h.ln() - mean).abs() < 0.01, "{mean} {sampled:?}");
        assert!((found.rel_sigma / sd - 1.0).abs() < 0.05, "{sd} {}", found.rel_sigma);
        // alarm: a prior of another width is seen
        assert!((1.2 * found.rel_sigma / sd - 1.0).abs() > 0.05);
    }
}
