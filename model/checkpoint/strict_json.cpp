#include "model/checkpoint/strict_json.h"

#include <algorithm>
#include <fstream>
#include <system_error>
#include <type_traits>
#include <vector>

namespace baton::checkpoint {
namespace {

// Builds the value while the parser reads, and stops it at the first thing that isn't allowed.
template <class Json>
class Builder final : public nlohmann::json_sax<Json> {
 public:
  using typename nlohmann::json_sax<Json>::number_integer_t;
  using typename nlohmann::json_sax<Json>::number_unsigned_t;
  using typename nlohmann::json_sax<Json>::number_float_t;
  using typename nlohmann::json_sax<Json>::string_t;
  using typename nlohmann::json_sax<Json>::binary_t;
  using Object = typename Json::object_t;
  static constexpr bool kOrdered = std::is_same_v<Json, nlohmann::ordered_json>;

  explicit Builder(const JsonLimits& limits) : limits_(limits) {}

  bool null() override { return scalar(nullptr); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(number_integer_t value) override { return scalar(value); }
  bool number_unsigned(number_unsigned_t value) override { return scalar(value); }
  bool number_float(number_float_t value, const string_t&) override { return scalar(value); }
  bool string(string_t& value) override { return scalar(std::move(value)); }
  bool binary(binary_t&) override { return stop("has binary data"); }
  bool start_object(size_t) override { return open(Json::object()); }
  bool end_object() override { return keys_differ() && close(); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    auto& object = open_.back()->template get_ref<Object&>();
    if constexpr (kOrdered) {  // its own emplace looks at every key before it
      static_cast<typename Object::Container&>(object).emplace_back(name, Json());
      slot_ = &object.back().second;
    } else {
      const auto [entry, fresh] = object.try_emplace(name);
      if (!fresh) return stop(twice(name));
      slot_ = &entry->second;
    }
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // The library's text quotes raw input; only its gist is kept.
    const bool utf8 = std::string_view(error.what()).find("UTF-8") != std::string_view::npos;
    return stop(fmt::format("is not valid {} at byte {}", utf8 ? "UTF-8" : "JSON", position));
  }

  const std::string& problem() const { return problem_; }
  Json take() { return std::move(root_); }

 private:
  bool stop(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
    return false;
  }

  // Where the next value goes: the key just read, the end of the open array, or the root.
  Json* place(Json value) {
    if (++values_ > limits_.values_max) {
      stop(fmt::format("has more than {} values", limits_.values_max));
      return nullptr;
    }
    if (open_.empty()) return &(root_ = std::move(value));
    if (open_.back()->is_array()) {
      auto& items = open_.back()->template get_ref<typename Json::array_t&>();
      return &items.emplace_back(std::move(value));
    }
    return &(*slot_ = std::move(value));
  }

  bool scalar(Json value) { return place(std::move(value)) != nullptr; }

  bool open(Json value) {
    if (open_.size() >= limits_.depth_max) {
      return stop(fmt::format("is nested deeper than {} levels", limits_.depth_max));
    }
    Json* at = place(std::move(value));
    if (at == nullptr) return false;
    open_.push_back(at);
    return true;
  }

  static std::string twice(std::string_view name) {
    return fmt::format("has the key \"{}\" twice", name);
  }

  bool keys_differ() {
    if constexpr (!kOrdered) return true;
    std::vector<std::string_view> keys;
    for (const auto& [key, value] : open_.back()->template get_ref<const Object&>()) {
      keys.push_back(key);
    }
    std::ranges::sort(keys);
    const auto same = std::ranges::adjacent_find(keys);
    return same == keys.end() || stop(twice(*same));
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  const JsonLimits limits_;
  Json root_;
  std::vector<Json*> open_;  // the path to where we are; an open array's last item never moves
  Json* slot_ = nullptr;     // the value of the key read last
  size_t values_ = 0;
  std::string problem_;
};

template <class Json>
Result<Json> parse(std::string_view text, std::string_view where, const JsonLimits& limits) {
  Builder<Json> builder(limits);
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) {
    return fail(ErrorCode::corrupt, "{} {}.", where, builder.problem());
  }
  return Result<Json>(boost::system::in_place_value, builder.take());
}

}  // namespace

Result<nlohmann::json> parse_strict_json(std::string_view text, std::string_view where,
                                         const JsonLimits& limits) {
  return parse<nlohmann::json>(text, where, limits);
}

Result<nlohmann::ordered_json> parse_strict_ordered_json(std::string_view text,
                                                         std::string_view where,
                                                         const JsonLimits& limits) {
  return parse<nlohmann::ordered_json>(text, where, limits);
}

Result<std::string> read_text_file(const std::filesystem::path& path, size_t bytes_max) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return fail(ErrorCode::not_found, "{} does not exist.", path.string());
  }
  if (!std::filesystem::is_regular_file(path, error)) {
    return fail(ErrorCode::invalid_argument, "{} is not a regular file.", path.string());
  }
  const auto size = std::filesystem::file_size(path, error);
  if (error || size > bytes_max) {
    return fail(ErrorCode::invalid_argument, "{} is larger than the {} bytes allowed for it.",
                path.string(), bytes_max);
  }
  std::ifstream file(path, std::ios::binary);
  std::string text(size, '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(size))) {
    return fail(ErrorCode::unavailable, "{} can't be read; check its permissions.", path.string());
  }
  return text;
}

}  // namespace baton::checkpoint
