// The canonical order of FP32 arithmetic: why the same request gives the same bytes everywhere.
//
// Every path (portable, AVX2, AVX-512) and every slow twin follows these definitions, so results
// don't depend on the processor, the number of threads, or what else is in the step.
//
// dot(a, b, n): 16 lanes, all +0 at first. Element i goes to lane i mod 16, by fused multiply-add,
//   in the order of i. The last, partial group is filled with +0 * +0 on the other lanes. Then the
//   tree: lane l += lane l+8, for l < 8; += l+4, for l < 4; += l+2, for l < 2; lane 0 + lane 1.
// sum(v, n): the same with additions instead of multiply-adds.
// weighted_sum(w, x): out[c] = acc after acc = fma(w[t], x[t][c], acc) for t = 0, 1, ...: one chain
//   an output, in the order of t. acc starts at out[c] * scale, or at +0 where scale is 0.
// split dot: a contraction that tensor parallelism may split is `segments` (a power of two) dots of
//   equal length, added by the binary tree of neighbours: ((s0 + s1) + (s2 + s3)) + ...
// exp, sigmoid, silu: one fixed sequence of operations a lane (body.h), no C library.
// softmax over a sequence: in blocks of 64 positions from position 0, whatever the chunk; running
//   maximum m and sum l: c = exp(m - m'), l = fma(l, c, sum(exp(s - m'))), values scaled by c.
// log-sum-exp over the vocabulary: blocks of 256 ids with a maximum and a sum(exp) each; then, in
//   double and in the order of the blocks, the sums scaled by exp(m_block - m).
//
// Thread safety: constants.
#pragma once

#include <cstddef>

namespace baton::kernels {

inline constexpr size_t kLanes = 16;
inline constexpr size_t kVocabularyBlock = 256;
inline constexpr unsigned kSegmentsMax = 8;
inline constexpr float kExpLowest = -87.33f;  // exp of anything lower is 0
inline constexpr float kExpHighest = 88.0f;   // exp of anything higher is exp(88)

}  // namespace baton::kernels
