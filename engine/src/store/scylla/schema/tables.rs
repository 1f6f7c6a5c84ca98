//! The tables. Ids are 16 bytes and instants milliseconds since 1970, as in the other store; `docs/adr/0010` says why
//! the partitions are what they are. Compaction classes are those that ScyllaDB and Cassandra both have.

/// What a migration itself needs.
pub(super) const OF_MIGRATION: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS migrations (id int, version int, done_at bigint, PRIMARY KEY (id, version))",
    "CREATE TABLE IF NOT EXISTS migration_lock (id int PRIMARY KEY, owner text)",
];

/// The first version. `{kept}` is how long payloads are kept, in seconds.
pub(super) const V1: [&str; 26] = [
    // Log. A step is one conditional row; its events lie beside it by their hash.
    "CREATE TABLE IF NOT EXISTS steps (subject text, sync blob, stage text, cause blob, at bigint, bearing tinyint,
        outputs frozen<list<frozen<tuple<blob, tinyint, tinyint, blob>>>>,
        roots frozen<list<frozen<tuple<blob, tinyint, tinyint, blob>>>>,
        PRIMARY KEY ((subject, sync), stage, cause))
        WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS events (subject text, sync blob, hash blob, bytes blob,
        PRIMARY KEY ((subject, sync, hash)))
        WITH default_time_to_live = {kept} AND gc_grace_seconds = 86400
        AND compaction = {'class': 'TimeWindowCompactionStrategy',
        'compaction_window_unit': 'DAYS', 'compaction_window_size': '1'}",
    "CREATE TABLE IF NOT EXISTS log_times (day bigint, shard tinyint, at bigint, subject text, sync blob, stage text,
        cause blob, PRIMARY KEY ((day, shard), at, subject, sync, stage, cause))
        WITH default_time_to_live = {kept} AND gc_grace_seconds = 86400
        AND compaction = {'class': 'TimeWindowCompactionStrategy',
        'compaction_window_unit': 'DAYS', 'compaction_window_size': '1'}",
    "CREATE TABLE IF NOT EXISTS log_days (part tinyint, day bigint, PRIMARY KEY (part, day))",
    // Deleted as often as written: what is deleted must not be waded through for ten days.
    "CREATE TABLE IF NOT EXISTS open_syncs (shard smallint, sync blob, subject text, PRIMARY KEY (shard, sync))
        WITH gc_grace_seconds = 86400 AND compaction = {'class': 'LeveledCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS sync_months (subject text, month text, PRIMARY KEY (subject, month))
        WITH CLUSTERING ORDER BY (month DESC) AND compaction = {'class': 'LeveledCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS syncs (subject text, month text, began_at bigint, sync blob,
        PRIMARY KEY ((subject, month), began_at, sync))
        WITH CLUSTERING ORDER BY (began_at DESC, sync DESC)
        AND compaction = {'class': 'LeveledCompactionStrategy'}",
    // Items.
    "CREATE TABLE IF NOT EXISTS items (subject text, destination blob, month text, item blob,
        plan_seq bigint static, plan_mark blob static,
        data_type text, starts_at bigint, ends_at bigint, summary blob,
        planned_version bigint, planned_hash text, planned_event blob, planned_sync blob, state text, reason text,
        planned_delete boolean, version bigint, hash text, external_id blob, handle text, owned boolean,
        seen_hash text, seen_at bigint, seen_modified_at bigint,
        claim_token blob, claim_at bigint, claim_print text, unsure boolean, unsure_prints text, attempts int,
        mark blob, PRIMARY KEY ((subject, destination, month), item))
        WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS item_months (subject text, destination blob, month text,
        PRIMARY KEY ((subject, destination), month)) WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS item_places (subject text, item blob, destination blob, month text,
        PRIMARY KEY ((subject, item), destination, month))
        WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS origins (subject text, connection blob, destination blob, record text,
        leads frozen<tuple<blob, text, text, bigint, bigint>>, seen_by blob,
        PRIMARY KEY ((subject, connection, destination, record)))
        WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS origin_months (subject text, connection blob, destination blob, month text,
        PRIMARY KEY ((subject, connection, destination), month))
        WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS origins_by_time (subject text, connection blob, destination blob, month text,
        data_type text, starts_at bigint, record text,
        PRIMARY KEY ((subject, connection, destination, month), data_type, starts_at, record))
        WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    // Timers. The row of an event is the truth; what is due is found by entries that point to it.
    "CREATE TABLE IF NOT EXISTS timers (event blob, stage text, subject text, sync blob, at bigint, attempts int,
        first_at bigint, PRIMARY KEY (event, stage))
        WITH gc_grace_seconds = 86400 AND compaction = {'class': 'LeveledCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS timers_due (shard tinyint, bucket bigint, at bigint, event blob, stage text, one tinyint,
        PRIMARY KEY ((shard, bucket), at, event, stage))
        WITH gc_grace_seconds = 86400 AND compaction = {'class': 'LeveledCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS timer_buckets (shard tinyint, bucket bigint, one tinyint, PRIMARY KEY (shard, bucket))
        WITH gc_grace_seconds = 86400 AND compaction = {'class': 'LeveledCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS timers_of_sync (sync blob, event blob, stage text, PRIMARY KEY (sync, event, stage))
        WITH gc_grace_seconds = 86400 AND compaction = {'class': 'LeveledCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS timer_leases (shard tinyint PRIMARY KEY, owner blob)
        WITH gc_grace_seconds = 3600",
    // Blobs.
    "CREATE TABLE IF NOT EXISTS blobs (subject text, name text, n_pieces int, PRIMARY KEY ((subject, name)))
        WITH default_time_to_live = {kept} AND gc_grace_seconds = 86400
        AND compaction = {'class': 'TimeWindowCompactionStrategy',
        'compaction_window_unit': 'DAYS', 'compaction_window_size': '1'}",
    "CREATE TABLE IF NOT EXISTS blob_pieces (subject text, name text, part int, place int, bytes blob,
        PRIMARY KEY ((subject, name, part), place))
        WITH default_time_to_live = {kept} AND gc_grace_seconds = 86400
        AND compaction = {'class': 'TimeWindowCompactionStrategy',
        'compaction_window_unit': 'DAYS', 'compaction_window_size': '1'}",
    // Rows. The mark tells one put from another: what names a row counts only while the row has the same mark.
    "CREATE TABLE IF NOT EXISTS rows (subject text, kind text, id text, version bigint, body blob, mark blob,
        made blob, names frozen<list<text>>, PRIMARY KEY ((subject, kind, id)))
        WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS rows_of (subject text, kind text, shard tinyint, id text, made blob,
        PRIMARY KEY ((subject, kind, shard), id, made)) WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS rows_named (kind text, name text, subject text, id text, mark blob,
        PRIMARY KEY ((kind, name), subject, id, mark)) WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    // The vault: the same, but a key that is deleted leaves all files within days.
    "CREATE TABLE IF NOT EXISTS vault (subject text, kind text, id text, version bigint, body blob, mark blob,
        made blob, names frozen<list<text>>, PRIMARY KEY ((subject, kind, id)))
        WITH gc_grace_seconds = 86400 AND compaction = {'class': 'LeveledCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS vault_of (subject text, kind text, shard tinyint, id text, made blob,
        PRIMARY KEY ((subject, kind, shard), id, made))
        WITH gc_grace_seconds = 86400 AND compaction = {'class': 'LeveledCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS vault_named (kind text, name text, subject text, id text, mark blob,
        PRIMARY KEY ((kind, name), subject, id, mark))
        WITH gc_grace_seconds = 86400 AND compaction = {'class': 'LeveledCompactionStrategy'}",
];
