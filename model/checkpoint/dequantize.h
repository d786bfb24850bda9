// Conversion of stored weights to float32: exact for BF16, F16 and F32; for FP8 blocks the float32
// product of the e4m3 value and the scale of its 128 x 128 block.
//
// A value that is not a finite number is refused with the file's, the tensor's and the element's
// name, so that no NaN of a damaged file enters a model. Reads only the pages of the rows (and
// columns) asked for. The result depends on nothing but the stored bytes.
// Thread safety: pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"
#include "model/checkpoint/checkpoint.h"

namespace baton::checkpoint {

// The value of each e4m3fn code: bias 7, subnormals m * 2^-9, largest 448; 0x7f and 0xff are NaN.
const std::array<float, 256>& e4m3_values();

// Rows [row_begin, row_end), each whole. out: [row_end - row_begin, cols], row-major.
Result<void> read_rows(const Weight& weight, size_t row_begin, size_t row_end,
                       std::span<float> out);

// The same for columns [col_begin, col_end) of the rows: what a rank owns of a matrix that is
// split by columns. out: [row_end - row_begin, col_end - col_begin].
Result<void> read_block(const Weight& weight, size_t row_begin, size_t row_end, size_t col_begin,
                        size_t col_end, std::span<float> out);

// All of a weight: [rows, cols].
Result<std::vector<float>> read_all(const Weight& weight);

}  // namespace baton::checkpoint
