// Tokenizer, decoder, errors, version, languages and tasks: what needs no model.

#include "fixture.hpp"

using codegeex::status;

TEST(the_library_serves_this_header) {
  REQUIRE(codegeex::abi_is_compatible());
  REQUIRE(codegeex::abi_version() / 65536 == CODEGEEX_ABI_MAJOR);
  REQUIRE(codegeex::version() == CODEGEEX_VERSION);
  REQUIRE(codegeex::cpu_tiers().front() == "scalar");
  REQUIRE(codegeex::cpu_tiers().back() == codegeex::cpu_tier());
  REQUIRE(codegeex::has_feature("capi"));
  REQUIRE(!codegeex::has_feature("no such feature"));
  REQUIRE(codegeex::name(status::out_of_memory) == "out of memory");
  REQUIRE(codegeex::name(static_cast<status>(12345)) == "unknown status");
  REQUIRE(codegeex::name(codegeex::finish_reason::length) == "length");
}

TEST(encodes_and_decodes) {
  const auto tokenizer = codegeex::tokenizer::create();
  const std::string text = "def f(x):\n    return x  # \xc3\xa4\xe4\xbd\xa0";
  const std::vector<std::uint32_t> ids = tokenizer.encode(text);
  REQUIRE(!ids.empty());
  REQUIRE(tokenizer.decode(ids) == text);
  REQUIRE(tokenizer.encode("").empty());
  REQUIRE(tokenizer.decode({}).empty());
  std::string bytes;
  for (const std::uint32_t id : ids) bytes += tokenizer.token_bytes(id);
  REQUIRE(bytes == text);
  for (const std::uint32_t id : ids) REQUIRE(id < tokenizer.vocab_size());

  const auto special = tokenizer.encode("<|endoftext|>", codegeex::special_tokens::parse);
  REQUIRE(special == std::vector<std::uint32_t>{tokenizer.end_of_text()});
  REQUIRE(tokenizer.encode("<|endoftext|>").size() > 1);
}

TEST(a_decoder_holds_back_half_a_character) {
  const auto tokenizer = codegeex::tokenizer::create();
  const std::string text = "\xf0\x9f\xa6\x80!";
  const auto ids = tokenizer.encode(text);
  auto decoder = codegeex::decoder::create(tokenizer);
  REQUIRE(decoder.push(ids[0]).empty());
  REQUIRE(decoder.is_pending());
  std::string decoded;
  for (std::size_t i = 1; i < ids.size(); ++i) decoded += decoder.push(ids[i]);
  REQUIRE(decoded + decoder.finish() == text);
  REQUIRE(!decoder.is_pending());

  REQUIRE(decoder.push(ids[0]).empty());
  REQUIRE(decoder.finish() == "\xef\xbf\xbd");
  auto strict = codegeex::decoder::create(tokenizer, codegeex::invalid_utf8::refuse);
  REQUIRE(strict.push(ids[0]).empty());
  REQUIRE_STATUS(status::invalid_utf8, strict.finish());
  REQUIRE_STATUS(status::invalid_utf8,
                 tokenizer.decode(codegeex::ids_view(ids.data(), 1), codegeex::invalid_utf8::refuse));
}

TEST(errors_say_what_and_why) {
  const auto tokenizer = codegeex::tokenizer::create();
  REQUIRE_STATUS(status::token_out_of_range, tokenizer.token_bytes(UINT32_MAX));
  REQUIRE_STATUS(status::invalid_utf8, tokenizer.encode("\xff"));
  REQUIRE_STATUS(status::not_found, codegeex::tokenizer::from_folder("/nowhere/at/all"));
  REQUIRE_STATUS(status::not_found, codegeex::model::open("/nowhere/at/all.safetensors"));
  try {
    static_cast<void>(codegeex::model::open("/nowhere/at/all.safetensors"));
    REQUIRE(false);
  } catch (const codegeex::error& e) {
    REQUIRE(e.message().find("/nowhere/at/all.safetensors") != std::string::npos ||
            !e.causes().empty());
    REQUIRE(std::string(e.what()).find(e.message()) == 0);
    const codegeex::error copy = e;
    REQUIRE(copy.code() == e.code() && copy.message() == e.message());
  }
  // As what every program catches.
  try {
    static_cast<void>(tokenizer.encode("\xff"));
    REQUIRE(false);
  } catch (const std::exception& e) {
    REQUIRE(!std::string(e.what()).empty());
  }
}

TEST(empty_owners_report) {
  const codegeex::tokenizer none;
  REQUIRE(!none);
  REQUIRE(none.vocab_size() == 0);
  REQUIRE_STATUS(status::invalid_argument, none.encode("x"));
  REQUIRE_STATUS(status::invalid_argument, codegeex::model().generate("x"));
  REQUIRE_STATUS(status::invalid_argument, codegeex::session::create(codegeex::model()));
  REQUIRE(codegeex::completions().empty());
  REQUIRE(codegeex::completions()[3].text().empty());
  REQUIRE(codegeex::completions()[3].ids().empty());
  REQUIRE(codegeex::score().logprobs().empty());
  REQUIRE(codegeex::logits()[0].empty());
  REQUIRE(codegeex::task().prompt().empty() && codegeex::task().stops().empty());
  REQUIRE(codegeex::model().describe().empty() && codegeex::model().kernels().empty());
  REQUIRE_STATUS(status::invalid_argument, codegeex::cancel_token().cancel());
}

TEST(languages_and_prompts) {
  const std::vector<codegeex::language> all = codegeex::languages();
  REQUIRE(all.size() > 20);
  const codegeex::language python = codegeex::find_language("PYTHON");
  REQUIRE(python.name == "python" && python.tag == "# language: Python");
  REQUIRE_STATUS(status::invalid_argument, codegeex::find_language("klingon"));
  REQUIRE(codegeex::prompt_generation("python", "x = 1") == "# language: Python\nx = 1");
  REQUIRE(codegeex::template_expand("a <INPUT> b", "in") == "a in b");
  REQUIRE(codegeex::template_expand("<INPUT:1,2>", "zero\none\ntwo").find("one") !=
          std::string::npos);
}

TEST(tasks) {
  const std::string code = "def f(x):\n    return x + 1\n";
  const auto complete = codegeex::task::complete("python", code);
  REQUIRE(complete.prompt() == codegeex::prompt_generation("python", code));
  REQUIRE(complete.language() == "python");
  const auto docstring = codegeex::task::docstring("python", code);
  REQUIRE(!docstring.lead().empty() && !docstring.tail().empty() && !docstring.stops().empty());
  const auto translate = codegeex::task::translate("python", code, "go", "func f(");
  REQUIRE(translate.prompt().find("func f(") != std::string_view::npos);
  const auto explain = codegeex::task::explain("python", code);
  REQUIRE(explain.prompt().find("return x + 1") != std::string_view::npos);
  const auto custom = codegeex::task::custom("Say: <INPUT>", "python", "x");
  REQUIRE(custom.prompt() == "Say: x");
  REQUIRE_STATUS(status::invalid_argument, codegeex::task::complete("klingon", code));

  codegeex::generate_options options;
  options.add_task_stops(docstring);
  REQUIRE(options.get("stop") != "[]");
}
