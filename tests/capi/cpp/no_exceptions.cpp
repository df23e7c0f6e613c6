// The header where functions return codegeex::result: this file is compiled with -fno-exceptions
// and -fno-rtti, and linked into the same program as those that throw.

#ifndef CODEGEEX_NO_EXCEPTIONS
#error "compile with -DCODEGEEX_NO_EXCEPTIONS"
#endif

#include <codegeex.hpp>

#include "harness.hpp"

#include <thread>

TEST(results_hold_values_or_errors) {
  codegeex::result<codegeex::tokenizer> tokenizer = codegeex::tokenizer::create();
  REQUIRE(tokenizer && tokenizer.has_value());
  const auto ids = tokenizer->encode("def f():");
  REQUIRE(ids && !ids->empty());
  REQUIRE(*tokenizer->decode(*ids) == "def f():");
  const auto wrong = tokenizer->token_bytes(UINT32_MAX);
  REQUIRE(!wrong);
  REQUIRE(wrong.error().code() == codegeex::status::token_out_of_range);
  REQUIRE(!wrong.error().message().empty());
  REQUIRE(tokenizer->decode({UINT32_MAX == 0 ? nullptr : ids->data(), ids->size()})
              .value_or("nothing") == "def f():");
  REQUIRE(tokenizer->token_bytes(UINT32_MAX).value_or("nothing") == "nothing");
  const codegeex::tokenizer moved = *std::move(tokenizer);
  REQUIRE(moved.encode("x")->size() == 1);
}

TEST(results_of_models_and_options) {
  REQUIRE(codegeex::model::open("/nowhere").error().code() == codegeex::status::not_found);
  const auto model = codegeex::model::open(harness::model_path());
  REQUIRE(model);
  codegeex::generate_options options;
  REQUIRE(*options.get("max_new_tokens") == "128");
  const codegeex::result<void> set = options.max_new_tokens(500);
  REQUIRE(set);
  const codegeex::result<void> refused = options.set("top_k", "many");
  REQUIRE(!refused && refused.error().code() == codegeex::status::invalid_argument);

  int left = 5;
  const auto done = model->generate("def f(", options, [&](const codegeex::event& event) {
    return event.kind == codegeex::event_kind::token && --left == 0 ? codegeex::flow::cancel
                                                                    : codegeex::flow::go_on;
  });
  REQUIRE(done && done->size() == 1);
  REQUIRE((*done)[0].ids().size() == 5);
  REQUIRE((*done)[0].finish_reason() == codegeex::finish_reason::cancelled);
  for (const codegeex::completion completion : *done) REQUIRE(!completion.ids().empty());

  const auto stopped = codegeex::convert(
      harness::model_path(), harness::scratch("never.safetensors"), {}, {},
      [](std::uint64_t, std::uint64_t) { return codegeex::flow::cancel; });
  REQUIRE(!stopped && stopped.error().code() == codegeex::status::cancelled);
}

TEST(results_of_tickets_and_tokens) {
  const auto model = codegeex::model::open(harness::model_path());
  REQUIRE(model);
  const auto service = codegeex::service::create(*model);
  REQUIRE(service);
  codegeex::generate_options options;
  REQUIRE(options.max_new_tokens(400));
  auto ticket = service->submit("def f(", options);
  REQUIRE(ticket);
  std::size_t tokens = 0;
  while (true) {
    const auto event = ticket->next();
    REQUIRE(event);
    if (event->kind == codegeex::event_kind::done) break;
    if (event->kind == codegeex::event_kind::token && ++tokens == 3) REQUIRE(ticket->cancel());
  }
  REQUIRE(tokens >= 3);
  const auto done = ticket->wait();
  REQUIRE(done && (*done)[0].finish_reason() == codegeex::finish_reason::cancelled);
  REQUIRE(!ticket->wait());

  const auto token = codegeex::cancel_token::create();
  REQUIRE(token && !token->is_cancelled());
  std::thread([&] { static_cast<void>(token->cancel()); }).join();
  REQUIRE(token->is_cancelled());
  auto session = codegeex::session::create(*model);
  REQUIRE(session && session->truncate(0));
  auto log = codegeex::open_options();
  REQUIRE(log.log(codegeex::log_level::info, [](codegeex::log_level, std::string_view) {}));
  REQUIRE(codegeex::find_language("python")->name == "python");
  REQUIRE(!codegeex::find_language("klingon"));
  REQUIRE(codegeex::estimate_memory(harness::model_path(), {}, 1, 1)->total > 0);
}

TEST(results_of_samplers_and_code) {
  const auto model = codegeex::model::open(harness::model_path());
  REQUIRE(model);
  codegeex::generate_options options;
  REQUIRE(options.max_new_tokens(3));
  REQUIRE(options.add_sampler([](const codegeex::sampler_input& input) {
    for (codegeex::candidate& one : input.candidates) one.logit = one.id == 751 ? 0.0F : -1e9F;
  }));
  const auto done = model->generate("def f(", options);
  REQUIRE(done && (*done)[0].ids().size() == 3 && (*done)[0].ids()[2] == 751);
  REQUIRE(options.add_sampler([](const codegeex::sampler_input&) { return codegeex::flow::cancel; }));
  REQUIRE(model->generate("def f(", options).error().code() == codegeex::status::cancelled);
  const auto service = codegeex::service::create(*model);
  REQUIRE(service);
  auto ticket = service->submit("def f(", options);
  REQUIRE(ticket && ticket->wait().error().code() == codegeex::status::cancelled);
  codegeex::edit_options edits;
  REQUIRE(edits.generate(options));
  auto session = codegeex::edit_session::create(*model, "python", edits);
  REQUIRE(session && session->update("def f(", ""));
  REQUIRE(session->suggest().error().code() == codegeex::status::cancelled);
  const auto refused = options.logit_bias({{1, std::numeric_limits<float>::infinity()}});
  REQUIRE(!refused && refused.error().code() == codegeex::status::invalid_argument);
  codegeex::beam_options beams;
  REQUIRE(beams.add_stop("\n") && *beams.get("stop") == "[\"\\n\"]");

  REQUIRE(codegeex::code::cut_at_scope("rust", "fn f() -> u8 { ", "1 }\n").value_or("") == "1 }");
  REQUIRE(!codegeex::code::cut("klingon", "line", "", ""));
  REQUIRE(!codegeex::code::stop::create("python", ""));
  auto stop = codegeex::code::stop::create("python", "line");
  REQUIRE(stop && stop->push("x\ny")->finish_reason == codegeex::finish_reason::end_of_line);
  REQUIRE(codegeex::code::scan("python", "x = 1")->size() == 5);
}
