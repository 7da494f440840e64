//! What an address space is to be: pure, no system call.
//!
//! A [`Shape`] is the skeleton that the worker builds. Whoever wants an address
//! space describes it as a shape; there is one builder for all of them.

mod likeness;
mod shape;

pub use likeness::{
    LikenessError, MOST_GENERATIONS, MOST_PINS, PlacedLikeness, PlacedMapping, RegionFault,
    USER_END, rings_for,
};
pub use shape::{
    Descriptors, Heap, Region, Shape, ShapeError, THREAD_MAPPINGS, THREAD_STACK_BYTES, arena_align,
};
