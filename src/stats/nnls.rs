//! Least squares with coefficients that are not negative, for a few columns.
//!
//! The active-set method of Lawson and Hanson ("Solving Least Squares Problems",
//! 1974, chapter 23), on the normal equations: with ten columns that were scaled
//! to length 1, their condition is harmless. Every answer can be checked: it is
//! optimal if and only if no coefficient would rather grow (Karush, Kuhn, Tucker).

/// Sides of the problem: as many rows as there are `targets`, each of as many
/// columns as there are coefficients.
#[derive(Debug, Clone, PartialEq)]
pub struct LeastSquares {
    /// Products of two columns, row by row.
    gram: Vec<Vec<f64>>,
    /// Products of a column with the targets.
    moments: Vec<f64>,
}

impl LeastSquares {
    /// A problem of so many columns and no row yet.
    pub fn new(columns: usize) -> Self {
        Self {
            gram: vec![vec![0.0; columns]; columns],
            moments: vec![0.0; columns],
        }
    }

    /// Adds a row with its weight: the inverse of its variance. A row that is not
    /// finite would spoil all others, and is left out.
    pub fn add(&mut self, row: &[f64], target: f64, weight: f64) {
        let finite = row.iter().chain([&target, &weight]).all(|v| v.is_finite());
        if !finite || row.len() != self.moments.len() {
            return;
        }
        for (i, a) in row.iter().enumerate() {
            self.moments[i] += weight * a * target;
            for (j, b) in row.iter().enumerate() {
                self.gram[i][j] += weight * a * b;
            }
        }
    }

    /// The coefficients that fit best among those that are not negative.
    ///
    /// A column that is zero everywhere, or that the others make up, gets 0.
    pub fn solve(&self) -> Vec<f64> {
        let scaled = self.scaled();
        let columns = self.moments.len();
        let mut coefficients = vec![0.0; columns];
        let mut active = vec![false; columns];
        // Each step takes one column in; the bound is of rounding, not of theory.
        for _ in 0..3 * columns {
            let Some(next) = scaled.steepest(&coefficients, &active) else {
                break;
            };
            active[next] = true;
            if !scaled.settle(&mut coefficients, &mut active) {
                active[next] = false;
                coefficients[next] = 0.0;
                break;
            }
        }
        let scales = self.scales();
        let unscaled = coefficients.iter().zip(scales);
        unscaled.map(|(c, scale)| c * scale).collect()
    }

    /// What makes each column one of length 1; 0 for one of length 0.
    fn scales(&self) -> Vec<f64> {
        let lengths = (0..self.moments.len()).map(|i| self.gram[i][i]);
        lengths
            .map(|square| {
                if square > 0.0 {
                    1.0 / square.sqrt()
                } else {
                    0.0
                }
            })
            .collect()
    }

    fn scaled(&self) -> Self {
        let scales = self.scales();
        let mut scaled = self.clone();
        for (i, a) in scales.iter().enumerate() {
            scaled.moments[i] *= a;
            for (j, b) in scales.iter().enumerate() {
                scaled.gram[i][j] *= a * b;
            }
        }
        scaled
    }

    /// How much the fit would gain by a little more of a coefficient.
    fn slope(&self, column: usize, coefficients: &[f64]) -> f64 {
        let products = self.gram[column].iter().zip(coefficients);
        self.moments[column] - products.map(|(a, b)| a * b).sum::<f64>()
    }

    /// The column outside of the active set that promises most, if one does.
    fn steepest(&self, coefficients: &[f64], active: &[bool]) -> Option<usize> {
        let largest = self.moments.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
        let tolerance = 1e-10 * largest;
        let outside = (0..active.len()).filter(|i| !active[*i]);
        let slopes = outside.map(|i| (i, self.slope(i, coefficients)));
        slopes
            .filter(|(_, slope)| *slope > tolerance)
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(i, _)| i)
    }

    /// Moves to the best fit of the active columns, and takes out those that would
    /// become negative on the way. `false` where there is no best fit.
    fn settle(&self, coefficients: &mut [f64], active: &mut [bool]) -> bool {
        loop {
            let columns: Vec<usize> = (0..active.len()).filter(|i| active[*i]).collect();
            let Some(best) = self.unconstrained(&columns) else {
                return false;
            };
            let steps = columns.iter().zip(&best).filter(|(_, to)| **to <= 0.0);
            let shares = steps.map(|(i, to)| {
                let from = coefficients[*i];
                (from / (from - to), *i)
            });
            // Where the first of them reaches zero, and which one it is.
            let first = shares
                .filter(|(share, _)| share.is_finite())
                .min_by(|a, b| a.0.total_cmp(&b.0));
            let share = first.map_or(1.0, |(share, _)| share);
            for (i, to) in columns.iter().zip(&best) {
                coefficients[*i] += share * (to - coefficients[*i]);
            }
            let Some((_, gone)) = first else {
                return true;
            };
            coefficients[gone] = 0.0;
            for i in columns {
                if coefficients[i] <= 0.0 {
                    coefficients[i] = 0.0;
                    active[i] = false;
                }
            }
        }
    }

    /// The best fit of some columns, by Cholesky's decomposition; `None` if they
    /// depend on each other.
    fn unconstrained(&self, columns: &[usize]) -> Option<Vec<f64>> {
        const LEAST_PIVOT: f64 = 1e-12;
        let n = columns.len();
        let mut lower = vec![vec![0.0; n]; n];
        for i in 0..n {
            for j in 0..=i {
                let known: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
                let rest = self.gram[columns[i]][columns[j]] - known;
                if i == j {
                    if rest < LEAST_PIVOT {
                        return None;
                    }
                    lower[i][i] = f64::sqrt(rest);
                } else {
                    lower[i][j] = rest / lower[j][j];
                }
            }
        }
        let mut solution = vec![0.0; n];
        for i in 0..n {
            let known: f64 = (0..i).map(|k| lower[i][k] * solution[k]).sum();
            solution[i] = (self.moments[columns[i]] - known) / lower[i][i];
        }
        for i in (0..n).rev() {
            let known: f64 = (i + 1..n).map(|k| lower[k][i] * solution[k]).sum();
            solution[i] = (solution[i] - known) / lower[i][i];
        }
        Some(solution)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fit(rows: &[(Vec<f64>, f64)]) -> (LeastSquares, Vec<f64>) {
        let mut problem = LeastSquares::new(rows[0].0.len());
        for (row, target) in rows {
            problem.add(row, *target, 1.0);
        }
        let solution = problem.solve();
        (problem, solution)
    }

    #[test]
    fn exact_data_give_their_own_coefficients() {
        let rows: Vec<(Vec<f64>, f64)> = (0..10)
            .map(f64::from)
            .map(|x| (vec![1.0, x, x * x], 3.0 + 0.5 * x + 0.25 * x * x))
            .collect();
        let (_, found) = fit(&rows);
        for (found, wanted) in found.iter().zip([3.0, 0.5, 0.25]) {
            assert!((found - wanted).abs() < 1e-9, "{found} != {wanted}");
        }
    }

    #[test]
    fn what_would_be_negative_is_zero_and_the_others_make_up_for_it() {
        // Best without a bound: 10 - x. With it: the mean.
        let rows: Vec<(Vec<f64>, f64)> = (0..5)
            .map(f64::from)
            .map(|x| (vec![1.0, x], 10.0 - x))
            .collect();
        let (_, found) = fit(&rows);
        assert!(
            (found[0] - 8.0).abs() < 1e-9 && found[1] == 0.0,
            "{found:?}"
        );
    }

    #[test]
    fn columns_without_anything_to_say_are_zero() {
        let rows = [(vec![0.0, 1.0, 2.0], 4.0), (vec![0.0, 2.0, 4.0], 8.0)];
        let (_, found) = fit(&rows);
        assert_eq!(found[0], 0.0);
        assert!((found[1] + 2.0 * found[2] - 4.0).abs() < 1e-9, "{found:?}");
        assert_eq!(LeastSquares::new(3).solve(), [0.0; 3]);
    }

    #[test]
    fn a_row_that_is_not_finite_is_left_out() {
        let (_, clean) = fit(&[(vec![1.0], 2.0)]);
        let (_, soiled) = fit(&[
            (vec![1.0], 2.0),
            (vec![f64::NAN], 1.0),
            (vec![1.0], f64::INFINITY),
        ]);
        assert_eq!(clean, soiled);
    }

    #[test]
    fn weights_decide_between_rows_that_disagree() {
        let mut problem = LeastSquares::new(1);
        problem.add(&[1.0], 1.0, 3.0);
        problem.add(&[1.0], 5.0, 1.0);
        assert!((problem.solve()[0] - 2.0).abs() < 1e-12);
    }

    proptest! {
        /// The conditions of Karush, Kuhn and Tucker hold at the optimum and
        /// nowhere else.
        #[test]
        fn every_answer_is_optimal(
            columns in 1..9_usize,
            values in proptest::collection::vec((-1e3..1e3_f64, 0.0..1.0_f64), 30..300),
            targets in proptest::collection::vec(-1e3..1e3_f64, 30),
        ) {
            // Half of the entries are zero, as in a design.
            let entry = |(value, share): &(f64, f64)| if *share < 0.5 { 0.0 } else { *value };
            let entries: Vec<f64> = values.iter().map(entry).collect();
            let rows: Vec<(Vec<f64>, f64)> = entries
                .chunks_exact(columns)
                .zip(&targets)
                .map(|(row, target)| (row.to_vec(), *target))
                .collect();
            let (problem, found) = fit(&rows);
            for (column, coefficient) in found.iter().enumerate() {
                prop_assert!(*coefficient >= 0.0 && coefficient.is_finite());
                let length = problem.gram[column][column].sqrt();
                let slope = problem.slope(column, &found);
                let scale = 1e-6 * length * 1e3 * (targets.len() as f64).sqrt();
                prop_assert!(slope <= scale, "{column} would rather grow: {slope}");
                if *coefficient > 0.0 {
                    prop_assert!(slope.abs() <= scale, "{column} is not at rest: {slope}");
                }
            }
        }
    }
}
