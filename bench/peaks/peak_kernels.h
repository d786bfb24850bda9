// PeakKernels: the table of one instruction set's peak kernels, without anything inline.
//
// Thread safety: pure functions.
#pragma once

#include <cstddef>

namespace baton::bench {

// Runs `rounds` rounds; a round is so many operations.
struct PeakKernels {
  void (*int8)(size_t rounds);
  void (*fp32)(size_t rounds);
  void (*read)(const std::byte* data, size_t bytes);  // a multiple of 512
  size_t int8_ops;
  size_t fp32_flops;
};

}  // namespace baton::bench
