#include "model/text/bpe/vocabulary.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace baton::text::bpe {

void Vocabulary::reserve(size_t count) {
  const size_t slots = std::bit_ceil(std::max<size_t>(16, count * 2));
  if (slots > slots_.size()) grow(slots);
}

void Vocabulary::grow(size_t slots) {
  slots_.assign(slots, Slot());
  for (TokenId id = 0; id < entries_.size(); ++id) {
    if (entries_[id].findable) index(id);
  }
}

void Vocabulary::index(TokenId id) {
  const auto text = bytes(id);
  const uint64_t hash = std::hash<std::string_view>()(text);
  const auto tag = static_cast<uint32_t>(hash >> 32);
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  for (; slots_[slot].next_id != 0; slot = (slot + 1) & mask) {
    if (slots_[slot].tag == tag && bytes(slots_[slot].next_id - 1) == text) return;
  }
  slots_[slot] = {id + 1, tag};
}

bool Vocabulary::add(TokenId id, std::string_view bytes, bool findable) {
  if (id > id_max || has(id) || arena_.size() + bytes.size() > UINT32_MAX) return false;
  if (id >= entries_.size()) entries_.resize(id + 1);
  entries_[id] = {static_cast<uint32_t>(arena_.size()), static_cast<uint32_t>(bytes.size()), true,
                  findable};
  arena_ += bytes;
  if (!findable) return true;
  if (++count_ * 2 > slots_.size()) {
    reserve(count_ * 2);  // indexes the new one too
  } else {
    index(id);
  }
  return true;
}

std::string_view Vocabulary::bytes(TokenId id) const {
  if (!has(id)) return {};
  return std::string_view(arena_).substr(entries_[id].offset, entries_[id].length);
}

std::optional<TokenId> Vocabulary::find(std::string_view text) const {
  if (slots_.empty()) return std::nullopt;
  const uint64_t hash = std::hash<std::string_view>()(text);
  const auto tag = static_cast<uint32_t>(hash >> 32);
  const size_t mask = slots_.size() - 1;
  for (size_t slot = hash & mask; slots_[slot].next_id != 0; slot = (slot + 1) & mask) {
    if (slots_[slot].tag == tag && bytes(slots_[slot].next_id - 1) == text) {
      return slots_[slot].next_id - 1;
    }
  }
  return std::nullopt;
}

}  // namespace baton::text::bpe
