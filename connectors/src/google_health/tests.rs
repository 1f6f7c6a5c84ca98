//! What the connector keeps.

mod golden;
