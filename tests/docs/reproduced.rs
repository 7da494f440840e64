//! Documents of studies, with all that such a document can hold, and the words
//! of its enums.

use forktax::analysis::reproduce::studies;
use forktax::model::{
    Answer, Availability, CallName, Document, Findings, Interpreter, LikeRegion, Likeness, Loop,
    LoopOrder, LoopRun, LoopSystem, Looped, Loops, Missing, ObservedCall, Order, Parent, Part,
    PublishedUnit, RegionKind, ReproduceOrder, SpaceRequest, SplitSource, StudyId, StudyPoint,
};
use forktax::stats::Estimate;
use serde_json::Value;

use super::{json, sweep};

/// A study of address spaces, scaled down, and one of programs.
pub(crate) fn documents() -> [Document; 2] {
    let plain = sweep();
    let of = |study, loops: Option<LoopOrder>, answer: Answer| {
        let order = ReproduceOrder {
            study,
            scale: 0.5,
            scaled_because: Some("why".to_owned()),
            loops,
        };
        let mut document = plain.clone();
        document.findings = Findings::Reproduction(studies::reproduction(&order, answer));
        document.plan.order = Order::Reproduce(order);
        document
    };
    let answer = Answer::Spaces {
        points: points(),
        cells: plain.findings.cells().to_vec(),
    };
    let mut spaces = of(StudyId::MtDup2023, None, answer);
    spaces.plan.spaces.push(SpaceRequest::Likeness(likeness()));
    let order = LoopOrder {
        iterations: 1,
        long_iterations: 10,
        repeats: 2,
        interpreter: "python3".to_owned(),
        own_interpreter: true,
        own_program: true,
    };
    let answer = Answer::Programs(loops());
    let programs = of(StudyId::Python2014, Some(order), answer);
    [spaces, programs]
}

fn points() -> Vec<StudyPoint> {
    let order = ReproduceOrder {
        study: StudyId::MtDup2023,
        scale: 0.5,
        scaled_because: None,
        loops: None,
    };
    studies::study_points(&order, &sweep().plan.spaces)
}

fn likeness() -> Likeness {
    Likeness {
        of: "python3".to_owned(),
        regions: vec![LikeRegion {
            first_page: 1,
            pages: 2,
            backing: RegionKind::Anon,
            writable: true,
            readable: true,
            written: vec![[0, 1]],
            read: vec![[1, 1]],
            huge: Vec::new(),
            dontfork: false,
            stretch: 0,
        }],
    }
}

fn loops() -> Loops {
    Loops {
        interpreter: Availability::Measured(Interpreter {
            asked: "python3".to_owned(),
            path: "/usr/bin/python3".to_owned(),
            version: "3.11.7".to_owned(),
        }),
        unsampled: Some(Missing::unavailable("not permitted", Some("ask root"))),
        rows: LoopSystem::ALL
            .map(|system| Loop {
                system,
                published: studies::loops(system),
                iterations: 1,
                here: Availability::Measured(looped()),
                failed: Some(Missing::unavailable("gone", None)),
            })
            .to_vec(),
    }
}

fn looped() -> Looped {
    let estimate = Estimate {
        value: 1.0,
        ci95: [0.5, 2.0],
    };
    Looped {
        real_s: estimate,
        start_s: estimate,
        per_second: estimate,
        ratio: Availability::Measured(estimate),
        cpu_s: estimate,
        user_s: Availability::Measured(estimate),
        sys_s: Availability::unavailable("why", Some("remedy")),
        split: SplitSource::Samples,
        minor_faults: Availability::Measured(estimate),
        parent: Availability::Measured(Parent::default()),
        calls: Availability::Measured(vec![ObservedCall {
            name: CallName::Fork,
            flags: 0,
            seen: 1,
        }]),
        runs: vec![LoopRun {
            round: 0,
            real_ns: 1,
            loop_ns: 1,
            cpu_us: 1,
            user_us: 1,
            minor_faults: 1,
        }],
    }
}

/// The words of a study's enums; those that have no list of all their variants
/// name them in a match that does not compile when one is added.
pub(crate) fn words() -> Vec<Value> {
    let region = |kind| match kind {
        RegionKind::Anon | RegionKind::File | RegionKind::Shared => json(kind),
    };
    let call = |name| match name {
        CallName::Fork | CallName::Vfork | CallName::Clone | CallName::Clone3 => json(name),
    };
    let split = |source| match source {
        SplitSource::Samples | SplitSource::Rusage => json(source),
    };
    let part = |part| match part {
        Part::Call | Part::Total => json(part),
    };
    let unit = |unit| match unit {
        PublishedUnit::SpawnsIn10S | PublishedUnit::SecondsOf500 | PublishedUnit::Milliseconds => {
            json(unit)
        }
    };
    let mut words = vec![
        split(SplitSource::Samples),
        split(SplitSource::Rusage),
        part(Part::Call),
        part(Part::Total),
        unit(PublishedUnit::SpawnsIn10S),
        unit(PublishedUnit::SecondsOf500),
        unit(PublishedUnit::Milliseconds),
        json("likeness"),
    ];
    words.extend(StudyId::ALL.map(json));
    words.extend(LoopSystem::ALL.map(json));
    words.extend([RegionKind::Anon, RegionKind::File, RegionKind::Shared].map(region));
    words.extend(
        [
            CallName::Fork,
            CallName::Vfork,
            CallName::Clone,
            CallName::Clone3,
        ]
        .map(call),
    );
    words
}
