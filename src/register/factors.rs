//! Non-negative least squares: how much of each part an image holds.
//!
//! f minimises Sum_v w_v (a_v - Sum_j f_j p_jv)^2 with f_j >= 0: the normal equations of the parts that take part; the part
//! with the lowest factor below 0 is left out, until none is (an active set that only shrinks: parts of an image overlap
//! little). Parts that the others make up already are left out too.

use nalgebra::{DMatrix, DVector};

/// Factors of the parts, 0 for those left out, and the sum of squares that remains.
pub(super) fn factors(parts: &[Vec<f64>], values: &[f64], weights: &[f64]) -> (Vec<f64>, f64) {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).zip(weights).map(|((a, b), w)| a * b * w).sum::<f64>();
    let normal = DMatrix::from_fn(parts.len(), parts.len(), |row, column| {
        if row <= column { product(&parts[row], &parts[column]) } else { 0.0 }
    });
    let right: Vec<f64> = parts.iter().map(|part| product(part, values)).collect();
    let mut taken: Vec<usize> = (0..parts.len()).filter(|&n| normal[(n, n)] > 0.0).collect();
    let mut found = vec![0.0; parts.len()];
    while !taken.is_empty() {
        let matrix = DMatrix::from_fn(taken.len(), taken.len(), |row, column| {
            normal[(taken[row.min(column)], taken[row.max(column)])]
        });
        let solved = matrix.cholesky().map(|c| c.solve(&DVector::from_fn(taken.len(), |n, _| right[taken[n]])));
        let Some(solved) = solved else {
            taken.pop();
            continue;
        };
        let lowest = (0..taken.len()).min_by(|&a, &b| solved[a].total_cmp(&solved[b])).unwrap_or(0);
        if solved[lowest] < 0.0 {
            taken.remove(lowest);
            continue;
        }
        taken.iter().zip(solved.iter()).for_each(|(&n, &factor)| found[n] = factor);
        break;
    }
    let left = (0..values.len()).map(|v| {
        let model: f64 = parts.iter().zip(&found).map(|(part, factor)| factor * part[v]).sum();
        weights[v] * (values[v] - model).powi(2)
    });
    let misfit = left.sum();
    (found, misfit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_parts_are_found_and_none_is_negative() {
        let parts = [vec![1.0, 1.0, 0.0, 0.0], vec![0.0, 1.0, 1.0, 0.0], vec![0.0, 0.0, 1.0, 1.0], vec![0.0; 4]];
        let mix = |f: [f64; 3]| -> Vec<f64> { (0..4).map(|v| (0..3).map(|n| f[n] * parts[n][v]).sum()).collect() };
        let (found, misfit) = factors(&parts, &mix([2.0, 3.0, 0.5]), &[1.0, 2.0, 0.7, 1.0]);
        for (a, b) in found.iter().zip([2.0, 3.0, 0.5, 0.0]) {
            assert!((a - b).abs() < 1e-12, "{found:?}");
        }
        assert!(misfit < 1e-20);
        // a part that would have to be negative is left out, and the others are what fits best without it
        let (found, misfit) = factors(&parts, &mix([2.0, -1.0, 0.5]), &[1.0; 4]);
        assert!(found[1] == 0.0 && misfit > 0.1, "{found:?} {misfit}");
        assert!((found[0] - 1.5).abs() < 1e-12, "the mean of 2 and 1: {found:?}");
        // a part given twice counts once
        let twice = [parts[0].clone(), parts[0].clone()];
        let (found, misfit) = factors(&twice, &[2.0, 2.0, 0.0, 0.0], &[1.0; 4]);
        assert!((found[0] + found[1] - 2.0).abs() < 1e-9 && misfit < 1e-9, "{found:?}");
    }
}
