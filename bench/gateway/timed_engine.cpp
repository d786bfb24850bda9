#include "bench/gateway/timed_engine.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>

namespace baton::bench {

struct TimedEngine::Stream {
  server::GenerationEvents events;
  uint32_t tokens = 0;
  uint32_t said = 0;
  bool over = false;
};

class TimedEngine::Handle final : public server::Generation {
 public:
  explicit Handle(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
  ~Handle() override { stream_->over = true; }

 private:
  std::shared_ptr<Stream> stream_;
};

TimedEngine::TimedEngine(boost::asio::io_context& io, const Clock& clock, uint32_t tokens_per_s)
    : io_(io), clock_(clock), tokens_per_s_(tokens_per_s), timer_(io) {
  if (tokens_per_s_ == 0) return;
  slots_.resize(static_cast<size_t>(Duration(1s) / kTick) / tokens_per_s_);
  next_tick_ = clock_.now() + kTick;
  tick();
}

std::unique_ptr<server::Generation> TimedEngine::submit(RequestState request,
                                                        server::GenerationEvents events) {
  auto stream = std::make_shared<Stream>();
  stream->events = std::move(events);
  stream->tokens = request.stop.max_tokens;
  if (tokens_per_s_ == 0) {
    boost::asio::post(io_, [this, stream] {
      while (say(stream, clock_.now())) {
      }
    });
  } else {
    slots_[next_slot_].push_back(stream);
    next_slot_ = (next_slot_ + 37) % slots_.size();  // phases that have nothing to do with order
  }
  return std::make_unique<Handle>(stream);
}

bool TimedEngine::say(const std::shared_ptr<Stream>& stream, Instant due) {
  if (stream->over) return false;
  TokenEvent event;
  event.index = stream->said++;
  event.token = 17;
  event.text = fmt::format("{} ", due.time_since_epoch().count());
  const bool last = stream->said == stream->tokens;
  if (last) event.finish = FinishReason::length;
  stream->events.on_tokens({&event, 1});
  if (!last || stream->over) return !stream->over;
  stream->over = true;
  server::Timeline timeline;
  timeline.attempts = 1;
  stream->events.on_finished(timeline);
  return false;
}

// All that is due by now, a slot a tick.
void TimedEngine::tick() {
  for (const Instant now = clock_.now(); next_tick_ <= now; next_tick_ += kTick) {
    auto& slot = slots_[slot_];
    std::erase_if(slot, [&](const auto& stream) { return !say(stream, next_tick_); });
    slot_ = (slot_ + 1) % slots_.size();
  }
  timer_.expires_after(std::max(Duration{}, next_tick_ - clock_.now()));
  timer_.async_wait([this](auto error) {
    if (!error) tick();
  });
}

}  // namespace baton::bench
