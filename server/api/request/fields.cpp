#include "server/api/request/fields.h"

#include <algorithm>
#include <cmath>

namespace baton::server::api {

std::string_view kind_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::object:
      return "an object";
    case Json::value_t::array:
      return "an array";
    case Json::value_t::string:
      return "a string";
    case Json::value_t::boolean:
      return "a boolean";
    default:
      return "a number";
  }
}

std::optional<int64_t> as_integer(const Json& value, int64_t low, int64_t high) {
  int64_t number = 0;
  if (value.is_number_unsigned()) {
    const auto wide = value.get<uint64_t>();
    if (wide > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
    number = static_cast<int64_t>(wide);
  } else if (value.is_number_integer()) {
    number = value.get<int64_t>();
  } else if (value.is_number_float()) {
    const double real = value.get<double>();
    if (std::abs(real) > 9007199254740992.0 || real != std::floor(real)) return std::nullopt;
    number = static_cast<int64_t>(real);
  } else {
    return std::nullopt;
  }
  if (number < low || number > high) return std::nullopt;
  return number;
}

Fields::Fields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
  check(object.is_object(), "fields are read from an object");
  known_.resize(object.size());
}

const Json* Fields::get(const char* name) {
  if (std::ranges::find(hidden_, name) != hidden_.end()) return nullptr;
  const auto& members = object_.get_ref<const Json::object_t&>();
  const auto found = members.find(name);
  if (found == members.end()) return nullptr;
  known_[static_cast<size_t>(found - members.begin())] = true;
  return found->second.is_null() ? nullptr : &found->second;
}

void Fields::ignore(std::initializer_list<const char*> names) {
  for (const char* name : names) get(name);
}

void Fields::add(const Fields& inner) {
  if (inner.error_) fail(*inner.error_);
  for (auto& path : inner.unknown()) unknown_.push_back(std::move(path));
}

std::vector<std::string> Fields::unknown() const {
  std::vector<std::string> paths;
  size_t member = 0;
  for (const auto& [name, value] : object_.items()) {
    if (!known_[member++]) paths.push_back(path(name));
  }
  paths.insert(paths.end(), unknown_.begin(), unknown_.end());
  return paths;
}

void Fields::fail(ApiError error) {
  if (!error_) error_ = std::move(error);
}

ApiResult<void> Fields::result() const {
  if (error_) return *error_;
  return {};
}

void Fields::number(const char* name, float& out, const Range& range) {
  const Json* value = get(name);
  if (!value) return;
  if (!value->is_number()) {
    return fail(
        bad_value(path(name), "\"{}\" must be a number, not {}.", path(name), kind_of(*value)));
  }
  const double number = value->get<double>();
  const auto used = static_cast<float>(number);  // 1e-300 becomes zero
  const bool low = range.low_open ? used > range.low : used >= range.low;
  if (!std::isfinite(number) || !low || number > range.high) {
    return fail(bad_value(path(name), "\"{}\" must be {} {} and at most {}, not {}.", path(name),
                          range.low_open ? "above" : "at least", range.low, range.high, number));
  }
  out = used;
}

void Fields::integer(const char* name, std::optional<int64_t>& out, int64_t low, int64_t high) {
  const Json* value = get(name);
  if (!value) return;
  const auto number = as_integer(*value, low, high);
  if (!number) {
    return fail(bad_value(path(name), "\"{}\" must be an integer from {} to {}, not {}.",
                          path(name), low, high,
                          value->is_number() ? value->dump() : std::string(kind_of(*value))));
  }
  out = *number;
}

void Fields::integer(const char* name, int64_t& out, int64_t low, int64_t high) {
  std::optional<int64_t> number;
  integer(name, number, low, high);
  if (number) out = *number;
}

void Fields::integer(const char* name, uint32_t& out, int64_t low, int64_t high) {
  std::optional<int64_t> number;
  integer(name, number, low, high);
  if (number) out = static_cast<uint32_t>(*number);
}

void Fields::integer(const char* name, std::optional<uint32_t>& out, int64_t low, int64_t high) {
  std::optional<int64_t> number;
  integer(name, number, low, high);
  if (number) out = static_cast<uint32_t>(*number);
}

void Fields::boolean(const char* name, bool& out) {
  const Json* value = get(name);
  if (!value) return;
  if (!value->is_boolean()) {
    return fail(bad_value(path(name), "\"{}\" must be true or false, not {}.", path(name),
                          kind_of(*value)));
  }
  out = value->get<bool>();
}

void Fields::text(const char* name, std::string& out, size_t bytes_max) {
  const Json* value = get(name);
  if (!value) return;
  if (!value->is_string()) {
    return fail(
        bad_value(path(name), "\"{}\" must be a string, not {}.", path(name), kind_of(*value)));
  }
  const auto& text = value->get_ref<const std::string&>();
  if (text.size() > bytes_max) {
    return fail(bad_value(path(name), "\"{}\" is over {} bytes.", path(name), bytes_max));
  }
  out = text;
}

void Fields::tokens(const char* name, std::vector<TokenId>& out, size_t count_max,
                    uint32_t vocab_size) {
  const Json* value = get(name);
  if (!value) return;
  const auto bad = [&] {
    fail(bad_value(path(name), "\"{}\" must be a list of at most {} token ids from 0 to {}.",
                   path(name), count_max, vocab_size - 1));
  };
  if (!value->is_array() || value->size() > count_max) return bad();
  std::vector<TokenId> ids;
  ids.reserve(value->size());
  for (const auto& item : *value) {
    const auto id = as_integer(item, 0, int64_t{vocab_size} - 1);
    if (!id) return bad();
    ids.push_back(static_cast<TokenId>(*id));
  }
  out = std::move(ids);
}

void Fields::refuse(const char* name, std::string_view why) {
  if (get(name)) fail(unsupported_parameter(path(name), std::string(why)));
}

}  // namespace baton::server::api
