use std::sync::Arc;

use super::*;
use crate::code::StopRule;
use crate::generate::test_model::{ByteTokenizer as Bytes, TestModel};
use crate::generate::{FinishReason, StopAt};

fn shown(tokenizer: &Bytes, infill: &Infill) -> String {
    let tokens = InfillTokens::of(tokenizer).unwrap();
    let ids = tokens.encode(tokenizer, "pre", infill, SpecialTokens::AsText);
    tokenizer.show(&ids.unwrap())
}

const STARCODER: [&str; 4] = ["<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<fim_pad>"];
const QWEN: [&str; 6] = [
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
];

/// The prompts of each model's own documentation.
#[test]
fn prompts_are_in_the_format_of_the_tokenizer() {
    let plain = Infill::new("suf");
    let table: &[(&str, &[&'static str], &str)] = &[
        (
            "starcoder",
            &STARCODER,
            "<fim_prefix>pre<fim_suffix>suf<fim_middle>",
        ),
        (
            "starcoder2",
            &[&STARCODER[..], &["<file_sep>", "<repo_name>"]].concat(),
            "<fim_prefix>pre<fim_suffix>suf<fim_middle>",
        ),
        (
            "santacoder",
            &["<fim-prefix>", "<fim-suffix>", "<fim-middle>"],
            "<fim-prefix>pre<fim-suffix>suf<fim-middle>",
        ),
        (
            "qwen2.5-coder",
            &QWEN,
            "<|fim_prefix|>pre<|fim_suffix|>suf<|fim_middle|>",
        ),
        (
            "codellama",
            &["▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"],
            "▁<PRE>pre▁<SUF>suf▁<MID>",
        ),
        (
            "deepseek-coder",
            &["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
            "<｜fim▁begin｜>pre<｜fim▁hole｜>suf<｜fim▁end｜>",
        ),
        (
            "codestral",
            &["[PREFIX]", "[SUFFIX]", "[MIDDLE]"],
            "[SUFFIX]suf[PREFIX]pre",
        ),
        (
            "codegeex4",
            &[
                "<|user|>",
                "<|assistant|>",
                "<|code_prefix|>",
                "<|code_middle|>",
                "<|code_suffix|>",
            ],
            "<|user|>\n###LANGUAGE:\n###MODE:BLOCK\n\
             <|code_suffix|>suf<|code_prefix|>pre<|code_middle|><|assistant|>\n",
        ),
        (
            "incoder",
            &["<|mask:0|>", "<|mask:1|>", "<|endofmask|>"],
            "pre<|mask:0|>suf<|mask:1|><|mask:0|>",
        ),
    ];
    assert_eq!(table.len(), FORMATS.len());
    for (name, controls, expected) in table {
        let tokenizer = Bytes::new(controls);
        assert_eq!(InfillTokens::of(&tokenizer).unwrap().name(), *name);
        assert_eq!(shown(&tokenizer, &plain), *expected, "{name}");
        // A tokenizer that lacks one of the tokens has not the format.
        let without = Bytes::new(&controls[1..]);
        let other = InfillTokens::of(&without).map(InfillTokens::name);
        assert_ne!(other, Some(*name));
    }
    assert!(InfillTokens::of(&Bytes::new(&["<|endoftext|>"])).is_none());
}

#[test]
fn the_suffix_comes_first_where_the_model_was_trained_on_that() {
    let spm = Infill::new("suf").order(InfillOrder::SuffixPrefix);
    let tokenizer = Bytes::new(&STARCODER);
    let expected = "<fim_prefix><fim_suffix>suf<fim_middle>pre";
    assert_eq!(shown(&tokenizer, &spm), expected);
    let tokenizer = Bytes::new(&["▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"]);
    assert_eq!(shown(&tokenizer, &spm), "▁<PRE>▁<SUF>suf▁<MID>pre");
    let psm = Infill::new("suf").order(InfillOrder::PrefixSuffix);
    assert_eq!(shown(&tokenizer, &psm), "▁<PRE>pre▁<SUF>suf▁<MID>");

    let refused = |controls: &[&'static str], infill: &Infill| {
        let tokenizer = Bytes::new(controls);
        let tokens = InfillTokens::of(&tokenizer).unwrap();
        let ids = tokens.encode(&tokenizer, "pre", infill, SpecialTokens::AsText);
        ids.unwrap_err().to_string()
    };
    let message = refused(&QWEN, &spm);
    assert!(
        message.contains("spm") && message.contains("psm only"),
        "{message}"
    );
    let message = refused(&["[PREFIX]", "[SUFFIX]"], &psm);
    assert!(
        message.contains("psm") && message.contains("spm only"),
        "{message}"
    );
}

#[test]
fn other_files_come_first_by_their_separators() {
    let infill = Infill::new("suf")
        .repository("repo")
        .path("c.py")
        .files([ContextFile::new("a.py", "A"), ContextFile::new("b.py", "B")]);
    let two = [&STARCODER[..], &["<file_sep>", "<repo_name>"]].concat();
    assert_eq!(
        shown(&Bytes::new(&two), &infill),
        "<repo_name>repo<file_sep>a.py\nA<file_sep>b.py\nB<file_sep>\
         <fim_prefix>c.py\npre<fim_suffix>suf<fim_middle>"
    );
    let one = [&STARCODER[..], &["<filename>", "<reponame>"]].concat();
    assert_eq!(
        shown(&Bytes::new(&one), &infill),
        "<reponame>repo<filename>a.py\nA<filename>b.py\nB<filename>c.py\n\
         <fim_prefix>pre<fim_suffix>suf<fim_middle>"
    );
    assert_eq!(
        shown(&Bytes::new(&QWEN), &infill),
        "<|repo_name|>repo\n<|file_sep|>a.py\nA\n<|file_sep|>b.py\nB\n<|file_sep|>c.py\n\
         <|fim_prefix|>pre<|fim_suffix|>suf<|fim_middle|>"
    );
    let four = [
        "<|user|>",
        "<|assistant|>",
        "<|code_prefix|>",
        "<|code_middle|>",
        "<|code_suffix|>",
    ];
    let infill = infill.language(Language::PYTHON);
    assert_eq!(
        shown(&Bytes::new(&four), &infill),
        "<|user|>\n###REFERENCE:\n###PATH:a.py\nA\n###REFERENCE:\n###PATH:b.py\nB\n\
         ###PATH:c.py\n###LANGUAGE:Python\n###MODE:BLOCK\n\
         <|code_suffix|>suf<|code_prefix|>pre<|code_middle|><|assistant|>\n"
    );
    // The path alone is no context, but a file name where models saw one before every file.
    let alone = Infill::new("suf").path("c.py");
    assert_eq!(
        shown(&Bytes::new(&QWEN), &alone),
        "<|fim_prefix|>pre<|fim_suffix|>suf<|fim_middle|>"
    );
    assert!(shown(&Bytes::new(&one), &alone).starts_with("<filename>c.py\n<fim_prefix>pre"));

    let refused = |controls: &[&'static str], infill: &Infill| {
        let tokenizer = Bytes::new(controls);
        let tokens = InfillTokens::of(&tokenizer).unwrap();
        let ids = tokens.encode(&tokenizer, "pre", infill, SpecialTokens::AsText);
        ids.unwrap_err().to_string()
    };
    // Stable Code has StarCoder's three tokens and no separators.
    let message = refused(&STARCODER, &infill);
    assert!(message.contains("no tokens for them"), "{message}");
    let message = refused(&two, &Infill::new("").files([ContextFile::new("a", "A")]));
    assert!(message.contains("set the path"), "{message}");
}

#[test]
fn the_beginning_of_text_comes_first_and_spaces_are_those_of_the_model() {
    let mut tokenizer = Bytes::new(&["▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>", "<s>"]);
    tokenizer.prefix = vec![tokenizer.control_id("<s>").unwrap()];
    tokenizer.spaced = true;
    let infill = Infill::new("suf");
    assert_eq!(shown(&tokenizer, &infill), "<s>▁<PRE> pre▁<SUF>suf▁<MID>");
    // Ids of the text before the cursor bring no second one.
    let tokens = InfillTokens::of(&tokenizer).unwrap();
    let before = [tokenizer.prefix[0], u32::from(b'p')];
    let ids = tokens.encode(&tokenizer, before, &infill, SpecialTokens::AsText);
    assert_eq!(tokenizer.show(&ids.unwrap()), "<s>▁<PRE>p▁<SUF>suf▁<MID>");
}

fn generator(model: TestModel, controls: &[&'static str]) -> (Generator, Arc<Bytes>) {
    let tokenizer = Arc::new(Bytes::new(controls));
    (
        Generator::new(Arc::new(model), tokenizer.clone()),
        tokenizer,
    )
}

#[test]
fn the_middle_ends_at_the_tokens_of_the_format() {
    // The whole prompt has to be there for the answer to come.
    let prompt = "<fim_prefix>a = <fim_suffix>\n<fim_middle>";
    let tokenizer = Bytes::new(&STARCODER);
    let pad = tokenizer.control_id("<fim_pad>").unwrap();
    let model = TestModel::new(move |ids, logits| {
        let text = tokenizer.show(ids);
        let next = match text.strip_prefix(prompt) {
            Some("") => u32::from(b'1'),
            Some("1") => pad,
            _ => u32::from(b'?'),
        };
        logits[next as usize] = 20.0;
    });
    let (generator, _) = generator(model, &STARCODER);
    let options = GenerateOptions::new().max_new_tokens(4);
    let middle = generator.infill("a = ", "\n", &options).unwrap();
    assert_eq!(middle.text, "1");
    assert_eq!(middle.finish_reason, FinishReason::EndOfText);
    assert_eq!(middle.ids.last(), Some(&pad));

    // The same of a stream and of a scheduler, and of ids that a caller names itself.
    let filled = options.clone().infill(Infill::new("\n"));
    let mut stream = generator.stream("a = ", &filled).unwrap();
    let text: String = (&mut stream)
        .map(|e| e.unwrap().text().to_owned())
        .collect();
    assert_eq!(text, "1");
    let by_hand = options.clone().stop_ids([u32::from(b'?')]);
    let found = generator.complete("x", &by_hand).unwrap();
    assert_eq!(
        (&*found.text, found.finish_reason),
        ("", FinishReason::EndOfText)
    );
    let beyond = options.stop_ids([1 << 20]);
    let message = generator.complete("x", &beyond).unwrap_err().to_string();
    assert!(message.contains("stop_ids has token 1048576"), "{message}");
}

#[test]
fn rules_of_code_read_the_text_before_the_cursor() {
    // A function that the prompt opens, and whose end a rule sees in the middle.
    let answer = "1\n\n\ndef g";
    let tokenizer = Bytes::new(&STARCODER);
    let model = TestModel::new(move |ids, logits| {
        let text = tokenizer.show(ids);
        let (_, middle) = text.split_once("<fim_middle>").unwrap();
        let next = answer.as_bytes().get(middle.len()).copied().unwrap_or(b'?');
        logits[usize::from(next)] = 20.0;
    });
    let (generator, _) = generator(model, &STARCODER);
    let stop_at = StopAt::new(Language::PYTHON, [StopRule::Function]);
    let options = GenerateOptions::new().max_new_tokens(20).stop_at(stop_at);
    let middle = generator
        .infill("def f():\n    return ", "", &options)
        .unwrap();
    assert_eq!(middle.text.trim_end(), "1");
    assert_eq!(middle.finish_reason, FinishReason::Code(StopRule::Function));
}

#[test]
fn without_the_tokens_samples_are_ranked_by_the_suffix() {
    // Both middles are as likely; after `2` alone the suffix is.
    let model = TestModel::new(|ids, logits| {
        let text: Vec<u8> = ids.iter().map(|&id| id as u8).collect();
        let likely: &[u8] = match &text[..] {
            b"a" => b"12",
            b"a2" => b"+",
            b"a2+" => b"b",
            _ => b"?",
        };
        for &byte in likely {
            logits[usize::from(byte)] = 20.0;
        }
    });
    let (generator, _) = generator(model, &[]);
    let options = GenerateOptions::new()
        .max_new_tokens(1)
        .temperature(1.0)
        .samples(8);
    let plain = generator.complete_n("a", &options).unwrap();
    let texts: Vec<&str> = plain.iter().map(|c| &*c.text).collect();
    assert!(texts.contains(&"1") && texts.contains(&"2"), "{texts:?}");
    let filled = options.clone().infill(Infill::new("+b"));
    let ranked = generator.complete_n("a", &filled).unwrap();
    assert_eq!(ranked.len(), plain.len());
    let twos = texts.iter().filter(|&&text| text == "2").count();
    assert!(ranked[..twos].iter().all(|c| c.text == "2"), "{ranked:?}");
    assert_eq!(generator.infill("a", "+b", &options).unwrap().text, "2");
    // Files have no place in such a prompt.
    let files = Infill::new("")
        .path("b")
        .files([ContextFile::new("a", "A")]);
    let message = generator
        .complete_n("a", &options.infill(files))
        .unwrap_err();
    assert!(
        message.to_string().contains("no format for them"),
        "{message}"
    );
}
