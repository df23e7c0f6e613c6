// codegeex: the CodeGeeX code model as a library. The C++17 interface, header-only over codegeex.h.
//
// Contents. A move-only owner for every handle of the C interface; std::string_view in, std::string
// and std::vector out; callbacks and samplers as callables; iterators over events, completions and
// rows of logits; functions over source code in codegeex::code. codegeex.h documents behaviour,
// units and thread safety at the function of the same name.
//
// Errors. Functions throw codegeex::error. If CODEGEEX_NO_EXCEPTIONS is defined or exceptions are
// disabled, they return codegeex::result<T> instead. Translation units of both kinds can be linked
// into one program, but cannot exchange types of this header.
//
// Owners. A moved-from owner is empty: `if (owner)` is false, and calls with it report
// status::invalid_argument. Options are never empty: default-constructed and moved-from options
// mean the defaults. Owners may be destroyed in any order, see codegeex.h.
//
// Views. std::string_view and codegeex::view point into the owner that returned them. Views of an
// event point into the call or the ticket that reported it. Views that functions of codegeex::code
// return point into the text that they were given, which must outlive them.
//
// Callbacks return void, or codegeex::flow to continue or cancel. An exception from a callback
// cancels the call and is rethrown by it after the library has returned. So is an exception from a
// sampler, see generate_options::add_sampler.
//
// Numbers in options are written by std::to_chars, which for floats needs libstdc++ 11, libc++ 14
// (macOS 13.3) or Visual Studio 2019 16.4.

#ifndef CODEGEEX_HPP
#define CODEGEEX_HPP

#include "codegeex.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#if !defined(CODEGEEX_NO_EXCEPTIONS) && !defined(__cpp_exceptions)
#define CODEGEEX_NO_EXCEPTIONS 1
#endif

#ifdef CODEGEEX_NO_EXCEPTIONS
#define CODEGEEX_CPP_MODE returning
#else
#define CODEGEEX_CPP_MODE throwing
#endif

namespace codegeex {
// The mode is part of every name, so that two modes in one program do not share inline functions.
inline namespace CODEGEEX_CPP_MODE {

/// Status codes: CODEGEEX_OK or an error. Later releases may add codes.
enum class status : codegeex_status {
  ok = CODEGEEX_OK,
  invalid_argument = CODEGEEX_INVALID_ARGUMENT,
  token_out_of_range = CODEGEEX_TOKEN_OUT_OF_RANGE,
  context_overflow = CODEGEEX_CONTEXT_OVERFLOW,
  state_mismatch = CODEGEEX_STATE_MISMATCH,
  io = CODEGEEX_IO,
  not_found = CODEGEEX_NOT_FOUND,
  malformed_file = CODEGEEX_MALFORMED_FILE,
  unsupported_file = CODEGEEX_UNSUPPORTED_FILE,
  missing_tensor = CODEGEEX_MISSING_TENSOR,
  shape_mismatch = CODEGEEX_SHAPE_MISMATCH,
  missing_config = CODEGEEX_MISSING_CONFIG,
  invalid_config = CODEGEEX_INVALID_CONFIG,
  invalid_utf8 = CODEGEEX_INVALID_UTF8,
  invalid_vocabulary = CODEGEEX_INVALID_VOCABULARY,
  non_finite = CODEGEEX_NON_FINITE,
  out_of_memory = CODEGEEX_OUT_OF_MEMORY,
  backend_unavailable = CODEGEEX_BACKEND_UNAVAILABLE,
  busy = CODEGEEX_BUSY,
  cancelled = CODEGEEX_CANCELLED,
  internal = CODEGEEX_INTERNAL,
  panic = CODEGEEX_PANIC,
  poisoned = CODEGEEX_POISONED,
};

/// Severity of a log message: CODEGEEX_LOG_*.
enum class log_level : std::int32_t {
  error = CODEGEEX_LOG_ERROR,
  warning = CODEGEEX_LOG_WARNING,
  info = CODEGEEX_LOG_INFO,
  debug = CODEGEEX_LOG_DEBUG,
};

/// How special tokens in a text are encoded: CODEGEEX_SPECIAL_*.
enum class special_tokens : std::int32_t {
  as_text = CODEGEEX_SPECIAL_AS_TEXT,
  parse = CODEGEEX_SPECIAL_PARSE,
};

/// How invalid UTF-8 is handled: CODEGEEX_INVALID_UTF8_*.
enum class invalid_utf8 : std::int32_t {
  replace = CODEGEEX_INVALID_UTF8_REPLACE,
  refuse = CODEGEEX_INVALID_UTF8_REFUSE,
};

/// How files are loaded: the option `memory`.
enum class memory_mode { map, copy, lock };

/// Format of the KV cache: the option `kv`.
enum class kv_type { f32, f16, int8 };

/// Precision of activations in quantized layers: the option `activations`.
enum class activation_type { int16, int8 };

/// Kinds of events: CODEGEEX_EVENT_*. Ignore unknown kinds.
enum class event_kind : std::int32_t {
  none = CODEGEEX_EVENT_NONE,
  token = CODEGEEX_EVENT_TOKEN,
  end = CODEGEEX_EVENT_END,
  done = CODEGEEX_EVENT_DONE,
};

/// Why a completion ended: CODEGEEX_FINISH_*.
enum class finish_reason : std::int32_t {
  none = CODEGEEX_FINISH_NONE,
  end_of_text = CODEGEEX_FINISH_END_OF_TEXT,
  stop = CODEGEEX_FINISH_STOP,
  length = CODEGEEX_FINISH_LENGTH,
  context_full = CODEGEEX_FINISH_CONTEXT_FULL,
  cancelled = CODEGEEX_FINISH_CANCELLED,
  deadline = CODEGEEX_FINISH_DEADLINE,
  prefill_limit = CODEGEEX_FINISH_PREFILL_LIMIT,
  other = CODEGEEX_FINISH_OTHER,
  end_of_line = CODEGEEX_FINISH_END_OF_LINE,
  end_of_block = CODEGEEX_FINISH_END_OF_BLOCK,
  end_of_function = CODEGEEX_FINISH_END_OF_FUNCTION,
  unindented_line = CODEGEEX_FINISH_UNINDENTED_LINE,
  humaneval = CODEGEEX_FINISH_HUMANEVAL,
};

/// How beams are scored: the option `rules`.
enum class beam_rules { reference, hugging_face };

/// When a beam search ends: the option `early_stopping`.
enum class early_stopping { no, yes, never };

/// Which part of a suggestion is accepted: CODEGEEX_ACCEPT_*.
enum class accept_part : std::int32_t {
  word = CODEGEEX_ACCEPT_WORD,
  line = CODEGEEX_ACCEPT_LINE,
  all = CODEGEEX_ACCEPT_ALL,
};

/// Which logits are computed: CODEGEEX_LOGITS_*.
enum class wanted_logits : std::int32_t {
  none = CODEGEEX_LOGITS_NONE,
  last = CODEGEEX_LOGITS_LAST,
  all = CODEGEEX_LOGITS_ALL,
};

/// What happens when the queue is full: CODEGEEX_WHEN_FULL_*.
enum class when_full : std::int32_t {
  wait = CODEGEEX_WHEN_FULL_WAIT,
  refuse = CODEGEEX_WHEN_FULL_REFUSE,
};

/// Return value of a callback.
enum class flow { go_on, cancel };

using model_info = codegeex_model_info;
using memory_estimate = codegeex_memory_estimate;
using edit_update = codegeex_edit_update;
using service_progress = codegeex_service_progress;
using token_logprob = codegeex_token_logprob;
/// A candidate for the next token: `id` and `logit`.
using candidate = codegeex_candidate;

/// The name of a status.
inline std::string_view name(status code) {
  return codegeex_status_name(static_cast<codegeex_status>(code));
}

/// The name of a reason, such as `length`.
inline std::string_view name(finish_reason reason) {
  return codegeex_finish_reason_name(static_cast<std::int32_t>(reason));
}

/// A non-owning view of contiguous elements.
template <class T>
class view {
 public:
  using value_type = T;
  using const_iterator = const T*;
  using iterator = const_iterator;

  constexpr view() noexcept = default;
  constexpr view(const T* data, std::size_t size) noexcept : data_(data), size_(size) {}
  template <std::size_t N>
  constexpr view(const T (&array)[N]) noexcept : data_(array), size_(N) {}
  /// From a vector, an array, or any type with data() and size().
  template <class C, class = std::enable_if_t<
                         std::is_convertible_v<decltype(std::declval<const C&>().data()), const T*> &&
                         std::is_convertible_v<decltype(std::declval<const C&>().size()), std::size_t>>>
  constexpr view(const C& c) noexcept : data_(c.data()), size_(c.size()) {}

  constexpr const T* data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr const T* begin() const noexcept { return data_; }
  constexpr const T* end() const noexcept { return size_ == 0 ? data_ : data_ + size_; }
  /// The index must be below size().
  constexpr const T& operator[](std::size_t index) const noexcept { return data_[index]; }
  /// A copy.
  std::vector<T> vector() const { return std::vector<T>(begin(), end()); }

 private:
  const T* data_ = nullptr;
  std::size_t size_ = 0;
};

using ids_view = view<std::uint32_t>;
using bytes_view = view<std::uint8_t>;

/// An error: a status, a message that says what was found, what was expected and what to do, and
/// the messages of the causes, nearest first.
class error : public std::exception {
 public:
  error(status code, std::string message, std::vector<std::string> causes = {}) {
    std::string what = message;
    for (const std::string& cause : causes) what.append(": ").append(cause);
    data_ = std::make_shared<const content>(
        content{code, std::move(message), std::move(causes), std::move(what)});
  }

  status code() const noexcept { return data_->code; }
  const std::string& message() const noexcept { return data_->message; }
  const std::vector<std::string>& causes() const noexcept { return data_->causes; }
  /// The message and its causes.
  const char* what() const noexcept override { return data_->what.c_str(); }

 private:
  struct content {
    status code;
    std::string message;
    std::vector<std::string> causes;
    std::string what;
  };
  // Shared, so that copies do not throw, as those of exceptions must not.
  std::shared_ptr<const content> data_;
};

/// A value or an error: what functions return with CODEGEEX_NO_EXCEPTIONS.
template <class T>
class [[nodiscard]] result {
 public:
  result(T value) : held_(std::in_place_index<0>, std::move(value)) {}
  result(codegeex::error e) : held_(std::in_place_index<1>, std::move(e)) {}

  bool has_value() const noexcept { return held_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }
  /// The value; only where there is one.
  T& operator*() & noexcept { return *std::get_if<0>(&held_); }
  const T& operator*() const& noexcept { return *std::get_if<0>(&held_); }
  T&& operator*() && noexcept { return std::move(*std::get_if<0>(&held_)); }
  T* operator->() noexcept { return std::get_if<0>(&held_); }
  const T* operator->() const noexcept { return std::get_if<0>(&held_); }
  T value_or(T other) && { return has_value() ? *std::move(*this) : std::move(other); }
  /// The error; only where there is no value.
  const codegeex::error& error() const noexcept { return *std::get_if<1>(&held_); }

 private:
  std::variant<T, codegeex::error> held_;
};

/// Success or an error.
template <>
class [[nodiscard]] result<void> {
 public:
  result() noexcept = default;
  result(codegeex::error e) : held_(std::move(e)) {}

  bool has_value() const noexcept { return !held_; }
  explicit operator bool() const noexcept { return has_value(); }
  /// The error; only where there is one.
  const codegeex::error& error() const noexcept { return *held_; }

 private:
  std::optional<codegeex::error> held_;
};

#ifdef CODEGEEX_NO_EXCEPTIONS
/// Return type of functions: T, or result<T> without exceptions.
template <class T>
using returns = result<T>;
/// Return type of setters: the options, or result<void> without exceptions.
template <class Self>
using chained = result<void>;
#else
template <class T>
using returns = T;
template <class Self>
using chained = Self&;
#endif

namespace detail {

/// The one place where an error is thrown or returned.
template <class T>
returns<T> give(result<T>&& r) {
#ifdef CODEGEEX_NO_EXCEPTIONS
  return std::move(r);
#else
  if (!r) throw r.error();
  if constexpr (!std::is_void_v<T>) return *std::move(r);
#endif
}

/// The same for setters.
template <class Self>
chained<Self> chain([[maybe_unused]] Self& self, result<void>&& r) {
#ifdef CODEGEEX_NO_EXCEPTIONS
  return std::move(r);
#else
  if (!r) throw r.error();
  return self;
#endif
}

/// Deletes with a function of the library.
template <auto Free>
struct deleter {
  template <class T>
  void operator()(T* pointer) const noexcept {
    Free(pointer);
  }
};

template <class T>
using buffer = std::unique_ptr<T, deleter<codegeex_free>>;

inline std::string_view text(const char* data, std::size_t len) {
  return data == nullptr ? std::string_view() : std::string_view(data, len);
}

/// Converts an error of the library and frees it.
inline error take(codegeex_status code, codegeex_error* raw) {
  const std::unique_ptr<codegeex_error, deleter<codegeex_error_free>> held(raw);
  if (raw == nullptr) return error(static_cast<status>(code), codegeex_status_name(code));
  std::size_t len = 0;
  const char* message = codegeex_error_message(raw, &len);
  std::vector<std::string> causes;
  for (std::size_t i = 0; i < codegeex_error_causes(raw); ++i) {
    std::size_t cause_len = 0;
    const char* cause = codegeex_error_cause(raw, i, &cause_len);
    causes.emplace_back(text(cause, cause_len));
  }
  return error(static_cast<status>(codegeex_error_code(raw)), std::string(text(message, len)),
               std::move(causes));
}

/// Calls a function that returns a status alone.
template <class Fn, class... A>
result<void> check(Fn* fn, A... a) {
  codegeex_error* raw = nullptr;
  const codegeex_status code = fn(a..., &raw);
  if (code != CODEGEEX_OK) return take(code, raw);
  return {};
}

/// Calls a function that writes a number.
template <class T, class Fn, class... A>
result<T> number(Fn* fn, A... a) {
  T value{};
  result<void> r = check(fn, a..., &value);
  if (!r) return r.error();
  return value;
}

/// Calls a function that makes a handle.
template <class Owner, class Fn, class... A>
result<Owner> make(Fn* fn, A... a) {
  typename Owner::raw_type* made = nullptr;
  result<void> r = check(fn, a..., &made);
  if (!r) return r.error();
  return Owner(made);
}

/// Calls a function that makes an array: of T in the library, of the container's elements here.
template <class Container, class T, class Fn, class... A>
result<Container> array(Fn* fn, A... a) {
  T* data = nullptr;
  std::size_t len = 0;
  result<void> r = check(fn, a..., &data, &len);
  if (!r) return r.error();
  const buffer<T> held(data);
  return data == nullptr ? Container() : Container(data, data + len);
}

template <class Fn, class... A>
result<std::string> string(Fn* fn, A... a) {
  return array<std::string, char>(fn, a...);
}

/// Owns a handle.
template <class Raw, auto Free>
class owner {
 public:
  using raw_type = Raw;

  owner() noexcept = default;
  /// Takes a handle, which will be freed here.
  explicit owner(Raw* taken) noexcept : held_(taken) {}

  /// The handle, for functions of the C interface.
  Raw* raw() const noexcept { return held_.get(); }
  /// Gives the handle up, for the caller to free.
  Raw* release() noexcept { return held_.release(); }
  /// Frees the handle.
  void reset() noexcept { held_.reset(); }
  /// Whether there is a handle.
  explicit operator bool() const noexcept { return held_ != nullptr; }

 private:
  std::unique_ptr<Raw, deleter<Free>> held_;
};

template <class Owner>
auto raw_or_null(const Owner* handle) noexcept {
  return handle == nullptr ? nullptr : handle->raw();
}

/// Iterates over what has size() and operator[].
template <class C>
class index_iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = decltype(std::declval<const C&>()[0]);
  using difference_type = std::ptrdiff_t;
  using pointer = void;
  using reference = value_type;

  index_iterator(const C* of, std::size_t index) noexcept : of_(of), index_(index) {}
  value_type operator*() const { return (*of_)[index_]; }
  index_iterator& operator++() noexcept {
    ++index_;
    return *this;
  }
  index_iterator operator++(int) noexcept {
    index_iterator before = *this;
    ++index_;
    return before;
  }
  friend bool operator==(const index_iterator& a, const index_iterator& b) noexcept {
    return a.index_ == b.index_;
  }
  friend bool operator!=(const index_iterator& a, const index_iterator& b) noexcept {
    return a.index_ != b.index_;
  }

 private:
  const C* of_;
  std::size_t index_;
};

/// A callable that C calls, and what it threw until the call is over.
template <class F>
class callback {
 public:
  static constexpr bool is_none = std::is_same_v<std::decay_t<F>, std::nullptr_t>;

  explicit callback(F& f) noexcept : f_(f) {}

  /// Calls it unless it threw before; nonzero asks to cancel.
  template <class... A>
  std::int32_t operator()(const A&... a) noexcept {
#ifndef CODEGEEX_NO_EXCEPTIONS
    if (thrown_) return 1;
    try {
      return ask(a...);
    } catch (...) {
      thrown_ = std::current_exception();
      return 1;
    }
#else
    return ask(a...);
#endif
  }

  /// The result of the call, unless the callback threw.
  template <class T>
  returns<T> finish(result<T>&& r) {
#ifndef CODEGEEX_NO_EXCEPTIONS
    if (thrown_) std::rethrow_exception(std::move(thrown_));
#endif
    return give(std::move(r));
  }

 private:
  template <class... A>
  std::int32_t ask(const A&... a) {
    using R = std::invoke_result_t<F&, const A&...>;
    static_assert(std::is_void_v<R> || std::is_same_v<R, flow>,
                  "a callback returns nothing or codegeex::flow");
    if constexpr (std::is_void_v<R>) {
      f_(a...);
      return 0;
    } else {
      return f_(a...) == flow::go_on ? 0 : 1;
    }
  }

  F& f_;
#ifndef CODEGEEX_NO_EXCEPTIONS
  std::exception_ptr thrown_;
#endif
};

/// The C function for a progress callback, or NULL.
template <class F>
codegeex_progress_callback progress_function() noexcept {
  if constexpr (callback<F>::is_none) {
    return nullptr;
  } else {
    return [](void* self, std::uint64_t done, std::uint64_t total) -> std::int32_t {
      return (*static_cast<callback<F>*>(self))(done, total);
    };
  }
}

}  // namespace detail

/// An event of a generation. `text` and `top_logprobs` are valid during the callback, or until the
/// next call with the ticket.
struct event {
  event_kind kind = event_kind::none;
  /// For an end event: the finish reason.
  codegeex::finish_reason finish_reason = codegeex::finish_reason::none;
  /// Index of the sample, from 0.
  std::size_t sample = 0;
  /// For a token event: its id.
  std::uint32_t id = 0;
  /// For a token event: its log-probability under the model, before sampling.
  float logprob = 0;
  /// Newly finalized text; may be empty.
  std::string_view text;
  /// For a token event: the most likely tokens at its position, as many as `top_logprobs` of the
  /// options.
  view<token_logprob> top_logprobs;
  /// For an end event at a stop string: its index in the options.
  std::optional<std::size_t> stop_index;

  event() = default;
  explicit event(const codegeex_event& e)
      : kind(static_cast<event_kind>(e.kind)),
        finish_reason(static_cast<codegeex::finish_reason>(e.finish_reason)),
        sample(e.sample),
        id(e.id),
        logprob(e.logprob),
        text(detail::text(e.text, e.text_len)),
        top_logprobs(e.top_logprobs, e.top_logprobs_len) {
    if (e.stop_index != SIZE_MAX) stop_index = e.stop_index;
  }
};

namespace detail {

/// The C function for an event callback, or NULL.
template <class F>
codegeex_event_callback event_function() noexcept {
  if constexpr (callback<F>::is_none) {
    return nullptr;
  } else {
    return [](void* self, const codegeex_event* e) -> std::int32_t {
      return (*static_cast<callback<F>*>(self))(event(*e));
    };
  }
}

}  // namespace detail

/// The version of the loaded library.
inline std::string_view version() { return codegeex_version(); }

/// The ABI version of the loaded library: major * 65536 + minor.
inline std::uint32_t abi_version() { return codegeex_abi_version(); }

/// Whether the loaded library is compatible with this header.
inline bool abi_is_compatible() {
  const std::uint32_t abi = codegeex_abi_version();
  return abi / 65536 == CODEGEEX_ABI_MAJOR && abi % 65536 >= CODEGEEX_ABI_MINOR;
}

/// The instruction sets that the kernels can use on this machine, the fastest last.
inline std::vector<std::string_view> cpu_tiers() {
  std::vector<std::string_view> tiers;
  for (std::size_t i = 0; i < codegeex_cpu_tiers(); ++i) tiers.emplace_back(codegeex_cpu_tier_name(i));
  return tiers;
}

/// The fastest of them.
inline std::string_view cpu_tier() { return codegeex_cpu_tier(); }

/// Whether the library was built with a feature, by name.
inline bool has_feature(std::string_view feature) {
  return codegeex_has_feature(feature.data(), feature.size()) != 0;
}

/// A flag that cancels running calls. Any thread may set it.
class cancel_token : public detail::owner<codegeex_cancel_token, codegeex_cancel_token_free> {
 public:
  using owner::owner;

  /// Creates a token that is not set. With a timeout above 0, it sets itself after that time.
  static returns<cancel_token> create(std::chrono::milliseconds timeout = {}) {
    const auto count = timeout.count();
    return detail::give(detail::make<cancel_token>(
        codegeex_cancel_token_new, count > 0 ? static_cast<std::uint64_t>(count) : 0));
  }

  returns<void> cancel() const {
    return detail::give(detail::check(codegeex_cancel_token_cancel, raw()));
  }
  bool is_cancelled() const { return codegeex_cancel_token_is_cancelled(raw()) != 0; }
};

/// Text to token ids and back.
class tokenizer : public detail::owner<codegeex_tokenizer, codegeex_tokenizer_free> {
 public:
  using owner::owner;

  /// The built-in tokenizer of the published CodeGeeX checkpoints.
  static returns<tokenizer> create() {
    return detail::give(detail::make<tokenizer>(codegeex_tokenizer_new));
  }
  /// Reads `vocab.json`, `merges.txt` and `added_tokens.json` from a folder.
  static returns<tokenizer> from_folder(std::string_view path) {
    return detail::give(
        detail::make<tokenizer>(codegeex_tokenizer_from_folder, path.data(), path.size()));
  }

  returns<std::vector<std::uint32_t>> encode(
      std::string_view text, special_tokens special = special_tokens::as_text) const {
    return detail::give(detail::array<std::vector<std::uint32_t>, std::uint32_t>(
        codegeex_tokenizer_encode, raw(), text.data(), text.size(),
        static_cast<std::int32_t>(special)));
  }
  returns<std::string> decode(ids_view ids, invalid_utf8 policy = invalid_utf8::replace) const {
    return detail::give(detail::string(codegeex_tokenizer_decode, raw(), ids.data(), ids.size(),
                                       static_cast<std::int32_t>(policy)));
  }
  /// The bytes of a token, which may end inside a character.
  returns<std::string> token_bytes(std::uint32_t id) const {
    return detail::give(
        detail::array<std::string, std::uint8_t>(codegeex_tokenizer_token_bytes, raw(), id));
  }
  /// The vocabulary size: one more than the largest id.
  std::size_t vocab_size() const { return codegeex_tokenizer_vocab_size(raw()); }
  /// The end-of-text id.
  std::uint32_t end_of_text() const { return codegeex_tokenizer_end_of_text(raw()); }
};

/// A streaming decoder: takes ids one at a time and returns text as soon as it is final.
class decoder : public detail::owner<codegeex_decoder, codegeex_decoder_free> {
 public:
  using owner::owner;

  static returns<decoder> create(const tokenizer& with,
                                 invalid_utf8 policy = invalid_utf8::replace) {
    return detail::give(detail::make<decoder>(codegeex_decoder_new, with.raw(),
                                              static_cast<std::int32_t>(policy)));
  }

  /// Adds an id and returns the newly finalized text, which may be empty.
  returns<std::string> push(std::uint32_t id) {
    return detail::give(detail::string(codegeex_decoder_push, raw(), id));
  }
  /// Whether bytes of an incomplete character are held back.
  bool is_pending() const { return codegeex_decoder_is_pending(raw()) != 0; }
  /// Ends the text. The decoder can then start another one.
  returns<std::string> finish() { return detail::give(detail::string(codegeex_decoder_finish, raw())); }
};

/// An option with its key and description.
struct option_key {
  std::string_view key;
  std::string_view help;
};

namespace detail {

/// The value of an option as text, the same in every locale.
template <class T>
std::string to_text(T value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else {
    char digits[32];
    const std::to_chars_result end = std::to_chars(digits, digits + sizeof digits, value);
    return std::string(digits, end.ptr);
  }
}

/// A number, or `none`.
template <class T>
std::string to_text(std::optional<T> value) {
  return value ? to_text(*value) : "none";
}

/// The name of an enumerator; its number if it has none, which the library refuses.
template <class E>
std::string name_of(E value, std::initializer_list<const char*> names) {
  const auto index = static_cast<std::size_t>(value);
  return index < names.size() ? names.begin()[index] : to_text(index);
}

/// A timeout in milliseconds; 0 means none.
inline std::string to_text(std::chrono::milliseconds time) {
  return to_text(std::max<std::chrono::milliseconds::rep>(time.count(), 0));
}

/// Appends a text as a JSON string.
inline void append_json(std::string& json, std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  json += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20) {
      json.append("\\u00").append(1, hex[byte >> 4U]).append(1, hex[byte & 15U]);
    } else {
      if (c == '"' || c == '\\') json += '\\';
      json += c;
    }
  }
  json += '"';
}

/// A JSON array of texts.
template <class Texts>
std::string json_texts(const Texts& texts) {
  std::string json = "[";
  for (const auto& text : texts) {
    if (json.size() > 1) json += ',';
    append_json(json, text);
  }
  return json += ']';
}

/// A JSON array of ids.
inline std::string json_ids(ids_view ids) {
  std::string json = "[";
  for (const std::uint32_t id : ids) {
    if (json.size() > 1) json += ',';
    json += to_text(id);
  }
  return json += ']';
}

/// Options with keys. The handle is created when an option is set; no handle means all defaults.
template <class Self, class Raw, auto Free, auto New, auto Set, auto Get, auto Key>
class keyed_options : public owner<Raw, Free> {
 public:
  using owner<Raw, Free>::owner;

  /// Sets an option by key; key and value are text. This also sets options that are newer than this
  /// header.
  chained<Self> set(std::string_view key, std::string_view value) {
    return change(Set, key.data(), key.size(), value.data(), value.size());
  }
  /// The value of an option as text.
  returns<std::string> get(std::string_view key) const { return give(read(key)); }
  /// All keys.
  static std::vector<option_key> keys() {
    std::vector<option_key> all;
    const char* help = nullptr;
    while (const char* key = Key(all.size(), &help)) all.push_back({key, help});
    return all;
  }

 protected:
  result<std::string> read(std::string_view key) const {
    if (*this) return string(Get, this->raw(), key.data(), key.size());
    result<owner<Raw, Free>> defaults = make<owner<Raw, Free>>(New);
    if (!defaults) return defaults.error();
    return string(Get, defaults->raw(), key.data(), key.size());
  }

  /// Creates the handle if there is none yet.
  result<void> ensure() {
    if (*this) return {};
    result<owner<Raw, Free>> made = make<owner<Raw, Free>>(New);
    if (!made) return made.error();
    owner<Raw, Free>::operator=(*std::move(made));
    return {};
  }

  template <class Fn, class... A>
  chained<Self> change(Fn* fn, A... a) {
    result<void> r = ensure();
    if (r) r = check(fn, this->raw(), a...);
    return chain(static_cast<Self&>(*this), std::move(r));
  }
};

}  // namespace detail

/// Options for opening a model.
class open_options
    : public detail::keyed_options<open_options, codegeex_open_options, codegeex_open_options_free,
                                   codegeex_open_options_new, codegeex_open_options_set,
                                   codegeex_open_options_get, codegeex_open_options_key> {
 public:
  using keyed_options::keyed_options;
  using self = chained<open_options>;

  self memory(memory_mode mode) {
    return change(codegeex_open_options_set_memory, static_cast<std::int32_t>(mode));
  }
  /// Number of compute threads, including the calling thread; 0 means one for each core.
  self threads(std::size_t count) { return change(codegeex_open_options_set_threads, count); }
  /// The instruction set of the kernels, by name; `auto` means the fastest.
  self isa(std::string_view name) { return set("isa", name); }
  self kv(kv_type type) { return set("kv", detail::name_of(type, {"f32", "f16", "int8"})); }
  self activations(activation_type type) {
    return set("activations", detail::name_of(type, {"int16", "int8"}));
  }
  /// Limit of the KV cache over all sequences, in bytes; nothing means no limit.
  self memory_limit(std::optional<std::uint64_t> bytes) {
    return set("memory_limit", detail::to_text(bytes));
  }
  /// Model configuration as JSON, for files without one; `none` means the configuration of the
  /// files.
  self config(std::string_view json) { return set("config", json); }
  /// The tokenizer of the model; nullptr means the vocabulary beside the checkpoint, or else the
  /// built-in tokenizer.
  self tokenizer(const codegeex::tokenizer* with) {
    return change(codegeex_open_options_set_tokenizer, detail::raw_or_null(with));
  }
  /// Log callback for messages of a level and more severe ones. It runs on any thread that uses the
  /// model, concurrently. Exceptions that it throws are dropped.
  self log(log_level level, std::function<void(log_level, std::string_view)> sink) {
    using held = std::function<void(log_level, std::string_view)>;
    if (!sink) {
      return change(codegeex_open_options_set_log, static_cast<std::int32_t>(level),
                    codegeex_log_callback(nullptr), static_cast<void*>(nullptr),
                    codegeex_destroy_callback(nullptr));
    }
    const codegeex_log_callback say = [](void* userdata, std::int32_t l, const char* m,
                                         std::size_t len) {
      const auto call = [&] { (*static_cast<held*>(userdata))(static_cast<log_level>(l), {m, len}); };
#ifdef CODEGEEX_NO_EXCEPTIONS
      call();
#else
      try {
        call();
      } catch (...) {
      }
#endif
    };
    const codegeex_destroy_callback destroy = [](void* userdata) {
      delete static_cast<held*>(userdata);
    };
    // The library owns it from the call on, where that fails too.
    if (result<void> made = ensure(); !made) return detail::chain(*this, std::move(made));
    auto kept = std::make_unique<held>(std::move(sink));
    return change(codegeex_open_options_set_log, static_cast<std::int32_t>(level), say,
                  static_cast<void*>(kept.release()), destroy);
  }
};

/// A prompt with its stop strings and the text around the answer.
class task : public detail::owner<codegeex_task, codegeex_task_free> {
 public:
  using owner::owner;

  /// Completion of code.
  static returns<task> complete(std::string_view language, std::string_view code) {
    return detail::give(detail::make<task>(codegeex_task_complete, language.data(), language.size(),
                                           code.data(), code.size()));
  }
  /// Explanation of code: the same code with a comment before every line.
  static returns<task> explain(std::string_view language, std::string_view code) {
    return detail::give(detail::make<task>(codegeex_task_explain, language.data(), language.size(),
                                           code.data(), code.size()));
  }
  /// Documentation of a function or a type.
  static returns<task> docstring(std::string_view language, std::string_view code) {
    return detail::give(detail::make<task>(codegeex_task_docstring, language.data(),
                                           language.size(), code.data(), code.size()));
  }
  /// Translation of code; `declaration` is the beginning of the translation and may be empty.
  static returns<task> translate(std::string_view from, std::string_view code, std::string_view to,
                                 std::string_view declaration = {}) {
    return detail::give(detail::make<task>(codegeex_task_translate, from.data(), from.size(),
                                           code.data(), code.size(), to.data(), to.size(),
                                           declaration.data(), declaration.size()));
  }
  /// A custom prompt from a template.
  static returns<task> custom(std::string_view pattern, std::string_view language,
                              std::string_view code) {
    return detail::give(detail::make<task>(codegeex_task_custom, pattern.data(), pattern.size(),
                                           language.data(), language.size(), code.data(),
                                           code.size()));
  }

  std::string_view prompt() const { return part(codegeex_task_prompt); }
  /// The end of the prompt that belongs to the answer.
  std::string_view lead() const { return part(codegeex_task_lead); }
  /// Text to append to a finished completion.
  std::string_view tail() const { return part(codegeex_task_tail); }
  /// The language of the answer.
  std::string_view language() const { return part(codegeex_task_language); }
  /// The stop strings.
  std::vector<std::string_view> stops() const {
    std::vector<std::string_view> all;
    for (std::size_t i = 0; i < codegeex_task_stops(raw()); ++i) {
      std::size_t len = 0;
      const char* stop = codegeex_task_stop(raw(), i, &len);
      all.push_back(detail::text(stop, len));
    }
    return all;
  }

 private:
  std::string_view part(const char* (*fn)(const codegeex_task*, std::size_t*)) const {
    std::size_t len = 0;
    const char* data = fn(raw(), &len);
    return detail::text(data, len);
  }
};

/// A language by its name, such as `python`, with its language tag.
struct language {
  std::string_view name;
  std::string_view tag;
};

/// The languages, each by its name. find_language also takes aliases.
inline std::vector<language> languages() {
  std::vector<language> all;
  for (std::size_t i = 0; i < codegeex_languages(); ++i) {
    all.push_back({codegeex_language_name(i), codegeex_language_tag(i)});
  }
  return all;
}

/// The language of a name; case-insensitive.
inline returns<language> find_language(std::string_view name) {
  result<std::size_t> index =
      detail::number<std::size_t>(codegeex_language_find, name.data(), name.size());
  if (!index) return detail::give(result<language>(index.error()));
  return detail::give(
      result<language>(language{codegeex_language_name(*index), codegeex_language_tag(*index)}));
}

/// The prompt for completing code: the language tag, then the code so far.
inline returns<std::string> prompt_generation(std::string_view language, std::string_view code) {
  return detail::give(detail::string(codegeex_prompt_generation, language.data(), language.size(),
                                     code.data(), code.size()));
}

/// Replaces the placeholders of a template with an input: `<INPUT>`, `<INPUT:a,b>`.
inline returns<std::string> template_expand(std::string_view pattern, std::string_view input) {
  return detail::give(detail::string(codegeex_template_expand, pattern.data(), pattern.size(),
                                     input.data(), input.size()));
}

/// Functions over source code, without a model: where a completion ends, and what editors do with a
/// completion before they show it.
///
/// `language` is the name of a language. `rules` is a comma-separated list of `line`, `block`,
/// `function`, `unindented`, `humaneval`; the first rule that matches ends the completion. `before`
/// and `after` are the texts left and right of the cursor.
namespace code {

/// Indentation by tabs.
inline constexpr std::int32_t tabs = CODEGEEX_INDENT_TABS;

/// What a token of source code is: CODEGEEX_CODE_*. Later releases may add kinds.
enum class kind : std::int32_t {
  blank = CODEGEEX_CODE_BLANK,
  newline = CODEGEEX_CODE_NEWLINE,
  word = CODEGEEX_CODE_WORD,
  opener = CODEGEEX_CODE_OPENER,
  closer = CODEGEEX_CODE_CLOSER,
  stray = CODEGEEX_CODE_STRAY,
  symbol = CODEGEEX_CODE_SYMBOL,
  string = CODEGEEX_CODE_STRING,
  comment = CODEGEEX_CODE_COMMENT,
};

/// Text that belongs to a completion, and the rule that ended it, if one did.
struct piece {
  std::string text;
  codegeex::finish_reason finish_reason = codegeex::finish_reason::none;
};

/// Finds where code ends while text is added piece by piece.
class stop : public detail::owner<codegeex_code_stop, codegeex_code_stop_free> {
 public:
  using owner::owner;

  static returns<stop> create(std::string_view language, std::string_view rules,
                              std::string_view before = {}) {
    return detail::give(detail::make<stop>(codegeex_code_stop_new, language.data(), language.size(),
                                           rules.data(), rules.size(), before.data(),
                                           before.size()));
  }

  /// Adds a piece of the completion and returns the text that is certainly part of it, which may be
  /// empty. Text that is added after a rule matched is dropped.
  returns<piece> push(std::string_view text) {
    char* data = nullptr;
    std::size_t len = 0;
    std::int32_t reason = CODEGEEX_FINISH_NONE;
    result<void> r = detail::check(codegeex_code_stop_push, raw(), text.data(), text.size(), &data,
                                   &len, &reason);
    if (!r) return detail::give(result<piece>(r.error()));
    const detail::buffer<char> held(data);
    return detail::give(result<piece>(piece{std::string(detail::text(data, len)),
                                            static_cast<codegeex::finish_reason>(reason)}));
  }
  /// Ends the completion and returns the text that was held back, which may be empty.
  returns<std::string> finish() {
    return detail::give(detail::string(codegeex_code_stop_finish, raw()));
  }
};

/// The part of a completion to keep, and the rule that ended it, if one did.
struct kept {
  std::string_view text;
  codegeex::finish_reason finish_reason = codegeex::finish_reason::none;
};

/// A whole completion up to where the first stop rule ends it.
inline returns<kept> cut(std::string_view language, std::string_view rules, std::string_view before,
                         std::string_view completion) {
  std::size_t len = 0;
  std::int32_t reason = CODEGEEX_FINISH_NONE;
  result<void> r = detail::check(codegeex_code_cut, language.data(), language.size(), rules.data(),
                                 rules.size(), before.data(), before.size(), completion.data(),
                                 completion.size(), &len, &reason);
  if (!r) return detail::give(result<kept>(r.error()));
  return detail::give(result<kept>(
      kept{completion.substr(0, len), static_cast<codegeex::finish_reason>(reason)}));
}

/// A completion up to where the scope of the cursor ends.
inline returns<std::string_view> cut_at_scope(std::string_view language, std::string_view before,
                                              std::string_view completion) {
  result<std::size_t> len = detail::number<std::size_t>(
      codegeex_code_cut_at_scope, language.data(), language.size(), before.data(), before.size(),
      completion.data(), completion.size());
  return detail::give(len ? result<std::string_view>(completion.substr(0, *len))
                          : result<std::string_view>(len.error()));
}

/// A completion without the part that the text after the cursor repeats.
inline returns<std::string_view> without_overlap(std::string_view language, std::string_view before,
                                                 std::string_view completion,
                                                 std::string_view after) {
  result<std::size_t> len = detail::number<std::size_t>(
      codegeex_code_without_overlap, language.data(), language.size(), before.data(), before.size(),
      completion.data(), completion.size(), after.data(), after.size());
  return detail::give(len ? result<std::string_view>(completion.substr(0, *len))
                          : result<std::string_view>(len.error()));
}

/// The indentation of a text: `tabs`, or a number of spaces; nothing if unknown.
inline returns<std::optional<std::int32_t>> indentation(std::string_view language,
                                                        std::string_view text) {
  using found = result<std::optional<std::int32_t>>;
  result<std::int32_t> style = detail::number<std::int32_t>(
      codegeex_code_indentation, language.data(), language.size(), text.data(), text.size());
  if (!style) return detail::give(found(style.error()));
  return detail::give(found(*style == CODEGEEX_INDENT_UNKNOWN ? std::nullopt
                                                              : std::optional(*style)));
}

/// A completion with the indentation of the file: `tabs` or a number of spaces from 1 to 16.
inline returns<std::string> reindent(std::string_view language, std::int32_t indentation,
                                     std::string_view before, std::string_view completion) {
  return detail::give(detail::string(codegeex_code_reindent, language.data(), language.size(),
                                     indentation, before.data(), before.size(), completion.data(),
                                     completion.size()));
}

/// Indices of the candidates worth showing: neither blank nor equal to an earlier candidate,
/// ignoring white space at the end. `candidates` is a range of texts.
template <class Texts>
returns<std::vector<std::size_t>> distinct(const Texts& candidates) {
  std::vector<codegeex_text> texts;
  for (const std::string_view text : candidates) texts.push_back({text.data(), text.size()});
  return detail::give(detail::array<std::vector<std::size_t>, std::size_t>(
      codegeex_code_distinct, texts.data(), texts.size()));
}

/// The log-probabilities (natural logarithms) of a candidate, for rank.
struct likelihood {
  /// The log-probability of each token of the candidate.
  view<float> logprobs;
  /// The log-probability of each token of the text after the cursor, given the text before the
  /// cursor and the candidate; empty if unknown.
  view<float> suffix;
};

/// A ranked candidate: `index` and `score`, the mean log-probability per token.
using ranked = codegeex_ranked;

/// Ranks candidates by mean log-probability per token, best first. If all candidates have `suffix`,
/// its mean is added.
inline returns<std::vector<ranked>> rank(view<likelihood> candidates) {
  std::vector<codegeex_likelihood> raw;
  for (const likelihood& one : candidates) {
    raw.push_back(
        {one.logprobs.data(), one.logprobs.size(), one.suffix.data(), one.suffix.size()});
  }
  return detail::give(detail::array<std::vector<ranked>, ranked>(codegeex_code_rank, raw.data(),
                                                                 raw.size()));
}

/// A token of source code.
struct token {
  std::string_view text;
  code::kind kind = code::kind::symbol;
  /// Number of open brackets and blocks after this token.
  std::size_t depth = 0;
};

/// The tokens of source code, which cover all of it: what is code, string or comment, and how many
/// brackets and blocks are open.
inline returns<std::vector<token>> scan(std::string_view language, std::string_view text) {
  result<std::vector<codegeex_code_token>> raw =
      detail::array<std::vector<codegeex_code_token>, codegeex_code_token>(
          codegeex_code_scan, language.data(), language.size(), text.data(), text.size());
  if (!raw) return detail::give(result<std::vector<token>>(raw.error()));
  std::vector<token> tokens;
  for (const codegeex_code_token& one : *raw) {
    tokens.push_back({text.substr(one.start, one.len), static_cast<kind>(one.kind), one.depth});
  }
  return detail::give(result<std::vector<token>>(std::move(tokens)));
}

}  // namespace code

/// The candidates for the next token in ascending order of their ids. Change logits in place;
/// negative infinity removes a candidate. Ids must not change.
class candidates {
 public:
  candidates(candidate* data, std::size_t size) noexcept : data_(data), size_(size) {}

  candidate* begin() const noexcept { return data_; }
  candidate* end() const noexcept { return data_ + size_; }
  std::size_t size() const noexcept { return size_; }
  /// The index must be below size().
  candidate& operator[](std::size_t index) const noexcept { return data_[index]; }
  /// The candidate with an id, or nullptr.
  candidate* find(std::uint32_t id) const noexcept {
    candidate* found = std::lower_bound(
        begin(), end(), id, [](const candidate& c, std::uint32_t wanted) { return c.id < wanted; });
    return found != end() && found->id == id ? found : nullptr;
  }

 private:
  candidate* data_;
  std::size_t size_;
};

/// The input of a sampler, valid during its call.
struct sampler_input {
  /// Ids of the prompt.
  ids_view prompt;
  /// Ids generated so far.
  ids_view generated;
  codegeex::candidates candidates;
};

class model;

namespace detail {

using sampler = std::function<flow(const sampler_input&)>;

/// What a sampler of a call threw. Shared by the call and the library, which may run samplers on
/// another thread.
class sampler_error {
 public:
  /// Calls a sampler; nonzero ends the generation.
  std::int32_t run(const sampler& f, const sampler_input& input) noexcept {
#ifndef CODEGEEX_NO_EXCEPTIONS
    try {
      return f(input) == flow::go_on ? 0 : 1;
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!thrown_) thrown_ = std::current_exception();
      return 1;
    }
#else
    return f(input) == flow::go_on ? 0 : 1;
#endif
  }

  /// Throws what a sampler threw.
  void rethrow() {
#ifndef CODEGEEX_NO_EXCEPTIONS
    std::exception_ptr thrown;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      thrown.swap(thrown_);
    }
    if (thrown) std::rethrow_exception(std::move(thrown));
#endif
  }

 private:
#ifndef CODEGEEX_NO_EXCEPTIONS
  std::mutex mutex_;
  std::exception_ptr thrown_;
#endif
};

using shared_sampler_error = std::shared_ptr<sampler_error>;

/// The result of a call, unless a sampler threw. If the handle is busy, the exception belongs to the
/// call that uses it.
template <class T>
result<T> finish(const shared_sampler_error& error, result<T>&& r) {
  if (error && (r || r.error().code() != status::busy)) error->rethrow();
  return std::move(r);
}

/// Options that a generation and a beam search have in common.
template <class Self, class Raw, auto Free, auto New, auto Set, auto Get, auto Key>
class common_options : public keyed_options<Self, Raw, Free, New, Set, Get, Key> {
 public:
  using keyed_options<Self, Raw, Free, New, Set, Get, Key>::keyed_options;

  /// Ids that are never generated. Replaces the previous ones.
  chained<Self> banned_ids(ids_view ids) { return this->set("banned_ids", json_ids(ids)); }
  /// Stop strings, a range of texts: they end a completion and are not part of it. Replaces the
  /// previous ones.
  template <class Texts = std::initializer_list<std::string_view>>
  chained<Self> stop(const Texts& texts) {
    return this->set("stop", json_texts(texts));
  }
  chained<Self> clear_stop() { return this->set("stop", "[]"); }
  /// Stop rules for code of a language: the first of `rules`, a comma-separated list of `line`,
  /// `block`, `function`, `unindented`, `humaneval`, that matches ends the completion. No rules
  /// disable them.
  chained<Self> stop_at(std::string_view language, std::string_view rules) {
    if (rules.empty()) return this->set("stop_at", "none");
    return this->set("stop_at", std::string(language).append(":").append(rules));
  }
  /// Code left of the cursor, for stop_at; nothing means the prompt.
  chained<Self> stop_before(std::optional<std::string_view> text) {
    std::string json;
    if (text) append_json(json, *text);
    return this->set("stop_before", text ? std::string_view(json) : "none");
  }
  /// Ids that end a completion as the end of text does. Replaces the previous ones.
  chained<Self> stop_ids(ids_view ids) { return this->set("stop_ids", json_ids(ids)); }
  /// How special tokens in the prompt are encoded.
  chained<Self> special_tokens(codegeex::special_tokens special) {
    return this->set("special_tokens", name_of(special, {"text", "parse"}));
  }
  /// Timeout of the call, which then returns the partial result; 0 means none.
  chained<Self> timeout(std::chrono::milliseconds time) {
    return this->set("timeout_ms", to_text(time));
  }
  /// Maximum number of prompt tokens to compute, without cached ones; nothing means no limit.
  chained<Self> prefill_limit(std::optional<std::size_t> tokens) {
    return this->set("prefill_limit", to_text(tokens));
  }
  /// Maximum number of compute threads; 0 means all threads of the model.
  chained<Self> threads(std::size_t count) { return this->set("threads", to_text(count)); }
};

class call_options;

}  // namespace detail

/// The order of a fill-in-the-middle prompt.
enum class infill_order {
  /// The one that the model prefers.
  automatic,
  /// Prefix, suffix, middle.
  psm,
  /// Suffix, prefix, middle.
  spm
};

/// Another file of the repository, in a fill-in-the-middle prompt.
struct context_file {
  std::string_view path;
  std::string_view text;
};

/// Options of a generation.
class generate_options
    : public detail::common_options<generate_options, codegeex_generate_options,
                                    codegeex_generate_options_free, codegeex_generate_options_new,
                                    codegeex_generate_options_set, codegeex_generate_options_get,
                                    codegeex_generate_options_key> {
 public:
  using common_options::common_options;
  using self = chained<generate_options>;

  /// A copy of these options.
  returns<generate_options> clone() const {
    if (*this) return detail::give(copy());
    generate_options defaults;
    defaults.samplers_ = samplers_;
    return detail::give(result<generate_options>(std::move(defaults)));
  }

  /// Maximum number of new tokens.
  self max_new_tokens(std::size_t count) {
    return change(codegeex_generate_options_set_max_new_tokens, count);
  }
  /// Sampling temperature; 0 means greedy.
  self temperature(float value) {
    return change(codegeex_generate_options_set_temperature, value);
  }
  /// Top-k sampling: keep the k most likely tokens; 0 disables it.
  self top_k(std::size_t count) { return set("top_k", detail::to_text(count)); }
  /// Top-p (nucleus) sampling: keep the most likely tokens whose probabilities add up to this
  /// value; 1 disables it.
  self top_p(float mass) { return change(codegeex_generate_options_set_top_p, mass); }
  /// Min-p sampling: keep tokens at least this value times as likely as the top one; 0 disables it.
  self min_p(float share) { return set("min_p", detail::to_text(share)); }
  /// Typical-p sampling: keep the most typical tokens whose probabilities add up to this value; 1
  /// disables it.
  self typical_p(float mass) { return set("typical_p", detail::to_text(mass)); }
  /// Repetition penalty, for ids in the prompt or the generated text; 1 disables it.
  self repetition_penalty(float value) {
    return set("repetition_penalty", detail::to_text(value));
  }
  /// Presence penalty: subtracted once from the logits of generated ids; 0 disables it.
  self presence_penalty(float value) { return set("presence_penalty", detail::to_text(value)); }
  /// Frequency penalty: subtracted from an id's logit for each occurrence; 0 disables it.
  self frequency_penalty(float value) { return set("frequency_penalty", detail::to_text(value)); }
  /// Random seed.
  self seed(std::uint64_t value) { return change(codegeex_generate_options_set_seed, value); }
  /// Index of the first sample, for the random numbers.
  self first_sample(std::uint32_t number) { return set("first_sample", detail::to_text(number)); }
  /// Number of completions of the prompt, which is computed once.
  self samples(std::size_t count) { return set("samples", detail::to_text(count)); }
  /// Reports the N most likely tokens at each position, before sampling.
  self top_logprobs(std::size_t count) { return set("top_logprobs", detail::to_text(count)); }
  /// Logit bias: ids and the values to add to their logits; negative infinity bans an id. Replaces
  /// the previous biases.
  self logit_bias(const std::vector<std::pair<std::uint32_t, float>>& pairs) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    std::string json = "{";
    for (const auto& [id, bias] : pairs) {
      if (!(bias < infinity)) {
        return detail::chain(
            *this, error(status::invalid_argument,
                         "the logit bias of " + detail::to_text(id) + " is " + detail::to_text(bias) +
                             ", and must be a number or negative infinity"));
      }
      if (json.size() > 1) json += ',';
      json.append("\"").append(detail::to_text(id)).append("\":");
      json += bias == -infinity ? "null" : detail::to_text(bias);
    }
    return set("logit_bias", json += '}');
  }
  /// Adds a stop string.
  self add_stop(std::string_view text) {
    return change(codegeex_generate_options_add_stop, text.data(), text.size());
  }
  /// Adds the stop strings of a task.
  self add_task_stops(const task& of) {
    return change(codegeex_generate_options_add_task_stops, of.raw());
  }
  /// Fill-in-the-middle: the text after the cursor; the prompt of the call is the text before it.
  /// Models without fill-in-the-middle rank the samples by it, best first. Nothing means an ordinary
  /// completion, unless another option of fill-in-the-middle is set.
  self suffix(std::optional<std::string_view> text) {
    if (!text) return set("suffix", "none");
    return change(codegeex_generate_options_set_suffix, text->data(), text->size());
  }
  /// Fill-in-the-middle: the order of the prompt.
  self infill_order(codegeex::infill_order order) {
    return set("infill_order", detail::name_of(order, {"auto", "psm", "spm"}));
  }
  /// Fill-in-the-middle: the path of the current file; nothing means unknown.
  self path(std::optional<std::string_view> text) {
    std::string json;
    if (text) detail::append_json(json, *text);
    return set("path", text ? std::string_view(json) : "none");
  }
  /// Fill-in-the-middle: the name of the repository; nothing means unknown. It needs path.
  self repository(std::optional<std::string_view> text) {
    std::string json;
    if (text) detail::append_json(json, *text);
    return set("repository", text ? std::string_view(json) : "none");
  }
  /// Fill-in-the-middle: adds another file of the repository, the most important last. It needs
  /// path.
  self add_file(context_file file) {
    return change(codegeex_generate_options_add_file, file.path.data(), file.path.size(),
                  file.text.data(), file.text.size());
  }
  self clear_files() { return set("files", "[]"); }
  /// Fill-in-the-middle: the language of the current file, by name, for models whose format names
  /// it; nothing means unknown.
  self infill_language(std::optional<std::string_view> name) {
    return set("infill_language", name.value_or("none"));
  }
  /// Token healing: re-samples the last tokens of the prompt among those that match its bytes, so
  /// that a prompt may end inside a word.
  self heal(bool yes) { return set("heal", detail::to_text(yes)); }
  /// Speculative decoding by prompt lookup: up to N draft tokens per step, taken from the text so
  /// far; 0 disables it. It changes latency, never the output.
  self speculation_lookup(std::size_t tokens) {
    return set("speculation", tokens == 0 ? "off" : "lookup:" + detail::to_text(tokens));
  }
  /// Speculative decoding with a draft model: up to N draft tokens per step; 0 disables it. It
  /// changes latency, never the output.
  inline self speculation_model(const model& draft, std::size_t tokens);

  /// Adds a sampler: a copyable callable that takes a `const sampler_input&` and changes the logits of
  /// the candidates for the next token. It returns nothing or codegeex::flow; flow::cancel ends the
  /// generation with status::cancelled.
  ///
  /// Samplers run in the order in which they were added: after banned ids, logit bias and
  /// penalties, before temperature, top-k, top-p, min-p and typical-p, and also with greedy
  /// decoding.
  ///
  /// A sampler must depend on its input alone, so that the same input gives the same output; with
  /// speculative decoding it may run several times for one position. It runs on the thread that
  /// computes: the calling thread, a thread of a concurrent call on the same model, or the thread
  /// of a service. Concurrent calls may run it concurrently. An exception from it ends the
  /// generation, and the call rethrows it; for a service, ticket::next or ticket::wait.
  ///
  /// The handle of raw() has no samplers. Functions of this header add them to a copy for each
  /// call.
  template <class F>
  self add_sampler(F f) {
    using R = std::invoke_result_t<F&, const sampler_input&>;
    static_assert(std::is_void_v<R> || std::is_same_v<R, flow>,
                  "a sampler returns nothing or codegeex::flow");
    samplers_.push_back(std::make_shared<const detail::sampler>(
        [f = std::move(f)](const sampler_input& input) mutable -> flow {
          if constexpr (std::is_void_v<R>) {
            f(input);
            return flow::go_on;
          } else {
            return f(input);
          }
        }));
    return detail::chain(*this, result<void>());
  }
  /// Number of samplers.
  std::size_t samplers() const noexcept { return samplers_.size(); }
  /// Removes all samplers.
  self clear_samplers() {
    samplers_.clear();
    return detail::chain(*this, result<void>());
  }

 private:
  friend class detail::call_options;
  friend class edit_options;

  /// A copy with a handle.
  result<generate_options> copy() const {
    result<generate_options> made =
        *this ? detail::make<generate_options>(codegeex_generate_options_clone, raw())
              : detail::make<generate_options>(codegeex_generate_options_new);
    if (made) made->samplers_ = samplers_;
    return made;
  }

  std::vector<std::shared_ptr<const detail::sampler>> samplers_;
};

namespace detail {

/// The options of one call: a copy with the samplers and the suffix, if there are any.
class call_options {
 public:
  explicit call_options(const generate_options& options,
                        std::optional<std::string_view> suffix = std::nullopt)
      : raw_(options.raw()) {
    if (options.samplers_.empty() && !suffix) return;
    result<generate_options> copy = options.copy();
    if (!copy) {
      ready_ = copy.error();
      return;
    }
    copy_ = *std::move(copy);
    raw_ = copy_.raw();
    if (suffix) {
      ready_ = check(codegeex_generate_options_set_suffix, copy_.raw(), suffix->data(), suffix->size());
      if (!ready_) return;
    }
    if (options.samplers_.empty()) return;
    error_ = std::make_shared<sampler_error>();
    for (const std::shared_ptr<const sampler>& one : options.samplers_) {
      // The library owns it from the call on, where that fails too.
      auto kept = std::make_unique<held>(held{one, error_});
      ready_ = check(codegeex_generate_options_add_sampler, copy_.raw(), sampler_function(),
                     static_cast<void*>(kept.release()), destroy_function());
      if (!ready_) return;
    }
  }

  /// Whether the options are complete.
  const result<void>& ready() const noexcept { return ready_; }
  const codegeex_generate_options* raw() const noexcept { return raw_; }
  const shared_sampler_error& thrown() const noexcept { return error_; }
  /// The result of the call, unless a sampler threw.
  template <class T>
  result<T> finish(result<T>&& r) const {
    return detail::finish(error_, std::move(r));
  }

 private:
  struct held {
    std::shared_ptr<const sampler> function;
    shared_sampler_error error;
  };

  static codegeex_sampler_callback sampler_function() noexcept {
    return [](void* userdata, const codegeex_sampler_input* input) -> std::int32_t {
      const held& kept = *static_cast<const held*>(userdata);
      return kept.error->run(*kept.function,
                             {{input->prompt, input->prompt_len},
                              {input->generated, input->generated_len},
                              {input->candidates, input->candidates_len}});
    };
  }
  static codegeex_destroy_callback destroy_function() noexcept {
    return [](void* userdata) { delete static_cast<held*>(userdata); };
  }

  const codegeex_generate_options* raw_;
  generate_options copy_;
  shared_sampler_error error_;
  result<void> ready_;
};

}  // namespace detail

/// Options of a beam search.
class beam_options
    : public detail::common_options<beam_options, codegeex_beam_options, codegeex_beam_options_free,
                                    codegeex_beam_options_new, codegeex_beam_options_set,
                                    codegeex_beam_options_get, codegeex_beam_options_key> {
 public:
  using common_options::common_options;
  using self = chained<beam_options>;

  /// Number of beams, which is also the maximum number of results.
  self num_beams(std::size_t count) { return set("num_beams", detail::to_text(count)); }
  /// Maximum number of new tokens.
  self max_new_tokens(std::size_t count) { return set("max_new_tokens", detail::to_text(count)); }
  /// How beams are scored.
  self rules(beam_rules rules) {
    return set("rules", detail::name_of(rules, {"reference", "hugging_face"}));
  }
  /// Length penalty of the Hugging Face rules: scores are divided by length to this power.
  self length_penalty(float power) { return set("length_penalty", detail::to_text(power)); }
  /// Early stopping of the Hugging Face rules.
  self early_stopping(codegeex::early_stopping when) {
    return set("early_stopping", detail::name_of(when, {"no", "yes", "never"}));
  }
  /// Adds a stop string.
  self add_stop(std::string_view text) {
    result<std::string> json = read("stop");
    if (!json) return detail::chain(*this, json.error());
    json->pop_back();
    if (json->size() > 1) *json += ',';
    detail::append_json(*json, text);
    return set("stop", *json += ']');
  }
};

/// One of several completions, which belongs to them. An index out of range reads as empty.
class completion {
 public:
  completion(const codegeex_completions* of, std::size_t index) noexcept
      : of_(of), index_(index) {}

  std::string_view text() const {
    std::size_t len = 0;
    const char* data = codegeex_completions_text(of_, index_, &len);
    return detail::text(data, len);
  }
  ids_view ids() const {
    std::size_t len = 0;
    const std::uint32_t* data = codegeex_completions_ids(of_, index_, &len);
    return {data, data == nullptr ? 0 : len};
  }
  /// The log-probability of each token under the model, before sampling.
  view<float> logprobs() const {
    std::size_t len = 0;
    const float* data = codegeex_completions_logprobs(of_, index_, &len);
    return {data, data == nullptr ? 0 : len};
  }
  /// The most likely tokens at the position of a token; empty if none were requested.
  view<token_logprob> top_logprobs(std::size_t token) const {
    std::size_t len = 0;
    const token_logprob* data = codegeex_completions_top_logprobs(of_, index_, token, &len);
    return {data, data == nullptr ? 0 : len};
  }
  codegeex::finish_reason finish_reason() const {
    return static_cast<codegeex::finish_reason>(codegeex_completions_finish_reason(of_, index_));
  }
  /// The index in the options of the stop string that ended it.
  std::optional<std::size_t> stop_index() const {
    const std::size_t index = codegeex_completions_stop_index(of_, index_);
    return index == SIZE_MAX ? std::nullopt : std::optional(index);
  }
  /// The score of a beam; for a sample, the sum of its log-probabilities.
  double score() const { return codegeex_completions_score(of_, index_); }
  /// Draft tokens proposed by speculative decoding.
  std::size_t drafted() const { return codegeex_completions_drafted(of_, index_); }
  /// Draft tokens accepted by the model.
  std::size_t accepted() const { return codegeex_completions_accepted(of_, index_); }
  /// With token healing: bytes of the prompt that the first tokens cover.
  std::size_t healed() const { return codegeex_completions_healed(of_, index_); }

 private:
  const codegeex_completions* of_;
  std::size_t index_;
};

/// The finished samples of a generation, or the beams of a beam search, best first.
class completions : public detail::owner<codegeex_completions, codegeex_completions_free> {
 public:
  using owner::owner;
  using iterator = detail::index_iterator<completions>;
  using const_iterator = iterator;

  std::size_t size() const { return codegeex_completions_count(raw()); }
  bool empty() const { return size() == 0; }
  completion operator[](std::size_t index) const { return {raw(), index}; }
  iterator begin() const { return {this, 0}; }
  iterator end() const { return {this, size()}; }
};

namespace detail {

/// Completes a prompt on the calling thread.
template <class F, class Fn, class Raw, class Prompt>
returns<completions> generate(Fn* fn, Raw* raw, Prompt prompt, const generate_options& options,
                              F& on_event, const cancel_token* cancel,
                              std::optional<std::string_view> suffix = std::nullopt) {
  callback<F> listener(on_event);
  const call_options call(options, suffix);
  if (!call.ready()) return give(result<completions>(call.ready().error()));
  return listener.finish(call.finish(make<completions>(
      fn, raw, prompt.data(), prompt.size(), call.raw(), raw_or_null(cancel), event_function<F>(),
      static_cast<void*>(&listener))));
}

}  // namespace detail

/// Log-probabilities of given tokens.
class score : public detail::owner<codegeex_score, codegeex_score_free> {
 public:
  using owner::owner;

  /// The log-probability of each token given those before it; NaN for the first.
  view<float> logprobs() const {
    std::size_t len = 0;
    const float* data = codegeex_score_logprobs(raw(), &len);
    return {data, data == nullptr ? 0 : len};
  }
  /// The most likely next tokens, best first.
  view<token_logprob> top() const {
    std::size_t len = 0;
    const token_logprob* data = codegeex_score_top(raw(), &len);
    return {data, data == nullptr ? 0 : len};
  }
};

/// How well a model predicts a text.
struct perplexity {
  double value = 0;
  /// The sum of log-probabilities.
  double log_probability = 0;
  /// Number of predicted tokens.
  std::size_t tokens = 0;
};

/// A loaded model with its tokenizer.
class model : public detail::owner<codegeex_model, codegeex_model_free> {
 public:
  using owner::owner;

  /// Opens a checkpoint. `progress` is called with bytes done and in total.
  template <class F = std::nullptr_t>
  static returns<model> open(std::string_view path, const open_options& options = {},
                             F&& progress = nullptr, const cancel_token* cancel = nullptr) {
    detail::callback<F> listener(progress);
    return listener.finish(detail::make<model>(codegeex_model_open, path.data(), path.size(),
                                            options.raw(), detail::raw_or_null(cancel),
                                            detail::progress_function<F>(),
                                            static_cast<void*>(&listener)));
  }

  returns<model_info> info() const {
    model_info info{};
    info.struct_size = sizeof info;
    result<void> r = detail::check(codegeex_model_get_info, raw(), &info);
    return detail::give(r ? result<model_info>(info) : result<model_info>(r.error()));
  }
  /// A one-line description of the model.
  std::string_view describe() const {
    std::size_t len = 0;
    const char* data = codegeex_model_describe(raw(), &len);
    return detail::text(data, len);
  }
  /// The configuration as JSON.
  std::string_view config_json() const {
    std::size_t len = 0;
    const char* data = codegeex_model_config_json(raw(), &len);
    return detail::text(data, len);
  }
  /// The fill-in-the-middle format of the tokenizer, such as `starcoder`; nothing for a model
  /// without one.
  std::optional<std::string_view> infill_format() const {
    std::size_t len = 0;
    const char* data = codegeex_model_infill_format(raw(), &len);
    return data == nullptr ? std::nullopt : std::optional(std::string_view(data, len));
  }
  /// The instruction set that the kernels use.
  std::string_view kernels() const {
    const char* name = codegeex_model_kernels(raw());
    return name == nullptr ? std::string_view() : std::string_view(name);
  }
  returns<std::uint64_t> fingerprint() const {
    return detail::give(detail::number<std::uint64_t>(codegeex_model_fingerprint, raw()));
  }
  returns<codegeex::tokenizer> tokenizer() const {
    return detail::give(detail::make<codegeex::tokenizer>(codegeex_model_tokenizer, raw()));
  }

  /// Completes a prompt. `on_event`, a callable, receives every event as it happens.
  template <class F = std::nullptr_t>
  returns<completions> generate(std::string_view prompt, const generate_options& options = {},
                                F&& on_event = nullptr,
                                const cancel_token* cancel = nullptr) const {
    return detail::generate<F>(codegeex_model_generate, raw(), prompt, options, on_event, cancel);
  }
  /// The same for a prompt of ids.
  template <class F = std::nullptr_t>
  returns<completions> generate_from(ids_view prompt, const generate_options& options = {},
                                     F&& on_event = nullptr,
                                     const cancel_token* cancel = nullptr) const {
    return detail::generate<F>(codegeex_model_generate_from, raw(), prompt, options, on_event, cancel);
  }

  /// Completes the text between `prefix` and `suffix`, the text before and after a cursor: by
  /// fill-in-the-middle where the model has it, see infill_format. Other models complete `prefix`, and
  /// return several samples best first, ranked by the suffix.
  template <class F = std::nullptr_t>
  returns<completions> infill(std::string_view prefix, std::string_view suffix,
                              const generate_options& options = {}, F&& on_event = nullptr,
                              const cancel_token* cancel = nullptr) const {
    return detail::generate<F>(codegeex_model_generate, raw(), prefix, options, on_event, cancel,
                               suffix);
  }
  /// The same for a prefix of ids.
  template <class F = std::nullptr_t>
  returns<completions> infill_from(ids_view prefix, std::string_view suffix,
                                   const generate_options& options = {}, F&& on_event = nullptr,
                                   const cancel_token* cancel = nullptr) const {
    return detail::generate<F>(codegeex_model_generate_from, raw(), prefix, options, on_event, cancel,
                               suffix);
  }

  /// Beam search for the most likely completions of a prompt, best first.
  returns<completions> beam_search(std::string_view prompt, const beam_options& options = {},
                                   const cancel_token* cancel = nullptr) const {
    return detail::give(detail::make<completions>(codegeex_model_beam_search, raw(), prompt.data(),
                                                  prompt.size(), options.raw(),
                                                  detail::raw_or_null(cancel)));
  }
  /// The same for a prompt of ids.
  returns<completions> beam_search_from(ids_view prompt, const beam_options& options = {},
                                        const cancel_token* cancel = nullptr) const {
    return detail::give(detail::make<completions>(codegeex_model_beam_search_from, raw(),
                                                  prompt.data(), prompt.size(), options.raw(),
                                                  detail::raw_or_null(cancel)));
  }

  /// Log-probabilities of given tokens, and the `top` most likely next tokens.
  returns<codegeex::score> score(ids_view ids, std::size_t top = 0,
                                 const cancel_token* cancel = nullptr) const {
    return detail::give(detail::make<codegeex::score>(codegeex_model_score, raw(), ids.data(),
                                                      ids.size(), top,
                                                      detail::raw_or_null(cancel)));
  }
  /// Perplexity of at least two tokens. `on_progress` is called with tokens done and in total.
  template <class F = std::nullptr_t>
  returns<codegeex::perplexity> perplexity(ids_view ids, F&& on_progress = nullptr,
                                           const cancel_token* cancel = nullptr) const {
    detail::callback<F> listener(on_progress);
    codegeex::perplexity found;
    result<void> r = detail::check(codegeex_model_perplexity, raw(), ids.data(), ids.size(),
                                   detail::raw_or_null(cancel), detail::progress_function<F>(),
                                   static_cast<void*>(&listener), &found.value,
                                   &found.log_probability, &found.tokens);
    return listener.finish(r ? result<codegeex::perplexity>(found)
                          : result<codegeex::perplexity>(r.error()));
  }
};

inline chained<generate_options> generate_options::speculation_model(const model& draft,
                                                                     std::size_t tokens) {
  return change(codegeex_generate_options_set_speculation_model, draft.raw(), tokens);
}

/// Estimates the memory that a checkpoint needs for `sequences` concurrent sequences of
/// `context_length` tokens each, without loading it.
inline returns<memory_estimate> estimate_memory(std::string_view path, const open_options& options,
                                                std::size_t sequences, std::size_t context_length) {
  memory_estimate found{};
  found.struct_size = sizeof found;
  result<void> r = detail::check(codegeex_estimate_memory, path.data(), path.size(), options.raw(),
                                 sequences, context_length, &found);
  return detail::give(r ? result<memory_estimate>(found) : result<memory_estimate>(r.error()));
}

/// A sequence with its KV cache, kept between calls.
class session : public detail::owner<codegeex_session, codegeex_session_free> {
 public:
  using owner::owner;

  static returns<session> create(const model& of) {
    return detail::give(detail::make<session>(codegeex_session_new, of.raw()));
  }
  /// Restores a session from a file that a model with the same fingerprint saved.
  static returns<session> restore_file(const model& of, std::string_view path) {
    return detail::give(
        detail::make<session>(codegeex_session_restore_file, of.raw(), path.data(), path.size()));
  }
  /// Restores a session from memory.
  static returns<session> restore(const model& of, bytes_view bytes) {
    return detail::give(
        detail::make<session>(codegeex_session_restore, of.raw(), bytes.data(), bytes.size()));
  }

  /// Completes a prompt, as model::generate does. Afterwards the session holds the prompt and the
  /// first sample.
  template <class F = std::nullptr_t>
  returns<completions> generate(std::string_view prompt, const generate_options& options = {},
                                F&& on_event = nullptr, const cancel_token* cancel = nullptr) {
    return detail::generate<F>(codegeex_session_generate, raw(), prompt, options, on_event, cancel);
  }
  /// The same for a prompt of ids.
  template <class F = std::nullptr_t>
  returns<completions> generate_from(ids_view prompt, const generate_options& options = {},
                                     F&& on_event = nullptr, const cancel_token* cancel = nullptr) {
    return detail::generate<F>(codegeex_session_generate_from, raw(), prompt, options, on_event, cancel);
  }

  /// Completes the text between `prefix` and `suffix`, as model::infill does.
  template <class F = std::nullptr_t>
  returns<completions> infill(std::string_view prefix, std::string_view suffix,
                              const generate_options& options = {}, F&& on_event = nullptr,
                              const cancel_token* cancel = nullptr) {
    return detail::generate<F>(codegeex_session_generate, raw(), prefix, options, on_event, cancel,
                               suffix);
  }
  /// The same for a prefix of ids.
  template <class F = std::nullptr_t>
  returns<completions> infill_from(ids_view prefix, std::string_view suffix,
                                   const generate_options& options = {}, F&& on_event = nullptr,
                                   const cancel_token* cancel = nullptr) {
    return detail::generate<F>(codegeex_session_generate_from, raw(), prefix, options, on_event, cancel,
                               suffix);
  }

  /// The tokens in the KV cache.
  returns<std::vector<std::uint32_t>> ids() const {
    return detail::give(
        detail::array<std::vector<std::uint32_t>, std::uint32_t>(codegeex_session_ids, raw()));
  }
  /// Number of tokens of the last prompt that were reused from the cache.
  std::size_t reused() const { return codegeex_session_reused(raw()); }
  /// Number of tokens of the last prompt that were computed.
  std::size_t computed() const { return codegeex_session_computed(raw()); }
  /// Size of the KV cache in bytes.
  std::size_t bytes() const { return codegeex_session_bytes(raw()); }
  /// Keeps only the first tokens.
  returns<void> truncate(std::size_t tokens) {
    return detail::give(detail::check(codegeex_session_truncate, raw(), tokens));
  }
  returns<void> save_file(std::string_view path) const {
    return detail::give(
        detail::check(codegeex_session_save_file, raw(), path.data(), path.size()));
  }
  returns<std::vector<std::uint8_t>> save() const {
    return detail::give(
        detail::array<std::vector<std::uint8_t>, std::uint8_t>(codegeex_session_save, raw()));
  }
};

/// Options of an edit session.
class edit_options
    : public detail::keyed_options<edit_options, codegeex_edit_options, codegeex_edit_options_free,
                                   codegeex_edit_options_new, codegeex_edit_options_set,
                                   codegeex_edit_options_get, codegeex_edit_options_key> {
 public:
  using keyed_options::keyed_options;
  using self = chained<edit_options>;

  /// How suggestions are generated, instead of at most 64 tokens with token healing. Empty options
  /// are the defaults of a generation.
  self generate(const generate_options& options) {
    result<generate_options> copy = options.copy();
    if (!copy) return detail::chain(*this, copy.error());
    generate_ = *std::move(copy);
    return change(codegeex_edit_options_set_generate, generate_.raw());
  }
  /// Step in tokens by which the beginning of the visible text moves, approximately.
  self clip_step(std::size_t tokens) { return set("clip_step", detail::to_text(tokens)); }
  /// Re-indent suggestions to the style of the file.
  self reindent(bool yes) { return set("reindent", detail::to_text(yes)); }
  /// Cut suggestions at the end of the cursor's scope.
  self cut_at_scope(bool yes) { return set("cut_at_scope", detail::to_text(yes)); }
  /// Remove text that already follows the cursor.
  self without_overlap(bool yes) { return set("without_overlap", detail::to_text(yes)); }
  /// Remove duplicate suggestions.
  self distinct(bool yes) { return set("distinct", detail::to_text(yes)); }
  /// Rank suggestions by log-probability.
  self rank(bool yes) { return set("rank", detail::to_text(yes)); }
  /// Maximum number of tokens after the cursor used for ranking.
  self suffix_tokens(std::size_t count) { return set("suffix_tokens", detail::to_text(count)); }
  /// Fill-in-the-middle: whether the model sees the text after the cursor, where it has
  /// fill-in-the-middle.
  self infill(bool yes) { return set("infill", detail::to_text(yes)); }
  /// Maximum number of tokens after the cursor in a fill-in-the-middle prompt; at most a quarter of
  /// the context length.
  self infill_suffix_tokens(std::size_t count) {
    return set("infill_suffix_tokens", detail::to_text(count));
  }

 private:
  friend class edit_session;

  /// The options of one session: a copy, whose samplers report to `thrown`.
  result<edit_options> for_session(detail::shared_sampler_error& thrown) const {
    edit_options made;
    if (result<void> r = made.ensure(); !r) return r.error();
    std::size_t index = 0;
    while (const char* name = codegeex_edit_options_key(index++, nullptr)) {
      const std::string_view key = name;
      result<std::string> value = read(key);
      if (!value) return value.error();
      result<void> r = detail::check(codegeex_edit_options_set, made.raw(), key.data(), key.size(),
                                     value->data(), value->size());
      if (!r) return r.error();
    }
    const detail::call_options call(generate_);
    if (!call.ready()) return call.ready().error();
    result<void> r =
        detail::check(codegeex_edit_options_set_generate, made.raw(), call.raw());
    if (!r) return r.error();
    thrown = call.thrown();
    return made;
  }

  // What was set, for its samplers.
  generate_options generate_;
};

/// Inline code suggestions at a cursor while the text around it changes.
class edit_session : public detail::owner<codegeex_edit_session, codegeex_edit_session_free> {
 public:
  using owner::owner;

  static returns<edit_session> create(const model& of, std::string_view language,
                                      const edit_options& options = {}) {
    if (options.generate_.samplers() == 0) return detail::give(make(of, language, options));
    detail::shared_sampler_error thrown;
    const result<edit_options> copy = options.for_session(thrown);
    if (!copy) return detail::give(result<edit_session>(copy.error()));
    result<edit_session> made = make(of, language, *copy);
    if (made) made->thrown_ = std::move(thrown);
    return detail::give(std::move(made));
  }

  /// Sets the current text before and after the cursor. Does not run the model.
  returns<edit_update> update(std::string_view before, std::string_view after) {
    edit_update found{};
    found.struct_size = sizeof found;
    result<void> r = detail::check(codegeex_edit_session_update, raw(), before.data(),
                                   before.size(), after.data(), after.size(), &found);
    return detail::give(r ? result<edit_update>(found) : result<edit_update>(r.error()));
  }
  /// Suggests text at the cursor, and returns the number of suggestions.
  template <class F = std::nullptr_t>
  returns<std::size_t> suggest(F&& on_event = nullptr, const cancel_token* cancel = nullptr) {
    detail::callback<F> listener(on_event);
    return listener.finish(detail::finish(
        thrown_, detail::number<std::size_t>(codegeex_edit_session_suggest, raw(),
                                             detail::raw_or_null(cancel),
                                             detail::event_function<F>(),
                                             static_cast<void*>(&listener))));
  }
  /// Number of suggestions that match the current text.
  std::size_t size() const { return codegeex_edit_session_suggestions(raw()); }
  /// The part of a suggestion that is not typed or accepted yet.
  returns<std::string> suggestion(std::size_t index) const {
    return detail::give(detail::string(codegeex_edit_session_suggestion, raw(), index));
  }
  /// Accepts the best suggestion or a part of it, and returns what was inserted.
  returns<std::string> accept(accept_part part = accept_part::all) {
    return detail::give(detail::string(codegeex_edit_session_accept, raw(),
                                       static_cast<std::int32_t>(part)));
  }
  /// Drops the suggestions. The next call computes new ones.
  returns<void> dismiss() {
    return detail::give(detail::check(codegeex_edit_session_dismiss, raw()));
  }

 private:
  static result<edit_session> make(const model& of, std::string_view language,
                                   const edit_options& options) {
    return detail::make<edit_session>(codegeex_edit_session_new, of.raw(), language.data(),
                                      language.size(), options.raw());
  }

  detail::shared_sampler_error thrown_;
};

/// The logits of a call, one row per token.
class logits : public detail::owner<codegeex_logits, codegeex_logits_free> {
 public:
  using owner::owner;
  using iterator = detail::index_iterator<logits>;
  using const_iterator = iterator;

  /// Number of rows.
  std::size_t size() const { return codegeex_logits_rows(raw()); }
  bool empty() const { return size() == 0; }
  std::size_t vocab_size() const { return codegeex_logits_vocab_size(raw()); }
  /// A row; empty where the index is out of range.
  view<float> operator[](std::size_t row) const {
    std::size_t len = 0;
    const float* data = codegeex_logits_row(raw(), row, &len);
    return {data, data == nullptr ? 0 : len};
  }
  iterator begin() const { return {this, 0}; }
  iterator end() const { return {this, size()}; }

  /// The log-probability of an id given a row of logits.
  returns<float> log_probability(std::size_t row, std::uint32_t id) const {
    return detail::give(detail::number<float>(codegeex_logits_log_probability, raw(), row, id));
  }
  /// The most likely ids of a row, best first.
  returns<std::vector<token_logprob>> top(std::size_t row, std::size_t count) const {
    return detail::give(detail::array<std::vector<token_logprob>, token_logprob>(
        codegeex_logits_top, raw(), row, count));
  }
};

/// The state of one sequence: its KV cache.
class state : public detail::owner<codegeex_state, codegeex_state_free> {
 public:
  using owner::owner;

  static returns<state> create(const model& of) {
    return detail::give(detail::make<state>(codegeex_state_new, of.raw()));
  }
  /// Restores a state that a model with the same fingerprint saved.
  static returns<state> restore(const model& of, bytes_view bytes) {
    return detail::give(
        detail::make<state>(codegeex_state_restore, of.raw(), bytes.data(), bytes.size()));
  }
  /// Batched decode: processes one token for each of several states of one model. Row `i` of the
  /// logits is for state `i` and `ids[i]`. There must be as many ids as states.
  static returns<logits> decode_together(const std::vector<std::reference_wrapper<state>>& states,
                                         ids_view ids, const cancel_token* cancel = nullptr) {
    if (states.size() != ids.size()) {
      return detail::give(result<logits>(
          error(status::invalid_argument, std::to_string(states.size()) + " states, but " +
                                              std::to_string(ids.size()) + " ids")));
    }
    std::vector<codegeex_state*> raws;
    for (state& one : states) raws.push_back(one.raw());
    return detail::give(detail::make<logits>(codegeex_states_decode, raws.data(), ids.data(),
                                             raws.size(), detail::raw_or_null(cancel)));
  }

  /// Prefill: processes any number of prompt tokens, without logits.
  returns<void> prefill(ids_view ids, const cancel_token* cancel = nullptr) {
    return detail::give(detail::check(codegeex_state_prefill, raw(), ids.data(), ids.size(),
                                      detail::raw_or_null(cancel)));
  }
  /// Processes one or more tokens and returns the wanted logits.
  returns<logits> decode(ids_view ids, wanted_logits wanted = wanted_logits::last,
                         const cancel_token* cancel = nullptr) {
    return detail::give(detail::make<logits>(codegeex_state_decode, raw(), ids.data(), ids.size(),
                                             static_cast<std::int32_t>(wanted),
                                             detail::raw_or_null(cancel)));
  }
  /// The same for one token.
  returns<logits> decode(std::uint32_t id, const cancel_token* cancel = nullptr) {
    return decode(ids_view(&id, 1), wanted_logits::last, cancel);
  }
  /// Number of tokens in the state.
  std::size_t size() const { return codegeex_state_len(raw()); }
  /// Size in bytes, including memory shared with forks.
  std::size_t bytes() const { return codegeex_state_bytes(raw()); }
  /// Keeps only the first tokens.
  returns<void> truncate(std::size_t tokens) {
    return detail::give(detail::check(codegeex_state_truncate, raw(), tokens));
  }
  /// A copy of the state. Memory is shared until one of the two processes new tokens.
  returns<state> fork() const {
    return detail::give(detail::make<state>(codegeex_state_fork, raw()));
  }
  returns<std::vector<std::uint8_t>> save() const {
    return detail::give(
        detail::array<std::vector<std::uint8_t>, std::uint8_t>(codegeex_state_save, raw()));
  }
};

/// Options of a conversion.
class convert_options
    : public detail::keyed_options<convert_options, codegeex_convert_options,
                                   codegeex_convert_options_free, codegeex_convert_options_new,
                                   codegeex_convert_options_set, codegeex_convert_options_get,
                                   codegeex_convert_options_key> {
 public:
  using keyed_options::keyed_options;
  using self = chained<convert_options>;

  /// Element type of tensors that are not quantized: `keep`, `f32`, `f16` or `bf16`.
  self dtype(std::string_view type) { return set("dtype", type); }
  /// Quantization of the linear layers: `none`, `int8` or `int4`.
  self quantize(std::string_view scheme) { return set("quantize", scheme); }
  /// Whether the word embedding, which is also the LM head, is quantized to INT8.
  self quantize_head(bool yes) { return set("quantize_head", detail::to_text(yes)); }
  /// Number of threads for quantization; 0 means one for each core.
  self threads(std::size_t count) { return set("threads", detail::to_text(count)); }
  /// Whether an existing file may be replaced.
  self overwrite(bool yes) { return set("overwrite", detail::to_text(yes)); }
};

/// Converts a checkpoint into one safetensors file. `progress` is called with bytes done and in
/// total.
template <class F = std::nullptr_t>
returns<void> convert(std::string_view path, std::string_view out,
                      const convert_options& options = {}, const open_options& opening = {},
                      F&& progress = nullptr, const cancel_token* cancel = nullptr) {
  detail::callback<F> listener(progress);
  return listener.finish(detail::check(codegeex_convert, path.data(), path.size(), opening.raw(),
                                    out.data(), out.size(), options.raw(),
                                    detail::raw_or_null(cancel), detail::progress_function<F>(),
                                    static_cast<void*>(&listener)));
}

/// Limits of a service.
class service_options
    : public detail::keyed_options<service_options, codegeex_service_options,
                                   codegeex_service_options_free, codegeex_service_options_new,
                                   codegeex_service_options_set, codegeex_service_options_get,
                                   codegeex_service_options_key> {
 public:
  using keyed_options::keyed_options;
  using self = chained<service_options>;

  /// Maximum batch size in sequences.
  self sequences(std::size_t count) { return set("sequences", detail::to_text(count)); }
  /// Maximum number of prompt tokens per step (chunked prefill).
  self prefill_tokens(std::size_t count) { return set("prefill_tokens", detail::to_text(count)); }
  /// Size of the prompt cache in prompts, for requests that share a prefix.
  self prefixes(std::size_t count) { return set("prefixes", detail::to_text(count)); }
  /// Maximum number of waiting requests.
  self waiting(std::size_t count) { return set("waiting", detail::to_text(count)); }
  /// Limit of the KV cache of all requests together, in bytes; nothing, the default, means half of
  /// the available memory, and UINT64_MAX no limit.
  self cache_bytes(std::optional<std::uint64_t> bytes) {
    return set("cache_bytes", detail::to_text(bytes));
  }
};

/// A submitted request. Destroying the ticket cancels it.
class ticket : public detail::owner<codegeex_ticket, codegeex_ticket_free> {
 public:
  using owner::owner;

  /// The next event. Without waiting, the kind `none` means that there is none yet. The event is
  /// valid until the next call. After `done`, every call returns `done`. An exception of a sampler is
  /// thrown after the last event, instead of the first `done`.
  returns<event> next(bool wait = true) {
    codegeex_event e{};
    e.struct_size = sizeof e;
    result<void> r = detail::check(codegeex_ticket_next, raw(), wait ? 1 : 0, &e);
    if (r && e.kind == CODEGEEX_EVENT_DONE) r = detail::finish(thrown_, std::move(r));
    return detail::give(r ? result<event>(event(e)) : result<event>(r.error()));
  }
  /// Waits for the end and returns all samples, or the error that ended the request. They can be
  /// fetched once.
  returns<completions> wait() {
    return detail::give(
        detail::finish(thrown_, detail::make<completions>(codegeex_ticket_wait, raw())));
  }
  /// Cancels the request, from any thread. It still receives its last events.
  returns<void> cancel() const { return detail::give(detail::check(codegeex_ticket_cancel, raw())); }

#ifndef CODEGEEX_NO_EXCEPTIONS
  /// The events up to `done`, as they come: `for (const codegeex::event& e : ticket)`. With
  /// exceptions only, because an increment cannot return an error.
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = event;
    using difference_type = std::ptrdiff_t;
    using pointer = const event*;
    using reference = const event&;

    iterator() noexcept = default;
    explicit iterator(ticket& of) : of_(&of) { ++*this; }
    const event& operator*() const noexcept { return event_; }
    const event* operator->() const noexcept { return &event_; }
    iterator& operator++() {
      event_ = of_->next();
      if (event_.kind == event_kind::done) of_ = nullptr;
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& a, const iterator& b) noexcept { return a.of_ == b.of_; }
    friend bool operator!=(const iterator& a, const iterator& b) noexcept { return a.of_ != b.of_; }

   private:
    ticket* of_ = nullptr;
    event event_;
  };
  iterator begin() { return iterator(*this); }
  iterator end() { return iterator(); }
#endif

 private:
  friend class service;
  detail::shared_sampler_error thrown_;
};

/// Runs requests from any number of threads in one batch (continuous batching).
class service : public detail::owner<codegeex_service, codegeex_service_free> {
 public:
  using owner::owner;

  static returns<service> create(const model& of, const service_options& options = {}) {
    return detail::give(detail::make<service>(codegeex_service_new, of.raw(), options.raw()));
  }

  /// Submits a request.
  returns<ticket> submit(std::string_view prompt, const generate_options& options = {},
                         when_full full = when_full::wait,
                         const cancel_token* cancel = nullptr) const {
    return submit_with(codegeex_service_submit, prompt, options, full, cancel);
  }
  /// The same for a prompt of ids.
  returns<ticket> submit_from(ids_view prompt, const generate_options& options = {},
                              when_full full = when_full::wait,
                              const cancel_token* cancel = nullptr) const {
    return submit_with(codegeex_service_submit_from, prompt, options, full, cancel);
  }
  returns<service_progress> progress() const {
    service_progress found{};
    found.struct_size = sizeof found;
    result<void> r = detail::check(codegeex_service_get_progress, raw(), &found);
    return detail::give(r ? result<service_progress>(found) : result<service_progress>(r.error()));
  }

 private:
  template <class Fn, class Prompt>
  returns<ticket> submit_with(Fn* fn, Prompt prompt, const generate_options& options,
                              when_full full, const cancel_token* cancel) const {
    const detail::call_options call(options);
    if (!call.ready()) return detail::give(result<ticket>(call.ready().error()));
    result<ticket> made = detail::make<ticket>(fn, raw(), prompt.data(), prompt.size(), call.raw(),
                                               static_cast<std::int32_t>(full),
                                               detail::raw_or_null(cancel));
    if (made) made->thrown_ = call.thrown();
    return detail::give(std::move(made));
  }
};

}  // inline namespace CODEGEEX_CPP_MODE
}  // namespace codegeex

#undef CODEGEEX_CPP_MODE

#endif  // CODEGEEX_HPP
