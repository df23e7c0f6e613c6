//! How much memory this process can still take, so that a large allocation can be refused with an
//! error before the system grants it and later ends the process.
//!
//! What this module does not do: promise. Other processes take memory as well, and the answer is
//! that of one moment.
// What forbids it cannot make an exception for `reserve`.
#![deny(unsafe_code)]

mod grow;
#[cfg(feature = "capi")]
#[doc(hidden)]
pub mod reserve;

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::path::Path;

pub(crate) use grow::{
    TryGrow, TryGrowText, try_collect, try_collect_ok, try_concat, try_copy, try_copy_text,
    try_copy_texts, try_filled, try_vec,
};

use crate::error::{Error, ErrorKind, Result};

/// Allocations of at least this size are checked against what is available.
pub const LARGE: usize = 1 << 20;

/// Bytes that this process can still take: the least of what the system has available and what
/// each cgroup that the process is in leaves, where file cache counts as free. `None` where that
/// cannot be told.
pub fn available() -> Option<u64> {
    if cfg!(target_os = "linux") {
        available_in(Path::new("/"))
    } else {
        crate::system::available_memory()
    }
}

/// Refuses an allocation of `bytes` for `what` that is [`LARGE`] and more than is [`available`].
///
/// # Errors
/// [`OutOfMemory`](ErrorKind::OutOfMemory) with both numbers and `advice`.
pub fn check(bytes: usize, what: &str, advice: &str) -> Result<()> {
    if bytes < LARGE {
        return Ok(());
    }
    check_against(bytes, available(), what, advice)
}

/// The error of an allocation that the system refuses.
pub(crate) fn refused(what: impl fmt::Display) -> Error {
    Error::new(
        ErrorKind::OutOfMemory,
        format!("memory for {what} was refused; free some or raise the limit"),
    )
}

/// Adds an item to a list.
pub(crate) fn push<T>(list: &mut Vec<T>, item: T) -> Result<()> {
    Ok(list.try_push(item)?)
}

/// Puts a value into a map; the one that was there before.
pub(crate) fn insert<K: Eq + Hash, V>(
    map: &mut HashMap<K, V>,
    key: K,
    value: V,
) -> Result<Option<V>> {
    map.try_reserve(1)?;
    Ok(map.insert(key, value))
}

/// Refuses JSON with a long escaped string that there is not enough memory to unescape. The parser
/// unescapes into a buffer of its own, and the process would abort if that allocation failed: this
/// allocates more than it needs, and frees it again for the parser.
///
/// # Errors
/// [`OutOfMemory`](ErrorKind::OutOfMemory).
pub(crate) fn check_json(json: &[u8]) -> Result<()> {
    // The parser's buffer doubles, and is there twice while it moves.
    let longest = longest_escaped(json);
    if longest > SMALL_TEXT {
        try_vec::<u8>(longest.saturating_mul(3))?;
    }
    Ok(())
}

/// Texts up to this size are left to the parser, and in the C library to its reserve.
const SMALL_TEXT: usize = 4 << 10;

/// Bytes of the longest text with an escape.
fn longest_escaped(json: &[u8]) -> usize {
    let (mut longest, mut at) = (0, 0);
    while let Some(open) = json[at..].iter().position(|&b| b == b'"') {
        let start = at + open + 1;
        let mut is_escaped = false;
        at = start;
        while let Some(&byte) = json.get(at).filter(|&&b| b != b'"') {
            is_escaped |= byte == b'\\';
            at += 1 + usize::from(byte == b'\\');
        }
        at = at.min(json.len());
        if is_escaped {
            longest = longest.max(at - start);
        }
        at = (at + 1).min(json.len());
    }
    longest
}

/// What `to_string` gives.
pub(crate) fn text(value: impl fmt::Display) -> Result<String> {
    struct Text(String);
    impl fmt::Write for Text {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0.try_push_str(part).map_err(|_| fmt::Error)
        }
    }
    let mut text = Text(String::new());
    fmt::write(&mut text, format_args!("{value}")).map_err(|_| refused("a text"))?;
    Ok(text.0)
}

fn check_against(bytes: usize, available: Option<u64>, what: &str, advice: &str) -> Result<()> {
    match available {
        Some(available) if (bytes as u64) > available => Err(Error::new(
            ErrorKind::OutOfMemory,
            format!("{bytes} bytes are needed for {what}, {available} are available; {advice}"),
        )),
        _ => Ok(()),
    }
}

/// The answer for a file system that starts at `root`.
fn available_in(root: &Path) -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
    let mut least = read("proc/meminfo").and_then(|text| system_available(&text));
    let groups = read("proc/self/cgroup").unwrap_or_default();
    for (version, path) in memory_cgroups(&groups) {
        for mount in version.mounts() {
            // A limit may be set at any level. In a container, the path may be that outside: the
            // levels that are not there are passed over, and its own is the top.
            let mut level = Some(path);
            while let Some(path) = level {
                let file = |name: &str| read(&format!("{mount}{path}/{name}"));
                if let Some(left) = version.left(file) {
                    least = Some(least.map_or(left, |least| least.min(left)));
                }
                level = path.rfind('/').map(|end| &path[..end]);
            }
        }
    }
    least
}

/// `MemAvailable` of /proc/meminfo, in bytes.
fn system_available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

impl Version {
    /// Where the hierarchy is mounted; the second is that of systems with both.
    fn mounts(self) -> &'static [&'static str] {
        match self {
            Self::V1 => &["sys/fs/cgroup/memory"],
            Self::V2 => &["sys/fs/cgroup", "sys/fs/cgroup/unified"],
        }
    }

    /// What a group leaves, from its files.
    fn left(self, file: impl Fn(&str) -> Option<String>) -> Option<u64> {
        let (limit, used, prefix) = match self {
            Self::V1 => ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
            Self::V2 => ("memory.max", "memory.current", ""),
        };
        // "max" is no number, and means that there is no limit.
        let limit = number(&file(limit)?)?;
        let used = number(&file(used)?)?;
        let cache = reclaimable(&file("memory.stat").unwrap_or_default(), prefix);
        Some(limit.saturating_sub(used.saturating_sub(cache)))
    }
}

/// The groups of a process that may limit its memory, from /proc/self/cgroup: version and path,
/// the root as an empty one.
fn memory_cgroups(text: &str) -> impl Iterator<Item = (Version, &str)> {
    text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let version = if id == "0" && controllers.is_empty() {
            Version::V2
        } else if controllers.split(',').any(|c| c == "memory") {
            Version::V1
        } else {
            return None;
        };
        // What lies outside of this process's view starts with `/..`.
        let path = path.trim_end_matches('/');
        let inside = path.starts_with('/') && !path.split('/').any(|part| part == "..");
        Some((version, if inside { path } else { "" }))
    })
}

/// File cache that the system takes back when a group needs the memory.
fn reclaimable(stat: &str, prefix: &str) -> u64 {
    let files = stat.lines().filter_map(|line| {
        let (name, value) = line.split_once(' ')?;
        let name = name.strip_prefix(prefix)?;
        matches!(name, "inactive_file" | "active_file").then(|| number(value))?
    });
    files.fold(0, u64::saturating_add)
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:  16000 kB\nMemFree: 100 kB\nMemAvailable:    8000 kB\n";

    fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    fn answer(files: &[(&str, &str)]) -> Option<u64> {
        available_in(system(files).path())
    }

    #[test]
    fn without_any_file_nothing_is_known() {
        assert_eq!(answer(&[]), None);
        assert_eq!(answer(&[("proc/meminfo", "MemAvailable: lots\n")]), None);
        assert_eq!(answer(&[("proc/meminfo", "")]), None);
        let too_many = format!("MemAvailable: {} kB", u64::MAX);
        assert_eq!(answer(&[("proc/meminfo", &too_many)]), None);
    }

    #[test]
    fn without_limits_it_is_what_the_system_has() {
        assert_eq!(answer(&[("proc/meminfo", MEMINFO)]), Some(8000 * 1024));
        let unlimited = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/user/app\n"),
            ("sys/fs/cgroup/user/app/memory.max", "max\n"),
            ("sys/fs/cgroup/user/app/memory.current", "5\n"),
        ];
        assert_eq!(answer(&unlimited), Some(8000 * 1024));
    }

    #[test]
    fn the_tightest_group_counts_and_file_cache_is_free() {
        let mut files = vec![
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/user/app\n"),
            ("sys/fs/cgroup/user/memory.max", "5000000\n"),
            ("sys/fs/cgroup/user/memory.current", "4000000\n"),
            (
                "sys/fs/cgroup/user/memory.stat",
                "anon 9\nfile 700\ninactive_file 300\nactive_file 200\n",
            ),
            ("sys/fs/cgroup/user/app/memory.max", "max\n"),
            ("sys/fs/cgroup/user/app/memory.current", "3000000\n"),
        ];
        assert_eq!(answer(&files), Some(1_000_500));
        files[5].1 = "3000700\n";
        assert_eq!(answer(&files), Some(700));
        // More than the limit in use.
        files[5].1 = "1000\n";
        assert_eq!(answer(&files), Some(0));
    }

    #[test]
    fn the_first_version_has_other_names_and_containers_their_own_top() {
        let cgroup = "9:name=systemd:/\n4:cpu,memory:/docker/abc\n0::/\nbroken\n";
        let limit = "sys/fs/cgroup/memory/memory.limit_in_bytes";
        let files = [
            ("proc/self/cgroup", cgroup),
            (limit, "9000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "8000\n"),
            (
                "sys/fs/cgroup/memory/memory.stat",
                "inactive_file 1\ntotal_inactive_file 500\ntotal_active_file 20\n",
            ),
        ];
        assert_eq!(answer(&files), Some(1520));
        let other = [
            ("proc/self/cgroup", "4:memory:/../../etc\n"),
            files[1],
            files[2],
        ];
        assert_eq!(answer(&other), Some(1000), "nothing outside is read");
    }

    #[test]
    fn the_longest_text_with_an_escape_is_found() {
        for (json, expected) in [
            ("", 0),
            ("[1, 2]", 0),
            (r#"{"a": "bcd"}"#, 0),
            (r#"{"a\n": "bcd"}"#, 3),
            (r#"["\"", "long", "\u0041b"]"#, 7),
            (r#"["\\", "x"]"#, 2),
            (r#"["cut short\"#, 10),
            (r#"["cut short"#, 0),
        ] {
            assert_eq!(longest_escaped(json.as_bytes()), expected, "{json}");
            check_json(json.as_bytes()).unwrap();
        }
        check_json(format!("\"\\n{}\"", "x".repeat(1 << 20)).as_bytes()).unwrap();
    }

    #[test]
    fn large_allocations_alone_are_checked() {
        let error = check_against(LARGE, Some(5), "a copy", "map it").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        assert_eq!(
            error.to_string(),
            "1048576 bytes are needed for a copy, 5 are available; map it"
        );
        check_against(LARGE, Some(LARGE as u64), "a copy", "map it").unwrap();
        check_against(usize::MAX, None, "a copy", "map it").unwrap();
        check(LARGE - 1, "a copy", "map it").unwrap();
        if available().is_some() {
            assert!(check(usize::MAX, "a copy", "map it").is_err());
        }
    }
}
