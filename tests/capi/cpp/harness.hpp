// A small test harness: TEST(name) { ... } registers a function, REQUIRE and REQUIRE_STATUS report
// what does not hold and go on with the next test, main.cpp runs all.

#ifndef CODEGEEX_TESTS_HARNESS_HPP
#define CODEGEEX_TESTS_HARNESS_HPP

#include <string>
#include <vector>

namespace harness {

struct test {
  const char* name;
  void (*run)();
};

/// Every test of the program.
std::vector<test>& tests();

struct registration {
  registration(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

/// The path of the model that the program was given.
const std::string& model_path();

/// A path in a folder that is removed when the program ends.
std::string scratch(const std::string& name);

/// Reports a failure of the test that runs.
void fail(const char* file, int line, const std::string& what);

}  // namespace harness

#define TEST(name)                                                          \
  static void test_##name();                                                \
  static const harness::registration registration_##name(#name, test_##name); \
  static void test_##name()

#define REQUIRE(condition)                                   \
  do {                                                       \
    if (!(condition)) {                                      \
      harness::fail(__FILE__, __LINE__, "not: " #condition); \
      return;                                                \
    }                                                        \
  } while (false)

/// An expression throws codegeex::error with a status.
#define REQUIRE_STATUS(expected, expression)                                                    \
  do {                                                                                          \
    bool as_expected = false;                                                                   \
    try {                                                                                       \
      static_cast<void>(expression);                                                            \
      harness::fail(__FILE__, __LINE__, "does not throw: " #expression);                        \
    } catch (const codegeex::error& e) {                                                        \
      as_expected = e.code() == (expected);                                                     \
      if (!as_expected) harness::fail(__FILE__, __LINE__, #expression ": " + std::string(e.what())); \
    }                                                                                           \
    if (!as_expected) return;                                                                   \
  } while (false)

#endif
