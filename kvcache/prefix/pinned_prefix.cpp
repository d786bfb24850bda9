#include "kvcache/prefix/pinned_prefix.h"

#include <fstream>
#include <nlohmann/json.hpp>

namespace baton::kvcache {
namespace {

using Json = nlohmann::json;

std::optional<PinnedPrefix> parse(const std::string& line) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("token_ids") || !json["token_ids"].is_array())
    return std::nullopt;
  PinnedPrefix pin;
  for (const Json& token : json["token_ids"]) {
    if (!token.is_number_unsigned() || token.get<uint64_t>() > ~TokenId{0}) return std::nullopt;
    pin.tokens.push_back(token.get<TokenId>());
  }
  for (const auto& [key, value] : json.items()) {
    if (key == "token_ids") continue;
    if ((key != "tenant" && key != "cache_salt") || !value.is_string()) return std::nullopt;
    (key == "tenant" ? pin.tenant : pin.cache_salt) = value.get<std::string>();
  }
  return pin;
}

}  // namespace

Result<std::vector<PinnedPrefix>> load_pinned_prefixes(const std::filesystem::path& file) {
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);
  std::ifstream stream(file);
  if (error || !stream || size > kPinnedFileBytesMax) {
    return fail(ErrorCode::invalid_argument,
                "the file {} of prefixes to pin can't be read or has more than {} bytes",
                file.string(), kPinnedFileBytesMax);
  }
  std::vector<PinnedPrefix> pins;
  size_t number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto pin = parse(line);
    if (!pin) {
      return fail(ErrorCode::invalid_argument,
                  "line {} of {} is not {{\"token_ids\": [...], \"tenant\": \"\", "
                  "\"cache_salt\": \"\"}}",
                  number, file.string());
    }
    pins.push_back(std::move(*pin));
  }
  return pins;
}

void pin_all(PrefixCache& cache, const PageNamer& namer, const std::vector<PinnedPrefix>& pins) {
  for (const PinnedPrefix& pin : pins)
    cache.pin(namer.names(cache_tenant(pin.tenant, pin.cache_salt), pin.tokens).full);
}

}  // namespace baton::kvcache
