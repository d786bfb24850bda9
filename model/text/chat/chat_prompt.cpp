#include "model/text/chat/chat_prompt.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace baton::text {
namespace {

using Ordered = nlohmann::ordered_json;

constexpr std::string_view kCallsBegin = "<｜tool▁calls▁begin｜>";
constexpr std::string_view kCallsEnd = "<｜tool▁calls▁end｜>";
constexpr std::string_view kCallBegin = "<｜tool▁call▁begin｜>";
constexpr std::string_view kCallEnd = "<｜tool▁call▁end｜>";
constexpr std::string_view kOutputsBegin = "<｜tool▁outputs▁begin｜>";
constexpr std::string_view kOutputsEnd = "<｜tool▁outputs▁end｜>";
constexpr std::string_view kOutputBegin = "<｜tool▁output▁begin｜>";
constexpr std::string_view kOutputEnd = "<｜tool▁output▁end｜>";

size_t count(std::string_view text, std::string_view what) {
  size_t found = 0;
  for (size_t at = text.find(what); at != text.npos; at = text.find(what, at + what.size())) {
    ++found;
  }
  return found;
}

// ---- what the template does by itself ----------------------------------------------------------

std::string tried(const ChatTemplate& chat, const Ordered& messages, const Ordered& tools) {
  const auto prompt = chat.render(messages, tools, {{"add_generation_prompt", true}});
  return prompt ? prompt->text() : std::string();
}

Ordered message(std::string_view role, const Ordered& content) {
  return {{"role", role}, {"content", content}};
}

Ordered conversation_with_calls(size_t calls, bool answered = true) {
  Ordered asked = message("assistant", nullptr);
  Ordered messages = Ordered::array({message("user", "question")});
  Ordered outputs = Ordered::array();
  for (size_t i = 0; i < calls; ++i) {
    const std::string id = "call_" + std::to_string(i);
    asked["tool_calls"].push_back(
        {{"id", id},
         {"type", "function"},
         {"function", {{"name", "probe_name_" + std::to_string(i)}, {"arguments", "{}"}}}});
    outputs.push_back({{"role", "tool"}, {"tool_call_id", id}, {"content", "probe_output"}});
  }
  messages.push_back(std::move(asked));
  for (auto& output : outputs) messages.push_back(std::move(output));
  if (answered) messages.push_back(message("assistant", "answer"));
  messages.push_back(message("user", "again"));
  return messages;
}

// Whether all calls are there, in whatever form; if in DeepSeek's, whether every marker is.
bool prints_calls(const std::string& text, size_t calls, size_t turns = 1) {
  if (count(text, "probe_name_") != calls) return false;
  if (count(text, kCallBegin) + count(text, kCallsBegin) + count(text, kCallsEnd) == 0) return true;
  return count(text, kCallsBegin) == turns && count(text, kCallsEnd) == turns &&
         count(text, kCallBegin) == calls && count(text, kCallEnd) == calls &&
         text.rfind(kCallsEnd) > text.rfind(kCallEnd);
}

TemplateTraits traits_of(const ChatTemplate& chat) {
  TemplateTraits traits;
  const Ordered tool = {
      {"type", "function"},
      {"function",
       {{"name", "probe_name"},
        {"description", "d"},
        {"parameters", {{"type", "object"}, {"properties", Ordered::object()}}}}}};
  traits.prints_tools =
      tried(chat, Ordered::array({message("user", "question")}), Ordered::array({tool}))
          .find("probe_name") != std::string::npos;
  traits.prints_calls = true;
  Ordered twice = conversation_with_calls(1);
  for (const auto& each : conversation_with_calls(1)) twice.push_back(each);
  const std::string both = tried(chat, twice, Ordered());
  traits.loses_later_calls = !prints_calls(both, 2, 2);
  for (size_t calls = 1; calls <= 3; ++calls) {
    const std::string text = tried(chat, conversation_with_calls(calls), Ordered());
    traits.prints_calls = traits.prints_calls && prints_calls(text, calls);
    traits.prints_outputs = text.find("probe_output") != std::string::npos;
    if (text.find("function<｜tool▁sep｜>") != std::string::npos) traits.style = ToolStyle::v3;
    if (calls > 1) continue;
    traits.loses_outputs_end =
        count(text, kOutputsEnd) == 1 &&
        count(tried(chat, conversation_with_calls(calls, false), Ordered()), kOutputsEnd) == 0;
    traits.loses_outputs_begin = count(text, kOutputsBegin) == 1 && count(both, kOutputsBegin) == 1;
  }
  return traits;
}

// ---- text of our own ----------------------------------------------------------------------------

void append(RenderedPrompt& out, std::string_view text, bool trusted) {
  if (text.empty()) return;
  if (!out.segments.empty() && out.segments.back().trusted == trusted) {
    out.segments.back().text += text;
  } else {
    out.segments.push_back({std::string(text), trusted});
  }
}

// Behind each output that neither another nor the end of the list follows, that end.
void close_outputs(RenderedPrompt& prompt) {
  for (auto& segment : prompt.segments) {
    if (!segment.trusted) continue;
    std::string& text = segment.text;
    for (size_t at = text.find(kOutputEnd); at != text.npos; at = text.find(kOutputEnd, at)) {
      at += kOutputEnd.size();
      const size_t next = std::min(text.find_first_not_of(" \n", at), text.size());
      const std::string_view rest = std::string_view(text).substr(next);
      if (!rest.starts_with(kOutputBegin) && !rest.starts_with(kOutputsEnd)) {
        text.insert(at, kOutputsEnd);
      }
    }
  }
}

// In front of each output that is the first of its list, the list's beginning.
void open_outputs(RenderedPrompt& prompt) {
  for (auto& segment : prompt.segments) {
    if (!segment.trusted) continue;
    std::string& text = segment.text;
    for (size_t at = text.find(kOutputBegin); at != text.npos; at = text.find(kOutputBegin, at)) {
      const std::string_view before = std::string_view(text).substr(0, at);
      const size_t last = before.find_last_not_of(" \n");
      const std::string_view said = before.substr(0, last == before.npos ? 0 : last + 1);
      const bool first = !said.ends_with(kOutputEnd) && !said.ends_with(kOutputsBegin);
      if (first) text.insert(at, kOutputsBegin);
      at += kOutputBegin.size() + (first ? kOutputsBegin.size() : 0);
    }
  }
}

// Marks in the messages that the template prints as any text, and what takes their place.
class Holes {
 public:
  explicit Holes(const ChatQuestion& question) {
    // A mark that nothing in the request spells.
    std::string all;
    for (const Ordered* part : {&question.messages, &question.tools, &question.kwargs}) {
      all += part->dump(-1, ' ', false, Ordered::error_handler_t::replace);
    }
    for (size_t n = 0;; ++n) {
      open_ = "\uE0FA" + std::to_string(n) + ":";
      if (all.find(open_) == std::string::npos) break;
    }
  }

  std::string add(RenderedPrompt fill) {
    fills_.push_back(std::move(fill));
    return open_ + std::to_string(fills_.size() - 1) + ";";
  }
  std::string add_end() {
    end_ = fills_.size();
    return add({});
  }

  RenderedPrompt fill(const RenderedPrompt& prompt) const {
    RenderedPrompt out;
    for (const auto& segment : prompt.segments) {
      std::string_view rest = segment.text;
      for (size_t at = rest.find(open_); at != rest.npos; at = rest.find(open_)) {
        append(out, rest.substr(0, at), segment.trusted);
        rest.remove_prefix(at + open_.size());
        size_t index = fills_.size();
        const auto end = std::from_chars(rest.data(), rest.data() + rest.size(), index).ptr;
        const auto digits = static_cast<size_t>(end - rest.data());
        if (index >= fills_.size() || !rest.substr(digits).starts_with(';')) continue;  // cut up
        rest.remove_prefix(digits + 1);
        if (index == end_) return out;
        for (const auto& part : fills_[index].segments) append(out, part.text, part.trusted);
      }
      append(out, rest, segment.trusted);
    }
    return out;
  }

 private:
  std::string open_;
  std::vector<RenderedPrompt> fills_;
  std::optional<size_t> end_;
};

std::string text_of(const Ordered& message) {
  const auto content = message.find("content");
  return content != message.end() && content->is_string() ? content->get<std::string>() : "";
}

// Behind all that system messages say; in a message of its own if there is none.
void add_to_system(Ordered& messages, const std::string& text) {
  for (size_t i = messages.size(); i-- > 0;) {
    if (messages[i]["role"] != "system" && messages[i]["role"] != "developer") continue;
    messages[i]["content"] = text_of(messages[i]) + "\n\n" + text;
    return;
  }
  messages.insert(messages.begin(), message("system", text));
}

// The prompt of an answer that begins with this reasoning: what asks for reasoning, then what was
// said. Nothing where the template doesn't open any.
std::optional<RenderedPrompt> reasoned(const ChatTemplate& chat, Ordered messages,
                                       const Ordered& tools, Ordered kwargs) {
  const Ordered said = messages.back();
  const auto reasoning = said.find("reasoning_content");
  if (reasoning == said.end() || !reasoning->is_string() || *reasoning == "") return std::nullopt;
  if (said.contains("tool_calls")) return std::nullopt;
  messages.erase(messages.size() - 1);
  for (const char* name : {"add_generation_prompt", "thinking", "enable_thinking"}) {
    kwargs[name] = true;
  }
  auto prompt = chat.render(messages, tools, kwargs);
  if (!prompt || prompt->segments.empty() || !prompt->segments.back().trusted) return std::nullopt;
  const std::string& opened = prompt->segments.back().text;
  const bool own_lines = opened.ends_with("<think>\n");
  if (!own_lines && !opened.ends_with("<think>")) return std::nullopt;
  append(*prompt, reasoning->get_ref<const std::string&>(), false);
  if (const std::string answer = text_of(said); !answer.empty()) {
    append(*prompt, own_lines ? "\n</think>\n\n" : "</think>", true);
    append(*prompt, answer, false);
  }
  return *std::move(prompt);
}

}  // namespace

ChatPrompt::ChatPrompt(ChatTemplate chat) : chat_(std::move(chat)), traits_(traits_of(chat_)) {}

Result<RenderedPrompt> ChatPrompt::render(const ChatQuestion& question) const {
  BATON_TRY(prompt, repaired(question));
  if (traits_.loses_outputs_end) close_outputs(prompt);
  if (traits_.loses_outputs_begin) open_outputs(prompt);
  return Result<RenderedPrompt>(boost::system::in_place_value, std::move(prompt));
}

Result<RenderedPrompt> ChatPrompt::repaired(const ChatQuestion& question) const {
  const Ordered& asked = question.messages;
  const bool with_tools = question.tools.is_array() && !question.tools.empty();
  const auto has_calls = [](const Ordered& each) {
    return each.is_object() && each.contains("tool_calls") && each["tool_calls"].is_array() &&
           !each["tool_calls"].empty();
  };
  const bool again = asked.is_array() && std::count_if(asked.begin(), asked.end(), has_calls) > 1;
  const bool repairs_calls = !traits_.prints_calls || (again && traits_.loses_later_calls);
  const auto is_repaired = [&](const Ordered& each) {
    if (!each.is_object()) return false;
    return (repairs_calls && has_calls(each)) ||
           (each.value("role", Ordered()) == "tool" && !traits_.prints_outputs);
  };
  const bool adds_tools = with_tools && !traits_.prints_tools;
  const bool plain = !adds_tools && !question.go_on && asked.is_array() &&
                     std::none_of(asked.begin(), asked.end(), is_repaired);
  if (plain || !asked.is_array()) return chat_.render(asked, question.tools, question.kwargs);

  Holes holes(question);
  BATON_TRY(flat, ChatTemplate::normalise(asked));
  Ordered messages = std::move(flat);
  for (auto& each : messages) {
    if (!is_repaired(each)) continue;
    if (each["role"] == "tool") {
      BATON_TRY(output, render_tool_output(text_of(each)));
      each = message("user", holes.add(std::move(output)));
      continue;
    }
    BATON_TRY(calls, render_calls(traits_.style, each["tool_calls"]));
    each["content"] = text_of(each) + holes.add(std::move(calls));
    each.erase("tool_calls");
  }
  if (adds_tools) {
    BATON_TRY(tools, render_tools(traits_.style, question.tools));
    add_to_system(messages, holes.add(std::move(tools)));
  }
  Ordered kwargs = question.kwargs.is_object() ? question.kwargs : Ordered::object();
  if (question.go_on && !messages.empty()) {
    if (const auto prompt = reasoned(chat_, messages, question.tools, kwargs)) {
      return holes.fill(*prompt);
    }
    kwargs["add_generation_prompt"] = false;
    const std::string answer = text_of(messages.back());
    // Templates take a prefix for one of the reasoning, where there is reasoning.
    if (!answer.empty()) messages.back().erase("prefix");
    messages.back()["content"] = answer + holes.add_end();
  }
  BATON_TRY(prompt, chat_.render(messages, question.tools, kwargs));
  return holes.fill(prompt);
}

}  // namespace baton::text
