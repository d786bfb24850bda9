#include "decode/forms/forms.h"

#include <gtest/gtest.h>

namespace baton::decode {
namespace {

using Form = ConstraintParams::Form;

class FormsTest : public testing::Test {
 protected:
  std::shared_ptr<constraint::Language> language() {
    auto made = constraint::Language::compile(Form::regex, "a", vocabulary_);
    return std::move(*made);
  }
  const constraint::TokenTrie vocabulary_{std::vector<std::string_view>{"a"}};
  Forms forms_;
};

TEST_F(FormsTest, EachIsOrderedOnceUntilItIsThere) {
  const Forms::Key key{Form::regex, "a"};
  EXPECT_EQ(forms_.find(key), nullptr);
  EXPECT_TRUE(forms_.order(key));
  EXPECT_FALSE(forms_.order(key));
  EXPECT_TRUE(forms_.order({Form::grammar, "a"}));
  const auto made = language();
  forms_.put(key, made);
  EXPECT_EQ(forms_.find(key), made);
  EXPECT_EQ(forms_.find({Form::grammar, "a"}), nullptr);
}

TEST_F(FormsTest, OneThatFailedMayBeOrderedAgain) {
  const Forms::Key key{Form::regex, "("};
  EXPECT_TRUE(forms_.order(key));
  forms_.put(key, nullptr);
  EXPECT_EQ(forms_.find(key), nullptr);
  EXPECT_TRUE(forms_.order(key));
}

TEST_F(FormsTest, TheLeastRecentlyAskedForGoes) {
  for (size_t i = 0; i < Forms::kKeptMax; ++i)
    forms_.put({Form::regex, std::to_string(i)}, language());
  EXPECT_NE(forms_.find({Form::regex, "0"}), nullptr);
  forms_.put({Form::regex, "more"}, language());
  EXPECT_EQ(forms_.size(), Forms::kKeptMax);
  EXPECT_NE(forms_.find({Form::regex, "0"}), nullptr);
  EXPECT_EQ(forms_.find({Form::regex, "1"}), nullptr);
}

}  // namespace
}  // namespace baton::decode
