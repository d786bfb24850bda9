// Random weights: each tensor's bytes are a function of the seed, its name and its shape alone.
//
// As a network is initialised: matrices are normal with variance 1 / columns, so that activations
// keep their size; those that add to the residual stream, twice a layer, with 1 / (2 layers) of it,
// so that the stream does too; the embedding has variance 1, norms lie near 1, routers' biases are
// small. Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/checkpoint/expected_tensors.h"

namespace baton::bench {

struct StoredTensor {
  std::string name;
  checkpoint::Dtype dtype = checkpoint::Dtype::bf16;
  checkpoint::Shape shape;
  size_t bytes() const;
};

// What is stored for a tensor that a configuration calls for: itself, and its scales if it is FP8.
std::vector<StoredTensor> stored_tensors(const checkpoint::ExpectedTensor& tensor, bool fp8);

std::vector<std::byte> random_bytes(uint64_t seed, const StoredTensor& tensor,
                                    checkpoint::TensorKind kind, size_t layers);

}  // namespace baton::bench
