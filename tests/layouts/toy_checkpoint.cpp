// Writes the toy of V3 that tests/layouts/paper serves: 256 experts in 8 groups, 4 of them and 8
// experts a token, a shared expert, an MTP layer; random weights, everything else small.
#include <cstdio>

#include "tests/support/checkpoint_writer.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: toy_checkpoint FOLDER\n");
    return 2;
  }
  baton::testing::CheckpointSpec spec;
  spec.config.update({{"hidden_size", 64},
                      {"num_hidden_layers", 4},
                      {"num_attention_heads", 8},
                      {"vocab_size", 768},
                      {"max_position_embeddings", 4096},
                      {"n_routed_experts", 256},
                      {"n_group", 8},
                      {"topk_group", 4},
                      {"num_experts_per_tok", 8},
                      {"moe_intermediate_size", 24}});
  baton::testing::write_checkpoint(spec, argv[1]);
  return 0;
}
