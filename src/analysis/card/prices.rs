//! The price list: fits and differences, put together and into estimates.

use super::differences::{Difference, Differences, Moment, median_of};
use super::fit::{COLUMNS, Fit, Observation, error_quantile, relative_errors};
use super::footprint::Knee;
use super::grade::NO_ERROR;
use crate::model::{
    AtMost, Availability, CardOrder, Errors, Forecast, Grade, Missing, Price, PriceKind, PriceList,
    Priced, Purpose, SpawnMethod, Term, TermPrice, TrialResult, quiet_workers,
};
use crate::stats::{Estimate, Replicates, level_freedom, seed_of};

/// What is paid when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// In the call.
    Call,
    /// After it.
    After,
    /// In total.
    Total,
}

impl Slice {
    const ALL: [Self; 3] = [Self::Call, Self::After, Self::Total];
}

/// A line of the price list, with the resamples behind it.
#[derive(Debug, Clone)]
pub struct PriceLine {
    /// Of a fork's term: which, and whether far beyond the knee.
    pub term: Option<(Term, bool)>,
    /// Of another price: which, and of which method.
    pub other: Option<(PriceKind, Option<SpawnMethod>)>,
    /// When it is paid.
    pub slice: Slice,
    /// The price of one, in nanoseconds, or the reason why there is none.
    pub value: Result<Replicates, Missing>,
    /// Workers behind it; of a fitted price, one more than its degrees of freedom.
    pub workers: usize,
    /// The degrees of freedom of its error.
    pub freedom: usize,
}

/// What the trials say.
struct Reckoning {
    /// The parents that are fitted, and those that are only foretold.
    fitted: Vec<Observation>,
    validation: Vec<Observation>,
    fit: Option<Fit>,
    differences: Vec<Difference>,
}

impl Reckoning {
    fn of(order: &CardOrder, trials: &[TrialResult], seed: u64) -> Self {
        let parents = |wanted: &dyn Fn(Purpose) -> bool| {
            let pairs = order.trials.iter().zip(trials).enumerate();
            pairs
                .filter(|(_, (trial, _))| wanted(trial.purpose))
                .filter_map(|(index, (_, result))| observation(index, result, seed))
                .collect::<Vec<_>>()
        };
        let fitted = parents(&Purpose::is_fitted);
        let differences = Differences {
            order,
            trials,
            seed,
        };
        Self {
            validation: parents(&|purpose| purpose == Purpose::Validation),
            fit: Fit::of(&fitted, seed),
            fitted,
            differences: differences.all(),
        }
    }
}

/// The prices that follow from what the trials took.
pub fn price_list(order: &CardOrder, trials: &[TrialResult], seed: u64) -> PriceList {
    let reckoning = Reckoning::of(order, trials, seed);
    PriceList {
        terms: Term::ALL.iter().map(|term| reckoning.term(*term)).collect(),
        knee_bytes: reckoning.knee().map(|knee| knee.bytes),
        levels_off: reckoning.knee().is_some_and(|knee| knee.levels_off),
        grade: reckoning.grade(),
        forecasts: reckoning.forecasts(),
        prices: reckoning.differences.iter().map(price).collect(),
    }
}

/// The fit of a fork's prices, if there are parents enough.
pub fn fit(order: &CardOrder, trials: &[TrialResult], seed: u64) -> Option<Fit> {
    Reckoning::of(order, trials, seed).fit
}

/// Every line of the price list with its resamples.
pub fn lines(order: &CardOrder, trials: &[TrialResult], seed: u64) -> Vec<PriceLine> {
    let reckoning = Reckoning::of(order, trials, seed);
    let terms = Term::ALL.iter().flat_map(|term| {
        let sides = [false, true].map(|beyond| (*term, beyond));
        sides
            .into_iter()
            .filter(|(term, beyond)| !beyond || is_sized(*term))
    });
    let terms = terms.flat_map(|term| Slice::ALL.map(|slice| (term, slice)));
    let terms = terms.map(|((term, beyond), slice)| PriceLine {
        term: Some((term, beyond)),
        other: None,
        slice,
        value: reckoning.told_value(term, beyond, slice),
        workers: reckoning.freedom() + 1,
        freedom: reckoning.freedom(),
    });
    let others = reckoning.differences.iter().flat_map(|difference| {
        let slices: &[Slice] = match difference.call {
            Some(_) => &Slice::ALL,
            None => &Slice::ALL[2..],
        };
        slices.iter().map(|slice| PriceLine {
            term: None,
            other: Some((difference.of, difference.method)),
            slice: *slice,
            value: slice_of(difference, *slice),
            workers: difference.workers,
            freedom: level_freedom(difference.workers),
        })
    });
    terms.chain(others).collect()
}

fn is_sized(term: Term) -> bool {
    super::footprint::SIZED.contains(&term)
}

/// What a fork of a trial's parent took, if it was measured.
fn observation(trial: usize, result: &TrialResult, seed: u64) -> Option<Observation> {
    let cell = result
        .cells
        .iter()
        .find(|c| c.method == SpawnMethod::Fork)?;
    let seed = seed_of(seed, trial);
    let call = median_of(cell, Moment::Call, seed)?.value;
    let total = median_of(cell, Moment::Total, seed)?.estimate();
    let counts = result.parent.measured()?.mappings;
    (call > 0.0 && total.value >= call).then(|| Observation {
        trial,
        workers: quiet_workers(&cell.samples).len(),
        counts,
        call,
        total: total.value,
        error: total.relative_half_width() / 2.0,
    })
}

impl Reckoning {
    fn why_no_fit(&self) -> Missing {
        Missing::unavailable(
            format!(
                "{} parents were measured, too few to fit prices to",
                self.fitted.len()
            ),
            Some("raise --time, or let the host have room for more of them"),
        )
    }

    fn term(&self, term: Term) -> TermPrice {
        let priced = |beyond| {
            let value = |slice| supported(self.term_value(term, beyond, slice));
            let [call, after, total] = Slice::ALL.map(value);
            // Draws that cannot be negative add up to something even where neither of
            // them is more than chance: a total is told only with one of its parts.
            let total = match (&call.0, &after.0, total.0) {
                (
                    Availability::Missing(_),
                    Availability::Missing(_),
                    Availability::Measured(sum),
                ) => untold(sum.ci95[1]),
                (_, _, found) => (found, total.1),
            };
            priced([call, after, total])
        };
        TermPrice {
            term,
            small: priced(false),
            large: priced(is_sized(term)),
        }
    }

    fn term_value(&self, term: Term, beyond: bool, slice: Slice) -> Result<Replicates, Missing> {
        let fit = self.fit.as_ref().ok_or_else(|| self.why_no_fit())?;
        let has = |parent: &Observation| term.count(&parent.counts) > 0;
        if !self.fitted.iter().any(has) {
            let why = "no parent with it was measured";
            return Err(Missing::unavailable(why, None));
        }
        let price = |after| fit.price(term, after, beyond);
        match slice {
            Slice::Call => Ok(price(false)),
            Slice::After => Ok(price(true)),
            Slice::Total => sum(&price(false), &price(true)),
        }
    }

    fn knee(&self) -> Option<Knee> {
        self.fit.as_ref().and_then(|fit| fit.knee)
    }

    /// The price for a line of its own: not of what is the same price once more, and no
    /// sum of parts of which none is told from 0.
    fn told_value(&self, term: Term, beyond: bool, slice: Slice) -> Result<Replicates, Missing> {
        if beyond && self.knee().is_none() {
            return Err(Missing::unavailable("no knee was found", None));
        }
        let value = self.term_value(term, beyond, slice)?;
        let is_told = |slice| {
            let part = self.term_value(term, beyond, slice);
            part.is_ok_and(|part| part.estimate().is_above(0.0))
        };
        if slice == Slice::Total && !is_told(Slice::Call) && !is_told(Slice::After) {
            return Err(Missing::unavailable("not told from 0", None));
        }
        Ok(value)
    }

    /// The degrees of freedom of the fit; of few rounds one less than there are, as those
    /// know too little of how workers differ.
    fn freedom(&self) -> usize {
        const ENOUGH: usize = 3;
        let rounds = self.fitted.iter().map(|parent| parent.workers).max();
        match rounds {
            Some(few) if few < ENOUGH => few.saturating_sub(1),
            _ => self.fitted.len().saturating_sub(COLUMNS),
        }
    }

    fn grade(&self) -> Availability<Grade> {
        let Some(fit) = &self.fit else {
            return Availability::Missing(self.why_no_fit());
        };
        Availability::Measured(Grade {
            parents: self.fitted.len() as u64,
            call: self.errors(fit, 0),
            total: self.errors(fit, 1),
        })
    }

    fn errors(&self, fit: &Fit, of: usize) -> Errors {
        let left_out = || {
            let pairs = self.fitted.iter().zip(&fit.left_out);
            pairs.map(move |(parent, foretold)| relative_errors(parent, *foretold)[of])
        };
        let validation = || {
            self.validation.iter().map(move |parent| {
                let foretold = fit.forecast(&parent.counts).map(|f| f.value);
                relative_errors(parent, foretold)[of]
            })
        };
        let figure = |value: Option<f64>| {
            value.map_or_else(Availability::not_reached, Availability::Measured)
        };
        Errors {
            r_squared: fit.r_squared[of],
            loo_median: error_quantile(left_out(), 0.5).unwrap_or(NO_ERROR),
            loo_p90: error_quantile(left_out(), 0.9).unwrap_or(NO_ERROR),
            validation_median: figure(error_quantile(validation(), 0.5)),
            validation_worst: figure(error_quantile(validation(), 1.0)),
        }
    }

    /// What was foretold of each parent by a fit that did not know it.
    fn forecasts(&self) -> Vec<Forecast> {
        let Some(fit) = &self.fit else {
            return Vec::new();
        };
        let left_out = self.fitted.iter().zip(&fit.left_out);
        let left_out = left_out.map(|(parent, foretold)| (parent, *foretold));
        let validation = self.validation.iter();
        let validation = validation.map(|p| (p, fit.forecast(&p.counts).map(|f| f.value)));
        let forecasts = left_out.chain(validation);
        forecasts
            .map(|(parent, [call_ns, total_ns])| Forecast {
                trial: parent.trial as u64,
                call_ns,
                total_ns,
            })
            .collect()
    }
}

fn price(difference: &Difference) -> Price {
    let value = |slice| match (slice, &difference.call) {
        (Slice::Call | Slice::After, None) => {
            let why = "it is not paid in the call of a spawn";
            (Availability::not_asked(why), None)
        }
        _ => supported(slice_of(difference, slice)),
    };
    Price {
        of: difference.of,
        method: difference.method,
        units: difference.units,
        priced: priced(Slice::ALL.map(value)),
    }
}

/// A price, or what it is at the most.
type Supported = (Availability<Estimate>, Option<f64>);

fn priced([call, after, total]: [Supported; 3]) -> Priced {
    Priced {
        at_most: AtMost {
            call_ns: call.1,
            after_ns: after.1,
            total_ns: total.1,
        },
        call_ns: call.0,
        after_ns: after.0,
        total_ns: total.0,
    }
}

fn slice_of(difference: &Difference, slice: Slice) -> Result<Replicates, Missing> {
    let call = || {
        difference
            .call
            .clone()
            .unwrap_or_else(|| Err(Missing::not_reached()))
    };
    match slice {
        Slice::Call => call(),
        Slice::Total => difference.total.clone(),
        Slice::After => {
            let (call, total) = (call()?, difference.total.clone()?);
            Replicates::combine(&[&total, &call], |v| Some(v[0] - v[1]))
                .ok_or_else(Missing::not_reached)
        }
    }
}

fn sum(a: &Replicates, b: &Replicates) -> Result<Replicates, Missing> {
    Replicates::combine(&[a, b], |v| Some(v[0] + v[1])).ok_or_else(Missing::not_reached)
}

/// The price as an estimate, if the data tell it from 0; else what it is at the most.
fn supported(value: Result<Replicates, Missing>) -> Supported {
    let estimate = match value {
        Ok(replicates) => replicates.estimate(),
        Err(missing) => return (Availability::Missing(missing), None),
    };
    let [low, high] = estimate.ci95;
    if low > 0.0 || high < 0.0 {
        return (Availability::Measured(estimate), None);
    }
    untold(high)
}

/// A price that may be nothing, and is so much at the most.
fn untold(high: f64) -> Supported {
    let most = high.max(0.0);
    let missing = Missing::unavailable(
        format!(
            "not told from 0: at most {}",
            crate::units::nanoseconds(most)
        ),
        Some("a longer --time narrows it"),
    );
    (Availability::Missing(missing), Some(most))
}
