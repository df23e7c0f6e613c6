//! The page at `/`: one file without anything from elsewhere, and the facts that it needs.

use codegeex::prompt::Language;
use serde_json::json;

const PAGE: &str = include_str!("../static/index.html");

/// What the page may load and do: nothing but what is in it, and requests to its own server.
pub const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
     img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page for a model.
pub fn page(model: &str, positions: usize) -> String {
    // One name of each language: the first, as the tag is the same.
    let mut languages: Vec<(&str, String)> = Vec::new();
    for language in Language::all() {
        let title = title(language.tag());
        if !languages.iter().any(|(_, known)| *known == title) {
            languages.push((language.name(), title));
        }
    }
    languages.sort_by_key(|(_, title)| title.to_lowercase());
    let facts = json!({
        "model": model,
        "positions": positions,
        "languages": languages,
    });
    // Within a script element, only `<` could end it.
    let facts = facts.to_string().replace('<', "\\u003c");
    PAGE.replace("\"FACTS\"", &facts)
}

/// The language that a tag line names.
fn title(tag: &str) -> String {
    let name = tag.split_once("language:").map_or(tag, |(_, name)| name);
    let name = name.trim_end_matches("*/").trim_end_matches("-->");
    name.trim_end_matches('}').trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_out_of_tags() {
        let title_of = |name| title(Language::from_name(name).unwrap().tag());
        assert_eq!(title_of("cpp"), "C++");
        assert_eq!(title_of("css"), "CSS");
        assert_eq!(title_of("html"), "HTML");
        assert_eq!(title_of("delphi"), "Delphi");
        assert_eq!(title_of("vb"), "Visual Basic");
    }

    #[test]
    fn a_name_cannot_end_the_script() {
        let page = page("</script><b>", 2048);
        assert!(!page.contains("</script><b>"));
        assert!(page.contains("\\u003c/script>"));
        assert!(!page.contains("\"FACTS\""));
    }
}
