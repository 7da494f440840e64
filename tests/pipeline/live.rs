//! A shape from its plan to whose the cost is, and the ways in which that ends early.

use forktax::lab::error::LabError;
use forktax::model::SpawnMethod::{Fork, PosixSpawn, Vfork};
use forktax::model::{
    Availability, LiveOrder, LivePurpose, MappingContent, Missing, Plan, ProcessFacts,
    ProcessShape, RemedyHost, SHAPE_VERSION, ShapeMapping, ShapeScale, Stopped, Targets, Tool,
};

use super::carry_out;
use super::fake::{Fault, plan};

fn mapping(first_page: u64, content: MappingContent, own: &[[u64; 2]]) -> ShapeMapping {
    ShapeMapping {
        first_page,
        pages: 2_000,
        content,
        name: None,
        permissions: "rw-p".to_owned(),
        anon_vma: !own.is_empty(),
        own: own.to_vec(),
        file: Vec::new(),
        zero: Vec::new(),
        swapped: Vec::new(),
        huge: Vec::new(),
        stretch: None,
        flags: Vec::new(),
    }
}

fn live_plan(purpose: LivePurpose) -> Plan {
    let shape = ProcessShape {
        shape_version: SHAPE_VERSION,
        tool: Tool::this(),
        process: ProcessFacts {
            name: "server".to_owned(),
            pid: Some(7),
            taken_unix_s: 1,
            took_s: 0.1,
            kernel: "6.18".to_owned(),
            page_size: 4096,
            threads: 1,
            descriptors: 3,
            cloexec_descriptors: 1,
            handlers: 0,
            allowed_cpus: vec![0, 1],
            page_table_bytes: 80 << 10,
            resident_bytes: 8 << 20,
            reservations: Vec::new(),
        },
        mappings: vec![
            mapping(0x10_000, MappingContent::Heap, &[[0, 1_500]]),
            mapping(0x20_000, MappingContent::Anonymous, &[[5, 10], [600, 300]]),
            mapping(0x30_000, MappingContent::Anonymous, &[]),
        ],
    };
    let mut plan = plan(&[0], &[Fork, Vfork, PosixSpawn]);
    plan.stop.time_s = Some(60.0);
    plan.live = Some(LiveOrder {
        shape,
        purpose,
        scale: ShapeScale::WHOLE,
        cpus: Vec::new(),
        prices: Availability::Missing(Missing::unavailable("no card is stored", None)),
        host: RemedyHost::default(),
        targets: Targets::default(),
    });
    plan
}

#[test]
fn what_was_measured_before_a_signal_is_told() {
    let plan = live_plan(LivePurpose::Explain);
    let (outcome, _) = carry_out(Fault::Interrupted(4), &plan);
    assert!(matches!(outcome.error, Some(LabError::Interrupted(2))));
    let document = outcome.document.unwrap();
    assert_eq!(document.run.stopped, Stopped::Interrupted);
    assert!(document.live.unwrap().blame.missing().is_some());
}

#[test]
fn a_run_in_which_nothing_can_be_built_ends_at_once_with_the_reason() {
    for purpose in [LivePurpose::Explain, LivePurpose::Advise] {
        let (outcome, _) = carry_out(Fault::PagesMissing, &live_plan(purpose));
        assert!(matches!(outcome.error, Some(LabError::Inflation(_))));
        if let Some(document) = outcome.document {
            let live = document.live.unwrap();
            assert!(live.blame.missing().is_some());
            assert!(live.forecast.missing().is_some());
        }
    }
}
