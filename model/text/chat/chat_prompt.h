// ChatPrompt: from a conversation with tools to the prompt of this model: its own template, led
// around the template's defects.
//
// At start the template is tried on a few conversations, to see what it does. Where it prints no
// tools, their description goes to the end of the system prompt. Where it loses or garbles the
// calls of earlier turns (as the published template of V3 does), or drops what tools answered,
// these are written by ToolFormat and put where the template prints the message; so they are where
// it garbles only those of later turns (R1). Where it leaves the list of what tools answered open
// before a user's turn, it is closed; where it opens but the first, all are opened. A conversation
// that is to be gone on with ends where its last message does: in the answer if there is any of it,
// in the reasoning else. Thread safety: const.
#pragma once

#include <nlohmann/json.hpp>

#include "model/text/chat/chat_template.h"
#include "model/text/chat/tool_format.h"

namespace baton::text {

struct ChatQuestion {
  const nlohmann::ordered_json& messages;  // as ChatTemplate::render wants them
  const nlohmann::ordered_json& tools;     // a list or null
  const nlohmann::ordered_json& kwargs;    // an object or null
  bool go_on = false;                      // the last message is the assistant's and isn't finished
};

// What a template does by itself.
struct TemplateTraits {
  bool prints_tools = false;
  bool prints_calls = false;       // whole, whatever their number
  bool prints_outputs = false;     // messages of role `tool`
  bool loses_outputs_end = false;  // of a list of outputs that a user's message follows
  ToolStyle style = ToolStyle::v31;
  bool loses_later_calls = false;    // of a second turn with calls
  bool loses_outputs_begin = false;  // of a second list of outputs
  friend bool operator==(const TemplateTraits&, const TemplateTraits&) = default;
};

class ChatPrompt {
 public:
  explicit ChatPrompt(ChatTemplate chat);

  Result<RenderedPrompt> render(const ChatQuestion& question) const;

  const TemplateTraits& traits() const { return traits_; }

 private:
  Result<RenderedPrompt> repaired(const ChatQuestion& question) const;

  ChatTemplate chat_;
  TemplateTraits traits_;
};

}  // namespace baton::text
