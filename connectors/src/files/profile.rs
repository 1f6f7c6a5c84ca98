//! What files can do.

use engine::provider::{Access, Auth, Delivery, Profile, TypeProfile};
use schemas::{data_type::DataType, record::Policy};
use std::time::Duration;

/// The greatest upload. The export of a decade of Apple Health is some hundred megabytes.
const FILE_BYTES_MAX: usize = 1 << 30;

pub(super) fn profile() -> Profile {
    // A folder compares versions: class A.
    let delivery = Some(Delivery::Versioned);
    let of = |data_type| TypeProfile {
        data_type,
        read: true,
        create: delivery,
        update: delivery,
        delete: delivery,
        look: false,
    };
    Profile {
        id: "files",
        title: "Files",
        access: Access::File,
        auth: Auth::None,
        types: DataType::ALL.into_iter().map(of).collect(),
        limits: Vec::new(),
        body_bytes_max: FILE_BYTES_MAX,
        read_after_write: Duration::ZERO,
        reads_back: true,
        overlap: Duration::ZERO,
        history_max: None,
        base_url: "",
        auth_url: "",
        token_url: "",
        policy: Policy::default(),
        mapper_version: 1,
        api_version: "1",
    }
}
