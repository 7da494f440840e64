//! Stub.
use crate::model::ProcessShape;
/// Stub.
#[derive(Default, Debug)]
pub struct ShapeOptions {
    /// x
    pub anonymous: bool,
}
/// Stub.
pub fn take(_pid: i32, _o: &ShapeOptions) -> Result<ProcessShape, super::census::CensusError> {
    todo!()
}
