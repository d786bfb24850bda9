// Limits of a decode instance, what it must know of its model, and what a request will cost.
// Thread safety: values and pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "proto/request.h"

namespace baton::decode {

struct DecodeLimits {
  uint32_t requests_max = 256;   // live: at prefill, waiting and running
  uint32_t groups = 1;           // DP groups: each has a batch of its own, steps are in common
  uint32_t sequences_max = 64;   // choices in a group's batch
  uint32_t rows_max = 256;       // of a group in one step; at least sequences_max + fill_rows_min
  uint32_t fill_rows_min = 32;   // rows that a step keeps for prompts and replays, if there are any
  uint32_t fill_rows_max = 128;  // and gives them at most, while others wait for tokens
  uint32_t draft_tokens = 1;     // verified a step; 0: no speculation
  // So many entries of a prompt that are not in the cache here are filled here, at most, also if a
  // prefill was named.
  uint32_t local_prefill_tokens = 0;
  uint32_t growth_tokens = 256;  // that a choice has room for when it is admitted, at most
  uint32_t choices_max = 16;
  uint32_t places() const { return groups * sequences_max; }
  uint32_t stop_strings_max = 16;
  uint32_t alternatives_max = 20;  // to a token, in what is reported of it
  uint32_t bad_words_max = 128;
  uint32_t bad_word_tokens_max = 256;
  uint32_t markers_max = 64;
  size_t form_bytes_max = 128 * 1024;  // of a schema, a pattern or a grammar

  Duration prefill_silence_max = 5s;  // a job of which nothing is heard: its prefill is lost
  Duration not_before = 100ms;        // told to a prefill while full; doubles for each refusal
  Duration not_before_max = 2s;
  uint32_t refusals_before_claim = 3;   // then younger jobs leave room for it
  Duration resend_after = 500ms;        // sealed, frames are missing, none landed: ask for them
  uint32_t resends_max = 8;             // without an answer, or of wrong pages: then it has failed
  uint32_t resend_frames_max = 4096;    // asked for at once
  Duration digest_max = 30s;            // for the shell's answer to DigestPages
  Duration pages_wait_max = 10s;        // a request without prefill waits that long for pages
  Duration alive_interval = 1s;         // a silent request tells its gateway that it lives
  Duration beat_interval = 500ms;       // heartbeats, and at once after a change, but not
  Duration beat_interval_min = 20ms;    // more often than this
  Duration report_interval = 1s;        // of the pool, with a heartbeat
  Duration drain_max = 60s;             // then what still runs is given back to its gateway
  Duration time_max = Duration(3600s);  // of a request that names no deadline
};

struct ModelFacts {
  uint32_t vocab_size = 0;
  uint32_t context_max = 0;         // positions that the model can attend to
  std::vector<TokenId> end_tokens;  // end an answer unless ignore_eos
};

// How many pages a request holds when it is admitted: of its prompt's entries 0..n-2, and of the
// first tokens of each of its choices. What it needs beyond that it gets as it goes.
struct PageNeed {
  uint32_t prompt = 0;
  uint32_t growth = 0;
  uint32_t total() const { return prompt + growth; }
  friend bool operator==(const PageNeed&, const PageNeed&) = default;
};
PageNeed page_need(uint32_t prompt_tokens, uint32_t choices, uint32_t tokens);
PageNeed page_need(const RequestState& request, const DecodeLimits& limits);
// Tokens of each choice that there is room for from the start: those that are known, and some more.
uint32_t tokens_ahead(const RequestState& request, const DecodeLimits& limits);

// Every id and range of a request, once more at this hop; the sentence says what is wrong.
Result<void> validate(const RequestState& request, const DecodeLimits& limits,
                      const ModelFacts& model, uint32_t pool_pages);

}  // namespace baton::decode
