// FakeModel: a model whose every token depends on every cache entry that it should have read.
//
// An entry is a hash of all entries before it, its token and its form (prefill before position
// n - 1, decode after); the next token is a hash of all entries up to here, as they lie in the
// pages. So an entry that is missing, stale, unverified, of another request or of the wrong form
// gives a wrong token. Drafts are right about two times of three. Thread safety: const.
#pragma once

#include <vector>

#include "kvcache/pool_memory.h"
#include "model/runner.h"
#include "model/text/tokenizer.h"
#include "proto/cluster.h"
#include "proto/request.h"

namespace baton::simulation {

inline constexpr uint32_t kMainLayers = 2;
inline constexpr kvcache::PageFormat kFormat{kMainLayers + 1, 8};  // the MTP layer is the last
inline constexpr uint32_t kVocabulary = 64;
inline constexpr TokenId kEndToken = 63;

Manifest fake_manifest();

// Letters, and bytes that make a character only in pairs.
text::Tokenizer fake_tokenizer();

// What choice `choice` of the request says when nothing goes wrong, without any cache.
std::vector<TokenEvent> reference(const RequestState& request, ChoiceIndex choice,
                                  const text::Tokenizer& tokenizer);

// What the model thinks of the request's prompt, from its second token on.
std::vector<PromptScore> reference_scores(const RequestState& request);

// The scores that rows ask for, of entries that are all in their pages.
std::vector<model::ScoredRow> score_rows(const model::SequenceRows& rows,
                                         const kvcache::PoolMemory& pool);
// One layer of rows that only fill.
void fill_layer(const model::SequenceRows& rows, kvcache::PoolMemory& pool, uint32_t layer);
// All layers, and the sampled tokens and drafts of rows that sample.
model::SequenceResult run_rows(const model::SequenceRows& rows, kvcache::PoolMemory& pool);

}  // namespace baton::simulation
