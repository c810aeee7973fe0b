//! What a server asks of the machine: enough files, and that nobody looks into its memory.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Files beside connections: the database's, the log, what libraries keep open.
const OTHER_FILES: u64 = 256;

/// Raises the limit of open files to what so many connections need, as far as the system lets it, and
/// says so where that is not enough.
pub(super) fn allow_files(connections: usize) {
    let wanted = connections as u64 + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let allowed = limit.maximum.map_or(wanted, |most| most.min(wanted));
    let raised = Rlimit { current: Some(allowed), maximum: limit.maximum };
    let reached = setrlimit(Resource::Nofile, raised).is_ok();
    if !reached || allowed < wanted {
        let files = if reached { Some(allowed) } else { limit.current };
        tracing::warn!(?files, connections, "the system allows fewer open files than connections");
    }
}

/// Nothing of this process's memory, where keys and opened values are, goes into a core file, and no
/// other process of the same user may look into it.
///
/// # Errors
/// When the system refuses.
pub fn keep_memory_private() -> std::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}
