// Forms: the languages that requests have asked for, by their specification.
//
// A specification is compiled once; the least recently asked for goes when there are too many
// (those in use stay alive with their sequences). Thread safety: its owner's.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "model/constraint/language.h"
#include "proto/request.h"

namespace baton::decode {

class Forms {
 public:
  using Key = std::pair<ConstraintParams::Form, std::string>;
  static constexpr size_t kKeptMax = 32;

  static Key key(const ConstraintParams& params) { return {params.form, params.text}; }

  // Null: it has to be compiled.
  std::shared_ptr<constraint::Language> find(const Key& key);
  // True: nobody has asked for it yet; it has to be ordered.
  bool order(const Key& key) { return ordered_.insert(key).second; }
  // The order's answer; null if it has failed.
  void put(const Key& key, std::shared_ptr<constraint::Language> language);

  size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    std::shared_ptr<constraint::Language> language;
    uint64_t used = 0;
  };
  std::map<Key, Kept> kept_;
  std::set<Key> ordered_;
  uint64_t uses_ = 0;
};

}  // namespace baton::decode
