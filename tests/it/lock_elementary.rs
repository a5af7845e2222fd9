//! Whatever a tally depends on takes its elementary functions through one door, `src/elementary.rs`, so that it has the same
//! bits on every machine and in every build. Read from the sources; what is for tests alone does not count.
//!
//! A tally is made of the scene, the decays by voxel, the nuclide and the plan. `LAYERS` turn these into integers. The images
//! behind a decay map, their calibration and their integration over time (`quantify`, `course`, `register`, `io`) end in the
//! map, which is an input: its hash is part of a run's identity, and a map that is kept gives the same tally everywhere.
//! What comes after the tally (`dose`, `bed`, `report`, `validate`) cannot change it; `svalues` and `demo` hand scenes over.

use crate::lock_directions::{source_texts, without_tests};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Modules that a tally depends on.
const LAYERS: &[&str] = &[
    "ct",
    "decay",
    "elementary",
    "kernel",
    "materials",
    "neighbourhood",
    "physics",
    "quadrature",
    "source",
    "tally",
    "transport",
    "units",
];

/// Sources of these modules that no tally depends on, with the reason.
const BESIDE: &[(&str, &str)] = &[
    ("kernel/math_double.rs", "the kernel in f64, a check and never an engine"),
    ("units.rs", "digits of a number in words"),
    ("transport/gpu/dispatch.rs", "how long a dispatch may be, which no tally depends on"),
];

/// Methods of the standard library's floats whose last bits are the platform's or the compiler's.
const METHODS: &[&str] = &[
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "cos", "cosh", "exp", "exp2", "exp_m1",
    "gamma", "hypot", "ln", "ln_1p", "ln_gamma", "log", "log10", "log2", "powf", "powi", "sin", "sin_cos", "sinh",
    "tan", "tanh",
];

/// Crates with elementary functions of their own.
const CRATES: &[&str] = &["argmin", "argmin_math", "levenberg_marquardt", "libm", "nalgebra", "rustfft", "statrs"];

/// Elementary functions that the tokens take elsewhere than through the door.
fn breaches(path: &str, trees: &[TokenTree], found: &mut Vec<String>) {
    let word = |tree: Option<&TokenTree>| match tree {
        Some(TokenTree::Ident(ident)) => ident.to_string(),
        Some(TokenTree::Punct(sign)) => sign.as_char().to_string(),
        _ => String::new(),
    };
    for (at, tree) in trees.iter().enumerate() {
        match tree {
            TokenTree::Group(group) => {
                breaches(path, &group.stream().into_iter().collect::<Vec<_>>(), found);
            }
            TokenTree::Ident(ident) => {
                let name = ident.to_string();
                let before = |n: usize| if at >= n { word(trees.get(at - n)) } else { String::new() };
                let called = matches!(trees.get(at + 1), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
                let method = before(1) == "." && called;
                let path_of_float =
                    before(1) == ":" && before(2) == ":" && ["f64", "f32", "Real"].contains(&before(3).as_str());
                if METHODS.contains(&name.as_str()) && (method || path_of_float) {
                    found.push(format!("{path}: {name} of the standard library: use crate::elementary"));
                }
                let of_crate = word(trees.get(at + 1)) == ":" && word(trees.get(at + 2)) == ":" && before(1) != ":";
                if CRATES.contains(&name.as_str()) && of_crate && path != "elementary.rs" {
                    found.push(format!("{path}: elementary functions of {name}: use crate::elementary"));
                }
            }
            _ => {}
        }
    }
}

/// Breaches in a source `text` at `path`, relative to src.
fn breaches_in(path: &str, text: &str) -> Vec<String> {
    let layer = path.split(['/', '.']).next().unwrap_or_default();
    let mut found = Vec::new();
    if LAYERS.contains(&layer) && !BESIDE.iter().any(|(beside, _)| *beside == path) {
        let tokens: TokenStream = text.parse().expect("a source is made of tokens");
        breaches(path, &without_tests(tokens), &mut found);
    }
    found
}

#[test]
fn lock_elementary_functions_come_through_one_door() {
    let texts = source_texts();
    for name in LAYERS.iter().map(|layer| (*layer).to_owned()).chain(BESIDE.iter().map(|(path, _)| (*path).to_owned()))
    {
        let there = |path: &str| path == name || path == format!("{name}.rs") || path.starts_with(&format!("{name}/"));
        assert!(texts.iter().any(|(path, _)| there(path)), "no source belongs to {name}");
    }
    let found: Vec<String> = texts.iter().flat_map(|(path, text)| breaches_in(path, text)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Every way round the door is seen, in every layer; what is for tests, and other words of the same letters, are not.
#[test]
fn alarm_a_way_round_the_door_is_seen() {
    let layer = |name: &str| format!("{name}/planted.rs");
    for name in LAYERS {
        for planted in [
            "fn f(x: f64) -> f64 { x.exp() }",
            "fn f(x: f64) -> f64 { (1.0 + x).powi(3) }",
            "fn f(x: &[f64]) -> Vec<f64> { x.iter().copied().map(f64::ln).collect() }",
            "fn f(x: f64) -> f64 { libm::exp(x) }",
            "use nalgebra::DMatrix;",
            "macro_rules! m { ($x:expr) => { $x.sin_cos() } }",
        ] {
            assert_eq!(breaches_in(&layer(name), planted).len(), 1, "{name}: {planted}");
        }
        for sound in [
            "#[cfg(test)] mod tests { fn f(x: f64) -> f64 { x.exp() } }",
            "use crate::elementary::exp; fn f(x: f64) -> f64 { exp(x) + x.sqrt() }",
            "fn f(a: SinCos) -> f64 { a.sin * a.cos }",
        ] {
            assert_eq!(breaches_in(&layer(name), sound), Vec::<String>::new(), "{name}: {sound}");
        }
    }
    // a dose may use what it likes
    assert!(breaches_in("dose/planted.rs", "fn f(x: f64) -> f64 { x.exp() }").is_empty());
}
