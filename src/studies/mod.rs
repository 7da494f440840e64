//! What others have published of the cost of a spawn: the figures, where they
//! are from, and the address spaces that stand for theirs.
//!
//! Data, and nothing that measures. A figure that nobody has printed is not here,
//! be it ever so easy to read off a picture.
