#include "bench/parallel/tools/toy.h"

#include "base/hash/counter_rng.h"
#include "tests/support/checkpoint_writer.h"

namespace baton::bench {

namespace {

constexpr uint32_t kVocabulary = 512;

}  // namespace

Toy::Toy(bool quick) {
  testing::CheckpointSpec spec;
  // No MTP layer: its one exchange a step has one micro-batch, and hides behind nothing.
  spec.config.update({{"hidden_size", 256},
                      {"num_hidden_layers", 5},
                      {"num_attention_heads", 8},
                      {"vocab_size", kVocabulary},
                      {"max_position_embeddings", 4096},
                      {"q_lora_rank", 128},
                      {"kv_lora_rank", 64},
                      {"qk_nope_head_dim", 32},
                      {"qk_rope_head_dim", 16},
                      {"v_head_dim", 32},
                      {"intermediate_size", 512},
                      {"moe_intermediate_size", 128},
                      {"n_routed_experts", 16},
                      {"num_experts_per_tok", 4},
                      {"num_nextn_predict_layers", 0}});
  if (quick) {
    spec.config.update(
        {{"hidden_size", 64}, {"intermediate_size", 64}, {"moe_intermediate_size", 32}});
  }
  testing::write_checkpoint(spec, folder_.path());
  checkpoint_.emplace(checkpoint::Checkpoint::open(folder_.path()).value());
}

Decoding::Decoding(testing::Harness& harness, uint32_t groups, uint32_t sequences_a_group,
                   uint32_t steps_max)
    : harness_(harness) {
  SeededRandom random(11);
  for (uint32_t i = 0; i < groups * sequences_a_group; ++i) {
    sessions_.push_back(harness.open({static_cast<TokenId>(random.below(kVocabulary))}, steps_max));
    sessions_.back().group = i % groups;
  }
}

void Decoding::step() {
  std::vector<model::SequenceRows> rows;
  for (testing::Session& session : sessions_) rows.push_back(session.decode());
  auto results = harness_.runner().step(rows, harness_.cache(), {});
  for (size_t i = 0; i < sessions_.size(); ++i) {
    sessions_[i].was_decoded(rows[i], std::move(results[i]));
  }
}

std::vector<Digest> Decoding::digests() const {
  std::vector<Digest> all;
  for (const testing::Session& session : sessions_) {
    const auto digests = session.digests();
    all.insert(all.end(), digests.begin(), digests.end());
  }
  return all;
}

uint32_t pages_of(uint32_t sequences, uint32_t steps_max) {
  // Harness::open strides through the pool, which needs a number of pages without the factor 7.
  uint32_t pages = sequences * pages_for(1 + steps_max);
  if (pages % 7 == 0) ++pages;
  return pages;
}

}  // namespace baton::bench
