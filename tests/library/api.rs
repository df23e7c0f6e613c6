//! The comfortable half of the interface: what opens, what a prompt may be, streams and tickets as
//! iterators, and what options refuse. On the toy, whose answers are noise.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use codegeex::generate::{Candidates, History};
use codegeex::model::{Determinism, Transformer, load};
use codegeex::{
    BeamOptions, CancelToken, Error, ErrorKind, Event, FinishReason, GenerateOptions, Generator,
    LoadOptions, Model, Prompt, Request, Sampler, SchedulerOptions, Service, Session,
    SpecialTokens,
};

use crate::support::tokenizer::Bytes;

const TOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors");
const CODE: &str = "# language: Python\ndef add(a, b):\n";

fn toy() -> Generator {
    Generator::open_with(TOY, &LoadOptions::new().threads(1)).unwrap()
}

fn few() -> GenerateOptions {
    GenerateOptions::new()
        .max_new_tokens(8)
        .banned_ids([50_256])
}

#[test]
fn a_prompt_is_text_or_ids_in_any_form() {
    let generator = toy();
    let expected = generator.complete(CODE, &few()).unwrap();
    let ids = (generator.tokenizer())
        .encode(CODE, SpecialTokens::AsText)
        .unwrap();
    let owned = CODE.to_owned();
    let cow: Cow<'_, str> = CODE.into();
    let prompts: [Prompt<'_>; 8] = [
        (&owned).into(),
        owned.clone().into(),
        (&cow).into(),
        cow.clone().into(),
        ids.clone().into(),
        (&ids).into(),
        ids[..].into(),
        Prompt::from(CODE),
    ];
    for prompt in prompts {
        let found = generator.complete(&prompt, &few()).unwrap();
        assert_eq!(found, expected, "{prompt:?}");
    }
    let short = generator.complete([198, 257], &few()).unwrap();
    assert_eq!(generator.complete([198, 257], &few()).unwrap(), short);
    let score = |prompt: Prompt<'_>| generator.score(prompt, 2, &CancelToken::new()).unwrap();
    assert_eq!(score(CODE.into()), score(ids.into()));
    assert_eq!(format!("{expected:>2}"), expected.text);
}

#[test]
fn a_stream_is_the_events_of_a_generation_and_then_its_samples() {
    let generator = toy();
    let options = few().samples(3).temperature(1.0).seed(4).top_logprobs(2);
    let mut events = Vec::new();
    let expected = generator.generate(CODE, &options, &CancelToken::new(), &mut |event| {
        events.push(event);
        ControlFlow::Continue(())
    });
    let expected = expected.unwrap();
    let mut stream = generator.stream(CODE, &options).unwrap();
    let found: Vec<Event> = (&mut stream).map(|event| event.unwrap()).collect();
    assert_eq!(found, events);
    assert!(stream.next().is_none());
    assert_eq!(stream.wait().unwrap(), expected);
    assert_eq!(generator.complete_n(CODE, &options).unwrap(), expected);
    // Without having asked for an event.
    let stream = generator.stream(CODE, &options).unwrap();
    assert_eq!(stream.wait().unwrap(), expected);

    let error = generator.complete(CODE, &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("complete_n"), "{error}");
}

#[test]
fn a_cancelled_stream_ends_with_what_there_is() {
    let generator = toy();
    let mut stream = generator.stream(CODE, &few().max_new_tokens(500)).unwrap();
    let token = stream.cancel_token().clone();
    let mut seen = 0;
    let mut ended = None;
    for event in stream.by_ref() {
        match event.unwrap() {
            Event::Token { .. } => seen += 1,
            Event::End { reason, .. } => ended = Some(reason),
            _ => {}
        }
        if seen == 3 {
            token.cancel();
        }
    }
    assert_eq!((seen, ended), (3, Some(FinishReason::Cancelled)));
    assert_eq!(stream.wait().unwrap()[0].ids.len(), 3);
}

#[test]
fn a_session_keeps_what_a_dropped_stream_has_computed() {
    let generator = toy();
    let options = few().max_new_tokens(500);
    let prompt = (generator.tokenizer())
        .encode(CODE, SpecialTokens::AsText)
        .unwrap();
    let mut session = Session::new(&generator);
    let mut stream = session.stream(CODE, &options).unwrap();
    for _ in 0..4 {
        stream.next().unwrap().unwrap();
    }
    drop(stream);
    assert!(session.ids().starts_with(&prompt), "{:?}", session.ids());
    assert!(session.ids().len() < prompt.len() + 20);
    let answer = session.complete(CODE, &few()).unwrap();
    assert_eq!(
        (session.computed(), session.reused()),
        (1, prompt.len() - 1)
    );
    assert_eq!(answer, generator.complete(CODE, &few()).unwrap());
    // Dropped before anything was computed.
    drop(session.stream("another", &options).unwrap());
    assert_eq!(session.complete(CODE, &few()).unwrap(), answer);
}

/// Fails at the third token.
#[derive(Debug)]
struct Fails;

impl Sampler for Fails {
    fn apply(&self, _: &mut Candidates, history: History<'_>) -> codegeex::Result<()> {
        match history.generated.len() {
            2 => Err(Error::new(ErrorKind::InvalidArgument, "the third")),
            _ => Ok(()),
        }
    }
}

#[test]
fn an_error_is_the_last_item_of_a_stream_and_of_a_ticket() {
    let generator = toy();
    let options = few().sampler(Fails);
    let mut stream = generator.stream(CODE, &options).unwrap();
    let kinds: Vec<Option<ErrorKind>> = (&mut stream).map(|e| e.err().map(|e| e.kind())).collect();
    let expected = [None, None, Some(ErrorKind::InvalidArgument)];
    assert_eq!(kinds, expected);
    assert!(stream.next().is_none());
    assert!(stream.wait().unwrap_err().to_string().contains("returned"));
    let stream = generator.stream(CODE, &options).unwrap();
    assert_eq!(stream.wait().unwrap_err().to_string(), "the third");

    let service = Service::start(&generator, SchedulerOptions::new()).unwrap();
    let mut ticket = service.submit(Request::new(CODE, options.clone())).unwrap();
    let kinds: Vec<Option<ErrorKind>> = (&mut ticket).map(|e| e.err().map(|e| e.kind())).collect();
    assert_eq!(kinds, expected);
    assert!(ticket.is_over() && ticket.next().is_none() && ticket.try_next().is_none());
    assert!(ticket.take_completions().is_none() && ticket.wait().is_err());
    let ticket = service.submit(Request::new(CODE, options)).unwrap();
    assert_eq!(ticket.wait().unwrap_err().to_string(), "the third");
}

#[test]
fn a_ticket_is_the_events_of_a_request() {
    let generator = toy();
    let expected: Vec<Event> = generator
        .stream(CODE, &few())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let service = Service::start(&generator, SchedulerOptions::new()).unwrap();
    let mut ticket = service.submit(Request::new(CODE, few())).unwrap();
    let mut found: Vec<Event> = Vec::new();
    while !ticket.is_over() {
        match ticket.try_next() {
            Some(event) => found.push(event.unwrap()),
            None => std::thread::yield_now(),
        }
    }
    assert_eq!(found, expected);
    assert_eq!(
        ticket.wait().unwrap(),
        generator.complete_n(CODE, &few()).unwrap()
    );
}

#[test]
fn ids_outside_the_vocabulary_are_refused_by_name() {
    let generator = toy();
    let named = |result: codegeex::Result<()>, option: &str| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TokenOutOfRange);
        let text = error.to_string();
        for part in [option, "99999999", "52224"] {
            assert!(text.contains(part), "{text}");
        }
    };
    let id = 99_999_999;
    let of = |options: &GenerateOptions| generator.complete(CODE, options).map(drop);
    named(of(&few().banned_ids([7, id])), "banned_ids");
    named(of(&few().logit_bias([(7, 1.0), (id, 1.0)])), "logit_bias");
    let beams = BeamOptions::new().banned_ids([id]);
    let found = generator.beam_search(CODE, &beams, &CancelToken::new());
    named(found.map(drop), "banned_ids");
    assert!(of(&few().banned_ids([52_223]).logit_bias([(52_223, 1.0)])).is_ok());
}

#[test]
fn nothing_is_spelled_as_a_number_that_stands_for_off() {
    let generator = toy();
    let sampled = few().temperature(1.0);
    for (options, name) in [
        (sampled.clone().top_k(0), "top_k"),
        (sampled.clone().top_p(0.0), "top_p"),
        (sampled.clone().threads(0), "threads"),
        (sampled.clone().samples(0), "samples"),
    ] {
        let error = generator.complete_n(CODE, &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(name), "{error}");
    }
    let expected = generator.complete(CODE, &sampled).unwrap();
    let off = sampled
        .top_k(None)
        .top_p(1.0)
        .min_p(0.0)
        .typical_p(None)
        .repetition_penalty(1.0);
    assert_eq!(generator.complete(CODE, &off).unwrap(), expected);
}

#[test]
fn a_prompt_of_another_models_tokenizer_is_refused_with_the_reason() {
    let generator = |ids| {
        let model = load(TOY, &LoadOptions::new().threads(1)).unwrap();
        Generator::new(model, Arc::new(Bytes(ids)))
    };
    let options = GenerateOptions::new().max_new_tokens(1);
    let refused = |ids, prompt: &[u32]| {
        let error = generator(ids).complete(prompt, &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TokenOutOfRange);
        error.to_string()
    };
    let text = refused(60_000, &[1, 52_224]);
    assert!(text.contains("52224") && text.contains("60000"), "{text}");
    assert!(!refused(52_224, &[52_224]).contains("belong"));
    // Ids that the model has are fine, whatever the tokenizer has beyond.
    assert!(
        generator(60_000)
            .complete(&[1, 52_223][..], &options)
            .is_ok()
    );
}

#[test]
fn a_vocabulary_beside_a_model_is_its_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    std::fs::copy(TOY, &path).unwrap();
    for place in [path.as_path(), folder.path()] {
        assert!(Generator::open(place).is_ok(), "{place:?}");
    }
    std::fs::write(folder.path().join("vocab.json"), "{}").unwrap();
    for place in [path.as_path(), folder.path()] {
        let error = Generator::open(place).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&*folder.path().to_string_lossy()),
            "{error}"
        );
    }
}

#[test]
fn a_transformer_is_opened_as_itself_and_says_that_it_is_bitwise() {
    let options = LoadOptions::new().threads(1);
    let model = Transformer::open_with(TOY, &options).unwrap();
    assert_eq!(model.determinism(), Determinism::Bitwise);
    assert_eq!(model.hidden_states(&[5, 6]).unwrap().shape()[1], 2);
    let backend = model.backend().clone();
    let other = Transformer::open_on(backend, TOY, &options.open).unwrap();
    let ids = [4299, 277, 7];
    assert_eq!(
        model.hidden_states(&ids).unwrap(),
        other.hidden_states(&ids).unwrap()
    );
}
