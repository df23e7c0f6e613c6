// What most tests begin with.

#ifndef CODEGEEX_TESTS_FIXTURE_HPP
#define CODEGEEX_TESTS_FIXTURE_HPP

#include <codegeex.hpp>

#include "harness.hpp"

namespace fixture {

/// The model of the tests, with two threads.
inline codegeex::model model() {
  return codegeex::model::open(harness::model_path(), codegeex::open_options().threads(2));
}

inline std::string prompt() {
  return codegeex::prompt_generation("python", "def read_lines(path):");
}

inline codegeex::generate_options options(std::size_t tokens) {
  codegeex::generate_options made;
  made.max_new_tokens(tokens);
  return made;
}

}  // namespace fixture

#endif
