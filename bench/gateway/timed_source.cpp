#include "bench/gateway/timed_source.h"

#include <algorithm>

namespace baton::bench {

TimedSource::TimedSource(boost::asio::io_context& io, const Clock& clock, uint32_t tokens_per_s)
    : clock_(clock),
      slots_(static_cast<size_t>(Duration(1s) / kTick) / tokens_per_s),
      timer_(io),
      next_tick_(clock.now() + kTick) {
  tick();
}

void TimedSource::add(Say say) {
  slots_[next_slot_].push_back(std::move(say));
  next_slot_ = (next_slot_ + 37) % slots_.size();
}

// All that is due by now, a slot a tick.
void TimedSource::tick() {
  for (const Instant now = clock_.now(); next_tick_ <= now; next_tick_ += kTick) {
    auto& slot = slots_[slot_];
    std::erase_if(slot, [&](const Say& say) { return !say(next_tick_); });
    slot_ = (slot_ + 1) % slots_.size();
  }
  timer_.expires_after(std::max(Duration{}, next_tick_ - clock_.now()));
  timer_.async_wait([this](auto error) {
    if (!error) tick();
  });
}

}  // namespace baton::bench
