// Any bytes are either refused or parsed to tensors that lie inside them, end to end.

#include <cstddef>
#include <cstdint>
#include <span>

#include "model/checkpoint/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace baton;
  const auto file = std::as_bytes(std::span(data, size));
  const auto header = checkpoint::parse_safetensors(file, "fuzz.safetensors");
  if (!header) {
    check(header.error().message.find("fuzz.safetensors") == 0, "a refusal names the file");
    return 0;
  }
  check(header->data_begin <= size, "the data begin inside the file");
  size_t covered = 0;
  for (const auto& [name, info] : header->tensors) {
    check(info.begin <= info.end && info.end <= size - header->data_begin,
          "a tensor lies inside the data");
    size_t elements = 1;
    for (const size_t dim : info.shape) elements *= dim;
    check(elements == info.elements(), "a tensor is as long as its shape says");
    covered += info.end - info.begin;
  }
  check(covered == size - header->data_begin, "the tensors tile the data");
  return 0;
}
