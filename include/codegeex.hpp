// codegeex: the CodeGeeX code model as a library. The C++17 interface, header-only over codegeex.h.
//
// Contents. A move-only owner for every handle of the C interface; std::string_view in, std::string
// and std::vector out; callbacks as callables; iterators over events, completions and rows of
// logits. codegeex.h documents behaviour, units and thread safety at the function of the same name.
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
// event point into the call or the ticket that reported it.
//
// Callbacks return void, or codegeex::flow to continue or cancel. An exception from a callback
// cancels the call and is rethrown by it after the library has returned.

#ifndef CODEGEEX_HPP
#define CODEGEEX_HPP

#include "codegeex.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
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

/// How files are loaded into memory: CODEGEEX_MEMORY_*.
enum class memory_mode : std::int32_t {
  map = CODEGEEX_MEMORY_MAP,
  copy = CODEGEEX_MEMORY_COPY,
  lock = CODEGEEX_MEMORY_LOCK,
};

/// Format of the KV cache: CODEGEEX_KV_*.
enum class kv_type : std::int32_t {
  f32 = CODEGEEX_KV_F32,
  f16 = CODEGEEX_KV_F16,
  int8 = CODEGEEX_KV_INT8,
};

/// Precision of activations in quantized layers: CODEGEEX_ACTIVATIONS_*.
enum class activation_type : std::int32_t {
  int16 = CODEGEEX_ACTIVATIONS_INT16,
  int8 = CODEGEEX_ACTIVATIONS_INT8,
};

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

/// How beams are scored: CODEGEEX_BEAM_RULES_*.
enum class beam_rules : std::int32_t {
  reference = CODEGEEX_BEAM_RULES_REFERENCE,
  hugging_face = CODEGEEX_BEAM_RULES_HUGGING_FACE,
};

/// When a beam search ends: CODEGEEX_EARLY_STOPPING_*.
enum class early_stopping : std::int32_t {
  no = CODEGEEX_EARLY_STOPPING_NO,
  yes = CODEGEEX_EARLY_STOPPING_YES,
  never = CODEGEEX_EARLY_STOPPING_NEVER,
};

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

/// Options with keys. The handle is created when an option is set; no handle means all defaults.
template <class Self, class Raw, auto Free, auto New, auto Set, auto Get, auto Key>
class keyed_options : public owner<Raw, Free> {
 public:
  using owner<Raw, Free>::owner;

  /// Sets an option by key; key and value are text.
  chained<Self> set(std::string_view key, std::string_view value) {
    return change(Set, key.data(), key.size(), value.data(), value.size());
  }
  /// The value of an option as text.
  returns<std::string> get(std::string_view key) const {
    if (*this) return give(string(Get, this->raw(), key.data(), key.size()));
    result<owner<Raw, Free>> defaults = make<owner<Raw, Free>>(New);
    if (!defaults) return give(result<std::string>(defaults.error()));
    return give(string(Get, defaults->raw(), key.data(), key.size()));
  }
  /// All keys.
  static std::vector<option_key> keys() {
    std::vector<option_key> all;
    const char* help = nullptr;
    while (const char* key = Key(all.size(), &help)) all.push_back({key, help});
    return all;
  }

 protected:
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
  /// Number of compute threads; 0 means one for each core.
  self threads(std::size_t count) { return change(codegeex_open_options_set_threads, count); }
  /// The instruction set of the kernels, by name; `auto` means the fastest.
  self isa(std::string_view set) {
    return change(codegeex_open_options_set_isa, set.data(), set.size());
  }
  self kv(kv_type type) {
    return change(codegeex_open_options_set_kv, static_cast<std::int32_t>(type));
  }
  self activations(activation_type type) {
    return change(codegeex_open_options_set_activations, static_cast<std::int32_t>(type));
  }
  /// Limit of the KV cache over all sequences, in bytes; nothing means no limit.
  self memory_limit(std::optional<std::uint64_t> bytes) {
    return change(codegeex_open_options_set_memory_limit, bytes.value_or(UINT64_MAX));
  }
  /// The tokenizer of the model; nullptr means the built-in tokenizer.
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

/// A language by one of its names, such as `python`, with its language tag.
struct language {
  std::string_view name;
  std::string_view tag;
};

/// The names of the languages, including aliases.
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

class model;

/// Options of a generation.
class generate_options
    : public detail::keyed_options<generate_options, codegeex_generate_options,
                                   codegeex_generate_options_free, codegeex_generate_options_new,
                                   codegeex_generate_options_set, codegeex_generate_options_get,
                                   codegeex_generate_options_key> {
 public:
  using keyed_options::keyed_options;
  using self = chained<generate_options>;

  /// A copy of these options.
  returns<generate_options> clone() const {
    if (!*this) return detail::give(result<generate_options>(generate_options()));
    return detail::give(detail::make<generate_options>(codegeex_generate_options_clone, raw()));
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
  self top_k(std::size_t count) { return change(codegeex_generate_options_set_top_k, count); }
  /// Top-p (nucleus) sampling: keep the most likely tokens whose probabilities add up to this
  /// value; 1 disables it.
  self top_p(float mass) { return change(codegeex_generate_options_set_top_p, mass); }
  /// Min-p sampling: keep tokens whose probability is at least this value times the top
  /// probability; 0 disables it.
  self min_p(float share) { return change(codegeex_generate_options_set_min_p, share); }
  /// Typical-p sampling: keep the most typical tokens whose probabilities add up to this value; 1
  /// disables it.
  self typical_p(float mass) { return change(codegeex_generate_options_set_typical_p, mass); }
  self repetition_penalty(float value) {
    return change(codegeex_generate_options_set_repetition_penalty, value);
  }
  self presence_penalty(float value) {
    return change(codegeex_generate_options_set_presence_penalty, value);
  }
  self frequency_penalty(float value) {
    return change(codegeex_generate_options_set_frequency_penalty, value);
  }
  self seed(std::uint64_t value) { return change(codegeex_generate_options_set_seed, value); }
  /// Index of the first sample, for the random numbers.
  self first_sample(std::uint32_t number) {
    return change(codegeex_generate_options_set_first_sample, number);
  }
  /// Number of completions of the prompt.
  self samples(std::size_t count) { return change(codegeex_generate_options_set_samples, count); }
  /// Reports the N most likely tokens at each position.
  self top_logprobs(std::size_t count) {
    return change(codegeex_generate_options_set_top_logprobs, count);
  }
  /// Maximum number of compute threads; 0 means all threads of the model.
  self threads(std::size_t count) { return change(codegeex_generate_options_set_threads, count); }
  /// Timeout of the generation, which then returns the partial result; 0 means none.
  self timeout(std::chrono::milliseconds time) {
    const auto count = time.count();
    return change(codegeex_generate_options_set_timeout_ms,
                  count > 0 ? static_cast<std::uint64_t>(count) : 0);
  }
  /// Maximum number of prompt tokens to compute; nothing means no limit.
  self prefill_limit(std::optional<std::size_t> tokens) {
    return change(codegeex_generate_options_set_prefill_limit, tokens.value_or(SIZE_MAX));
  }
  /// Logit bias: ids and the values to add to their logits. Replaces the previous biases.
  self logit_bias(const std::vector<std::pair<std::uint32_t, float>>& pairs) {
    std::vector<std::uint32_t> ids;
    std::vector<float> biases;
    for (const auto& [id, bias] : pairs) {
      ids.push_back(id);
      biases.push_back(bias);
    }
    return change(codegeex_generate_options_set_logit_bias, ids.data(), biases.data(), ids.size());
  }
  /// Ids that are never sampled. Replaces the previous ones.
  self banned_ids(ids_view ids) {
    return change(codegeex_generate_options_set_banned_ids, ids.data(), ids.size());
  }
  /// Adds a stop string.
  self add_stop(std::string_view text) {
    return change(codegeex_generate_options_add_stop, text.data(), text.size());
  }
  /// Adds the stop strings of a task.
  self add_task_stops(const task& of) {
    return change(codegeex_generate_options_add_task_stops, of.raw());
  }
  self clear_stop() { return change(codegeex_generate_options_clear_stop); }
  /// Stop rules for code of a language: the first of `rules`, a comma-separated list, that matches
  /// ends the completion.
  self stop_at(std::string_view language, std::string_view rules) {
    return change(codegeex_generate_options_set_stop_at, language.data(), language.size(),
                  rules.data(), rules.size());
  }
  /// Token healing: a prompt may end inside a word or a run of spaces.
  self heal(bool yes) { return change(codegeex_generate_options_set_heal, yes ? 1 : 0); }
  self special_tokens(codegeex::special_tokens special) {
    return change(codegeex_generate_options_set_special_tokens, static_cast<std::int32_t>(special));
  }
  /// Speculative decoding by prompt lookup: up to N draft tokens per step, taken from the text so
  /// far; 0 disables it.
  self speculation_lookup(std::size_t tokens) {
    return change(codegeex_generate_options_set_speculation_lookup, tokens);
  }
  /// Speculative decoding with a draft model: up to N draft tokens per step; 0 disables it.
  inline self speculation_model(const model& draft, std::size_t tokens);
};

/// Options of a beam search.
class beam_options
    : public detail::keyed_options<beam_options, codegeex_beam_options, codegeex_beam_options_free,
                                   codegeex_beam_options_new, codegeex_beam_options_set,
                                   codegeex_beam_options_get, codegeex_beam_options_key> {
 public:
  using keyed_options::keyed_options;
  using self = chained<beam_options>;

  /// Number of beams, which is also the maximum number of results.
  self num_beams(std::size_t count) { return change(codegeex_beam_options_set_num_beams, count); }
  /// Maximum number of new tokens.
  self max_new_tokens(std::size_t count) {
    return change(codegeex_beam_options_set_max_new_tokens, count);
  }
  self rules(beam_rules rules) {
    return change(codegeex_beam_options_set_rules, static_cast<std::int32_t>(rules));
  }
  /// Length penalty of the Hugging Face rules: scores are divided by length to this power.
  self length_penalty(float power) {
    return change(codegeex_beam_options_set_length_penalty, power);
  }
  /// Early stopping of the Hugging Face rules.
  self early_stopping(codegeex::early_stopping when) {
    return change(codegeex_beam_options_set_early_stopping, static_cast<std::int32_t>(when));
  }
  /// Adds a stop string.
  self add_stop(std::string_view text) {
    return change(codegeex_beam_options_add_stop, text.data(), text.size());
  }
  /// Ids that are excluded from all beams. Replaces the previous ones.
  self banned_ids(ids_view ids) {
    return change(codegeex_beam_options_set_banned_ids, ids.data(), ids.size());
  }
  self special_tokens(codegeex::special_tokens special) {
    return change(codegeex_beam_options_set_special_tokens, static_cast<std::int32_t>(special));
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
    detail::callback<F> hears(progress);
    return hears.finish(detail::make<model>(codegeex_model_open, path.data(), path.size(),
                                            options.raw(), detail::raw_or_null(cancel),
                                            detail::progress_function<F>(),
                                            static_cast<void*>(&hears)));
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
    detail::callback<F> hears(on_event);
    return hears.finish(detail::make<completions>(
        codegeex_model_generate, raw(), prompt.data(), prompt.size(), options.raw(),
        detail::raw_or_null(cancel), detail::event_function<F>(), static_cast<void*>(&hears)));
  }
  /// The same for a prompt of ids.
  template <class F = std::nullptr_t>
  returns<completions> generate_from(ids_view prompt, const generate_options& options = {},
                                     F&& on_event = nullptr,
                                     const cancel_token* cancel = nullptr) const {
    detail::callback<F> hears(on_event);
    return hears.finish(detail::make<completions>(
        codegeex_model_generate_from, raw(), prompt.data(), prompt.size(), options.raw(),
        detail::raw_or_null(cancel), detail::event_function<F>(), static_cast<void*>(&hears)));
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
    detail::callback<F> hears(on_progress);
    codegeex::perplexity found;
    result<void> r = detail::check(codegeex_model_perplexity, raw(), ids.data(), ids.size(),
                                   detail::raw_or_null(cancel), detail::progress_function<F>(),
                                   static_cast<void*>(&hears), &found.value,
                                   &found.log_probability, &found.tokens);
    return hears.finish(r ? result<codegeex::perplexity>(found)
                          : result<codegeex::perplexity>(r.error()));
  }
};

inline chained<generate_options> generate_options::speculation_model(const model& draft,
                                                                     std::size_t tokens) {
  return change(codegeex_generate_options_set_speculation_model, draft.raw(), tokens);
}

/// Estimates the memory that a checkpoint needs, without loading it.
inline returns<memory_estimate> estimate_memory(std::string_view path, const open_options& options,
                                                std::size_t sequences, std::size_t positions) {
  memory_estimate found{};
  found.struct_size = sizeof found;
  result<void> r = detail::check(codegeex_estimate_memory, path.data(), path.size(), options.raw(),
                                 sequences, positions, &found);
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
    detail::callback<F> hears(on_event);
    return hears.finish(detail::make<completions>(
        codegeex_session_generate, raw(), prompt.data(), prompt.size(), options.raw(),
        detail::raw_or_null(cancel), detail::event_function<F>(), static_cast<void*>(&hears)));
  }
  /// The same for a prompt of ids.
  template <class F = std::nullptr_t>
  returns<completions> generate_from(ids_view prompt, const generate_options& options = {},
                                     F&& on_event = nullptr, const cancel_token* cancel = nullptr) {
    detail::callback<F> hears(on_event);
    return hears.finish(detail::make<completions>(
        codegeex_session_generate_from, raw(), prompt.data(), prompt.size(), options.raw(),
        detail::raw_or_null(cancel), detail::event_function<F>(), static_cast<void*>(&hears)));
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
    if (options) return change(codegeex_edit_options_set_generate, options.raw());
    const result<generate_options> made =
        detail::make<generate_options>(codegeex_generate_options_new);
    if (!made) return detail::chain(*this, made.error());
    return change(codegeex_edit_options_set_generate, made->raw());
  }
};

/// Inline code suggestions at a cursor while the text around it changes.
class edit_session : public detail::owner<codegeex_edit_session, codegeex_edit_session_free> {
 public:
  using owner::owner;

  static returns<edit_session> create(const model& of, std::string_view language,
                                      const edit_options& options = {}) {
    return detail::give(detail::make<edit_session>(codegeex_edit_session_new, of.raw(),
                                                   language.data(), language.size(),
                                                   options.raw()));
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
    detail::callback<F> hears(on_event);
    return hears.finish(detail::number<std::size_t>(
        codegeex_edit_session_suggest, raw(), detail::raw_or_null(cancel),
        detail::event_function<F>(), static_cast<void*>(&hears)));
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
  self dtype(std::string_view type) {
    return change(codegeex_convert_options_set_dtype, type.data(), type.size());
  }
  /// Quantization of the linear layers: `none`, `int8` or `int4`.
  self quantize(std::string_view scheme) {
    return change(codegeex_convert_options_set_quantize, scheme.data(), scheme.size());
  }
  /// Whether the word embedding, which is also the LM head, is quantized to INT8.
  self quantize_head(bool yes) {
    return change(codegeex_convert_options_set_quantize_head, yes ? 1 : 0);
  }
  /// Number of threads for quantization; 0 means one for each core.
  self threads(std::size_t count) { return change(codegeex_convert_options_set_threads, count); }
  /// Whether an existing file may be replaced.
  self overwrite(bool yes) { return change(codegeex_convert_options_set_overwrite, yes ? 1 : 0); }
};

/// Converts a checkpoint into one safetensors file. `progress` is called with bytes done and in
/// total.
template <class F = std::nullptr_t>
returns<void> convert(std::string_view path, std::string_view out,
                      const convert_options& options = {}, const open_options& opening = {},
                      F&& progress = nullptr, const cancel_token* cancel = nullptr) {
  detail::callback<F> hears(progress);
  return hears.finish(detail::check(codegeex_convert, path.data(), path.size(), opening.raw(),
                                    out.data(), out.size(), options.raw(),
                                    detail::raw_or_null(cancel), detail::progress_function<F>(),
                                    static_cast<void*>(&hears)));
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
  self sequences(std::size_t count) {
    return change(codegeex_service_options_set_sequences, count);
  }
  /// Maximum number of prompt tokens per step (chunked prefill).
  self prefill_tokens(std::size_t count) {
    return change(codegeex_service_options_set_prefill_tokens, count);
  }
  /// Size of the prompt cache in prompts, for requests that share a prefix.
  self prefixes(std::size_t count) { return change(codegeex_service_options_set_prefixes, count); }
  /// Maximum number of waiting requests.
  self waiting(std::size_t count) { return change(codegeex_service_options_set_waiting, count); }
  /// Limit of the KV cache in bytes; nothing, the default, means half of the available memory, and
  /// UINT64_MAX no limit except the model's.
  self cache_bytes(std::optional<std::uint64_t> bytes) {
    return bytes ? change(codegeex_service_options_set_cache_bytes, *bytes)
                 : set("cache_bytes", "none");
  }
};

/// A submitted request. Destroying the ticket cancels it.
class ticket : public detail::owner<codegeex_ticket, codegeex_ticket_free> {
 public:
  using owner::owner;

  /// The next event. Without waiting, the kind `none` means that there is none yet. The event is
  /// valid until the next call. After `done`, every call returns `done`.
  returns<event> next(bool wait = true) {
    codegeex_event e{};
    e.struct_size = sizeof e;
    result<void> r = detail::check(codegeex_ticket_next, raw(), wait ? 1 : 0, &e);
    return detail::give(r ? result<event>(event(e)) : result<event>(r.error()));
  }
  /// Waits for the end and returns all samples, or the error that ended the request. They can be
  /// fetched once.
  returns<completions> wait() {
    return detail::give(detail::make<completions>(codegeex_ticket_wait, raw()));
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
    return detail::give(detail::make<ticket>(codegeex_service_submit, raw(), prompt.data(),
                                             prompt.size(), options.raw(),
                                             static_cast<std::int32_t>(full),
                                             detail::raw_or_null(cancel)));
  }
  /// The same for a prompt of ids.
  returns<ticket> submit_from(ids_view prompt, const generate_options& options = {},
                              when_full full = when_full::wait,
                              const cancel_token* cancel = nullptr) const {
    return detail::give(detail::make<ticket>(codegeex_service_submit_from, raw(), prompt.data(),
                                             prompt.size(), options.raw(),
                                             static_cast<std::int32_t>(full),
                                             detail::raw_or_null(cancel)));
  }
  returns<service_progress> progress() const {
    service_progress found{};
    found.struct_size = sizeof found;
    result<void> r = detail::check(codegeex_service_get_progress, raw(), &found);
    return detail::give(r ? result<service_progress>(found) : result<service_progress>(r.error()));
  }
};

}  // inline namespace CODEGEEX_CPP_MODE
}  // namespace codegeex

#undef CODEGEEX_CPP_MODE

#endif  // CODEGEEX_HPP
