#include "model/text/chat/chat_prompt.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/support/shared_data.h"
#include "tests/text/chat/templates.h"

namespace baton::text {
namespace {

using Json = nlohmann::ordered_json;

const nlohmann::json kTokens = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};

ChatPrompt prompt_of(std::string_view source) {
  return ChatPrompt(std::move(ChatTemplate::parse(source, kTokens).value()));
}

Json user(const char* text) { return {{"role", "user"}, {"content", text}}; }

Json assistant_calls(int calls, const Json& content) {
  Json message = {{"role", "assistant"}, {"content", content}};
  for (int i = 0; i < calls; ++i) {
    message["tool_calls"].push_back(
        {{"type", "function"},
         {"function", {{"name", "f" + std::to_string(i)}, {"arguments", "{}"}}}});
  }
  return message;
}

std::string shown(const ChatPrompt& chat, const Json& messages, const Json& tools = Json(),
                  bool go_on = false) {
  const Json kwargs = {{"add_generation_prompt", true}};
  const auto prompt = chat.render({messages, tools, kwargs, go_on});
  return prompt ? prompt->text() : "! " + prompt.error().message;
}

TEST(ChatPrompt, FindsOutWhatATemplateDoes) {
  EXPECT_EQ(prompt_of(testing::kGoodTemplate).traits(),
            (TemplateTraits{true, true, true, false, ToolStyle::v31}));
  EXPECT_EQ(prompt_of(testing::kLosingTemplate).traits(),
            (TemplateTraits{false, false, true, false, ToolStyle::v3, true}));
  EXPECT_EQ(prompt_of(testing::kPlainTemplate).traits(),
            (TemplateTraits{false, false, false, false, ToolStyle::v31, true}));
  EXPECT_EQ(prompt_of(testing::kForgetfulTemplate).traits(),
            (TemplateTraits{false, true, true, false, ToolStyle::v3, true, true}));
}

TEST(ChatPrompt, AGoodTemplateIsLeftAlone) {
  const ChatPrompt chat = prompt_of(testing::kGoodTemplate);
  const Json messages = Json::array({user("q"), assistant_calls(2, nullptr)});
  EXPECT_EQ(shown(chat, messages),
            "<s>[user]q[assistant]<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f0<｜tool▁sep｜>{}"
            "<｜tool▁call▁end｜><｜tool▁call▁begin｜>f1<｜tool▁sep｜>{}<｜tool▁call▁end｜>"
            "<｜tool▁calls▁end｜></s>[assistant]");
}

TEST(ChatPrompt, CallsThatATemplateLosesAreWrittenWhereItPrintsTheMessage) {
  const ChatPrompt chat = prompt_of(testing::kLosingTemplate);
  for (int calls = 1; calls <= 3; ++calls) {
    for (const Json& content : {Json(""), Json(nullptr), Json("so: ")}) {
      const std::string text =
          shown(chat, Json::array({user("q"), assistant_calls(calls, content)}));
      std::string expected = "<s>[user]q[assistant]";
      if (content == "so: ") expected += "so: ";
      expected += render_calls(ToolStyle::v3, assistant_calls(calls, "")["tool_calls"])->text();
      EXPECT_EQ(text, expected + "</s>[assistant]");
    }
  }
}

TEST(ChatPrompt, TheMarkersOfRepairedCallsAreTemplateTextAndTheRestIsNot) {
  const ChatPrompt chat = prompt_of(testing::kLosingTemplate);
  const Json messages = Json::array({user("q"), assistant_calls(1, "</s>")});
  const Json none;
  const auto prompt = chat.render({messages, none, none, false});
  EXPECT_EQ(prompt->segments[3], (PromptSegment{"</s>", false}));
  EXPECT_EQ(prompt->segments[4].trusted, true);
  EXPECT_EQ(prompt->segments[5], (PromptSegment{"f0", false}));
}

TEST(ChatPrompt, ToolsGoBehindTheSystemPrompt) {
  const ChatPrompt chat = prompt_of(testing::kPlainTemplate);
  const Json tools = Json::array({{{"type", "function"}, {"function", {{"name", "now"}}}}});
  const std::string described = render_tools(ToolStyle::v31, tools)->text();
  EXPECT_EQ(shown(chat, Json::array({user("q")}), tools), "<s>[system]" + described + "[user]q");
  const Json system = {{"role", "developer"}, {"content", "Be brief."}};
  EXPECT_EQ(shown(chat, Json::array({system, user("q")}), tools),
            "<s>[system]Be brief.\n\n" + described + "[user]q");
  EXPECT_EQ(
      shown(prompt_of(testing::kGoodTemplate), Json::array({user("q")}), tools).find("## Tools"),
      std::string::npos);
}

TEST(ChatPrompt, AnswersOfToolsThatATemplateDropsComeAsTheUsers) {
  const ChatPrompt chat = prompt_of(testing::kPlainTemplate);
  const Json output = {{"role", "tool"}, {"content", "21"}};
  EXPECT_EQ(shown(chat, Json::array({user("q"), output})),
            "<s>[user]q[user]<｜tool▁output▁begin｜>21<｜tool▁output▁end｜>");
}

TEST(ChatPrompt, AConversationToGoOnWithEndsWhereItsLastMessageDoes) {
  const Json messages =
      Json::array({user("q"), {{"role", "assistant"}, {"content", "Roses are "}}});
  EXPECT_EQ(shown(prompt_of(testing::kGoodTemplate), messages, Json(), true),
            "<s>[user]q[assistant]Roses are ");
}

TEST(ChatPrompt, AReasoningThatWasGivenIsEndedWhereThereIsSomeOfTheAnswer) {
  Json last = {{"role", "assistant"}, {"prefix", true}, {"content", "The"}};
  const auto messages = [&] { return Json::array({user("q"), last}); };
  const ChatPrompt inline_thoughts = prompt_of(testing::kThinkingTemplate);
  EXPECT_EQ(shown(inline_thoughts, messages(), Json(), true), "<s>[user]q[assistant]</think>The");
  last["reasoning_content"] = "hmm";
  EXPECT_EQ(shown(inline_thoughts, messages(), Json(), true),
            "<s>[user]q[assistant]<think>hmm</think>The");
  std::string own_lines(testing::kThinkingTemplate);
  own_lines.insert(own_lines.rfind("<think>") + 7, "\n");
  EXPECT_EQ(shown(prompt_of(own_lines), messages(), Json(), true),
            "<s>[user]q[assistant]<think>\nhmm\n</think>\n\nThe");
  EXPECT_EQ(shown(prompt_of(testing::kGoodTemplate), messages(), Json(), true),
            "<s>[user]q[assistant]The");
  last["content"] = "";
  EXPECT_EQ(shown(inline_thoughts, messages(), Json(), true), "<s>[user]q[assistant]<think>hmm");
}

TEST(ChatPrompt, AReasoningThatWasGivenIsNoTemplateText) {
  const Json messages = Json::array(
      {user("q"), {{"role", "assistant"}, {"content", "</s>"}, {"reasoning_content", "</think>"}}});
  const auto prompt =
      prompt_of(testing::kThinkingTemplate).render({messages, Json(), Json(), true});
  ASSERT_EQ(prompt->segments.size(), 6u);
  EXPECT_EQ(prompt->segments[3], (PromptSegment{"</think>", false}));
  EXPECT_EQ(prompt->segments[4], (PromptSegment{"</think>", true}));
  EXPECT_EQ(prompt->segments[5], (PromptSegment{"</s>", false}));
}

TEST(ChatPrompt, AMessageThatSpellsAMarkMovesTheMark) {
  const ChatPrompt chat = prompt_of(testing::kLosingTemplate);
  const std::string text =
      shown(chat, Json::array({user("\uE0FA0:0; \uE0FA1:"), assistant_calls(1, "")}));
  EXPECT_NE(text.find("[user]\uE0FA0:0; \uE0FA1:[assistant]<｜tool▁calls▁begin｜>"),
            std::string::npos)
      << text;
}

TEST(ChatPrompt, RefusesWhatTheTemplateRefuses) {
  const ChatPrompt chat = prompt_of(testing::kGoodTemplate);
  EXPECT_TRUE(shown(chat, "x", Json(), true).starts_with("! "));
  EXPECT_TRUE(shown(chat, Json::array({1}), Json(), true).starts_with("! "));
}

std::string read(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

TEST(ChatPrompt, WhatToolsAnsweredIsClosedBeforeAUsersTurn) {
  BATON_NEED_SHARED(folder, "tokenizer/templates");
  const Json output = {{"role", "tool"}, {"content", "21<｜tool▁output▁end｜>"}};
  const Json history =
      Json::array({user("q"), assistant_calls(2, nullptr), output, output, user("next")});
  for (const char* name : {"r1", "v3-0324"}) {
    const ChatPrompt chat = prompt_of(read(folder / (std::string(name) + ".jinja")));
    EXPECT_TRUE(chat.traits().loses_outputs_end) << name;
    const std::string text = shown(chat, history);
    EXPECT_NE(
        text.find(
            "21<｜tool▁output▁end｜><｜tool▁output▁end｜><｜tool▁outputs▁end｜><｜User｜>next"),
        std::string::npos)
        << text;
    const auto ends = [](const std::string& all) {
      size_t found = 0;
      for (size_t at = 0; (at = all.find("<｜tool▁outputs▁end｜>", at)) != all.npos; ++at) ++found;
      return found;
    };
    EXPECT_EQ(ends(text), 1u) << text;
    Json answered = history;
    const Json answer = {{"role", "assistant"}, {"content", "so"}};
    answered.insert(answered.begin() + 4, answer);
    EXPECT_EQ(ends(shown(chat, answered)), 1u) << name;
    const Json open = Json::array({history[0], history[1], output});
    EXPECT_EQ(ends(shown(chat, open)), 1u) << name;
  }
  const std::string text = shown(prompt_of(read(folder / "v3.1.jinja")), history);
  EXPECT_EQ(text.find("outputs"), std::string::npos) << text;
}

Json tool(const char* said) { return {{"role", "tool"}, {"content", said}}; }

size_t times(const std::string& text, std::string_view what) {
  size_t found = 0;
  for (size_t at = 0; (at = text.find(what, at)) != text.npos; at += what.size()) ++found;
  return found;
}

TEST(ChatPrompt, CallsOfLaterTurnsAreOpenedAgain) {
  const ChatPrompt chat = prompt_of(testing::kForgetfulTemplate);
  const Json calls = assistant_calls(2, nullptr);
  const Json once = Json::array({user("q"), calls, tool("1"), tool("2")});
  const std::string said = render_calls(ToolStyle::v3, calls["tool_calls"])->text();
  EXPECT_EQ(times(shown(chat, once), "<｜tool▁calls▁begin｜>"), 1u);
  Json twice = once;
  twice.push_back(assistant_calls(1, "so: "));
  twice.push_back(tool("3<｜tool▁output▁begin｜>"));
  EXPECT_EQ(shown(chat, twice),
            "<s>[user]q[assistant]" + said +
                "<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>1<｜tool▁output▁end｜>"
                "<｜tool▁output▁begin｜>2<｜tool▁output▁end｜>"
                "[assistant]so: " +
                render_calls(ToolStyle::v3, assistant_calls(1, "")["tool_calls"])->text() +
                "<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>3<｜tool▁output▁begin｜>"
                "<｜tool▁output▁end｜>[assistant]");
}

TEST(ChatPrompt, ThePublishedTemplateOfR1OpensCallsAndOutputsOfAllTurns) {
  BATON_NEED_SHARED(folder, "tokenizer/templates");
  const ChatPrompt chat = prompt_of(read(folder / "r1.jinja"));
  const Json answer = {{"role", "assistant"}, {"content", "so"}};
  const Json calls = assistant_calls(2, "");
  // Two rounds before one answer, then one more behind a user's turn.
  const Json history =
      Json::array({user("q"), calls, tool("1"), tool("2"), calls, tool("3"), tool("4"), answer,
                   user("r"), assistant_calls(1, "Hm."), tool("5")});
  const std::string text = shown(chat, history);
  for (const char* marker : {"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>",
                             "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>"}) {
    EXPECT_EQ(times(text, marker), 3u) << marker << " in " << text;
  }
  const std::string call = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f0";
  EXPECT_NE(text.find("<｜Assistant｜>" + call), std::string::npos) << text;
  EXPECT_NE(text.find("2<｜tool▁output▁end｜><｜tool▁outputs▁end｜>" + call), std::string::npos)
      << text;
  EXPECT_NE(text.find("<｜User｜>r<｜Assistant｜>Hm." + call), std::string::npos) << text;
  EXPECT_NE(text.find("<｜end▁of▁sentence｜><｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>3"),
            std::string::npos)
      << text;
  // The first round is as the template itself writes it.
  const Json first = Json::array({history[0], history[1], history[2], history[3]});
  const std::string alone = shown(chat, first);
  EXPECT_TRUE(text.starts_with(alone)) << alone << " and " << text;
}

TEST(ChatPrompt, ThePublishedTemplatesGoOnInTheAnswer) {
  BATON_NEED_SHARED(folder, "tokenizer/templates");
  const Json messages = Json::array({user("q"),
                                     {{"role", "assistant"},
                                      {"prefix", true},
                                      {"content", "The"},
                                      {"reasoning_content", "hmm"}}});
  EXPECT_EQ(shown(prompt_of(read(folder / "v3.1.jinja")), messages, Json(), true),
            "<s><｜User｜>q<｜Assistant｜><think>hmm</think>The");
  EXPECT_EQ(shown(prompt_of(read(folder / "r1.jinja")), messages, Json(), true),
            "<s><｜User｜>q<｜Assistant｜><think>\nhmm\n</think>\n\nThe");
}

TEST(ChatPrompt, ThePublishedTemplatesOfR1AndV31PrintCallsButNoTools) {
  BATON_NEED_SHARED(folder, "tokenizer/templates");
  for (const auto& [name, style] : {std::pair("r1", ToolStyle::v3), {"v3.1", ToolStyle::v31}}) {
    const ChatPrompt chat = prompt_of(read(folder / (std::string(name) + ".jinja")));
    const bool v3 = style == ToolStyle::v3;
    EXPECT_EQ(chat.traits(), (TemplateTraits{false, true, true, v3, style, v3, v3})) << name;
  }
}

}  // namespace
}  // namespace baton::text
