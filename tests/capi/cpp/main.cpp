// Runs every test, or those whose names are given: tests MODEL [NAME...]

#include "harness.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>

namespace harness {

namespace {
bool failed = false;
std::string model;
std::filesystem::path folder;
}  // namespace

std::vector<test>& tests() {
  static std::vector<test> all;
  return all;
}

const std::string& model_path() { return model; }

std::string scratch(const std::string& name) { return (folder / name).string(); }

void fail(const char* file, int line, const std::string& what) {
  failed = true;
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
}

}  // namespace harness

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s MODEL [NAME...]\n", argv[0]);
    return 2;
  }
  harness::model = argv[1];
  std::string pattern = (std::filesystem::temp_directory_path() / "codegeex-cpp-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    std::perror(pattern.c_str());
    return 2;
  }
  harness::folder = pattern;

  int ran = 0, failures = 0;
  for (const harness::test& test : harness::tests()) {
    const auto is_it = [&](const char* name) { return std::string(name) == test.name; };
    if (argc > 2 && std::none_of(argv + 2, argv + argc, is_it)) continue;
    harness::failed = false;
    try {
      test.run();
    } catch (const std::exception& e) {
      harness::fail(test.name, 0, std::string("throws: ") + e.what());
    } catch (...) {
      harness::fail(test.name, 0, "throws something");
    }
    ++ran;
    failures += harness::failed;
    std::printf("%s %s\n", harness::failed ? "FAILED" : "ok    ", test.name);
  }
  std::filesystem::remove_all(harness::folder);
  std::printf("%d tests, %d failed\n", ran, failures);
  return ran == 0 || failures != 0;
}
