//! What else a spawn costs: each price the difference of two trials that differ in one
//! thing, over the number of that thing.

use crate::model::{
    CardOrder, GaugeSamples, Missing, PriceKind, Purpose, SpaceRequest, SpawnMethod, TrialCell,
    TrialResult, WorkerSamples, quiet_workers, times,
};
use crate::stats::{DRAWS, Replicates, cost_replicates, seed_of};

/// When a price is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Call,
    Total,
}

/// A price by difference: in the call and in total, or the reason why not.
pub(super) struct Difference {
    pub(super) of: PriceKind,
    pub(super) method: Option<SpawnMethod>,
    pub(super) units: f64,
    /// `None` where it is no spawn that is priced, so that there is no call.
    pub(super) call: Option<Result<Replicates, Missing>>,
    pub(super) total: Result<Replicates, Missing>,
    /// Workers behind it; of several samples, the fewest that one of them has.
    pub(super) workers: usize,
}

/// Where the trials are.
pub(super) struct Differences<'a> {
    pub(super) order: &'a CardOrder,
    pub(super) trials: &'a [TrialResult],
    pub(super) seed: u64,
}

type Found<'a> = Result<(usize, &'a TrialCell), Missing>;

impl Differences<'_> {
    /// All of them, in the order of the table.
    pub(super) fn all(&self) -> Vec<Difference> {
        let mut all = self.spawns();
        all.extend(self.parents());
        all.extend(self.programs());
        all.extend(self.variables());
        all.extend(self.gauges());
        all
    }

    /// A spawn from the empty parent, and what a mapping adds to it where the method
    /// copies none.
    fn spawns(&self) -> Vec<Difference> {
        let mut prices = Vec::new();
        for method in self.methods(Purpose::Flatness) {
            let base = self.base(method);
            let of = |moment| self.median(&base, moment);
            prices.push(Difference {
                of: PriceKind::Spawn,
                method: Some(method),
                units: 1.0,
                call: Some(of(Moment::Call)),
                total: of(Moment::Total),
                workers: fewest([&base]),
            });
        }
        for method in self.methods(Purpose::Flatness) {
            if method != SpawnMethod::Fork {
                prices.extend(self.largest(Purpose::Flatness, PriceKind::Mapping, method));
            }
        }
        prices
    }

    fn parents(&self) -> Vec<Difference> {
        let kinds = [
            (Purpose::Descriptors, PriceKind::Descriptor),
            (Purpose::CloexecDescriptors, PriceKind::CloexecDescriptor),
            (Purpose::Threads, PriceKind::Thread),
            (Purpose::Handlers, PriceKind::Handler),
        ];
        let of = |(purpose, kind): (Purpose, PriceKind)| {
            let methods = self.methods(purpose).into_iter();
            methods
                .filter_map(|method| self.largest(purpose, kind, method))
                .collect::<Vec<_>>()
        };
        kinds.into_iter().flat_map(of).collect()
    }

    /// What a program of three instructions takes, and what others take beyond it.
    fn programs(&self) -> Vec<Difference> {
        let base = || self.base(SpawnMethod::Vfork);
        let exit = || self.only(Purpose::Exit, SpawnMethod::Vfork);
        let fixed = || self.only(Purpose::StaticProgram, SpawnMethod::Vfork);
        let dynamic = || self.only(Purpose::DynamicProgram, SpawnMethod::Vfork);
        [
            (PriceKind::RawExec, base(), exit()),
            (PriceKind::StaticStart, fixed(), base()),
            (PriceKind::Loader, dynamic(), fixed()),
        ]
        .into_iter()
        .map(|(of, more, less)| Difference {
            of,
            method: None,
            units: 1.0,
            call: None,
            total: self.difference(&more, &less, Moment::Total, 1.0),
            workers: fewest([&more, &less]),
        })
        .collect()
    }

    /// What a variable and a byte cost: two trials with many of the one and many of
    /// the other, beyond the empty environment, are two equations.
    fn variables(&self) -> Vec<Difference> {
        let method = SpawnMethod::Vfork;
        let base = self.base(method);
        let many = self.only(Purpose::Variables, method);
        let long = self.only(Purpose::VariableBytes, method);
        let price = |of: PriceKind, moment: Moment| {
            let [many_of, long_of] = [&many, &long].map(|found| {
                let (trial, _) = found.as_ref().map_err(Clone::clone)?;
                Ok::<_, Missing>(self.order.trials[*trial].variables)
            });
            let (many_of, long_of) = (many_of?, long_of?);
            let beyond_many = self.difference(&many, &base, moment, 1.0)?;
            let beyond_long = self.difference(&long, &base, moment, 1.0)?;
            let solve = move |values: &[f64]| {
                let [m, l] =
                    [many_of, long_of].map(|v| (v.count as f64, (v.count * v.bytes) as f64));
                let determinant = m.0 * l.1 - l.0 * m.1;
                let of = match of {
                    PriceKind::Variable => values[0] * l.1 - values[1] * m.1,
                    _ => values[1] * m.0 - values[0] * l.0,
                };
                (determinant != 0.0).then(|| of / determinant)
            };
            Replicates::combine(&[&beyond_many, &beyond_long], solve)
                .ok_or_else(Missing::not_reached)
        };
        [PriceKind::Variable, PriceKind::VariableByte]
            .into_iter()
            .map(|of| Difference {
                of,
                method: None,
                units: 1.0,
                call: None,
                total: price(of, Moment::Total),
                workers: fewest([&base, &many, &long]),
            })
            .collect()
    }

    fn gauges(&self) -> Vec<Difference> {
        type Pick = fn(&GaugeSamples) -> &Vec<f64>;
        let kinds: [(PriceKind, Pick); 6] = [
            (PriceKind::MinorFault, |g| &g.fault_ns),
            (PriceKind::ParentCopy, |g| &g.parent_copy_ns),
            (PriceKind::ParentReuse, |g| &g.parent_reuse_ns),
            (PriceKind::ChildCopy, |g| &g.child_copy_ns),
            (PriceKind::Syscall, |g| &g.syscall_ns),
            (PriceKind::Cpuid, |g| &g.cpuid_ns),
        ];
        let workers: Vec<&GaugeSamples> = self.trials.iter().flat_map(|t| &t.gauges).collect();
        let of = |(index, (of, pick)): (usize, (PriceKind, Pick))| {
            let values: Vec<Vec<f64>> = workers.iter().map(|g| pick(g).clone()).collect();
            let median = cost_replicates(&values, seed_of(self.seed, 1_000 + index), DRAWS);
            Difference {
                of,
                method: None,
                units: 1.0,
                call: None,
                total: median.ok_or_else(|| self.no_gauge(of)),
                workers: workers.len(),
            }
        };
        kinds.into_iter().enumerate().map(of).collect()
    }

    fn no_gauge(&self, of: PriceKind) -> Missing {
        let gauged = self.trials.iter().any(|trial| !trial.gauges.is_empty());
        match of {
            PriceKind::Cpuid if gauged => {
                Missing::unavailable("this machine has no cpuid instruction", None)
            }
            _ => self.why_none(Purpose::Gauges),
        }
    }

    /// The methods of a purpose's first trial.
    fn methods(&self, purpose: Purpose) -> Vec<SpawnMethod> {
        let trials = self.order.trials.iter();
        let mut methods: Vec<SpawnMethod> = Vec::new();
        for trial in trials.filter(|trial| trial.purpose == purpose) {
            for method in &trial.methods {
                if !methods.contains(method) {
                    methods.push(*method);
                }
            }
        }
        methods
    }

    /// The difference between the largest parent of a purpose that has the method and
    /// the empty one, over what the larger has more of.
    fn largest(&self, purpose: Purpose, of: PriceKind, method: SpawnMethod) -> Option<Difference> {
        let base = self.base(method);
        let trials = self.order.trials.iter().enumerate();
        let sized = trials
            .filter(|(_, trial)| trial.purpose == purpose && trial.methods.contains(&method))
            .map(|(index, trial)| (units(&trial.space), index))
            .filter(|(units, _)| *units > 0);
        let (units, index) = sized.max()?;
        let units = units as f64;
        let larger = self.cell(index, method);
        let price = |moment| self.difference(&larger, &base, moment, units);
        Some(Difference {
            of,
            method: Some(method),
            units,
            call: Some(price(Moment::Call)),
            total: price(Moment::Total),
            workers: fewest([&base, &larger]),
        })
    }

    fn difference(
        &self,
        more: &Found<'_>,
        less: &Found<'_>,
        moment: Moment,
        units: f64,
    ) -> Result<Replicates, Missing> {
        let (more, less) = (self.median(more, moment)?, self.median(less, moment)?);
        Replicates::combine(&[&more, &less], |v| Some((v[0] - v[1]) / units))
            .ok_or_else(Missing::not_reached)
    }

    fn median(&self, found: &Found<'_>, moment: Moment) -> Result<Replicates, Missing> {
        let (trial, cell) = found.as_ref().map_err(Clone::clone)?;
        let seed = seed_of(self.seed, *trial);
        median_of(cell, moment, seed).ok_or_else(|| match cell.total_ns.missing() {
            Some(missing) => missing.clone(),
            None => Missing::not_reached(),
        })
    }

    /// The empty parent that all methods spawn from.
    fn base(&self, method: SpawnMethod) -> Found<'_> {
        let trials = self.order.trials.iter();
        let place = trials.enumerate().find(|(_, trial)| {
            trial.purpose == Purpose::Flatness
                && trial.methods.contains(&method)
                && units(&trial.space) == 0
        });
        let (index, _) = place.ok_or_else(|| self.why_none(Purpose::Flatness))?;
        self.cell(index, method)
    }

    /// The only trial of a purpose.
    fn only(&self, purpose: Purpose, method: SpawnMethod) -> Found<'_> {
        let mut trials = self.order.trials.iter();
        let place = trials.position(|trial| trial.purpose == purpose);
        self.cell(place.ok_or_else(|| self.why_none(purpose))?, method)
    }

    fn cell(&self, trial: usize, method: SpawnMethod) -> Found<'_> {
        let result = self.trials.get(trial).ok_or_else(Missing::not_reached)?;
        let cell = result.cells.iter().find(|cell| cell.method == method);
        match (cell, result.parent.missing()) {
            (Some(cell), None) => Ok((trial, cell)),
            (_, Some(missing)) => Err(missing.clone()),
            (None, None) => Err(Missing::not_reached()),
        }
    }

    /// Why a purpose has no trial.
    fn why_none(&self, purpose: Purpose) -> Missing {
        let mut left_out = self.order.left_out.iter();
        match left_out.find(|left_out| left_out.purpose == purpose) {
            Some(left_out) => Missing::unavailable(left_out.why.clone(), None),
            None => Missing::not_reached(),
        }
    }
}

/// The workers of the cell that has the fewest.
fn fewest<const N: usize>(cells: [&Found<'_>; N]) -> usize {
    let workers = cells
        .into_iter()
        .flatten()
        .map(|(_, cell)| quiet_workers(&cell.samples).len());
    workers.min().unwrap_or(0)
}

/// The median of a cell's calls or totals.
pub(super) fn median_of(cell: &TrialCell, moment: Moment, seed: u64) -> Option<Replicates> {
    let of = match moment {
        Moment::Call => WorkerSamples::calls,
        Moment::Total => WorkerSamples::totals,
    };
    let workers = times(&cell.samples, of);
    // Call and total of one seed are resampled alike, as they are of one spawn.
    cost_replicates(&workers, seed, DRAWS)
}

/// How many of a parent's one thing there are.
fn units(space: &SpaceRequest) -> u64 {
    match space {
        SpaceRequest::Descriptors { count, .. }
        | SpaceRequest::Threads { count }
        | SpaceRequest::Handlers { count } => *count,
        other => other.mappings(),
    }
}
