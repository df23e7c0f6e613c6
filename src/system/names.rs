//! Names that Windows takes for something else than a file of a folder.
#![forbid(unsafe_code)]

/// Names of devices, with any extension. COM and LPT have a digit behind them.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

/// Why Windows refuses `name`, or would write something else than a file of that name.
pub(super) fn refused_by_windows(name: &str) -> Option<&'static str> {
    if name.chars().any(|c| c < ' ' || r#"<>:"/\|?*"#.contains(c)) {
        return Some(r#"Windows allows none of <>:"/\|?* and no control character in a name"#);
    }
    if name.ends_with(['.', ' ']) {
        return Some("Windows drops a dot or a space at the end of a name");
    }
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let numbered = |stem: &str| {
        let (port, digit) = stem.split_at_checked(3).unwrap_or_default();
        (port.eq_ignore_ascii_case("COM") || port.eq_ignore_ascii_case("LPT"))
            && matches!(
                digit,
                "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"
            )
    };
    if DEVICES.iter().any(|d| stem.eq_ignore_ascii_case(d)) || numbered(stem) {
        return Some("Windows reserves this name for a device");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_names() {
        for name in [
            "model.safetensors",
            ".hidden",
            "a b.pt",
            "modèle ünï 模型.bin",
            "console",
            "com",
            "COM0",
            "com10",
            "lpt1x",
            "nul_",
            "x.con",
        ] {
            assert_eq!(refused_by_windows(name), None, "{name}");
        }
    }

    #[test]
    fn devices_streams_and_what_is_dropped_are_refused() {
        for name in [
            "con",
            "NUL",
            "nul.safetensors",
            "Aux.tar.gz",
            "com1",
            "LPT9.pt",
            "COM².pt",
            "con .txt",
            "CONOUT$",
            "a:b",
            "model.safetensors:stream",
            "what?",
            "a/b",
            "tab\t",
            "end.",
            "end ",
            "..",
        ] {
            assert!(refused_by_windows(name).is_some(), "{name}");
        }
    }
}
