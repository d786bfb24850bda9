// What templates find ready made: filters, tests, methods of texts and mappings, functions.
//
// They do what Jinja's and Python's own do, within what chat templates use; an unknown name is an
// error when it is reached. Letter case is changed in ASCII only. Thread safety: pure functions on
// one heap.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/text/jinja/value.h"

namespace baton::text::jinja {

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  // The argument at `index` or called `name`; null if it is not given.
  const Value* get(size_t index, std::string_view name) const;
  bool flag(size_t index, std::string_view name) const;
};

Result<Value> apply_filter(std::string_view name, const Value& input, const Arguments& arguments,
                           Heap& heap);
Result<bool> apply_test(std::string_view name, const Value& input, const Arguments& arguments,
                        Heap& heap);
Result<Value> call_method(const Value& self, std::string_view name, const Arguments& arguments,
                          Heap& heap);
// range, namespace, dict, raise_exception; names that function_names lists.
Result<Value> call_function(std::string_view name, const Arguments& arguments, Heap& heap);
const std::vector<std::string>& function_names();

// value.name and value[key]; an undefined value if there is no such thing.
Result<Value> get_attribute(const Value& value, std::string_view name, Heap& heap);
Result<Value> get_item(const Value& value, const Value& key, Heap& heap);
Result<Value> get_slice(const Value& value, const Value* begin, const Value* end, const Value* step,
                        Heap& heap);

// Text operations that filters and methods share.
Result<Value> strip(const Value& text, const Value* characters, bool front, bool back, Heap& heap);
Result<Value> replace(const Value& text, const Arguments& arguments, Heap& heap);
Result<Value> change_case(const Value& text, std::string_view how, Heap& heap);
Result<Value> pair_list(const Dict& dict, Heap& heap);  // of (key, value)

}  // namespace baton::text::jinja
