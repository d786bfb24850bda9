#include "bench/trace/request_trace.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <unordered_map>

namespace baton::bench {
namespace {

kvcache::PageName name_of(uint64_t block) { return {sha256(std::as_bytes(std::span(&block, 1)))}; }

}  // namespace

Result<std::vector<TraceRequest>> read_trace(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) return fail(ErrorCode::not_found, "there is no trace {}", path.string());
  std::vector<TraceRequest> trace;
  for (std::string line; std::getline(file, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("hash_ids"))
      return fail(ErrorCode::corrupt, "{}: line {} is not a request", path.string(),
                  trace.size() + 1);
    TraceRequest request;
    request.timestamp_ms = json.value("timestamp", uint64_t{0});
    request.input_tokens = json.value("input_length", uint32_t{0});
    request.output_tokens = json.value("output_length", uint32_t{0});
    request.blocks = json["hash_ids"].get<std::vector<uint64_t>>();
    trace.push_back(std::move(request));
  }
  return trace;
}

ReplayResult replay(const std::vector<TraceRequest>& trace, uint32_t pages,
                    kvcache::Eviction eviction) {
  kvcache::PrefixCache cache({.pages = pages, .eviction = eviction}, true);
  std::unordered_map<uint64_t, kvcache::PageName> known;
  ReplayResult result;
  for (const TraceRequest& request : trace) {
    std::vector<kvcache::PageName> names;
    for (const uint64_t block : request.blocks) {
      const auto [it, fresh] = known.try_emplace(block);
      if (fresh) it->second = name_of(block);
      names.push_back(it->second);
    }
    std::vector<PageId> held = cache.take(names);
    result.blocks += names.size();
    result.hits += held.size();
    const uint64_t room = uint64_t{cache.pool().counts().free} + cache.pool().counts().cached;
    const auto rest = static_cast<uint32_t>(std::min<uint64_t>(names.size() - held.size(), room));
    const auto fresh_pages = cache.allocate(rest, kvcache::PageState::in_use);
    check(fresh_pages.has_value(), "there is less room than the cache says");
    for (const ReservedPage& page : *fresh_pages) {
      const auto before = held.empty() ? std::nullopt : std::optional(held.back());
      check(!cache.publish(names[held.size()], page.page, before, kPageTokens),
            "a block that was not found is there");
      held.push_back(page.page);
    }
    cache.release(held);
  }
  return result;
}

}  // namespace baton::bench
