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
    : io_(io), clock_(clock) {
  if (tokens_per_s > 0) source_.emplace(io, clock, tokens_per_s);
}

std::unique_ptr<server::Generation> TimedEngine::submit(RequestState request,
                                                        server::GenerationEvents events) {
  auto stream = std::make_shared<Stream>();
  stream->events = std::move(events);
  stream->tokens = request.stop.max_tokens;
  if (source_) {
    source_->add([stream](Instant due) { return say(*stream, due); });
  } else {
    boost::asio::post(io_, [this, stream] {
      while (say(*stream, clock_.now())) {
      }
    });
  }
  return std::make_unique<Handle>(stream);
}

bool TimedEngine::say(Stream& stream, Instant due) {
  if (stream.over) return false;
  TokenEvent event;
  event.index = stream.said++;
  event.token = 17;
  event.text = fmt::format("{} ", due.time_since_epoch().count());
  const bool last = stream.said == stream.tokens;
  if (last) event.finish = FinishReason::length;
  stream.events.on_tokens({&event, 1});
  if (!last || stream.over) return !stream.over;
  stream.over = true;
  server::Timeline timeline;
  timeline.attempts = 1;
  stream.events.on_finished(timeline);
  return false;
}

}  // namespace baton::bench
