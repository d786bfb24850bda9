#include "model/text/jinja/value.h"

#include <gtest/gtest.h>

namespace baton::text::jinja {
namespace {

TEST(Value, MappingsKeepTheirOrderAndFindTheirKeys) {
  Heap heap{Limits{}};
  Dict* dict = heap.dict().value();
  for (int i = 0; i < 100; ++i) {
    dict->set(heap.text("k" + std::to_string(i), true).value(), Value::of_int(i));
  }
  dict->set(heap.text("k7", true).value(), Value::of_int(-7));
  dict->set(Value::of_int(1), Value::of_bool(true));
  dict->set(Value::of_number(1.0), Value::of_bool(false));  // the same key, as in Python
  EXPECT_EQ(dict->entries.size(), 101u);
  EXPECT_EQ(dict->find("k7")->integer, -7);
  EXPECT_EQ(dict->entries[7].value.integer, -7);
  EXPECT_FALSE(dict->find(Value::of_int(1))->boolean);
  EXPECT_EQ(dict->find("k100"), nullptr);
}

TEST(Value, TheHeapKeepsItsBudgets) {
  Heap heap{Limits{.steps_max = 10, .text_bytes_max = 1000}};
  EXPECT_TRUE(heap.charge(10));
  EXPECT_EQ(heap.charge(1).error().code, ErrorCode::resource_exhausted);
  EXPECT_FALSE(heap.text(std::string(2000, 'x'), true));
}

TEST(Value, ValuesWithinThemselvesAreNotFollowedForEver) {
  Heap heap{Limits{}};
  Dict* dict = heap.dict().value();
  dict->is_namespace = true;
  dict->set(heap.text("self", true).value(), heap.value(dict));
  EXPECT_FALSE(to_text(heap.value(dict), heap));
  Dict* other = heap.dict().value();
  other->set(heap.text("self", true).value(), heap.value(other));
  EXPECT_FALSE(equal(heap.value(dict), heap.value(other), heap));
}

TEST(Value, NumbersAreWrittenAsPythonWritesThem) {
  Heap heap{Limits{}};
  const auto shown = [&](double value) {
    return to_text(Value::of_number(value), heap).value().bytes();
  };
  EXPECT_EQ(shown(1), "1.0");
  EXPECT_EQ(shown(0.1), "0.1");
  EXPECT_EQ(shown(1e16), "1e+16");
  EXPECT_EQ(shown(1e15), "1000000000000000.0");
  EXPECT_EQ(shown(0.0001), "0.0001");
  EXPECT_EQ(shown(0.00001), "1e-05");
}

}  // namespace
}  // namespace baton::text::jinja
