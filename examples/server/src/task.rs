//! What is to be done with the code of a request: the fields `task`, `language`,
//! `target_language`, `target_declaration` and `template`, and the prompts of
//! [`codegeex::prompt`] that they stand for.

use codegeex::Language;
use codegeex::prompt::{self, Template};

use crate::error::{ApiError, Result, shown};
use crate::fields::Fields;

/// The names of the tasks, the default first.
pub const NAMES: [&str; 5] = ["complete", "translate", "explain", "docstring", "custom"];

/// A task with all that it needs beside the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// To continue the text, after the tag line of its language if there is one.
    Complete {
        /// The language of the tag line.
        language: Option<Language>,
    },
    /// To write the code in another language.
    Translate {
        /// The language of the code.
        from: Language,
        /// The language of the answer.
        to: Language,
        /// How the answer begins; may be empty.
        declaration: String,
    },
    /// To repeat the code with a comment before every line.
    Explain {
        /// The language of the code.
        language: Language,
    },
    /// To write the documentation of the code.
    Docstring {
        /// The language of the code.
        language: Language,
    },
    /// To continue what a template makes of the code.
    Custom {
        /// The language of the code.
        language: Language,
        /// A text that [`Template::parse`] accepts.
        template: String,
    },
}

impl Task {
    /// Takes the fields of a task.
    ///
    /// # Errors
    /// 400, naming the field: an unknown task or language, one that is missing, and one that the
    /// task has no use for.
    pub fn parse(fields: &mut Fields) -> Result<Self> {
        let name = fields.string("task")?;
        let name = name.as_deref().unwrap_or(NAMES[0]);
        let language = language(fields, "language")?;
        let target = self::language(fields, "target_language")?;
        let declaration = fields.string("target_declaration")?;
        let template = fields.string("template")?;

        if !NAMES.contains(&name) {
            return Err(ApiError::field(
                "task",
                format!(
                    "task is {}, expected one of {}",
                    shown(name),
                    NAMES.join(", ")
                ),
            ));
        }
        for (field, given, task) in [
            ("target_language", target.is_some(), "translate"),
            ("target_declaration", declaration.is_some(), "translate"),
            ("template", template.is_some(), "custom"),
        ] {
            if given && name != task {
                return Err(ApiError::field(
                    field,
                    format!("{field} is for the task {task}, but the task is {name}"),
                ));
            }
        }
        if name == "complete" {
            return Ok(Self::Complete { language });
        }
        let missing = |field: &str, what: &str| {
            ApiError::field(
                field,
                format!("{field} is missing; the task {name} needs {what}"),
            )
        };
        let language = language.ok_or_else(|| missing("language", "the language of the code"))?;
        Ok(match name {
            "translate" => Self::Translate {
                from: language,
                to: target
                    .ok_or_else(|| missing("target_language", "the language to translate into"))?,
                declaration: declaration.unwrap_or_default(),
            },
            "explain" => Self::Explain { language },
            "docstring" => Self::Docstring { language },
            _ => {
                let template = template
                    .ok_or_else(|| missing("template", "a string with <INPUT> for the code"))?;
                Template::parse(&template)
                    .map_err(|error| ApiError::field("template", error.to_string()))?;
                Self::Custom { language, template }
            }
        })
    }

    /// The name of the task.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Complete { .. } => "complete",
            Self::Translate { .. } => "translate",
            Self::Explain { .. } => "explain",
            Self::Docstring { .. } => "docstring",
            Self::Custom { .. } => "custom",
        }
    }

    /// Whether the answer goes on where the text of the prompt ends. Otherwise that text is only
    /// a part of what the model reads: it has no text after it and is not part of the answer.
    pub fn continues(&self) -> bool {
        matches!(self, Self::Complete { .. })
    }

    /// What the model reads for a code, and what belongs around its answer. A completion has no
    /// stops but those of the request; `has_tags` is whether the model knows language tags.
    ///
    /// # Errors
    /// 400 for code that is blank, and for a template that makes too much of it.
    pub fn of(&self, code: &str, has_tags: bool) -> Result<Framed> {
        let task = match self {
            Self::Complete { language } => {
                let prompt = match language {
                    Some(language) if has_tags => language.prompt(code),
                    _ => code.to_owned(),
                };
                return Ok(Framed {
                    prompt,
                    ..Framed::default()
                });
            }
            Self::Translate {
                from,
                to,
                declaration,
            } => prompt::Task::translate(*from, code, *to, declaration),
            Self::Explain { language } => prompt::Task::explain(*language, code),
            Self::Docstring { language } => prompt::Task::docstring(*language, code),
            Self::Custom { language, template } => Template::parse(template)
                .and_then(|template| prompt::Task::custom(&template, *language, code)),
        };
        let task = task.map_err(|error| ApiError::field("prompt", error.to_string()))?;
        Ok(Framed {
            prompt: task.prompt,
            lead: task.lead,
            tail: task.tail,
            stop: task.stop,
        })
    }
}

/// A text for the model with what belongs around the completion of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Framed {
    /// What the model continues.
    pub prompt: String,
    /// The end of it that is the beginning of the answer.
    pub lead: String,
    /// What closes the answer.
    pub tail: String,
    /// Texts that end it, beside those of the request.
    pub stop: Vec<String>,
}

/// Takes the name of a language.
fn language(fields: &mut Fields, field: &str) -> Result<Option<Language>> {
    let Some(name) = fields.string(field)? else {
        return Ok(None);
    };
    match Language::from_name(&name) {
        Ok(language) => Ok(Some(language)),
        Err(_) => {
            let names: Vec<&str> = Language::all().map(Language::name).collect();
            let message = format!(
                "{field} is {}, expected one of {}",
                shown(&name),
                names.join(", ")
            );
            Err(ApiError::field(field, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const CODE: &str = "def one():\n    return 1\n";

    fn parse(body: &Value) -> Result<Task> {
        Task::parse(&mut Fields::parse(body.to_string().into_bytes()).unwrap())
    }

    /// What goes into the model for `CODE`.
    fn framed(body: Value) -> Framed {
        parse(&body).unwrap().of(CODE, true).unwrap()
    }

    fn language(name: &str) -> Language {
        Language::from_name(name).unwrap()
    }

    #[test]
    fn tasks_are_the_librarys() {
        let (python, java) = (language("python"), language("java"));
        let template = "# language: Python\n<INPUT:0,1>\n# again\n";
        let declaration = "static int one() {\n";
        let rows = [
            (
                json!({"task": "translate", "language": "python", "target_language": "Java"}),
                prompt::Task::translate(python, CODE, java, ""),
            ),
            (
                json!({
                    "task": "translate", "language": "python", "target_language": "java",
                    "target_declaration": declaration,
                }),
                prompt::Task::translate(python, CODE, java, declaration),
            ),
            (
                json!({"task": "explain", "language": "python"}),
                prompt::Task::explain(python, CODE),
            ),
            (
                json!({"task": "docstring", "language": "python"}),
                prompt::Task::docstring(python, CODE),
            ),
            (
                json!({"task": "docstring", "language": "java"}),
                prompt::Task::docstring(java, CODE),
            ),
            (
                json!({"task": "custom", "language": "python", "template": template}),
                prompt::Task::custom(&Template::parse(template).unwrap(), python, CODE),
            ),
        ];
        for (body, expected) in rows {
            let expected = expected.unwrap();
            let expected = Framed {
                prompt: expected.prompt,
                lead: expected.lead,
                tail: expected.tail,
                stop: expected.stop,
            };
            assert_eq!(parse(&body).unwrap().name(), body["task"]);
            assert!(!parse(&body).unwrap().continues());
            assert!(!expected.stop.is_empty(), "{body}");
            assert_eq!(framed(body), expected);
        }
    }

    #[test]
    fn a_completion_is_the_text_and_no_more() {
        let plain = |prompt: String| Framed {
            prompt,
            ..Framed::default()
        };
        for task in [json!(null), json!("complete")] {
            let tagged = format!("# language: Python\n{CODE}");
            assert_eq!(
                framed(json!({"task": task, "language": "PYTHON"})),
                plain(tagged)
            );
            assert_eq!(framed(json!({"task": task})), plain(CODE.into()));
            let nulls = json!({"task": task, "target_language": null, "template": null});
            assert_eq!(framed(nulls), plain(CODE.into()));
        }
        assert_eq!(parse(&json!({})).unwrap().of("", true).unwrap().prompt, "");
    }

    #[test]
    fn every_name_has_its_task() {
        for name in NAMES {
            let mut body = json!({"task": name, "language": "go"});
            match name {
                "translate" => body["target_language"] = "rust".into(),
                "custom" => body["template"] = "<INPUT>".into(),
                _ => {}
            }
            let task = parse(&body).unwrap();
            assert_eq!(task.name(), name);
            assert_eq!(task.continues(), name == "complete");
        }
    }

    #[test]
    fn long_names_are_cut_in_messages() {
        let long = "é".repeat(50_000);
        for field in ["task", "language", "target_language"] {
            let mut body = json!({"task": "translate", "language": "go"});
            body[field] = long.clone().into();
            let error = parse(&body).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(field));
            assert!(error.message.len() < 1000, "{}", error.message.len());
            assert!(error.message.contains(" …, expected one of "));
        }
    }

    #[test]
    fn blank_code_is_an_error_of_the_prompt() {
        for task in ["explain", "docstring"] {
            let task = parse(&json!({"task": task, "language": "go"})).unwrap();
            let error = task.of(" \n", true).unwrap_err();
            assert_eq!(error.param.as_deref(), Some("prompt"));
            assert!(error.message.contains("blank"), "{}", error.message);
        }
    }
}
