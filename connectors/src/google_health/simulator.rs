//! Google Health API v4, imitated.
