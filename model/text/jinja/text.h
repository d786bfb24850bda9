// Text: a string of the template language that remembers, for every byte, where it came from.
//
// Trusted bytes are the template's own; untrusted ones came from a request. Every operation keeps
// the origin of the bytes it copies. Invariant: runs cover the bytes, none is empty, neighbours
// differ. Thread safety: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace baton::text::jinja {

class Text {
 public:
  struct Run {
    size_t end;  // in bytes, not included
    bool trusted;

    bool operator==(const Run&) const = default;
  };

  Text() = default;
  Text(std::string bytes, bool trusted) : bytes_(std::move(bytes)) {
    if (!bytes_.empty()) runs_.push_back({bytes_.size(), trusted});
  }

  const std::string& bytes() const { return bytes_; }
  const std::vector<Run>& runs() const { return runs_; }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  bool fully_trusted() const { return runs_.empty() || (runs_.size() == 1 && runs_[0].trusted); }

  void append(std::string_view bytes, bool trusted);
  void append(const Text& other) { append(other, 0, other.size()); }
  void append(const Text& other, size_t begin, size_t end);  // bytes begin..end of it
  Text slice(size_t begin, size_t end) const;

  bool operator==(const Text&) const = default;

 private:
  std::string bytes_;
  std::vector<Run> runs_;
};

// Code points, as Python counts and slices them.
size_t code_point_count(std::string_view text);
// Byte offset of each code point and of the end.
std::vector<size_t> code_point_offsets(std::string_view text);

// Bytes of the white-space character (as Python's str.isspace) at the beginning or end; 0 if none.
size_t space_at_front(std::string_view text);
size_t space_at_back(std::string_view text);
// How many bytes of white space the text begins or ends with.
size_t leading_space(std::string_view text);
size_t trailing_space(std::string_view text);

}  // namespace baton::text::jinja
