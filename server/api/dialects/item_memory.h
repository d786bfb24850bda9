// ItemMemory: the items of recent responses, for clients that refer to them by id instead of
// sending them again.
//
// Some do so unless they are told not to store. It is a help and no promise: bounded in bytes, the
// oldest are forgotten first, and it lives in one process; what is forgotten has to be sent. Ids
// are drawn at random, so nobody finds another's. Thread safety: any thread.
#pragma once

#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace baton::server::api {

class ItemMemory {
 public:
  explicit ItemMemory(size_t bytes_max) : bytes_max_(bytes_max) {}

  void put(const std::string& id, std::string item);
  std::optional<std::string> find(const std::string& id) const;
  size_t bytes() const;

 private:
  struct Item {
    std::string id, json;
    size_t bytes() const { return id.size() + json.size(); }
  };
  void forget_oldest();

  const size_t bytes_max_;
  mutable std::mutex mutex_;
  std::list<Item> items_;  // the newest in front
  std::unordered_map<std::string, std::list<Item>::iterator> by_id_;
  size_t bytes_ = 0;
};

}  // namespace baton::server::api
