#include "decode/forms/forms.h"

#include <algorithm>

namespace baton::decode {

std::shared_ptr<constraint::Language> Forms::find(const Key& key) {
  const auto found = kept_.find(key);
  if (found == kept_.end()) return nullptr;
  found->second.used = ++uses_;
  return found->second.language;
}

void Forms::put(const Key& key, std::shared_ptr<constraint::Language> language) {
  ordered_.erase(key);
  if (!language) return;
  kept_[key] = {std::move(language), ++uses_};
  if (kept_.size() <= kKeptMax) return;
  kept_.erase(
      std::ranges::min_element(kept_, {}, [](const auto& entry) { return entry.second.used; }));
}

}  // namespace baton::decode
