#include "bench/engine/driver.h"

#include <algorithm>
#include <cstring>

#include "base/hash/counter_rng.h"

namespace baton::bench {

Result<std::unique_ptr<Driver>> Driver::create(const checkpoint::Checkpoint& checkpoint,
                                               const DriverOptions& options) {
  std::unique_ptr<Driver> driver(new Driver(checkpoint, options));
  BATON_TRY(runner, model::TeamRunner::create(
                        checkpoint, options.runner, *driver->port_, [] {}, driver->clock_));
  driver->runner_ = std::move(runner);
  const uint32_t pages = pages_for(options.tokens_max) + options.runner.sequences_max;
  BATON_TRY(cache, kvcache::PoolMemory::create_private(driver->runner_->page_format(), pages));
  driver->cache_ = std::make_unique<kvcache::PoolMemory>(std::move(cache));
  for (uint32_t p = pages; p != 0; --p) driver->free_.push_back(PageId(p - 1));
  return driver;
}

Stream Driver::open(std::vector<TokenId> prompt, size_t answer_tokens) {
  Stream stream;
  const uint32_t pages = pages_for(prompt.size() + answer_tokens);
  check(pages <= free_.size(), "streams stay within the driver's tokens");
  for (uint32_t p = 0; p < pages; ++p) {
    stream.pages.push_back(free_.back());
    free_.pop_back();
  }
  stream.prompt = prompt;
  stream.known = std::move(prompt);
  return stream;
}

Stream Driver::open_random(uint64_t seed, size_t prompt_tokens, size_t answer_tokens) {
  SeededRandom random(seed);
  std::vector<TokenId> prompt(prompt_tokens);
  for (TokenId& token : prompt) token = static_cast<TokenId>(random.below(config().vocab_size));
  return open(std::move(prompt), answer_tokens);
}

void Driver::close(Stream& stream) {
  free_.insert(free_.end(), stream.pages.rbegin(), stream.pages.rend());
  stream.pages.clear();
}

void Driver::prefill(Stream& stream) {
  const auto n = static_cast<uint32_t>(stream.prompt.size());
  while (stream.filled + 1 < n) {
    model::SequenceRows rows;
    const uint32_t count = std::min(options_.runner.rows_max, n - 1 - stream.filled);
    rows.pages = stream.pages;
    rows.prompt_tokens = n;
    rows.first = stream.filled;
    rows.tokens = std::span(stream.prompt).subspan(stream.filled, count);
    rows.next = stream.prompt[stream.filled + count];
    runner_->step(std::span(&rows, 1), *cache_, {});
    stream.filled += count;
  }
}

void Driver::pretend_prefill(Stream& stream, uint64_t seed) {
  SeededRandom random(seed);
  const auto& format = cache_->format();
  const bool bf16 = format.entry_bytes == config().kv_entry_width() * 2;  // else floats, or FP8
  // A block's worth of values below 1 in magnitude, the same in every layer.
  for (const PageId page : stream.pages) {
    const auto first = cache_->block(page, 0);
    for (size_t at = 0; at < first.size(); at += bf16 ? 2 : 4) {
      const uint64_t bits = random.next();
      const uint16_t half = static_cast<uint16_t>((bits & 0x80ff) | 0x3e00);
      const uint32_t whole = static_cast<uint32_t>(half) << 16;
      if (bf16) {
        std::memcpy(first.data() + at, &half, 2);
      } else {
        std::memcpy(first.data() + at, &whole, 4);
      }
    }
    for (uint32_t layer = 1; layer < format.layers; ++layer) {
      std::ranges::copy(first, cache_->block(page, layer).begin());
    }
  }
  stream.filled = static_cast<Position>(stream.prompt.size() - 1);
}

void Driver::decode(std::span<Stream* const> streams) {
  std::vector<model::SequenceRows> step;
  for (Stream* stream : streams) {
    if (!stream->verify_drafts) stream->drafts.clear();
    model::SequenceRows rows;
    rows.pages = stream->pages;
    rows.prompt_tokens = static_cast<uint32_t>(stream->prompt.size());
    rows.first = stream->filled;
    rows.tokens = std::span(stream->known).subspan(stream->filled);
    rows.sampling = &stream->sampling;
    rows.report = &stream->report;
    rows.drafts = stream->drafts;
    rows.prompt = stream->prompt;
    rows.output = stream->output();
    rows.draft_depth = stream->verify_drafts ? 1 : 0;
    step.push_back(rows);
  }
  auto results = runner_->step(step, *cache_, {});
  for (size_t i = 0; i < streams.size(); ++i) {
    Stream& stream = *streams[i];
    stream.last = std::move(results[i].tokens);
    stream.filled = static_cast<Position>(stream.known.size() + stream.last.size() - 1);
    for (const auto& token : stream.last) stream.known.push_back(token.token);
    stream.drafts = std::move(results[i].drafts);
  }
}

void Driver::force(Stream& stream, TokenId token) { stream.known.back() = token; }

}  // namespace baton::bench
