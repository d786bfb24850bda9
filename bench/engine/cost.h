// Cost: what a model's prefill and decode must do at least: integer operations, float32 operations,
// bytes read; and from a machine's peaks the time that takes. The limits that figures stand beside.
//
// Prefill: a token goes through every projection and its experts; each chunk expands the keys and
// values of all positions before its end, and its rows attend to them in float32. Decode: a step
// reads each weight that any of its rows uses once, and multiplies meanwhile; rows attend to their
// latents in float32. Weights are integers or, as stored, taken for BF16 and multiplied in float32.
// Norms, quantisation and sampling are not counted. Thread safety: pure functions.
#pragma once

#include "bench/peaks/peaks.h"
#include "model/checkpoint/config.h"
#include "model/checkpoint/packed/numeric_mode.h"

namespace baton::bench {

struct Cost {
  double int8_ops = 0;       // with weights
  double product_flops = 0;  // with weights that are no integers
  double fp32_flops = 0;     // attention
  double bytes = 0;
};

Cost prefill_cost(const checkpoint::ModelConfig& config, const checkpoint::NumericMode& mode,
                  size_t tokens, size_t chunk);
// One step of `batch` sequences with `context` positions and some rows each, which read the
// sequence's latents once; experts are chosen evenly.
Cost decode_cost(const checkpoint::ModelConfig& config, const checkpoint::NumericMode& mode,
                 size_t batch, size_t context, size_t rows_each = 1);
// One draft of the MTP layer for each row, its logits included.
Cost draft_cost(const checkpoint::ModelConfig& config, const checkpoint::NumericMode& mode,
                size_t batch, size_t context);

// Prefill computes: its operations, one kind after the other. Decode reads weights or multiplies by
// them, whichever takes longer, and attends.
double prefill_seconds(const Cost& cost, const Peaks& peaks);
double decode_seconds(const Cost& cost, const Peaks& peaks);

}  // namespace baton::bench
