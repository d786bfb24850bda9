#include "deploy/kv_table.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace baton::deploy {
namespace {

using Json = nlohmann::json;

constexpr const char* kColumns = "{:<14} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>8}";

std::string row_of(const Json& instance) {
  const Json& pages = instance.at("pages");
  const auto count = [&pages](const char* state) { return pages.at(state).get<uint64_t>(); };
  const auto extra = [&instance](const char* name) {
    return instance.contains(name) ? std::to_string(instance.at(name).get<uint64_t>()) : "";
  };
  return fmt::format(fmt::runtime(kColumns), instance.at("instance").get<std::string>(),
                     count("total"), count("free"), count("reserved"), count("filling"),
                     count("in_use"), count("cached"), extra("in_flight"), extra("pinned"));
}

std::string details_of(const Json& instance) {
  std::string out;
  if (instance.at("stale").get<bool>()) out += "  its heartbeats are late\n";
  if (instance.at("draining").get<bool>()) out += "  it is draining\n";
  if (!instance.at("conserved").get<bool>()) out += "  its pages do not add up\n";
  if (instance.contains("by_tenant"))
    for (const Json& held : instance.at("by_tenant")) {
      const auto tenant = held.at("tenant").get<std::string>();
      out += fmt::format("  {} pages of {}\n", held.at("pages").get<uint64_t>(),
                         tenant.empty() ? "requests without a tenant" : "tenant " + tenant);
    }
  if (instance.contains("oldest_waiting") && instance.at("oldest_waiting").is_object()) {
    const Json& oldest = instance.at("oldest_waiting");
    out +=
        fmt::format("  {}, for {:.1f} s; {:.1f} s are left\n", oldest.at("what").get<std::string>(),
                    oldest.at("waited_s").get<double>(), oldest.at("left_s").get<double>());
  }
  return out;
}

}  // namespace

Result<std::string> kv_table(const std::string& json) {
  try {
    const Json parsed = Json::parse(json);
    std::string out = fmt::format(fmt::runtime(kColumns), "pages of", "total", "free", "reserved",
                                  "filling", "in use", "cached", "in flight", "pinned") +
                      "\n";
    for (const Json& instance : parsed.at("instances"))
      out += row_of(instance) + "\n" + details_of(instance);
    return out;
  } catch (const Json::exception& wrong) {
    return fail(ErrorCode::corrupt, "the server does not say what pools hold: {}", wrong.what());
  }
}

}  // namespace baton::deploy
