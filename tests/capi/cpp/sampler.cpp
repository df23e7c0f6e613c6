// Custom samplers: what they see, change and throw, and how long they live.

#include "fixture.hpp"

#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <thread>

using codegeex::finish_reason;
using codegeex::flow;
using codegeex::sampler_input;
using codegeex::status;

namespace {

constexpr float never = -std::numeric_limits<float>::infinity();

/// Leaves the tokens of one id.
auto only(std::uint32_t id) {
  return [id](const sampler_input& input) {
    for (codegeex::candidate& one : input.candidates) {
      if (one.id != id) one.logit = never;
    }
  };
}

struct failure : std::runtime_error {
  explicit failure(std::size_t at) : std::runtime_error("a sampler failed"), tokens(at) {}
  std::size_t tokens;
};

/// Throws after a number of tokens.
auto failing(std::size_t tokens) {
  return [tokens](const sampler_input& input) {
    if (input.generated.size() == tokens) throw failure(tokens);
  };
}

/// Whether a call throws the failure after a number of tokens.
template <class Call>
bool fails(std::size_t tokens, Call call) {
  try {
    static_cast<void>(call());
  } catch (const failure& e) {
    return e.tokens == tokens;
  } catch (const codegeex::error&) {
  }
  return false;
}

/// Waits for a condition; false if it takes too long.
template <class Condition>
bool in_time(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

TEST(samplers_see_and_change_candidates) {
  const auto model = fixture::model();
  const auto prompt = model.tokenizer().encode(fixture::prompt());
  codegeex::generate_options options;
  bool as_expected = true;
  std::size_t calls = 0;
  options.max_new_tokens(4).temperature(0.8F).banned_ids(std::vector<std::uint32_t>{5});
  options.add_sampler([&](const sampler_input& input) {
    as_expected &= input.prompt.vector() == prompt && input.generated.size() == calls++;
    for (const std::uint32_t id : input.generated) as_expected &= id == 751;
    codegeex::candidate* found = input.candidates.find(751);
    as_expected &= found != nullptr && found->id == 751 && input.candidates.find(5) == nullptr;
    as_expected &= input.candidates.find(UINT32_MAX) == nullptr;
    as_expected &= input.candidates[6].id == 7 && input.candidates.size() > 50000;
  });
  options.add_sampler(only(751));
  std::size_t left = 0;
  options.add_sampler([&left](const sampler_input& input) { left = input.candidates.size(); });
  REQUIRE(options.samplers() == 3);
  const auto done = model.generate_from(prompt, options);
  REQUIRE(as_expected && calls == 4 && left == 1);
  REQUIRE(done[0].ids().vector() == std::vector<std::uint32_t>(4, 751));
  // Copies and what is moved have them too, with a handle or without.
  codegeex::generate_options bare;
  bare.add_sampler(only(9));
  REQUIRE(!bare && bare.clone().samplers() == 1);
  codegeex::generate_options moved = bare.clone();
  moved.max_new_tokens(2);
  REQUIRE(model.generate(fixture::prompt(), moved)[0].ids().vector() ==
          std::vector<std::uint32_t>(2, 9));
  moved = std::move(bare);
  REQUIRE(moved.samplers() == 1 && bare.samplers() == 0);  // NOLINT: what moving leaves
  moved.clear_samplers().max_new_tokens(2);
  REQUIRE(model.generate(fixture::prompt(), moved)[0].ids()[0] != 9);
  // A session, and states of the callable.
  auto session = codegeex::session::create(model);
  codegeex::generate_options counted = fixture::options(3);
  counted.add_sampler([count = 0](const sampler_input&) mutable {
    return ++count < 3 ? flow::go_on : flow::cancel;
  });
  REQUIRE_STATUS(status::cancelled, session.generate(fixture::prompt(), counted));
  // What the library refuses.
  codegeex::generate_options broken;
  broken.add_sampler([](const sampler_input& input) { input.candidates[0].logit = std::nanf(""); });
  REQUIRE_STATUS(status::non_finite, model.generate(fixture::prompt(), broken));
  codegeex::generate_options swapped;
  swapped.add_sampler([](const sampler_input& input) { input.candidates[0].id = 7; });
  REQUIRE_STATUS(status::invalid_argument, model.generate(fixture::prompt(), swapped));
}

TEST(what_a_sampler_throws_arrives) {
  const auto model = fixture::model();
  codegeex::generate_options options = fixture::options(5);
  options.add_sampler(failing(3));
  const auto generate = [&] { return model.generate(fixture::prompt(), options); };
  REQUIRE(fails(3, generate));
  // And again.
  REQUIRE(fails(3, generate));
  auto session = codegeex::session::create(model);
  REQUIRE(fails(3, [&] { return session.generate(fixture::prompt(), options); }));
  options.clear_samplers();
  REQUIRE(session.generate(fixture::prompt(), options)[0].text() == generate()[0].text());
}

TEST(each_call_rethrows_its_own) {
  const auto model = fixture::model();
  // One sampler, which fails for some of the calls that run together, each at another token.
  codegeex::generate_options options = fixture::options(12);
  options.add_sampler([](const sampler_input& input) {
    const std::size_t at = input.prompt.size() - 1;
    if (at % 2 == 1 && input.generated.size() == at) throw failure(at);
  });
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      const std::vector<std::uint32_t> prompt(i + 1, 751);
      const auto call = [&] { return model.generate_from(prompt, options); };
      right += i % 2 == 1 ? fails(i, call) : call()[0].ids().size() == 12;
    });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE(right == 6);
}

TEST(samplers_of_a_service) {
  const auto model = fixture::model();
  const auto service = codegeex::service::create(model);
  bool as_expected = false;
  const std::weak_ptr<int> watched = [&]() -> std::weak_ptr<int> {
    auto alive = std::make_shared<int>(0);
    codegeex::generate_options good = fixture::options(3);
    good.add_sampler([alive](const sampler_input& input) {
      ++*alive;
      only(751)(input);
    });
    codegeex::generate_options bad = fixture::options(6);
    bad.add_sampler(failing(2));
    auto first = service.submit(fixture::prompt(), good);
    auto second = service.submit(fixture::prompt(), bad);
    auto third = service.submit_from(std::vector<std::uint32_t>{1, 2}, bad);
    // The options are not needed any more.
    good = codegeex::generate_options();
    bad = codegeex::generate_options();
    as_expected =
        first.wait()[0].ids().vector() == std::vector<std::uint32_t>(3, 751) && *alive == 3 &&
        fails(2, [&] { return second.wait(); }) && fails(2, [&] {
          for (const codegeex::event& event : third) static_cast<void>(event);
          return 0;
        });
    return alive;
  }();
  REQUIRE(as_expected);
  // The library drops a request after its last event.
  REQUIRE(in_time([&] { return watched.expired(); }));
  // A ticket that goes away while its sampler runs.
  codegeex::generate_options slow = fixture::options(400);
  slow.add_sampler([](const sampler_input&) {});
  auto ticket = service.submit(fixture::prompt(), slow);
  static_cast<void>(ticket.next());
  ticket.reset();
  REQUIRE(service.submit(fixture::prompt(), fixture::options(2)).wait()[0].ids().size() == 2);
}

TEST(a_ticket_has_every_event_before_what_a_sampler_threw) {
  const auto model = fixture::model();
  std::atomic<bool> thrown{false};
  const auto service = codegeex::service::create(model);
  codegeex::generate_options bad = fixture::options(6);
  bad.add_sampler([&thrown](const sampler_input& input) {
    if (input.generated.size() < 2) return;
    thrown = true;
    throw failure(2);
  });
  auto ticket = service.submit(fixture::prompt(), bad);
  REQUIRE(in_time([&] { return thrown.load(); }));
  // One more step of the service, and the exception is kept.
  REQUIRE(service.submit(fixture::prompt(), fixture::options(1)).wait().size() == 1);
  std::size_t tokens = 0;
  REQUIRE(fails(2, [&] {
    for (const codegeex::event& event : ticket) tokens += event.kind == codegeex::event_kind::token;
    return 0;
  }));
  REQUIRE(tokens == 2 && ticket.next().kind == codegeex::event_kind::done);
  REQUIRE_STATUS(status::cancelled, ticket.wait());
}

TEST(samplers_of_an_edit_session) {
  const auto model = fixture::model();
  std::size_t calls = 0;
  codegeex::generate_options generate = fixture::options(8);
  generate.add_sampler([&calls](const sampler_input&) { ++calls; });
  codegeex::edit_options options;
  options.generate(generate).clip_step(16);
  auto session = codegeex::edit_session::create(model, "python", options);
  session.update("def read_lines(path):\n    ", "");
  static_cast<void>(session.suggest());
  REQUIRE(calls > 0);
  generate.add_sampler(failing(0));
  options.generate(generate);
  auto other = codegeex::edit_session::create(model, "python", options);
  other.update("def read_lines(path):\n    ", "");
  for (int i = 0; i < 2; ++i) REQUIRE(fails(0, [&] { return other.suggest(); }));
  // Options without samplers replace those with.
  calls = 0;
  options.generate(fixture::options(2));
  auto plain = codegeex::edit_session::create(model, "python", options);
  plain.update("def read_lines(path):\n    ", "");
  static_cast<void>(plain.suggest());
  REQUIRE(calls == 0);
}
