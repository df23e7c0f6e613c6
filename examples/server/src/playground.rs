//! The page at `/`: one file without anything from elsewhere, and the facts that it needs.

use codegeex::Language;
use serde_json::json;

const PAGE: &str = include_str!("../static/index.html");

/// What the page may load and do: nothing but what is in it, and requests to its own server.
pub const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
     img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page for a model.
pub fn page(model: &str, context_length: usize) -> String {
    // One name of each language: the first, as the tag is the same.
    let mut languages: Vec<(&str, &str)> = Vec::new();
    for language in Language::all() {
        let title = language.title();
        if !languages.iter().any(|(_, known)| *known == title) {
            languages.push((language.name(), title));
        }
    }
    languages.sort_by_key(|(_, title)| title.to_lowercase());
    let facts = json!({
        "model": model,
        "context_length": context_length,
        "languages": languages,
    });
    // Within a script element, only `<` could end it.
    let facts = facts.to_string().replace('<', "\\u003c");
    PAGE.replace("\"FACTS\"", &facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task;

    #[test]
    fn every_task_and_every_language_can_be_chosen() {
        let page = page("tiny", 2048);
        let start = page.find("<select id=\"task\"").unwrap();
        let select = &page[start..start + page[start..].find("</select>").unwrap()];
        let options: Vec<&str> = select
            .split("value=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        assert_eq!(options, task::NAMES);
        for language in Language::all() {
            assert!(page.contains(&format!(",{}]", json!(language.title()))));
        }
    }

    #[test]
    fn a_name_cannot_end_the_script() {
        let page = page("</script><b>", 2048);
        assert!(!page.contains("</script><b>"));
        assert!(page.contains("\\u003c/script>"));
        assert!(!page.contains("\"FACTS\""));
    }
}
