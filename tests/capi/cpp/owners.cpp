// Owners: what moving leaves, freeing in any order, sessions, states, logits, services, files.

#include "fixture.hpp"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

using codegeex::event_kind;
using codegeex::finish_reason;
using codegeex::status;

template <class T>
constexpr bool is_move_only =
    std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> &&
    !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T>;

static_assert(sizeof(codegeex::model) == sizeof(void*) &&
              sizeof(codegeex::completions) == sizeof(void*) &&
              sizeof(codegeex::open_options) == sizeof(void*));

static_assert(is_move_only<codegeex::cancel_token> && is_move_only<codegeex::tokenizer> &&
              is_move_only<codegeex::decoder> && is_move_only<codegeex::open_options> &&
              is_move_only<codegeex::model> && is_move_only<codegeex::task> &&
              is_move_only<codegeex::generate_options> && is_move_only<codegeex::beam_options> &&
              is_move_only<codegeex::completions> && is_move_only<codegeex::score> &&
              is_move_only<codegeex::session> && is_move_only<codegeex::state> &&
              is_move_only<codegeex::logits> && is_move_only<codegeex::convert_options> &&
              is_move_only<codegeex::service_options> && is_move_only<codegeex::service> &&
              is_move_only<codegeex::ticket> && is_move_only<codegeex::edit_options> &&
              is_move_only<codegeex::edit_session> && is_move_only<codegeex::code::stop>);
static_assert(std::is_nothrow_copy_constructible_v<codegeex::error>);

TEST(owners_move) {
  auto first = codegeex::tokenizer::create();
  codegeex_tokenizer* raw = first.raw();
  codegeex::tokenizer second = std::move(first);
  REQUIRE(!first && second.raw() == raw);  // NOLINT: what moving leaves
  first = codegeex::tokenizer::create();
  first = std::move(second);
  REQUIRE(first.raw() == raw && !second);  // NOLINT
  codegeex_tokenizer* released = first.release();
  REQUIRE(!first && released == raw);
  first = codegeex::tokenizer(released);
  REQUIRE(first.encode("x").size() == 1);
  first.reset();
  REQUIRE(!first);
  std::vector<codegeex::tokenizer> several;
  for (int i = 0; i < 5; ++i) several.push_back(codegeex::tokenizer::create());
  REQUIRE(several[0].encode("x").size() == 1);
}

TEST(owners_die_in_any_order) {
  auto model = fixture::model();
  auto tokenizer = model.tokenizer();
  auto session = codegeex::session::create(model);
  auto state = codegeex::state::create(model);
  auto service = codegeex::service::create(model);
  auto ticket = service.submit(fixture::prompt(), fixture::options(5));
  auto decoder = codegeex::decoder::create(tokenizer);
  model.reset();
  tokenizer.reset();
  const auto done = session.generate(fixture::prompt(), fixture::options(5));
  session.reset();
  REQUIRE(ticket.wait()[0].text() == done[0].text());
  service.reset();
  std::string decoded;
  for (const std::uint32_t id : done[0].ids()) decoded += decoder.push(id);
  REQUIRE(decoded + decoder.finish() == done[0].text());
  auto logits = state.decode(done[0].ids()[0]);
  auto fork = state.fork();
  state.reset();
  REQUIRE(fork.size() == 1 && logits.size() == 1);
}

TEST(a_callback_may_free_what_runs) {
  auto model = fixture::model();
  std::size_t tokens = 0;
  // The handle is freed in the middle of the call with it, which is allowed.
  const auto done =
      model.generate(fixture::prompt(), fixture::options(5), [&](const codegeex::event& event) {
        tokens += event.kind == event_kind::token;
        model.reset();
      });
  REQUIRE(tokens == 5 && done[0].ids().size() == 5 && !model);
}

TEST(sessions_keep_and_save) {
  const auto model = fixture::model();
  auto session = codegeex::session::create(model);
  const auto first = session.generate(fixture::prompt(), fixture::options(8));
  const auto kept = session.ids();
  REQUIRE(session.bytes() > 0 && kept.size() >= 8);
  const std::string longer = fixture::prompt() + std::string(first[0].text());
  const auto second = session.generate(longer, fixture::options(8));
  REQUIRE(session.reused() > 0 && session.computed() > 0);

  const auto bytes = session.save();
  session.save_file(harness::scratch("session"));
  auto from_memory = codegeex::session::restore(model, bytes);
  auto from_file = codegeex::session::restore_file(model, harness::scratch("session"));
  REQUIRE(from_memory.ids() == session.ids() && from_file.ids() == session.ids());
  const auto again = from_memory.generate_from(model.tokenizer().encode(longer),
                                               fixture::options(8));
  REQUIRE(again[0].text() == second[0].text());
  session.truncate(3);
  REQUIRE(session.ids().size() == 3);

  std::vector<std::uint8_t> broken(bytes.begin(), bytes.begin() + std::ptrdiff_t(bytes.size() / 2));
  REQUIRE_STATUS(status::malformed_file, codegeex::session::restore(model, broken));
  REQUIRE_STATUS(status::not_found,
                 codegeex::session::restore_file(model, harness::scratch("nothing")));
}

TEST(a_session_in_use_is_busy) {
  const auto model = fixture::model();
  auto session = codegeex::session::create(model);
  status found = status::ok;
  static_cast<void>(session.generate(fixture::prompt(), fixture::options(2),
                                     [&](const codegeex::event&) {
                                       try {
                                         session.truncate(0);
                                       } catch (const codegeex::error& e) {
                                         found = e.code();
                                       }
                                     }));
  REQUIRE(found == status::busy);
}

TEST(edit_sessions_suggest_and_accept) {
  const auto model = fixture::model();
  codegeex::edit_options options;
  options.generate(fixture::options(12)).clip_step(16).reindent(true).cut_at_scope(false)
      .without_overlap(true).distinct(true).rank(false).suffix_tokens(7);
  REQUIRE(options.get("clip_step") == "16" && options.get("suffix_tokens") == "7");
  REQUIRE(options.get("reindent") == "true" && options.get("cut_at_scope") == "false");
  REQUIRE(options.get("without_overlap") == "true" && options.get("distinct") == "true");
  REQUIRE(options.get("rank") == "false" && codegeex::edit_options::keys().size() == 9);
  auto session = codegeex::edit_session::create(model, "python", options);
  const std::string before = "def read_lines(path):\n    ";
  const codegeex::edit_update update = session.update(before, "");
  REQUIRE(update.clipped_bytes == 0 && update.is_alive == 0);
  std::size_t tokens = 0;
  const std::size_t count = session.suggest(
      [&](const codegeex::event& event) { tokens += event.kind == event_kind::token; });
  REQUIRE(tokens > 0 && count == session.size());
  REQUIRE(count > 0);
  const std::string suggestion = session.suggestion(0);
  REQUIRE(!suggestion.empty());
  const std::string word = session.accept(codegeex::accept_part::word);
  REQUIRE(!word.empty() && suggestion.find(word) == 0);
  REQUIRE(session.update(before + word, "").is_alive == (word.size() < suggestion.size() ? 1 : 0));
  session.dismiss();
  REQUIRE(session.size() == 0);
  REQUIRE(session.accept().empty());
  REQUIRE_STATUS(status::invalid_argument, session.suggestion(0));
  bool caught = false;
  try {
    static_cast<void>(session.suggest([](const codegeex::event&) { throw 7; }));
  } catch (int thrown) {
    caught = thrown == 7;
  }
  REQUIRE(caught);
  REQUIRE_STATUS(status::invalid_argument, codegeex::edit_session::create(model, "klingon"));
}

TEST(states_and_logits) {
  const auto model = fixture::model();
  const auto ids = model.tokenizer().encode(fixture::prompt());
  auto state = codegeex::state::create(model);
  state.prefill(codegeex::ids_view(ids.data(), ids.size() - 1));
  const auto logits = state.decode(ids.back());
  REQUIRE(state.size() == ids.size() && state.bytes() > 0);
  REQUIRE(logits.size() == 1 && logits[0].size() == logits.vocab_size());
  const auto top = logits.top(0, 5);
  const auto best = std::max_element(logits[0].begin(), logits[0].end()) - logits[0].begin();
  REQUIRE(top.size() == 5 && top[0].id == static_cast<std::uint32_t>(best));
  REQUIRE(logits.log_probability(0, top[0].id) == top[0].logprob);
  REQUIRE(model.generate(fixture::prompt(), fixture::options(1))[0].ids()[0] == top[0].id);
  REQUIRE_STATUS(status::invalid_argument, logits.log_probability(1, 0));

  auto other = codegeex::state::create(model);
  const auto rows = other.decode(ids, codegeex::wanted_logits::all);
  REQUIRE(rows.size() == ids.size());
  std::size_t count = 0;
  for (const codegeex::view<float> row : rows) count += row.size() == rows.vocab_size();
  REQUIRE(count == rows.size());
  REQUIRE(std::equal(logits[0].begin(), logits[0].end(), rows[rows.size() - 1].begin()));
  REQUIRE(other.decode(ids, codegeex::wanted_logits::none).empty());

  auto restored = codegeex::state::restore(model, state.save());
  REQUIRE(restored.size() == state.size());
  auto fork = state.fork();
  const auto together = codegeex::state::decode_together(
      {state, restored, fork}, std::vector<std::uint32_t>{top[0].id, top[0].id, top[1].id});
  REQUIRE(together.size() == 3);
  REQUIRE(std::equal(together[0].begin(), together[0].end(), together[1].begin()));
  REQUIRE(!std::equal(together[0].begin(), together[0].end(), together[2].begin()));
  REQUIRE_STATUS(status::invalid_argument,
                 codegeex::state::decode_together({state}, std::vector<std::uint32_t>{1, 2}));
  state.truncate(2);
  REQUIRE(state.size() == 2);
  REQUIRE_STATUS(status::token_out_of_range, state.decode(UINT32_MAX));
  const std::vector<std::uint32_t> many(model.info().max_positions + 1, 5);
  REQUIRE_STATUS(status::context_overflow, state.prefill(many));
}

TEST(a_service_streams) {
  const auto model = fixture::model();
  codegeex::service_options options;
  options.sequences(4).prefill_tokens(64).prefixes(2).waiting(8).cache_bytes(std::nullopt);
  REQUIRE(options.get("sequences") == "4" && options.get("cache_bytes") == "none");
  REQUIRE(options.get("prefill_tokens") == "64" && options.get("prefixes") == "2");
  options.cache_bytes(UINT64_MAX);
  REQUIRE(options.get("waiting") == "8" && options.get("cache_bytes") == "unlimited");
  options.cache_bytes(1U << 30U);
  REQUIRE(options.get("cache_bytes") == "1073741824");
  const auto service = codegeex::service::create(model, options);
  auto ticket = service.submit(fixture::prompt(), fixture::options(10));
  std::string text;
  std::size_t tokens = 0;
  for (const codegeex::event& event : ticket) {
    text += event.text;
    tokens += event.kind == event_kind::token;
  }
  REQUIRE(tokens == 10);
  REQUIRE(ticket.next().kind == event_kind::done);
  REQUIRE(ticket.next(false).kind == event_kind::done);
  REQUIRE(ticket.wait()[0].text() == text);
  REQUIRE_STATUS(status::invalid_argument, ticket.wait());
  REQUIRE(model.generate(fixture::prompt(), fixture::options(10))[0].text() == text);
  REQUIRE(service.progress().waiting == 0);

  auto empty = service.submit_from(model.tokenizer().encode(fixture::prompt()),
                                   fixture::options(500), codegeex::when_full::refuse);
  static_cast<void>(empty.next());
  std::thread([&] { empty.cancel(); }).join();
  REQUIRE(empty.wait()[0].finish_reason() == finish_reason::cancelled);

  // What is wrong with a request comes with its end.
  auto wrong = service.submit("x", fixture::options(1).temperature(-1));
  REQUIRE_STATUS(status::invalid_argument, wrong.wait());
}

TEST(threads_share_a_model) {
  const auto model = fixture::model();
  const std::string expected(model.generate(fixture::prompt(), fixture::options(12))[0].text());
  std::atomic<int> equal{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      equal += model.generate(fixture::prompt(), fixture::options(12))[0].text() == expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE(equal == 4);
}

TEST(converts) {
  const std::string out = harness::scratch("int8.safetensors");
  codegeex::convert_options options;
  options.quantize("int8").quantize_head(true).dtype("f32").threads(1);
  REQUIRE(options.get("quantize") == "int8" && options.get("quantize_head") == "true");
  REQUIRE(options.get("dtype") == "f32" && options.get("threads") == "1");
  std::uint64_t total = 0;
  codegeex::convert(harness::model_path(), out, options, {},
                    [&](std::uint64_t, std::uint64_t of) { total = of; });
  REQUIRE(total > 0 && std::filesystem::file_size(out) > 0);
  REQUIRE(codegeex::model::open(out).generate("x", fixture::options(2)).size() == 1);
  REQUIRE_STATUS(status::invalid_argument, codegeex::convert(harness::model_path(), out, options));
  options.overwrite(true);
  bool caught = false;
  try {
    codegeex::convert(harness::model_path(), out, options, {},
                      [](std::uint64_t, std::uint64_t) { throw std::string("stop"); });
  } catch (const std::string& thrown) {
    caught = thrown == "stop";
  }
  REQUIRE(caught);
  REQUIRE(std::filesystem::file_size(out) > 0);
  REQUIRE_STATUS(status::invalid_argument, options.dtype("f64"));
}
