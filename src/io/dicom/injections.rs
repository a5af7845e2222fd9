//! Groups images by injection: one rule for `inspect`, drafts and courses.

use super::time::Moment;

/// Scans with mid-scan times within this difference are one scan, h.
pub const SAME_SCAN_H: f64 = 1.0 / 3600.0;
/// Injections within this difference are one injection, h: clocks of scanner and records differ by less.
pub const SAME_INJECTION_H: f64 = 1.0 / 60.0;
/// Injections closer than this are not two cycles, h.
pub const CYCLES_APART_H: f64 = 24.0;

/// Two injections that are neither one nor two cycles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TooClose {
    /// Positions of both in the list.
    pub pair: [usize; 2],
    /// Hours between them.
    pub apart_h: f64,
}

/// How two injections stand to each other: `Ok(true)` one injection, `Ok(false)` two cycles, else the hours between them.
pub fn same_injection(a: Moment, b: Moment) -> Result<bool, f64> {
    let apart_h = a.hours_to(b).abs();
    if apart_h <= SAME_INJECTION_H {
        Ok(true)
    } else if apart_h >= CYCLES_APART_H {
        Ok(false)
    } else {
        Err(apart_h)
    }
}

/// Positions of the images of each injection, in the order of the injections; inside one, in the order given.
///
/// Errors: two injections too close for two cycles and too far apart for one.
pub fn by_injection(injections: &[Moment]) -> Result<Vec<Vec<usize>>, TooClose> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (n, &injection) in injections.iter().enumerate() {
        let mut home = None;
        for (g, group) in groups.iter().enumerate() {
            let first = group[0];
            let same = same_injection(injections[first], injection);
            if same.map_err(|apart_h| TooClose { pair: [first, n], apart_h })? {
                home = Some(g);
            }
        }
        match home {
            Some(g) => groups[g].push(n),
            None => groups.push(vec![n]),
        }
    }
    if let Some(origin) = injections.first() {
        groups.sort_by(|a, b| origin.hours_to(injections[a[0]]).total_cmp(&origin.hours_to(injections[b[0]])));
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Moment {
        Moment::new(text.parse().expect("a moment"), None)
    }

    #[test]
    fn law_images_of_one_injection_are_one_cycle() {
        let first = ["2026-03-02T10:00:00", "2026-03-02T10:00:30"].map(moment);
        let later = moment("2026-04-27T10:00:00");
        assert_eq!(by_injection(&[later, first[0], first[1], later]), Ok(vec![vec![1, 2], vec![0, 3]]));
        assert_eq!(by_injection(&[]), Ok(Vec::new()));
    }

    #[test]
    fn alarm_injections_of_one_day_are_neither_one_nor_two_cycles() {
        let found = by_injection(&[moment("2026-03-02T10:00:00"), moment("2026-03-02T14:00:00")]);
        assert_eq!(found, Err(TooClose { pair: [0, 1], apart_h: 4.0 }));
    }
}
