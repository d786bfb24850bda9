// RenderedPrompt: the text of a prompt, cut where trust changes.
//
// Template text is trusted: a special token spelled there is that token. Whatever came from a
// request is untrusted: text there that looks like a special token stays text.
// Thread safety: values.
#pragma once

#include <string>
#include <vector>

namespace baton::text {

struct PromptSegment {
  std::string text;
  bool trusted = false;

  bool operator==(const PromptSegment&) const = default;
};

struct RenderedPrompt {
  std::vector<PromptSegment> segments;  // neighbours differ in trust; none is empty

  std::string text() const {
    std::string whole;
    for (const auto& segment : segments) whole += segment.text;
    return whole;
  }
};

}  // namespace baton::text
