// Fields: reads the fields of a JSON object into typed variables, checking type and range.
//
// A field that is absent or null leaves the variable as it was. The first mistake is kept and names
// its field; later reads go on without effect on it, so that callers stay a plain list. Whoever
// asks for a field knows it, so what nobody has asked for at the end is unknown.
// Thread safety: one object, one thread; the JSON must outlive it.
#pragma once

#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/error.h"
#include "server/api/text_model.h"

namespace baton::server::api {

struct Range {
  double low = -std::numeric_limits<double>::max();
  double high = std::numeric_limits<double>::max();
  bool low_open = false;  // low itself is out
};

class Fields {
 public:
  // `where`: put before names in errors, such as "messages[3]."
  explicit Fields(const Json& object, std::string where = {});

  // The value, or null if absent or null. From now on the field is a known one.
  const Json* get(const char* name);
  // Fields that mean another thing to those who read until show(): to them they are absent.
  void hide(std::initializer_list<const char*> names) {
    hidden_.assign(names.begin(), names.end());
  }
  void show() { hidden_.clear(); }
  // Known, whatever its value is, and of no effect.
  void ignore(std::initializer_list<const char*> names);
  // The fields of a member, read by `inner`: its mistake, and what of it nobody has asked for.
  void add(const Fields& inner);

  void number(const char* name, float& out, const Range& range);
  void integer(const char* name, int64_t& out, int64_t low, int64_t high);
  void integer(const char* name, uint32_t& out, int64_t low, int64_t high);
  void integer(const char* name, std::optional<uint32_t>& out, int64_t low, int64_t high);
  void integer(const char* name, std::optional<int64_t>& out, int64_t low, int64_t high);
  void boolean(const char* name, bool& out);
  void text(const char* name, std::string& out, size_t bytes_max);
  // A list of ids of the vocabulary.
  void tokens(const char* name, std::vector<TokenId>& out, size_t count_max, uint32_t vocab_size);
  void refuse(const char* name, std::string_view why);  // if present and not null

  void fail(ApiError error);  // kept if it is the first
  bool ok() const { return !error_; }
  ApiResult<void> result() const;
  // The paths of what nobody has asked for.
  std::vector<std::string> unknown() const;
  std::string path(std::string_view name) const { return where_ + std::string(name); }

 private:
  const Json& object_;
  std::string where_;
  std::optional<ApiError> error_;
  std::vector<bool> known_;  // of each member of the object
  std::vector<std::string_view> hidden_;
  std::vector<std::string> unknown_;  // of members
};

// An integer within the range; 3.0 is one, true and "3" are none.
std::optional<int64_t> as_integer(const Json& value, int64_t low, int64_t high);

// What a JSON value is, in words for errors: "a string", "null".
std::string_view kind_of(const Json& value);

}  // namespace baton::server::api
