use super::Inquiry;
use crate::model::*;
pub(super) fn faults(_: &Inquiry<'_>, _: SpawnMethod) -> Availability<Faults> {
    Availability::not_asked("TEMP")
}
