// ItemMemory: the items of recent responses, for clients that refer to them by id instead of
// sending them again.
//
// Some do so unless they are told not to store. It is a help and no promise: bounded in bytes, the
// oldest are forgotten first, and it lives in one process; what is forgotten has to be sent. A
// tenant finds only what is its own. Thread safety: any thread.
#pragma once

#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace baton::server::api {

class ItemMemory {
 public:
  explicit ItemMemory(size_t bytes_max) : bytes_max_(bytes_max) {}

  void put(std::string_view tenant, std::string_view id, std::string item);
  std::optional<std::string> find(std::string_view tenant, std::string_view id) const;
  size_t bytes() const;

 private:
  struct Item {
    std::string name, json;
    size_t bytes() const { return name.size() + json.size(); }
  };
  void forget_oldest();

  const size_t bytes_max_;
  mutable std::mutex mutex_;
  std::list<Item> items_;  // the newest in front
  std::unordered_map<std::string, std::list<Item>::iterator> by_name_;
  size_t bytes_ = 0;
};

// What one tenant may refer to.
struct TenantItems {
  const ItemMemory& memory;
  std::string_view tenant;
  std::optional<std::string> find(std::string_view id) const { return memory.find(tenant, id); }
};

}  // namespace baton::server::api
