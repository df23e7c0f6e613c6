// Fill-in-the-middle, with the model of tests/data/infill and one without its tokens.

#include "fixture.hpp"

#include <algorithm>

using codegeex::finish_reason;

namespace {

// The control tokens; the 256 bytes follow from id 7 on.
enum : std::uint32_t { prefix = 1, middle, suffix, pad, filename, reponame, first_byte };

using ids = std::vector<std::uint32_t>;

void add(ids& to, std::uint32_t id) { to.push_back(id); }
void add(ids& to, const char* text) {
  for (; *text != 0; ++text) to.push_back(first_byte + static_cast<unsigned char>(*text));
}

codegeex::model open(const char* path) {
  const std::string here = __FILE__;
  return codegeex::model::open(here.substr(0, here.rfind('/')) + "/../../../" + path);
}

template <class... Parts>
ids by_hand(const codegeex::model& model, Parts... parts) {
  ids prompt;
  (add(prompt, parts), ...);
  return model.generate_from(prompt, fixture::options(12))[0].ids().vector();
}

}  // namespace

TEST(the_prompt_is_in_the_format_of_the_model) {
  const auto model = open("tests/data/infill");
  REQUIRE(model.infill_format() == "starcoder");
  const ids psm = by_hand(model, prefix, "a = ", suffix, "\nb", middle);
  codegeex::generate_options options = fixture::options(12);
  REQUIRE(model.infill("a = ", "\nb", options)[0].ids().vector() == psm);
  ids before;
  add(before, "a = ");
  REQUIRE(model.infill_from(before, "\nb", options)[0].ids().vector() == psm);
  auto session = codegeex::session::create(model);
  REQUIRE(session.infill("a = ", "\nb", options)[0].ids().vector() == psm);
  REQUIRE(session.infill_from(before, "\nb", options)[0].ids().vector() == psm);
  REQUIRE(options.get("suffix") == "none");

  const ids spm = by_hand(model, prefix, suffix, "\nb", middle, "a = ");
  options.infill_order(codegeex::infill_order::spm);
  REQUIRE(spm != psm && model.infill("a = ", "\nb", options)[0].ids().vector() == spm);

  const ids files = by_hand(model, reponame, "r", filename, "b.py\nB", filename, "a.py\n", prefix, "a = ",
                            suffix, "\nb", middle);
  options.infill_order(codegeex::infill_order::automatic).suffix("\nb").path("a.py").repository("r");
  options.add_file({"b.py", "B"});
  REQUIRE(model.generate("a = ", options)[0].ids().vector() == files);
  options.clear_files().path(std::nullopt).repository(std::nullopt);
  REQUIRE(model.generate("a = ", options)[0].ids().vector() == psm);
}

TEST(the_middle_ends_at_the_tokens_of_the_format) {
  const auto model = open("tests/data/infill");
  codegeex::generate_options options;
  options.logit_bias({{pad, 1000.0F}});
  const auto done = model.infill("a", "\nb", options);
  REQUIRE(done[0].text().empty() && done[0].ids().vector() == ids{pad});
  REQUIRE(done[0].finish_reason() == finish_reason::end_of_text);
  const ids plain = model.generate("a", fixture::options(2))[0].ids().vector();
  codegeex::generate_options stopped;
  stopped.stop_ids(ids{plain[0]});
  REQUIRE(model.generate("a", stopped)[0].finish_reason() == finish_reason::end_of_text);
}

TEST(a_sampler_takes_part_in_filling) {
  const auto model = open("tests/data/infill");
  codegeex::generate_options options = fixture::options(3);
  int calls = 0;
  options.add_sampler([&calls](const codegeex::sampler_input&) { ++calls; });
  REQUIRE(model.infill("a", "b", options)[0].ids().size() == 3 && calls == 3);
}

TEST(other_models_rank_their_samples_by_the_suffix) {
  const auto model = open("models/toy.safetensors");
  REQUIRE(!model.infill_format());
  codegeex::generate_options options;
  options.max_new_tokens(12).samples(6).temperature(1.0F);
  const auto texts = [](const codegeex::completions& done) {
    std::vector<std::string> all;
    for (const codegeex::completion one : done) all.emplace_back(one.text());
    return all;
  };
  auto plain = texts(model.generate("def f(", options));
  auto ranked = texts(model.infill("def f(", "):\n    return 1\n", options));
  REQUIRE(plain != ranked);
  std::sort(plain.begin(), plain.end());
  std::sort(ranked.begin(), ranked.end());
  REQUIRE(plain == ranked);
}

TEST(what_is_wrong_with_filling_is_said) {
  const auto model = open("tests/data/infill");
  const auto message = [](auto call) {
    try {
      call();
    } catch (const codegeex::error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  codegeex::generate_options options;
  REQUIRE(message([&] { options.set("infill_order", "mps"); }).find("auto, psm, spm") != std::string::npos);
  options.add_file({"a.py", "A"});
  REQUIRE(message([&] { model.infill("a", "b", options); }).find("set the path") != std::string::npos);
  codegeex::edit_options edits;
  REQUIRE(message([&] { edits.generate(options); }).find("after the cursor") != std::string::npos);
  edits.infill(true).infill_suffix_tokens(16);
  REQUIRE(edits.get("infill_suffix_tokens") == "16");
}
