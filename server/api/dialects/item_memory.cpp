#include "server/api/dialects/item_memory.h"

namespace baton::server::api {

void ItemMemory::put(const std::string& id, std::string item) {
  const std::scoped_lock lock(mutex_);
  if (id.size() + item.size() > bytes_max_ || by_id_.contains(id)) return;
  items_.push_front({id, std::move(item)});
  by_id_.emplace(id, items_.begin());
  bytes_ += items_.front().bytes();
  while (bytes_ > bytes_max_) forget_oldest();
}

void ItemMemory::forget_oldest() {
  bytes_ -= items_.back().bytes();
  by_id_.erase(items_.back().id);
  items_.pop_back();
}

std::optional<std::string> ItemMemory::find(const std::string& id) const {
  const std::scoped_lock lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return std::nullopt;
  return found->second->json;
}

size_t ItemMemory::bytes() const {
  const std::scoped_lock lock(mutex_);
  return bytes_;
}

}  // namespace baton::server::api
