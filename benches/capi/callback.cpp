// What a token costs by the C++ interface, with a callback and without one: what callback.c measures,
// the same way and with the same lines.
//
//   tools/install-capi.sh /tmp/codegeex
//   export PKG_CONFIG_PATH=/tmp/codegeex/lib/pkgconfig LD_LIBRARY_PATH=/tmp/codegeex/lib
//   c++ -std=c++17 -O2 benches/capi/callback.cpp -o /tmp/cpp $(pkg-config --cflags --libs codegeex)
//   /tmp/cpp models/codegeex_tiny.safetensors

#include <codegeex.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

namespace {

constexpr std::size_t rounds = 15;
constexpr std::size_t tokens = 256;
constexpr std::string_view prompt = "# language: Python\ndef read_lines(path):";

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    const auto model = codegeex::model::open(argv[1], codegeex::open_options().threads(1));
    codegeex::generate_options options;
    options.max_new_tokens(tokens).temperature(0.8F).seed(7);
    std::array<std::array<double, rounds>, 2> times{};
    for (std::size_t round = 0; round < rounds; ++round) {
      for (const std::size_t way : {std::size_t(0), std::size_t(1)}) {
        std::size_t bytes = 0;
        const auto hear = [&](const codegeex::event& event) { bytes += event.text.size(); };
        const auto start = std::chrono::steady_clock::now();
        const auto done = way == 0 ? model.generate(prompt, options)
                                   : model.generate(prompt, options, hear);
        const std::chrono::duration<double, std::micro> took =
            std::chrono::steady_clock::now() - start;
        if (done[0].ids().size() != tokens || (way == 1 && bytes != done[0].text().size())) {
          std::fputs("another answer\n", stderr);
          return 1;
        }
        times[way][round] = took.count() / tokens;
      }
    }
    for (auto& way : times) std::sort(way.begin(), way.end());
    std::printf("C++, kernels %s\n", std::string(model.kernels()).c_str());
    std::printf("without a callback: %.3f us a token\n", times[0][rounds / 2]);
    std::printf("with a callback: %.3f us a token\n", times[1][rounds / 2]);
  } catch (const codegeex::error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
