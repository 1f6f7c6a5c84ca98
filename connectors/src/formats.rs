//! File formats that several connectors read or write. Pure: bytes in, records and issues out.

pub mod fit;
pub mod sniff;
pub mod track;
