//! The soft loss of a step has the mean and the variance that it is given, in each of its three shapes.
//!
//! Which shape depends on the mean over the spread: many small losses (a bell, Bohr's limit), some (uniform), few, most
//! steps with none (towards Landau's). Only the two moments are asked for; PENELOPE-2018, section 4.2.

use lutra::kernel::single::rng::rng_for;
use lutra::kernel::single::straggling::soft_loss;

const DRAWS: u32 = 1_000_000;

/// Mean, keV, and variance, keV2, of each shape: square of the mean over the variance is above 12, 3 to 12, below 3.
const SHAPES: [(&str, f32, f32); 6] = [
    ("bell", 2.0, 0.05),
    ("bell, its narrowest mean", 1.0, 0.083),
    ("uniform", 1.0, 0.1),
    ("uniform, its narrowest mean", 1.0, 0.33),
    ("few losses", 1.0, 1.0),
    ("hardly any", 0.3, 0.5),
];

/// Mean and variance of the losses over those given, each off by how many of its standard errors.
fn off(mean: f32, variance: f32, given: (f32, f32)) -> (f64, f64) {
    let mut rng = rng_for(1, 0, 177, 0);
    let losses: Vec<f64> = (0..DRAWS).map(|_| f64::from(soft_loss(&mut rng, given.0, given.1))).collect();
    assert!(losses.iter().all(|loss| *loss >= 0.0), "a loss is never negative");
    let n = f64::from(DRAWS);
    let found = losses.iter().sum::<f64>() / n;
    let moment = |power: i32| losses.iter().map(|loss| (loss - found).powi(power)).sum::<f64>() / n;
    let spread = moment(2);
    // standard error of a variance from the fourth moment
    let error = ((moment(4) - spread * spread) / n).sqrt();
    println!("mean {found:.5} of {mean}, variance {spread:.5} of {variance} +- {error:.5}");
    ((found - f64::from(mean)) / (spread / n).sqrt(), (spread - f64::from(variance)) / error)
}

#[test]
fn law_soft_losses_have_the_mean_and_variance_given() {
    for (name, mean, variance) in SHAPES {
        let (m, v) = off(mean, variance, (mean, variance));
        assert!(m.abs() < 5.0 && v.abs() < 5.0, "{name}: {m} {v}");
    }
}

/// 5 % of the variance or 10 % of the mean: what five standard errors see even where losses are rarest.
#[test]
fn alarm_a_variance_or_mean_slightly_off_is_seen() {
    for (name, mean, variance) in SHAPES {
        let (_, v) = off(mean, variance, (mean, 1.05 * variance));
        assert!(v.abs() > 5.0, "{name}: 5 % of the variance passes: {v}");
        let (m, _) = off(mean, variance, (1.1 * mean, variance));
        assert!(m.abs() > 5.0, "{name}: 10 % of the mean passes: {m}");
    }
}
