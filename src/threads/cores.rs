//! How many threads a process should compute with by default: the cores that it may use.
//!
//! Two logical CPUs that share a core share its memory ports, and decoding waits for memory: the
//! second gains nothing. So cores count, not logical CPUs: those of the CPUs in the affinity mask,
//! and no more of them than the cgroup quota pays for. The standard library knows mask and quota
//! on every system; what it lacks is which CPUs are one core, and that is read from sysfs on
//! Linux and asked of the system on macOS and Windows. Where it cannot be told, each logical CPU
//! counts as a core.

use std::thread::available_parallelism;

/// The most CPUs that Linux can be built for.
const MOST_CPUS: usize = 8192;

/// Threads to compute with by default; at least one.
pub fn default_threads() -> usize {
    let logical = available_parallelism().map_or(1, usize::from);
    let cores = if cfg!(target_os = "linux") {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        cores(&status, logical, read_siblings)
    } else {
        crate::system::cores().map(|cores| cores.min(logical))
    };
    cores.unwrap_or(logical)
}

fn read_siblings(cpu: usize) -> Option<String> {
    let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
    std::fs::read_to_string(path).ok()
}

/// Counts the cores of the CPUs that `status` (`/proc/self/status`) allows, up to `limit`, given
/// the text of the siblings of a CPU. None where something is missing or makes no sense.
fn cores(status: &str, limit: usize, siblings: impl Fn(usize) -> Option<String>) -> Option<usize> {
    let allowed = status
        .lines()
        .find_map(|l| l.strip_prefix("Cpus_allowed_list:"))?;
    let mut cores = 0;
    // CPUs of the cores that are counted.
    let mut counted = vec![false; MOST_CPUS];
    for cpu in cpu_list(allowed)? {
        if cores == limit {
            break;
        }
        if counted[cpu] {
            continue;
        }
        let core = cpu_list(&siblings(cpu)?)?;
        if !core.contains(&cpu) {
            return None;
        }
        for sibling in core {
            counted[sibling] = true;
        }
        cores += 1;
    }
    (cores > 0).then_some(cores)
}

/// The CPUs of a list as Linux writes it: `0-3,8`.
fn cpu_list(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        // A list is in order, so it holds no more than there are.
        let in_order = cpus.last().is_none_or(|&before| before < first);
        if !in_order || first > last || last >= MOST_CPUS {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowing(cpus: &str) -> String {
        format!("Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t{cpus}\nMems_allowed:\t1\n")
    }

    /// Eight logical CPUs, of which i and i + 4 share a core.
    fn four_cores(cpu: usize) -> Option<String> {
        (cpu < 8).then(|| format!("{},{}\n", cpu % 4, cpu % 4 + 4))
    }

    #[test]
    fn cores_count_once_within_what_is_allowed_and_the_limit() {
        for (allowed, limit, expected) in [
            ("0-7", 8, 4),
            ("0-3", 4, 4),
            ("0,4", 2, 1),
            ("4-7", 4, 4),
            ("1,3,5-7", 5, 3),
            ("6", 1, 1),
            ("0-7", 3, 3),
            ("0-7", 1, 1),
        ] {
            let found = cores(&allowing(allowed), limit, four_cores);
            assert_eq!(found, Some(expected), "{allowed} up to {limit}");
        }
        // Neighbours that share a core, and no sharing at all.
        let pairs = |cpu: usize| Some(format!("{}-{}\n", cpu & !1, cpu | 1));
        assert_eq!(cores(&allowing("0-7"), 8, pairs), Some(4));
        assert_eq!(cores(&allowing("1-4"), 4, pairs), Some(3));
        assert_eq!(
            cores(&allowing("0-7"), 8, |cpu| Some(cpu.to_string())),
            Some(8)
        );
    }

    #[test]
    fn what_cannot_be_read_is_no_count() {
        for status in ["", "Cpus_allowed:\tff\n", &allowing(""), &allowing("0-")] {
            assert_eq!(cores(status, 8, four_cores), None, "{status}");
        }
        let all = allowing("0-7");
        assert_eq!(cores(&all, 8, |_| None), None);
        assert_eq!(cores(&all, 8, |_| Some("9".into())), None);
        assert_eq!(cores(&all, 8, |_| Some("x".into())), None);
    }

    #[test]
    fn lists_of_cpus() {
        assert_eq!(cpu_list("0-3,8,10-11\n"), Some(vec![0, 1, 2, 3, 8, 10, 11]));
        assert_eq!(cpu_list("5"), Some(vec![5]));
        for bad in [
            "",
            "\n",
            "a",
            "3-1",
            "1,1",
            "4,2",
            "0-",
            "-3",
            "1,,2",
            "0-18446744073709551615",
            "0-4000000000",
        ] {
            assert_eq!(cpu_list(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_default_is_at_least_one_and_no_more_than_the_system_grants() {
        let logical = available_parallelism().map_or(1, usize::from);
        assert!((1..=logical).contains(&default_threads()));
    }
}
