//! The design of the experiment: which parents, and why.
//!
//! Each axis alone, so that its unit can be told from the others; several axes
//! together, chosen and by chance, so that it shows whether their prices add up;
//! some by chance that are kept out of the fit, so that its forecasts can be tried;
//! and differences of a single thing for what does not depend on the address space.

use fastrand::Rng;

use crate::model::{
    Availability, Backing, ChildAction, LeftOut, Program, Purpose, SpaceRequest, SpawnMethod,
    Trial, Variables,
};

/// The methods whose price is told; fork's comes first, as the dearest.
const METHODS: [SpawnMethod; 4] = [
    SpawnMethod::Fork,
    SpawnMethod::Vfork,
    SpawnMethod::PosixSpawn,
    SpawnMethod::Clone3Vfork,
];

/// What the design needs to know.
pub struct Design<'a> {
    /// Whether it is to be short.
    pub quick: bool,
    /// The seed of what is drawn.
    pub seed: u64,
    /// Pages that one page table maps.
    pub table: u64,
    /// Whether this host has room for a parent, or the reason why not.
    pub fits: &'a dyn Fn(&SpaceRequest) -> Result<(), String>,
    /// A statically linked program.
    pub static_program: Availability<Program>,
    /// A dynamically linked one.
    pub dynamic_program: Availability<Program>,
}

impl Design<'_> {
    /// The trials, and those that this host has no room or no program for.
    pub fn trials(&self) -> (Vec<Trial>, Vec<LeftOut>) {
        let mut trials = Vec::new();
        let mut left_out = Vec::new();
        let forks = self.axes().into_iter().chain(self.drawn());
        let others = self.differences();
        let all = forks.map(|(purpose, space)| forked(purpose, space));
        for trial in all.chain(others) {
            match (self.fits)(&trial.space) {
                Ok(()) => trials.push(trial),
                Err(why) => left_out.push(LeftOut {
                    purpose: trial.purpose,
                    what: trial.space.in_words(),
                    why,
                }),
            }
        }
        let programs = [
            (Purpose::StaticProgram, &self.static_program),
            (Purpose::DynamicProgram, &self.dynamic_program),
        ];
        for (purpose, program) in programs {
            match program {
                Availability::Measured(program) => trials.push(Trial {
                    methods: vec![SpawnMethod::Vfork],
                    program: program.clone(),
                    ..forked(purpose, untouched(0))
                }),
                Availability::Missing(missing) => left_out.push(LeftOut {
                    purpose,
                    what: name(purpose).to_owned(),
                    why: missing.in_words(),
                }),
            }
        }
        (trials, left_out)
    }

    /// Each axis alone, and some together.
    fn axes(&self) -> Vec<(Purpose, SpaceRequest)> {
        let table = self.table;
        let of = |purpose: Purpose, sizes: &[u64], space: &dyn Fn(u64) -> SpaceRequest| {
            let spaces = sizes.iter().map(|size| (purpose, space(*size)));
            spaces.collect::<Vec<_>>()
        };
        let pick = |long: &'static [u64], short: &'static [u64]| {
            if self.quick { short } else { long }
        };
        let mappings = pick(
            &[100, 300, 1_000, 3_000, 10_000, 25_000, 50_000],
            &[100, 1_000, 3_000, 10_000],
        );
        let pages = pick(
            &[1_000, 10_000, 50_000, 100_000, 500_000],
            &[1_000, 10_000, 30_000, 100_000],
        );
        let tables = pick(&[100, 1_000, 3_000, 10_000], &[100, 500, 2_000]);
        let huge = pick(&[10, 100, 400], &[10, 40, 100]);
        // Of a single size the fit could not tell whether its price is right, nor what a
        // parent takes that has none.
        let files = pick(&[300, 1_000, 3_000], &[300, 3_000]);
        [
            of(Purpose::Empty, &[0], &untouched),
            of(Purpose::Mappings, mappings, &untouched),
            of(Purpose::AnonMappings, mappings, &|n| anon(n, 1, 1)),
            of(Purpose::DensePages, pages, &|n| anon(1, n, 1)),
            of(Purpose::ScatteredPages, tables, &|n| anon(1, n, table)),
            of(Purpose::ScatteredMappings, tables, &|n| anon(n, 1, table)),
            of(Purpose::HugePages, huge, &|n| huge_pages(n, table)),
            of(Purpose::FileMappings, files, &|n| backed(n, Backing::File)),
            of(Purpose::SharedMappings, files, &|n| {
                backed(n, Backing::Shared)
            }),
            self.together(),
        ]
        .concat()
    }

    fn together(&self) -> Vec<(Purpose, SpaceRequest)> {
        let table = self.table;
        let long = [
            anon(1_000, 10, 1),
            anon(300, 100, 1),
            anon(1, 5_000, 16),
            all([untouched(3_000), anon(1, 20_000, 1)]),
            all([
                anon(1_000, 1, 1),
                anon(1, 500, table),
                huge_pages(50, table),
            ]),
        ];
        let count = if self.quick { 3 } else { long.len() };
        let spaces = long.into_iter().take(count);
        spaces.map(|space| (Purpose::Together, space)).collect()
    }

    /// Parents drawn by chance, some of them kept out of the fit.
    fn drawn(&self) -> Vec<(Purpose, SpaceRequest)> {
        let (chance, validation) = if self.quick { (2, 4) } else { (5, 8) };
        let mut rng = Rng::with_seed(self.seed);
        let purposes = [(Purpose::Chance, chance), (Purpose::Validation, validation)];
        let each = purposes
            .into_iter()
            .flat_map(|(purpose, count)| std::iter::repeat_n(purpose, count));
        each.map(|purpose| (purpose, self.by_chance(&mut rng)))
            .collect()
    }

    /// One to five parts, each of a size that is as likely small as large.
    fn by_chance(&self, rng: &mut Rng) -> SpaceRequest {
        type Part<'a> = (u64, u64, &'a dyn Fn(u64) -> SpaceRequest);
        let table = self.table;
        let parts: [Part<'_>; 5] = [
            (30, 20_000, &untouched),
            (30, 10_000, &|n| anon(n, 1, 1)),
            (300, 200_000, &|n| anon(1, n, 1)),
            (20, 3_000, &|n| anon(1, n, table)),
            (5, 200, &|n| huge_pages(n, table)),
        ];
        loop {
            let drawn = parts.iter().filter_map(|(least, most, space)| {
                let most = if self.quick { most / 4 } else { *most };
                let size = log_uniform(rng, *least, most);
                rng.bool().then(|| space(size))
            });
            let mut parts: Vec<SpaceRequest> = drawn.collect();
            match parts.len() {
                0 => {}
                1 => return parts.remove(0),
                _ => return SpaceRequest::Together { parts },
            }
        }
    }

    /// What is found by a difference from the empty parent.
    fn differences(&self) -> Vec<Trial> {
        let of = |purpose, space, methods: &[SpawnMethod]| Trial {
            methods: methods.to_vec(),
            ..forked(purpose, space)
        };
        let descriptors = |count, cloexec| SpaceRequest::Descriptors { count, cloexec };
        let plain = Purpose::Descriptors;
        let cloexec = Purpose::CloexecDescriptors;
        let mut trials = vec![
            of(Purpose::Flatness, untouched(0), &METHODS),
            of(Purpose::Flatness, anon(3_000, 1, 1), &METHODS[1..]),
            of(plain, descriptors(1_000, false), &METHODS),
            of(cloexec, descriptors(1_000, true), &METHODS),
            of(
                Purpose::Threads,
                SpaceRequest::Threads { count: 50 },
                &METHODS,
            ),
            of(
                Purpose::Handlers,
                SpaceRequest::Handlers { count: 50 },
                &METHODS,
            ),
            Trial {
                child: ChildAction::Exit,
                ..of(Purpose::Exit, untouched(0), &METHODS[..2])
            },
            with_variables(Purpose::Variables, 1_000, 16),
            with_variables(Purpose::VariableBytes, 10, 100_000),
            of(Purpose::Gauges, anon(1, 2_048, 1), &METHODS[..1]),
        ];
        if !self.quick {
            trials.push(of(plain, descriptors(8_000, false), &METHODS[..2]));
            trials.push(of(cloexec, descriptors(8_000, true), &METHODS[..2]));
        }
        trials
    }
}

/// Children that execute the embedded program, forked.
fn forked(purpose: Purpose, space: SpaceRequest) -> Trial {
    Trial {
        purpose,
        space,
        methods: vec![SpawnMethod::Fork],
        child: ChildAction::Exec,
        program: Program::Embedded,
        variables: Variables::default(),
    }
}

fn with_variables(purpose: Purpose, count: u64, bytes: u64) -> Trial {
    Trial {
        methods: vec![SpawnMethod::Vfork],
        variables: Variables { count, bytes },
        ..forked(purpose, untouched(0))
    }
}

fn mappings(mappings: u64, pages: u64, spacing: u64) -> SpaceRequest {
    SpaceRequest::Mappings {
        mappings,
        pages,
        spacing,
        backing: Backing::Anon,
        huge: false,
    }
}

fn untouched(count: u64) -> SpaceRequest {
    mappings(count, 0, 1)
}

fn anon(count: u64, pages: u64, spacing: u64) -> SpaceRequest {
    mappings(count, pages, spacing)
}

fn huge_pages(count: u64, table: u64) -> SpaceRequest {
    SpaceRequest::Mappings {
        mappings: 1,
        pages: count,
        spacing: table,
        backing: Backing::Anon,
        huge: true,
    }
}

fn backed(count: u64, backing: Backing) -> SpaceRequest {
    SpaceRequest::Mappings {
        mappings: count,
        pages: 0,
        spacing: 1,
        backing,
        huge: false,
    }
}

fn all<const N: usize>(parts: [SpaceRequest; N]) -> SpaceRequest {
    SpaceRequest::Together {
        parts: parts.to_vec(),
    }
}

/// A whole number whose logarithm is as likely to lie anywhere between those of two.
fn log_uniform(rng: &mut Rng, least: u64, most: u64) -> u64 {
    let (low, high) = ((least as f64).ln(), (most.max(least) as f64).ln());
    let drawn = (low + rng.f64() * (high - low)).exp().round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it lies between two counts"
    )]
    let drawn = drawn as u64;
    drawn
}

/// The environment of a trial: the plan's, and variables that are there for their
/// size.
pub fn environment(plan: &[String], variables: Variables) -> Vec<String> {
    let added = (0..variables.count).map(|index| {
        let name = format!("FORKTAX_{index}=");
        // The final zero of each string is not part of it here.
        let bytes = usize::try_from(variables.bytes).unwrap_or(usize::MAX);
        let rest = bytes.saturating_sub(name.len() + 1);
        name + &"x".repeat(rest)
    });
    plan.iter().cloned().chain(added).collect()
}

/// What a trial is for, in a few words.
pub fn name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Empty => "nothing",
        Purpose::Mappings => "untouched mappings",
        Purpose::AnonMappings => "mappings of one page",
        Purpose::DensePages => "pages side by side",
        Purpose::ScatteredPages => "scattered pages",
        Purpose::ScatteredMappings => "scattered mappings",
        Purpose::HugePages => "huge pages",
        Purpose::FileMappings => "mappings of a file",
        Purpose::SharedMappings => "shared mappings",
        Purpose::Together => "together",
        Purpose::Chance => "by chance",
        Purpose::Validation => "validation",
        Purpose::Flatness => "other methods",
        Purpose::Descriptors => "descriptors",
        Purpose::CloexecDescriptors => "close-on-exec descriptors",
        Purpose::Threads => "threads",
        Purpose::Handlers => "signal handlers",
        Purpose::Exit => "leaving at once",
        Purpose::Variables => "environment variables",
        Purpose::VariableBytes => "environment bytes",
        Purpose::StaticProgram => "a static program",
        Purpose::DynamicProgram => "a dynamic program",
        Purpose::Gauges => "gauges",
    }
}

#[cfg(test)]
mod tests;
