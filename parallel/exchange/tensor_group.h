// TensorGroup: what the tp ranks of one DP group say to each other in a layer (DeepSeek-V3 report,
// 3.4: tensor parallelism with sequence parallelism between).
//
// Rows are owned in stretches: rank t of the group owns rows [bounds[t], bounds[t + 1]). Both calls
// are made by all ranks of the group; a rank that has returned from gather() sees what the others
// wrote to shared memory before they called it. Thread safety: the port's owner thread.
#pragma once

#include <vector>

#include "parallel/exchange/port.h"

namespace baton::parallel {

class TensorGroup {
 public:
  // The groups are the runs of `tp` ranks. The port outlives it. Uses `tag` and the one after it.
  TensorGroup(Port& port, uint32_t tp, Tag tag);

  uint32_t tp() const { return tp_; }
  uint32_t index() const { return index_; }  // of this rank in its group

  // Each rank has its own rows in place; afterwards each has all of them.
  void gather(std::span<const uint32_t> bounds, size_t row_bytes, std::byte* rows);

  // Each rank has a partial sum for every row. Returns, by rank, its parts of this rank's own rows,
  // valid until the next call. parts: [rows, row_bytes].
  std::span<const std::byte* const> scatter(std::span<const uint32_t> bounds, size_t row_bytes,
                                            const std::byte* parts);

 private:
  Port& port_;
  uint32_t tp_;
  uint32_t index_;
  uint32_t first_;
  Tag tag_;
  std::vector<std::byte> incoming_;
  std::vector<const std::byte*> parts_;  // [tp]
  std::vector<Transfer> transfers_;
};

}  // namespace baton::parallel
