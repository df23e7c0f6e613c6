// Completes code with the model whose path is given, streamed, and cancels a second completion:
//
//   tools/install-capi.sh /tmp/codegeex
//   c++ -std=c++17 examples/cpp/complete.cpp -I/tmp/codegeex/include -L/tmp/codegeex/lib -lcodegeex
//   LD_LIBRARY_PATH=/tmp/codegeex/lib ./a.out models/codegeex_tiny.safetensors
//
// The same program exists in Rust (examples/hello.rs), which says what it prints to the byte, and in
// the languages of bindings/.

#include <codegeex.hpp>

#include <iostream>

namespace {

/// The tokens of the first completion, and why it ended.
void print_end(std::string_view what, const codegeex::completions& done) {
  std::cout << "-- " << what << done[0].ids().size() << " tokens, "
            << codegeex::name(done[0].finish_reason()) << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: " << argv[0] << " MODEL\n";
    return 2;
  }
  try {
    const auto model = codegeex::model::open(argv[1]);
    const std::string prompt = codegeex::prompt_generation("python", "def read_lines(path):");

    codegeex::generate_options options;
    options.max_new_tokens(48).temperature(0.8F).top_p(0.95F).seed(7);
    auto done = model.generate(prompt, options, [](const codegeex::event& event) {
      std::cout << event.text << std::flush;
    });
    std::cout << '\n';
    print_end("", done);

    // The other way to end one is a codegeex::cancel_token, which any thread may set.
    options.max_new_tokens(512).temperature(0);
    int left = 5;
    done = model.generate(prompt, options, [&](const codegeex::event& event) {
      return event.kind == codegeex::event_kind::token && --left == 0 ? codegeex::flow::cancel
                                                                      : codegeex::flow::go_on;
    });
    print_end("cancelled after ", done);
  } catch (const codegeex::error& e) {
    std::cerr << "error " << static_cast<int>(e.code()) << ": " << e.what() << '\n';
    return 1;
  }
}
