//! Which parents are built to try remedies on a shape, and what is spawned from them.

use super::remedies::{Remedied, Way, apply, unfit, way};
use crate::analysis::process::is_fork_server;
use crate::analysis::replica::{Blueprint, Trial};
use crate::model::{
    ChildAction, Closing, Missing, ProcessRole, Program, RemedyHost, RemedyKind, SpawnMethod,
    Targets,
};
use crate::units::thousands;

/// A remedy that is tried, or why it is not.
pub(super) type Tried = (RemedyKind, Result<String, Missing>);

/// The trials of remedies on a shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// The trials, the whole first.
    pub trials: Vec<Trial>,
    /// What the children do.
    pub(super) child: ChildAction,
    /// Whether it is a fork server of AFL's.
    pub(super) serves_afl: bool,
    /// The remedies in the order of trying.
    pub(super) remedies: Vec<Tried>,
    /// Pages of a huge page.
    pub(super) fan_out: u64,
}

impl Design {
    /// Of what is rebuilt.
    pub fn of(
        blueprint: &Blueprint,
        plan: (&[SpawnMethod], ChildAction),
        host: &RemedyHost,
        targets: &Targets,
    ) -> Self {
        let (methods, child) = plan;
        let mut design = Self {
            child,
            serves_afl: is_fork_server(&blueprint.facts),
            trials: vec![Trial::whole(blueprint, methods)],
            remedies: Vec::new(),
            fan_out: blueprint.fan_out(),
        };
        for kind in RemedyKind::ALL {
            let Way::OfParents(change) = way(kind) else {
                continue;
            };
            let mut parent = Remedied::nothing(blueprint);
            let applied = match unfit(kind, child) {
                Some(why) => Err(Missing::not_asked(why)),
                None => apply(change, &mut parent, host),
            };
            if applied.is_ok() {
                let role = ProcessRole::Remedied(kind);
                design.trials.push(parent.trial(role, SpawnMethod::Fork));
            }
            let tried = applied.map(|()| parent.applied_to);
            design.remedies.push((kind, tried));
        }
        design.add_closing(blueprint);
        design.add_targets(blueprint, targets);
        design
    }

    /// Children that close all descriptors at once beside those that close every number
    /// that the process may open, as some do.
    fn add_closing(&mut self, blueprint: &Blueprint) {
        /// More would take longer than a fork does.
        const MOST: u32 = 1 << 16;
        let kind = RemedyKind::CloseRangeForEach;
        if let Some(why) = unfit(kind, self.child) {
            self.remedies.push((kind, Err(Missing::not_asked(why))));
            return;
        }
        let around = blueprint.facts.surroundings.as_ref();
        let Some(limit) = around.and_then(|around| around.open_files) else {
            let why = "the RLIMIT_NOFILE of the process, up to which some children close each \
                       number, is not known or unlimited";
            self.remedies.push((kind, Err(Missing::not_asked(why))));
            return;
        };
        let end = u32::try_from(limit).unwrap_or(MOST).min(MOST);
        let pair = [
            (ProcessRole::Remedied(kind), Closing::AtOnce),
            (ProcessRole::Against(kind), Closing::EachBelow(end)),
        ];
        self.trials.extend(pair.map(|(role, closing)| Trial {
            closing,
            ..Trial::forked(role, blueprint.whole())
        }));
        let words = match u64::from(end) < limit {
            true => format!(
                "{} of the {} numbers below the RLIMIT_NOFILE of the process; each of all takes \
                 as many times longer",
                thousands(end.into()),
                thousands(limit)
            ),
            false => format!(
                "the {} numbers below the RLIMIT_NOFILE of the process",
                thousands(limit)
            ),
        };
        self.remedies.push((kind, Ok(words)));
    }

    /// A statically linked program beside a dynamically linked one.
    fn add_targets(&mut self, blueprint: &Blueprint, targets: &Targets) {
        let kind = RemedyKind::StaticTarget;
        if let Some(why) = unfit(kind, self.child) {
            self.remedies.push((kind, Err(Missing::not_asked(why))));
            return;
        }
        let (Some(fixed), Some(dynamic)) = (&targets.fixed, &targets.dynamic) else {
            let why = "no statically and dynamically linked programs were found to compare; name \
                       them with --static-program and --dynamic-program";
            self.remedies.push((kind, Err(Missing::not_asked(why))));
            return;
        };
        let pair = [
            (ProcessRole::Remedied(kind), fixed),
            (ProcessRole::Against(kind), dynamic),
        ];
        self.trials.extend(pair.map(|(role, program)| Trial {
            program: Some(program.clone()),
            ..Trial::forked(role, blueprint.whole())
        }));
        let words = format!("{} instead of {}", path(fixed), path(dynamic));
        self.remedies.push((kind, Ok(words)));
    }
}

/// A parent with several remedies at once.
pub(super) fn together(
    blueprint: &Blueprint,
    role: ProcessRole,
    kinds: &[RemedyKind],
    method: SpawnMethod,
    host: &RemedyHost,
) -> Option<Trial> {
    let mut parent = Remedied::nothing(blueprint);
    for kind in kinds {
        let Way::OfParents(change) = way(*kind) else {
            return None;
        };
        apply(change, &mut parent, host).ok()?;
    }
    Some(parent.trial(role, method))
}

fn path(program: &Program) -> &str {
    match program {
        Program::Embedded => "the embedded program",
        Program::Path { path, .. } => path,
    }
}
