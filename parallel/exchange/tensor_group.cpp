#include "parallel/exchange/tensor_group.h"

#include "base/result.h"

namespace baton::parallel {

TensorGroup::TensorGroup(Port& port, uint32_t tp, Tag tag)
    : port_(port),
      tp_(tp),
      index_(port.rank() % tp),
      first_(port.rank() - index_),
      tag_(tag),
      parts_(tp) {
  check(port.size() % tp == 0, "the ranks make whole groups");
}

void TensorGroup::gather(std::span<const uint32_t> bounds, size_t row_bytes, std::byte* rows) {
  const auto rows_of = [&](uint32_t t) {
    return std::span(rows + bounds[t] * row_bytes, (bounds[t + 1] - bounds[t]) * row_bytes);
  };
  transfers_.clear();
  for (uint32_t i = 1; i < tp_; ++i) {
    const uint32_t t = (index_ + i) % tp_;
    transfers_.push_back(port_.receive(first_ + t, tag_, rows_of(t)));
    transfers_.push_back(port_.send(first_ + t, tag_, rows_of(index_)));
  }
  for (const Transfer transfer : transfers_) port_.wait(transfer);
}

std::span<const std::byte* const> TensorGroup::scatter(std::span<const uint32_t> bounds,
                                                       size_t row_bytes, const std::byte* parts) {
  const size_t own = (bounds[index_ + 1] - bounds[index_]) * row_bytes;
  if (incoming_.size() < own * tp_) incoming_.resize(own * tp_);
  transfers_.clear();
  for (uint32_t i = 1; i < tp_; ++i) {
    const uint32_t t = (index_ + i) % tp_;
    const auto room = std::span(incoming_).subspan(own * t, own);
    parts_[t] = room.data();
    transfers_.push_back(port_.receive(first_ + t, tag_ + 1, room));
    transfers_.push_back(port_.send(
        first_ + t, tag_ + 1,
        std::span(parts + bounds[t] * row_bytes, (bounds[t + 1] - bounds[t]) * row_bytes)));
  }
  parts_[index_] = parts + bounds[index_] * row_bytes;
  for (const Transfer transfer : transfers_) port_.wait(transfer);
  return parts_;
}

}  // namespace baton::parallel
