// Measurements: what engine_bench measures of a runner in this process, each figure beside its
// limit on this machine: what the operations or bytes take at least at the peaks measured just
// before and just after. Medians of some tries. Prints a table, or gathers JSON.
//
// Thread safety: one thread.
#pragma once

#include <nlohmann/json.hpp>

#include "bench/engine/cost.h"
#include "bench/engine/driver.h"

namespace baton::bench {

struct MeasurementOptions {
  uint32_t chunk = 512;        // tokens of a prefill step
  size_t tokens_max = 131072;  // of all sequences together; what needs more is left out
  size_t steps = 8;            // decode steps of a try, of which the median is taken
  size_t tries = 5;
  bool quiet = false;  // no table
};

class Measurements {
 public:
  Measurements(const MeasurementOptions& options, const checkpoint::NumericMode& mode,
               const kernels::Kernels& kernels, Driver& driver, PeakMeter& meter)
      : o_(options), mode_(mode), kernels_(kernels), driver_(driver), meter_(meter) {}

  // Prompts from their first token to their last but one.
  void prefill(const std::vector<size_t>& lengths);
  // Tokens a second of all sequences of a batch together.
  void decode(const std::vector<size_t>& batches, const std::vector<size_t>& contexts);
  // One chunk, and one decode step of one row, that many positions into a sequence.
  void depth(const std::vector<size_t>& depths);
  // Decode with and without the MTP layer's drafts. `accepted`: that share of the drafts is made
  // right, the others wrong, whatever the layer drafts (of random weights it drafts nothing
  // useful). The bound: tokens a step, times what a step of one row costs over what a draft and a
  // step of two rows do.
  void drafts(const std::vector<size_t>& batches, size_t context, double accepted);
  // One sequence alone, and beside a process that never rests.
  void beside_a_busy_process(size_t context);

  const nlohmann::ordered_json& json() const { return json_; }

 private:
  struct Figure {
    double seconds;
    double share;  // of the limit
  };
  struct Drafted {
    double step_seconds;
    double tokens_a_step;
  };

  std::vector<Stream> open(size_t batch, size_t context, size_t answer);
  void close(std::vector<Stream>& streams);
  double step_seconds(std::span<Stream* const> streams, size_t steps);
  Figure decode_step(size_t batch, size_t context);
  Figure prefill_chunk(size_t depth);
  Drafted with_drafts(std::vector<Stream>& streams, double accepted,
                      const std::vector<std::vector<TokenId>>& right);
  template <class Body, class Limit>
  Figure median(Body&& body, Limit&& limit);
  template <class Body>
  double time(Body&& body) const;
  template <class... Args>
  void say(fmt::format_string<Args...> text, Args&&... args) const;

  MeasurementOptions o_;
  checkpoint::NumericMode mode_;
  const kernels::Kernels& kernels_;
  Driver& driver_;
  PeakMeter& meter_;
  SystemClock clock_;
  nlohmann::ordered_json json_;
};

}  // namespace baton::bench
