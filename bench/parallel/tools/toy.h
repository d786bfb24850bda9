// Toy: a model of random weights, and sessions that decode on an instance of threads.
//
// Sizes are such that what one rank computes between two messages takes 0.2 to 2 ms. Thread safety:
// one thread.
#pragma once

#include <optional>
#include <vector>

#include "tests/model/harness.h"
#include "tests/support/temporary_folder.h"

namespace baton::bench {

class Toy {
 public:
  explicit Toy(bool quick);
  const checkpoint::Checkpoint& checkpoint() const { return *checkpoint_; }

 private:
  testing::TemporaryFolder folder_;
  std::optional<checkpoint::Checkpoint> checkpoint_;
};

// Sequences of every DP group that all decode in the same steps.
class Decoding {
 public:
  // Their prompts are one token each: there is nothing to fill.
  Decoding(testing::Harness& harness, uint32_t groups, uint32_t sequences_a_group,
           uint32_t steps_max);

  void step();
  std::vector<Digest> digests() const;  // of all logits that a token was sampled from

 private:
  testing::Harness& harness_;
  std::vector<testing::Session> sessions_;
};

// Pages of an instance whose sequences decode so many steps.
uint32_t pages_of(uint32_t sequences, uint32_t steps_max);

}  // namespace baton::bench
