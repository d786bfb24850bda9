#include "server/api/dialects/item_memory.h"

#include <fmt/format.h>

namespace baton::server::api {

namespace {

// No two pairs have the same, whatever a client puts into an id.
std::string name_of(std::string_view tenant, std::string_view id) {
  return fmt::format("{}:{}{}", tenant.size(), tenant, id);
}

}  // namespace

void ItemMemory::put(std::string_view tenant, std::string_view id, std::string item) {
  std::string name = name_of(tenant, id);
  const std::scoped_lock lock(mutex_);
  if (name.size() + item.size() > bytes_max_ || by_name_.contains(name)) return;
  items_.push_front({name, std::move(item)});
  by_name_.emplace(std::move(name), items_.begin());
  bytes_ += items_.front().bytes();
  while (bytes_ > bytes_max_) forget_oldest();
}

void ItemMemory::forget_oldest() {
  bytes_ -= items_.back().bytes();
  by_name_.erase(items_.back().name);
  items_.pop_back();
}

std::optional<std::string> ItemMemory::find(std::string_view tenant, std::string_view id) const {
  const std::scoped_lock lock(mutex_);
  const auto found = by_name_.find(name_of(tenant, id));
  if (found == by_name_.end()) return std::nullopt;
  return found->second->json;
}

size_t ItemMemory::bytes() const {
  const std::scoped_lock lock(mutex_);
  return bytes_;
}

}  // namespace baton::server::api
