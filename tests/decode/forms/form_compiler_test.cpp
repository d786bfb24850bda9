#include "decode/forms/form_compiler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "model/constraint/markers.h"
#include "tests/simulation/fake_model.h"
#include "tests/support/source_dir.h"

namespace baton::decode {
namespace {

using Form = ConstraintParams::Form;

TEST(FormCompiler, AnswersOnTheExecutorInTurn) {
  const text::Tokenizer tokenizer = simulation::fake_tokenizer();
  boost::asio::io_context io;
  auto busy = boost::asio::make_work_guard(io);
  std::vector<std::string> answers;
  FormCompiler compiler(io.get_executor(), tokenizer, simulation::kVocabulary,
                        [&](Forms::Key key, CompiledForm form) {
                          answers.push_back(key.second + (form ? "" : form.error().message));
                          if (answers.size() == 3) busy.reset();
                        });
  compiler.compile({Form::regex, "A"});
  compiler.compile({Form::regex, "("});
  compiler.compile({Form::regex, "B"});
  EXPECT_TRUE(answers.empty());
  io.run();
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0], "A");
  EXPECT_THAT(answers[1], ::testing::HasSubstr("not closed"));
  EXPECT_EQ(answers[2], "B");
}

TEST(FormCompiler, SaysNothingOnceItIsGone) {
  const text::Tokenizer tokenizer = simulation::fake_tokenizer();
  boost::asio::io_context io;
  {
    FormCompiler compiler(io.get_executor(), tokenizer, simulation::kVocabulary,
                          [](const Forms::Key&, const CompiledForm&) { FAIL(); });
    compiler.compile({Form::regex, "A"});
  }
  io.run();
}

TEST(FormCompiler, SpecialTokensHaveNoBytes) {
  const text::Tokenizer tokenizer = simulation::fake_tokenizer();
  const auto bytes = form_bytes(tokenizer, 70);
  ASSERT_EQ(bytes.size(), 70u);
  EXPECT_EQ(bytes[0], "A");
  EXPECT_EQ(bytes[56], "\xC3");
  EXPECT_EQ(bytes[simulation::kEndToken], "");
  EXPECT_EQ(bytes[66], "");
}

TEST(FormCompiler, MarkersOfCallsHaveTheBytesThatFormsKnowThemBy) {
  const auto tokenizer = text::Tokenizer::load(testing::source_dir() / "model/demo");
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const auto sep = tokenizer->find_token("<｜tool▁sep｜>");
  const auto bytes = form_bytes(*tokenizer, static_cast<uint32_t>(tokenizer->vocab_size()));
  ASSERT_TRUE(sep && *sep < bytes.size());
  EXPECT_EQ(bytes[*sep], constraint::marker_byte("<｜tool▁sep｜>"));
  for (const std::string_view token : bytes) {
    EXPECT_TRUE(token.size() == 1 || !constraint::holds_marker_byte(token));
  }
}

}  // namespace
}  // namespace baton::decode
