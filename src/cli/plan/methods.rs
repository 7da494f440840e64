//! The spawn methods that were asked for.

use super::PlanError;
use crate::cli::args::MethodArg;
use crate::model::{ChildAction, SpawnMethod};

/// The order in which methods are preferred as the one to compare with.
const BASELINES: [SpawnMethod; 3] = [
    SpawnMethod::PosixSpawn,
    SpawnMethod::Vfork,
    SpawnMethod::Clone3Vfork,
];

/// What the children are to be had for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) child: ChildAction,
    /// Whether it is looked into what they do, which is seen of the parent's own.
    pub(super) explained: bool,
}

impl Wanted {
    /// Why a method has none of these.
    fn refuses(self, method: SpawnMethod) -> Option<&'static str> {
        if self.child == ChildAction::Exit && !method.can_exit() {
            return Some("always executes a program; leave out the method, or give --child exec");
        }
        let unseen = self.explained && !method.has_own_children();
        unseen.then_some("has children of another process than the one that is watched; take sweep")
    }
}

/// The methods that are asked for, or the default ones, as far as the child can be
/// had of them.
pub(super) fn methods(
    asked: Option<&[MethodArg]>,
    wanted: Wanted,
    defaults: &[SpawnMethod],
) -> Result<Vec<SpawnMethod>, PlanError> {
    let able = |method: &SpawnMethod| wanted.refuses(*method).is_none();
    let Some(asked) = asked else {
        return Ok(defaults.iter().copied().filter(able).collect());
    };
    let mut chosen = Vec::new();
    for one in asked {
        let method = match one {
            MethodArg::All => {
                chosen.extend(SpawnMethod::ALL.into_iter().filter(able));
                continue;
            }
            MethodArg::One(method) => *method,
        };
        if let Some(why) = wanted.refuses(method) {
            let exits = match wanted.child {
                ChildAction::Exit => " --child exit",
                ChildAction::Exec => "",
            };
            let name = method.name();
            return Err(PlanError::refused(format!(
                "--method {name}{exits}: {name} {why}"
            )));
        }
        chosen.push(method);
    }
    chosen.sort_unstable();
    chosen.dedup();
    if chosen.is_empty() {
        return Err(PlanError::refused("--method: the list is empty".to_owned()));
    }
    Ok(chosen)
}

/// The one of them that the others are compared with.
pub(super) fn baseline(methods: &[SpawnMethod]) -> SpawnMethod {
    let preferred = BASELINES.into_iter();
    let mut preferred = preferred.filter(|method| methods.contains(method));
    preferred.next().unwrap_or(methods[0])
}
