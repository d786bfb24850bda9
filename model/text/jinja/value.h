// Value: what a template computes with, and Heap, which owns it all and keeps the budgets.
//
// A render makes its objects on one heap and drops it at the end; values are small and point into
// it. Whatever a template does is charged: `charge` for work (one step an element touched), `text`
// for bytes. So a render ends in bounded time and memory. Thread safety: one render, one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/text/jinja/text.h"

namespace baton::text::jinja {

struct List;
struct Dict;
struct Loop;
struct Callable;

enum class Kind : uint8_t {
  undefined,
  none,
  boolean,
  integer,
  number,
  text,
  list,
  dict,
  loop,      // the variable `loop`
  callable,  // a macro, a global function, a method
};

struct Value {
  Kind kind = Kind::undefined;
  bool trusted = true;  // of a number or boolean: whether its digits may be template text
  union {
    bool boolean;
    int64_t integer = 0;
    double number;
    const Text* text;
    List* list;
    Dict* dict;
    Loop* loop;
    const Callable* callable;
  };

  static Value none() { return of(Kind::none); }
  static Value of_bool(bool value) {
    Value v = of(Kind::boolean);
    v.boolean = value;
    return v;
  }
  static Value of_int(int64_t value, bool trusted = true) {
    Value v = of(Kind::integer);
    v.integer = value;
    v.trusted = trusted;
    return v;
  }
  static Value of_number(double value, bool trusted = true) {
    Value v = of(Kind::number);
    v.number = value;
    v.trusted = trusted;
    return v;
  }
  static Value of_text(const Text* value) {
    Value v = of(Kind::text);
    v.text = value;
    return v;
  }
  static Value of_callable(const Callable* value) {
    Value v = of(Kind::callable);
    v.callable = value;
    return v;
  }

  bool is(Kind other) const { return kind == other; }
  bool numeric() const {
    return kind == Kind::boolean || kind == Kind::integer || kind == Kind::number;
  }
  std::string_view bytes() const { return text->bytes(); }  // of a text

 private:
  static Value of(Kind kind) {
    Value v;
    v.kind = kind;
    return v;
  }
};

struct List {
  std::vector<Value> items;
  bool tuple = false;
};

// Keeps the order of insertion. Keys are texts, or numbers as Python equates them.
struct Dict {
  struct Entry {
    Value key;
    Value value;
  };
  std::vector<Entry> entries;
  std::map<std::string, size_t> index;  // canonical key to entry, once there are many
  bool is_namespace = false;            // may be assigned to

  const Value* find(std::string_view key) const;  // a text key
  const Value* find(const Value& key) const;
  void set(const Value& key, const Value& value);
};

struct Loop {
  const List* items = nullptr;
  size_t index = 0;  // from 0
  size_t depth = 1;
  const void* statement = nullptr;  // of a recursive loop
  std::optional<Value> changed;     // what loop.changed saw last
};

// A macro (statement set) or a function or method known by name.
struct Callable {
  std::string name;
  const void* statement = nullptr;
  size_t frames = 0;    // how much of the scope a macro sees
  bool caller = false;  // the body of a call block
};

struct Limits {
  size_t steps_max = 5'000'000;
  size_t text_bytes_max = 256u << 20;  // made in all
  size_t output_bytes_max = 64u << 20;
  size_t depth_max = 400;  // expressions, statements and macros within each other
};

class Heap {
 public:
  explicit Heap(const Limits& limits) : limits_(limits) {}

  const Limits& limits() const { return limits_; }
  Result<void> charge(size_t steps);
  Result<Value> text(Text text);
  Result<Value> text(std::string bytes, bool trusted) {
    return text(Text(std::move(bytes), trusted));
  }
  Result<Value> list(std::vector<Value> items, bool tuple = false);
  Result<Dict*> dict();
  Value value(Dict* dict) const;
  Value loop(Loop loop);
  Value callable(Callable callable);

 private:
  Limits limits_;
  size_t steps_ = 0;
  size_t text_bytes_ = 0;
  std::deque<Text> texts_;
  std::deque<List> lists_;
  std::deque<Dict> dicts_;
  std::deque<Loop> loops_;
  std::deque<Callable> callables_;
};

// What an object is charged beyond its content, so that the budgets bound memory too.
inline constexpr size_t object_cost = 8;  // steps of a list, mapping or function
inline constexpr size_t text_cost = 160;  // bytes of a text

inline constexpr int nesting_max = 100;  // of values within values

std::string_view kind_name(const Value& value);  // "text", "list", for sentences
bool truth(const Value& value);
// As Python's str(); what is within a list or dict as its repr().
Result<Text> to_text(const Value& value, Heap& heap);
Result<bool> equal(const Value& a, const Value& b, Heap& heap, int depth = 0);
// Negative, zero or positive; an error if the two have no order.
Result<int> order(const Value& a, const Value& b, Heap& heap, int depth = 0);
// As Python's `needle in hay`.
Result<bool> contains(const Value& hay, const Value& needle, Heap& heap);
// The elements that a loop over the value sees.
Result<std::vector<Value>> elements(const Value& value, Heap& heap);
double as_double(const Value& numeric);

// A mistake of the template, or of what it was given.
template <class... Args>
Error mistake(fmt::format_string<Args...> text, Args&&... args) {
  return fail(ErrorCode::invalid_argument, "the chat template failed: {}",
              fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace baton::text::jinja
