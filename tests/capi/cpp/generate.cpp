// Generation: samples, streaming, options, callbacks that throw, cancelling.

#include "fixture.hpp"

#include <algorithm>
#include <atomic>
#include <clocale>
#include <future>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <thread>

using codegeex::event_kind;
using codegeex::finish_reason;
using codegeex::flow;
using codegeex::status;

TEST(a_model_says_what_it_is) {
  const auto model = fixture::model();
  const codegeex::model_info info = model.info();
  REQUIRE(info.num_layers > 0 && info.vocab_size > 0 && info.parameters > 0);
  REQUIRE(model.config_json().front() == '{');
  REQUIRE(!model.describe().empty());
  REQUIRE(model.kernels() == codegeex::cpu_tier());
  REQUIRE(model.fingerprint() == fixture::model().fingerprint());
  REQUIRE(model.tokenizer().vocab_size() <= info.vocab_size);
  const codegeex::memory_estimate memory =
      codegeex::estimate_memory(harness::model_path(), {}, 2, 100);
  REQUIRE(memory.total >= memory.cache && memory.cache >= 200 * memory.cache_per_token);
}

TEST(streams_what_it_returns) {
  const auto model = fixture::model();
  std::string text;
  std::vector<std::uint32_t> ids;
  std::vector<float> logprobs;
  std::optional<finish_reason> reason;
  const auto done = model.generate(
      fixture::prompt(), fixture::options(20).top_logprobs(2), [&](const codegeex::event& event) {
        text += event.text;
        if (event.kind == event_kind::token) {
          ids.push_back(event.id);
          logprobs.push_back(event.logprob);
          if (event.top_logprobs.size() != 2) throw std::logic_error("two were asked for");
          if (event.top_logprobs[0].id != event.id) throw std::logic_error("not greedy");
        } else if (event.kind == event_kind::end) {
          reason = event.finish_reason;
        }
      });
  REQUIRE(done.size() == 1);
  REQUIRE(ids.size() == 20);
  REQUIRE(done[0].text() == text && done[0].ids().vector() == ids);
  REQUIRE(done[0].logprobs().vector() == logprobs);
  REQUIRE(done[0].finish_reason() == finish_reason::length && reason == finish_reason::length);
  REQUIRE(!done[0].stop_index());
  REQUIRE(done[0].top_logprobs(19).size() == 2 && done[0].top_logprobs(20).empty());
  const auto same = model.generate_from(model.tokenizer().encode(fixture::prompt()),
                                        fixture::options(20));
  REQUIRE(same[0].ids().vector() == ids);
}

TEST(several_samples) {
  const auto model = fixture::model();
  codegeex::generate_options options;
  options.max_new_tokens(12).temperature(1.0F).samples(3).seed(5);
  const auto done = model.generate(fixture::prompt(), options);
  REQUIRE(done.size() == 3);
  std::size_t count = 0;
  for (const codegeex::completion completion : done) {
    REQUIRE(completion.ids().size() == completion.logprobs().size());
    double sum = 0;
    for (const float logprob : completion.logprobs()) sum += static_cast<double>(logprob);
    REQUIRE(std::abs(completion.score() - sum) < 1e-3);
    ++count;
  }
  REQUIRE(count == 3);
  REQUIRE(done[0].ids().vector() != done[1].ids().vector());
  // The second sample by itself.
  options.samples(1).first_sample(1);
  REQUIRE(model.generate(fixture::prompt(), options)[0].text() == done[1].text());
}

TEST(stop_strings) {
  const auto model = fixture::model();
  const auto plain = model.generate(fixture::prompt(), fixture::options(30));
  const std::string text(plain[0].text());
  REQUIRE(text.size() > 8);
  const std::string stop = text.substr(6, 2);
  codegeex::generate_options options = fixture::options(30);
  options.add_stop("never to be found").add_stop(stop);
  std::optional<std::size_t> index;
  const auto done = model.generate(fixture::prompt(), options, [&](const codegeex::event& event) {
    if (event.kind == event_kind::end) index = event.stop_index;
  });
  REQUIRE(done[0].finish_reason() == finish_reason::stop);
  REQUIRE(done[0].stop_index() == std::size_t(1) && index == std::size_t(1));
  REQUIRE(done[0].text() == text.substr(0, text.find(stop)));
  options.clear_stop();
  REQUIRE(model.generate(fixture::prompt(), options)[0].text() == text);
}

TEST(code_ends_and_prompts_are_healed) {
  const auto model = fixture::model();
  codegeex::generate_options options = fixture::options(100);
  options.stop_at("python", "line");
  REQUIRE(options.get("stop_at") == "python:line");
  const auto done = model.generate("# language: Python\ndef read_lines(path):\n    x", options);
  REQUIRE(done[0].finish_reason() == finish_reason::end_of_line);
  REQUIRE(codegeex::name(done[0].finish_reason()) == "end_of_line");
  options.stop_at("python", "").heal(true).max_new_tokens(4);
  REQUIRE(options.get("stop_at") == "none" && options.get("heal") == "true");
  REQUIRE(model.generate("# language: Python\nimpor", options)[0].healed() > 0);
  REQUIRE_STATUS(status::invalid_argument, options.stop_at("python", "nothing"));
}

TEST(options_by_name_and_by_key) {
  codegeex::generate_options options;
  REQUIRE(!options && options.get("max_new_tokens") == "128");
  options.max_new_tokens(7)
      .temperature(0.5F)
      .top_k(4)
      .top_p(0.5F)
      .min_p(0.25F)
      .typical_p(0.5F)
      .repetition_penalty(1.5F)
      .presence_penalty(0.5F)
      .frequency_penalty(0.25F)
      .seed(9)
      .first_sample(2)
      .samples(3)
      .top_logprobs(1)
      .threads(1)
      .timeout(std::chrono::seconds(60))
      .prefill_limit(100)
      .logit_bias({{198, -2.5F}})
      .banned_ids(std::vector<std::uint32_t>{1, 2})
      .special_tokens(codegeex::special_tokens::parse)
      .speculation_lookup(3)
      .stop({"a", "b"})
      .stop_ids(std::vector<std::uint32_t>{7})
      .suffix("x\n")
      .infill_order(codegeex::infill_order::spm)
      .path("a.cpp")
      .repository("r")
      .add_file({"b.cpp", "B"})
      .infill_language("go")
      .stop_at("go", "block,function")
      .stop_before("if x {\n");
  const std::vector<std::pair<std::string_view, std::string_view>> expected = {
      {"max_new_tokens", "7"},      {"temperature", "0.5"},
      {"top_k", "4"},               {"top_p", "0.5"},
      {"min_p", "0.25"},            {"typical_p", "0.5"},
      {"repetition_penalty", "1.5"}, {"presence_penalty", "0.5"},
      {"frequency_penalty", "0.25"}, {"seed", "9"},
      {"first_sample", "2"},        {"samples", "3"},
      {"top_logprobs", "1"},        {"threads", "1"},
      {"timeout_ms", "60000"},      {"prefill_limit", "100"},
      {"logit_bias", "{\"198\":-2.5}"}, {"banned_ids", "[1,2]"},
      {"special_tokens", "parse"},  {"speculation", "lookup:3"},
      {"stop", "[\"a\",\"b\"]"},    {"stop_at", "go:block,function"},
      {"stop_before", "\"if x {\\n\""}, {"heal", "false"},
      {"stop_ids", "[7]"},          {"suffix", "\"x\\n\""},
      {"infill_order", "spm"},      {"path", "\"a.cpp\""},
      {"repository", "\"r\""},      {"files", "[{\"path\":\"b.cpp\",\"text\":\"B\"}]"},
      {"infill_language", "go"},
  };
  for (const auto& [key, value] : expected) REQUIRE(options.get(key) == value);
  REQUIRE(codegeex::generate_options::keys().size() == expected.size());
  options.speculation_lookup(0).stop_before(std::nullopt);
  REQUIRE(options.get("speculation") == "off" && options.get("stop_before") == "none");
  const codegeex::generate_options clone = options.clone();
  options.max_new_tokens(8).prefill_limit(std::nullopt);
  REQUIRE(clone.get("max_new_tokens") == "7" && options.get("max_new_tokens") == "8");
  REQUIRE(options.get("prefill_limit") == "none");
  REQUIRE_STATUS(status::invalid_argument, options.set("no such key", "1"));
  REQUIRE_STATUS(status::invalid_argument, options.set("top_k", "many"));
  REQUIRE(options.get("top_k") == "4");
  REQUIRE(!codegeex::generate_options().clone());

  codegeex::generate_options moved = std::move(options);
  REQUIRE(moved.get("max_new_tokens") == "8");
  REQUIRE(options.get("max_new_tokens") == "128");  // NOLINT: moved-from options are the defaults
}

TEST(options_are_text_of_the_same_value) {
  codegeex::generate_options options;
  std::string every;
  for (char c = 0; c < 0x20; ++c) every += c;
  every += "\"\\/\x7f\u4f60";
  options.stop(std::vector<std::string>{every, "x"}).stop_before(every);
  codegeex::generate_options other;
  other.add_stop(every).add_stop("x");
  REQUIRE(options.get("stop") == other.get("stop"));
  REQUIRE(options.get("stop") == "[" + options.get("stop_before") + ",\"x\"]");
  REQUIRE_STATUS(status::invalid_utf8, options.stop({"\xff"}));
  codegeex::beam_options beams;
  beams.add_stop(every).add_stop("x");
  REQUIRE(beams.get("stop") == options.get("stop"));
  options.clear_stop();
  REQUIRE(options.get("stop") == "[]");

  // Numbers have a point in every locale.
  const char* const before = std::setlocale(LC_ALL, nullptr);
  const std::string kept = before == nullptr ? "C" : before;
  static_cast<void>(std::setlocale(LC_ALL, "de_DE.UTF-8"));
  std::vector<std::pair<float, std::string>> texts;
  constexpr float least = std::numeric_limits<float>::min();
  constexpr float most = std::numeric_limits<float>::max();
  for (const float number : {0.1F, 1e-7F, -2.5F, 3.0F, least, most}) {
    options.presence_penalty(number).logit_bias({{7, number}, {8, -most / 2 * 4}});
    texts.emplace_back(number, options.get("presence_penalty"));
    const std::string biases = options.get("logit_bias");
    REQUIRE(biases.substr(0, 5) == "{\"7\":");
    texts.emplace_back(number, biases.substr(5));
    REQUIRE(biases.substr(biases.find(',')) == ",\"8\":null}");
  }
  static_cast<void>(std::setlocale(LC_ALL, kept.c_str()));
  for (const auto& [number, text] : texts) REQUIRE(std::stof(text) == number);
  for (const float wrong : {std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()}) {
    REQUIRE_STATUS(status::invalid_argument, options.logit_bias({{1, 1.0F}, {2, wrong}}));
  }
  REQUIRE(options.get("logit_bias").substr(0, 5) == "{\"7\":");
  options.logit_bias({}).banned_ids({});
  REQUIRE(options.get("logit_bias") == "{}" && options.get("banned_ids") == "[]");
  // Enumerators that do not exist.
  REQUIRE_STATUS(status::invalid_argument,
                 options.special_tokens(static_cast<codegeex::special_tokens>(2)));
}

TEST(what_a_callback_throws_arrives) {
  const auto model = fixture::model();
  struct own {
    int number;
  };
  int calls = 0;
  bool caught = false;
  try {
    static_cast<void>(model.generate(fixture::prompt(), fixture::options(50),
                                     [&](const codegeex::event&) {
                                       if (++calls == 3) throw own{42};
                                     }));
  } catch (const own& e) {
    caught = e.number == 42;
  }
  REQUIRE(caught);
  REQUIRE(calls == 3);

  // The model and a session go on after that.
  auto session = codegeex::session::create(model);
  caught = false;
  try {
    static_cast<void>(session.generate(fixture::prompt(), fixture::options(5),
                                       [](const codegeex::event&) -> flow {
                                         throw std::runtime_error("from the callback");
                                       }));
  } catch (const std::runtime_error& e) {
    caught = std::string(e.what()) == "from the callback";
  }
  REQUIRE(caught);
  REQUIRE(session.generate(fixture::prompt(), fixture::options(5))[0].text() ==
          model.generate(fixture::prompt(), fixture::options(5))[0].text());
}

TEST(progress_callbacks_cancel_and_throw) {
  const auto copying = [] {
    codegeex::open_options options;
    options.memory(codegeex::memory_mode::copy);
    return options;
  };
  std::uint64_t last = 0, total = 0;
  const auto model = codegeex::model::open(harness::model_path(), copying(),
                                           [&](std::uint64_t done, std::uint64_t of) {
                                             last = done;
                                             total = of;
                                           });
  REQUIRE(total > 0 && last == total);
  REQUIRE_STATUS(status::cancelled,
                 codegeex::model::open(harness::model_path(), copying(),
                                       [](std::uint64_t, std::uint64_t) { return flow::cancel; }));
  bool caught = false;
  try {
    static_cast<void>(codegeex::model::open(harness::model_path(), copying(),
                                            [](std::uint64_t, std::uint64_t) { throw 7; }));
  } catch (int thrown) {
    caught = thrown == 7;
  }
  REQUIRE(caught);
  const auto set = codegeex::cancel_token::create();
  set.cancel();
  REQUIRE_STATUS(status::cancelled,
                 codegeex::model::open(harness::model_path(), copying(), nullptr, &set));
}

TEST(callbacks_cancel_after_exactly_n_tokens) {
  const auto model = fixture::model();
  int left = 5;
  const auto done =
      model.generate(fixture::prompt(), fixture::options(500), [&](const codegeex::event& event) {
        return event.kind == event_kind::token && --left == 0 ? flow::cancel : flow::go_on;
      });
  REQUIRE(done[0].ids().size() == 5);
  REQUIRE(done[0].finish_reason() == finish_reason::cancelled);
}

TEST(another_thread_cancels) {
  const auto model = fixture::model();
  const auto token = codegeex::cancel_token::create();
  std::promise<void> began, cancelled;
  std::thread other([&] {
    began.get_future().wait();
    token.cancel();
    cancelled.set_value();
  });
  bool first = true;
  const auto done = model.generate(
      fixture::prompt(), fixture::options(500),
      [&](const codegeex::event&) {
        if (!std::exchange(first, false)) return;
        began.set_value();
        cancelled.get_future().wait();
      },
      &token);
  other.join();
  REQUIRE(token.is_cancelled());
  REQUIRE(done[0].finish_reason() == finish_reason::cancelled);
  REQUIRE(done[0].ids().size() < 10);
  REQUIRE_STATUS(status::cancelled, model.score(std::vector<std::uint32_t>{1, 2, 3}, 0, &token));
}

TEST(tokens_and_options_time_out) {
  const auto model = fixture::model();
  const auto token = codegeex::cancel_token::create(std::chrono::milliseconds(1));
  while (!token.is_cancelled()) std::this_thread::yield();
  REQUIRE(model.generate(fixture::prompt(), fixture::options(50), nullptr, &token)[0]
              .finish_reason() == finish_reason::cancelled);
}

TEST(beams) {
  const auto model = fixture::model();
  codegeex::beam_options options;
  options.num_beams(3).max_new_tokens(6).rules(codegeex::beam_rules::hugging_face)
      .length_penalty(0.5F).early_stopping(codegeex::early_stopping::yes)
      .special_tokens(codegeex::special_tokens::parse)
      .add_stop("never to be found").banned_ids(std::vector<std::uint32_t>{1, 2});
  REQUIRE(options.get("rules") == "hugging_face" && options.get("early_stopping") == "yes");
  REQUIRE(options.get("stop") == "[\"never to be found\"]" && options.get("banned_ids") == "[1,2]");
  const auto beams = model.beam_search(fixture::prompt(), options);
  REQUIRE(!beams.empty() && beams.size() <= 3);
  for (std::size_t i = 1; i < beams.size(); ++i) REQUIRE(beams[i - 1].score() >= beams[i].score());
  const auto ids = model.tokenizer().encode(fixture::prompt());
  REQUIRE(model.beam_search_from(ids, options)[0].text() == beams[0].text());

  // The rules of the reference, up to the end of a line of code.
  codegeex::beam_options lines;
  lines.max_new_tokens(60).stop_at("python", "line").stop_before("x = f(").threads(1)
      .timeout(std::chrono::minutes(5));
  REQUIRE(lines.get("stop_at") == "python:line" && lines.get("timeout_ms") == "300000");
  REQUIRE(lines.get("stop_before") == "\"x = f(\"" && lines.get("threads") == "1");
  const auto ended = model.beam_search(fixture::prompt() + "\n    x", lines);
  const auto is_line = [](const codegeex::completion& beam) {
    return beam.finish_reason() == finish_reason::end_of_line;
  };
  REQUIRE(std::any_of(ended.begin(), ended.end(), is_line));
  lines.prefill_limit(1);
  REQUIRE(model.beam_search(fixture::prompt(), lines)[0].finish_reason() ==
          finish_reason::prefill_limit);
}

TEST(scores_and_perplexity) {
  const auto model = fixture::model();
  const auto ids = model.tokenizer().encode("def read_lines(path):\n    with open(path) as f:\n");
  const auto score = model.score(ids, 3);
  REQUIRE(score.logprobs().size() == ids.size() && score.top().size() == 3);
  REQUIRE(score.logprobs()[0] != score.logprobs()[0]);
  double sum = 0;
  for (std::size_t i = 1; i < ids.size(); ++i) sum += static_cast<double>(score.logprobs()[i]);
  bool heard = false;
  const codegeex::perplexity found =
      model.perplexity(ids, [&](std::uint64_t, std::uint64_t total) { heard = total > 0; });
  REQUIRE(heard && found.tokens == ids.size() - 1);
  REQUIRE(std::abs(found.log_probability - sum) < 1e-2 && found.value > 1);
  REQUIRE_STATUS(status::invalid_argument, model.perplexity(std::vector<std::uint32_t>{1}));
}

TEST(speculation_changes_nothing) {
  const auto model = fixture::model();
  const std::string text(model.generate(fixture::prompt(), fixture::options(30))[0].text());
  const auto draft = fixture::model();
  const auto drafted =
      model.generate(fixture::prompt(), fixture::options(30).speculation_model(draft, 3));
  REQUIRE(drafted[0].text() == text);
  REQUIRE(drafted[0].drafted() >= drafted[0].accepted() && drafted[0].accepted() > 0);
}

TEST(messages_arrive_until_the_last_owner_is_gone) {
  auto alive = std::make_shared<std::atomic<int>>(0);
  const std::weak_ptr<std::atomic<int>> watched = alive;
  {
    codegeex::open_options options;
    options.log(codegeex::log_level::debug,
                [alive](codegeex::log_level, std::string_view message) {
                  if (!message.empty()) ++*alive;
                  throw std::runtime_error("is dropped");
                });
    alive.reset();
    const auto model = codegeex::model::open(harness::model_path(), options);
    options = codegeex::open_options();
    REQUIRE(!watched.expired());
    const int after_open = *watched.lock();
    REQUIRE(after_open > 0);
    static_cast<void>(model.generate("x", fixture::options(2)));
    REQUIRE(*watched.lock() > after_open);
  }
  REQUIRE(watched.expired());
  codegeex::open_options none;
  none.log(codegeex::log_level::debug, nullptr);
}

TEST(open_options_by_name_and_by_key) {
  const auto tokenizer = codegeex::tokenizer::create();
  codegeex::open_options options;
  options.memory(codegeex::memory_mode::copy).threads(1).isa("scalar").kv(codegeex::kv_type::f16)
      .activations(codegeex::activation_type::int8).memory_limit(0).tokenizer(&tokenizer);
  REQUIRE(options.get("isa") == "scalar" && options.get("kv") == "f16");
  REQUIRE(options.get("activations") == "int8");
  REQUIRE(options.get("memory") == "copy" && options.get("threads") == "1");
  REQUIRE(options.get("memory_limit") == "0");
  const auto model = codegeex::model::open(harness::model_path(), options);
  REQUIRE(model.kernels() == "scalar");
  REQUIRE_STATUS(status::out_of_memory, model.generate("x", fixture::options(2)));
  options.memory_limit(std::nullopt).tokenizer(nullptr).isa("auto");
  REQUIRE(options.get("memory_limit") == "none");
  REQUIRE_STATUS(status::invalid_argument, options.kv(static_cast<codegeex::kv_type>(9)));
  REQUIRE_STATUS(status::invalid_config, options.config("{}"));
  options.memory(codegeex::memory_mode::map).kv(codegeex::kv_type::int8).config("none");
  REQUIRE(options.get("memory") == "map" && options.get("kv") == "int8");
}
