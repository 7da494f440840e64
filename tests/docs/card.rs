//! The document of a card, with all that such a document can hold, and the words of
//! its enums.

use forktax::model::{
    AtMost, Availability, Card, CardOrder, ChildAction, Document, Errors, Findings, Forecast,
    GaugeSamples, Grade, LeftOut, Order, Parent, Price, PriceKind, PriceList, Priced, Program,
    Purpose, SpaceRequest, SpawnMethod, Term, TermPrice, Trial, TrialCell, TrialResult, Variables,
    WorkerSamples,
};
use forktax::stats::{Estimate, Summary};
use serde_json::Value;

use super::{json, sweep};

pub(crate) fn document() -> Document {
    let mut document = sweep();
    document.plan.order = Order::Card(CardOrder {
        quick: true,
        trials: vec![Trial {
            purpose: Purpose::Empty,
            space: SpaceRequest::Threads { count: 1 },
            methods: vec![SpawnMethod::Fork],
            child: ChildAction::Exec,
            program: Program::Embedded,
            variables: Variables { count: 1, bytes: 2 },
        }],
        left_out: vec![LeftOut {
            purpose: Purpose::HugePages,
            what: "1 mapping, 10 huge pages".to_owned(),
            why: "no room".to_owned(),
        }],
        named: vec![Purpose::StaticProgram],
    });
    document.findings = Findings::Card(Card {
        trials: vec![tried()],
        prices: prices(),
    });
    document
}

fn tried() -> TrialResult {
    let summary = Summary {
        median: Estimate::exact(1.0),
        min: 1.0,
        p10: 1.0,
        p90: 1.0,
        mean: 1.0,
        stddev: 1.0,
    };
    TrialResult {
        parent: Availability::Measured(Parent::default()),
        cells: vec![TrialCell {
            method: SpawnMethod::Fork,
            call_ns: Availability::Measured(summary),
            total_ns: Availability::Measured(summary),
            samples: vec![WorkerSamples {
                round: 0,
                call_ns: vec![1],
                total_ns: vec![2],
            }],
        }],
        gauges: vec![GaugeSamples {
            round: 0,
            syscall_ns: vec![1.0],
            fault_ns: vec![1.0],
            cpuid_ns: vec![1.0],
            parent_copy_ns: vec![1.0],
            parent_reuse_ns: vec![1.0],
            child_copy_ns: vec![1.0],
        }],
    }
}

fn prices() -> PriceList {
    let errors = || Errors {
        r_squared: 1.0,
        loo_median: 0.1,
        loo_p90: 0.2,
        validation_median: Availability::Measured(0.1),
        validation_worst: Availability::Measured(0.2),
    };
    PriceList {
        terms: vec![TermPrice {
            term: Term::Fixed,
            small: priced(),
            large: priced(),
        }],
        knee_bytes: Some(1),
        grade: Availability::Measured(Grade {
            parents: 1,
            call: errors(),
            total: errors(),
        }),
        forecasts: vec![Forecast {
            trial: 0,
            call_ns: 1.0,
            total_ns: 2.0,
        }],
        prices: vec![Price {
            of: PriceKind::Spawn,
            method: Some(SpawnMethod::Fork),
            units: 1.0,
            priced: priced(),
        }],
    }
}

fn priced() -> Priced {
    let estimate = || {
        Availability::Measured(Estimate {
            value: 1.0,
            ci95: [0.5, 2.0],
        })
    };
    Priced {
        call_ns: estimate(),
        after_ns: estimate(),
        total_ns: estimate(),
        at_most: AtMost {
            call_ns: Some(1.0),
            after_ns: Some(1.0),
            total_ns: Some(1.0),
        },
    }
}

/// The words of a card's enums; a match does not compile when a variant is added.
pub(crate) fn words() -> Vec<Value> {
    let mut words: Vec<Value> = Term::ALL.map(json).into();
    words.extend(purposes());
    words.extend(kinds());
    words
}

fn purposes() -> impl Iterator<Item = Value> {
    let named = |purpose| match purpose {
        Purpose::Empty
        | Purpose::Mappings
        | Purpose::AnonMappings
        | Purpose::DensePages
        | Purpose::ScatteredPages
        | Purpose::ScatteredMappings
        | Purpose::HugePages
        | Purpose::FileMappings
        | Purpose::SharedMappings
        | Purpose::Together
        | Purpose::Chance
        | Purpose::Validation
        | Purpose::Flatness
        | Purpose::Descriptors
        | Purpose::CloexecDescriptors
        | Purpose::Threads
        | Purpose::Handlers
        | Purpose::Exit
        | Purpose::Variables
        | Purpose::VariableBytes
        | Purpose::StaticProgram
        | Purpose::DynamicProgram
        | Purpose::Gauges => json(purpose),
    };
    [
        Purpose::Empty,
        Purpose::Mappings,
        Purpose::AnonMappings,
        Purpose::DensePages,
        Purpose::ScatteredPages,
        Purpose::ScatteredMappings,
        Purpose::HugePages,
        Purpose::FileMappings,
        Purpose::SharedMappings,
        Purpose::Together,
        Purpose::Chance,
        Purpose::Validation,
        Purpose::Flatness,
        Purpose::Descriptors,
        Purpose::CloexecDescriptors,
        Purpose::Threads,
        Purpose::Handlers,
        Purpose::Exit,
        Purpose::Variables,
        Purpose::VariableBytes,
        Purpose::StaticProgram,
        Purpose::DynamicProgram,
        Purpose::Gauges,
    ]
    .into_iter()
    .map(named)
}

fn kinds() -> impl Iterator<Item = Value> {
    let named = |kind| match kind {
        PriceKind::Spawn
        | PriceKind::Mapping
        | PriceKind::Descriptor
        | PriceKind::CloexecDescriptor
        | PriceKind::Thread
        | PriceKind::Handler
        | PriceKind::RawExec
        | PriceKind::StaticStart
        | PriceKind::Loader
        | PriceKind::Variable
        | PriceKind::VariableByte
        | PriceKind::MinorFault
        | PriceKind::ParentCopy
        | PriceKind::ParentReuse
        | PriceKind::ChildCopy
        | PriceKind::Syscall
        | PriceKind::Cpuid => json(kind),
    };
    [
        PriceKind::Spawn,
        PriceKind::Mapping,
        PriceKind::Descriptor,
        PriceKind::CloexecDescriptor,
        PriceKind::Thread,
        PriceKind::Handler,
        PriceKind::RawExec,
        PriceKind::StaticStart,
        PriceKind::Loader,
        PriceKind::Variable,
        PriceKind::VariableByte,
        PriceKind::MinorFault,
        PriceKind::ParentCopy,
        PriceKind::ParentReuse,
        PriceKind::ChildCopy,
        PriceKind::Syscall,
        PriceKind::Cpuid,
    ]
    .into_iter()
    .map(named)
}
