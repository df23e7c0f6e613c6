// Source code without a model.

#include <codegeex.hpp>

#include "harness.hpp"

#include <cmath>
#include <string>
#include <vector>

namespace code = codegeex::code;
using codegeex::finish_reason;
using codegeex::status;

TEST(code_stops) {
  auto stop = code::stop::create("python", "function,humaneval", "def one():\n");
  code::piece piece = stop.push("    return 1\n");
  REQUIRE(piece.text == "    return 1" && piece.finish_reason == finish_reason::none);
  piece = stop.push("\nd");
  REQUIRE(piece.text.empty() && piece.finish_reason == finish_reason::end_of_function);
  piece = stop.push("ef two");
  REQUIRE(piece.text.empty() && piece.finish_reason == finish_reason::end_of_function);
  // Text that was held back.
  stop = code::stop::create("Go", "block", "if x {");
  std::string all = stop.push("\n\ty()\n").text;
  all += stop.finish();
  REQUIRE(all == "\n\ty()\n");
  stop.reset();
  REQUIRE_STATUS(status::invalid_argument, stop.push("x"));
  REQUIRE_STATUS(status::invalid_argument, code::stop::create("pyton", "line"));
  REQUIRE_STATUS(status::invalid_argument, code::stop::create("python", "lines"));
  REQUIRE_STATUS(status::invalid_argument, code::stop::create("python", ""));
  REQUIRE_STATUS(status::invalid_utf8, code::stop::create("python", "line", "\xff"));
}

TEST(code_is_cut) {
  const std::string text = "\tg(\"}\")\n}\n\nfunc";
  const code::kept kept = code::cut("go", "function", "func f() {\n", text);
  REQUIRE(kept.text == "\tg(\"}\")\n}" && kept.text.data() == text.data());
  REQUIRE(kept.finish_reason == finish_reason::end_of_function);
  const code::kept whole = code::cut("go", "function", "func f() {\n", "\tg()\n");
  REQUIRE(whole.text == "\tg()\n" && whole.finish_reason == finish_reason::none);
  REQUIRE(code::cut_at_scope("rust", "fn f() -> u8 { ", "1 }\n\nfn g() {}\n") == "1 }");
  REQUIRE(code::without_overlap("python", "print(len(", "x))", "))\n") == "x");
  REQUIRE_STATUS(status::invalid_argument, code::cut("klingon", "line", "", "x"));
  REQUIRE_STATUS(status::invalid_argument, code::cut_at_scope("klingon", "", "x"));
  REQUIRE_STATUS(status::invalid_argument, code::without_overlap("klingon", "", "x", ""));
}

TEST(code_is_indented) {
  REQUIRE(code::indentation("javascript", "function f() {\n  g(a,\n    b);\n") == 2);
  REQUIRE(code::indentation("go", "if x {\n\ty()\n}\n") == code::tabs);
  REQUIRE(!code::indentation("js", "f();\n"));
  REQUIRE(code::reindent("go", code::tabs, "func f() {\n\tif a {\n\t\tb()\n\t}\n\t",
                         "if c {\n        d()\n    }\n") == "if c {\n\t\td()\n\t}\n");
  REQUIRE_STATUS(status::invalid_argument, code::reindent("go", 17, "", "x"));
  REQUIRE_STATUS(status::invalid_argument, code::indentation("klingon", ""));
}

TEST(candidates_are_chosen) {
  const std::vector<std::string> texts = {"", "return x", "return x\n", "  return x", " "};
  REQUIRE(code::distinct(texts) == (std::vector<std::size_t>{1, 3}));
  REQUIRE(code::distinct(std::vector<std::string_view>{}).empty());

  const std::vector<float> seven(7, -0.2F), two(2, -0.5F);
  const std::vector<float> far = {-4.0F, -0.1F}, near = {-0.3F, -0.1F};
  auto ranked = code::rank(std::vector<code::likelihood>{{two, {}}, {seven, {}}});
  REQUIRE(ranked.size() == 2 && ranked[0].index == 1 && ranked[1].index == 0);
  REQUIRE(std::abs(ranked[0].score + 0.2) < 1e-6 && std::abs(ranked[1].score + 0.5) < 1e-6);
  ranked = code::rank(std::vector<code::likelihood>{{two, near}, {seven, far}});
  REQUIRE(ranked[0].index == 0);
  REQUIRE(code::rank({}).empty());
}

TEST(code_is_scanned) {
  const std::string text = "f(\"}\") # {";
  const std::vector<code::token> tokens = code::scan("python", text);
  std::string all;
  for (const code::token& token : tokens) all += token.text;
  REQUIRE(all == text && tokens.size() == 6);
  REQUIRE(tokens[1].kind == code::kind::opener && tokens[1].depth == 1);
  REQUIRE(tokens[2].kind == code::kind::string && tokens[2].text == "\"}\"");
  REQUIRE(tokens[3].kind == code::kind::closer && tokens[3].depth == 0);
  REQUIRE(tokens[5].kind == code::kind::comment && tokens[5].text == "# {");
  REQUIRE(code::scan("python", "").empty());
}
