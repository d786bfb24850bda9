#include "bench/parallel/tools/timeline.h"

#include <algorithm>
#include <array>
#include <thread>

#include "base/result.h"

namespace baton::bench {

namespace {

double to_milliseconds(Duration d) { return to_seconds(d) * 1e3; }

class RecordingPort final : public parallel::Port {
 public:
  RecordingPort(std::unique_ptr<Port> port, const Clock& clock, Timeline& to)
      : port_(std::move(port)), clock_(clock), to_(to), last_(clock.now()) {}

  uint32_t rank() const override { return port_->rank(); }
  uint32_t size() const override { return port_->size(); }

  parallel::Transfer send(uint32_t to, parallel::Tag tag,
                          std::span<const std::byte> bytes) override {
    const Instant begun = clock_.now();
    const auto transfer = port_->send(to, tag, bytes);
    add({.sends = true, .peer = to, .tag = tag, .number = sent_[{to, tag}]++}, begun, {});
    return transfer;
  }
  parallel::Transfer receive(uint32_t from, parallel::Tag tag,
                             std::span<std::byte> buffer) override {
    const auto transfer = port_->receive(from, tag, buffer);
    awaited_[transfer.value] = {.peer = from, .tag = tag, .number = received_[{from, tag}]++};
    return transfer;
  }
  bool done(parallel::Transfer transfer) override { return port_->done(transfer); }
  size_t wait(parallel::Transfer transfer) override {
    const auto found = awaited_.find(transfer.value);
    if (found == awaited_.end()) return port_->wait(transfer);  // of a send
    const Event event = found->second;
    awaited_.erase(found);
    // Asks again and again, as MPI does: a thread that sleeps comes back late.
    const Instant begun = clock_.now();
    while (!port_->done(transfer)) std::this_thread::yield();
    const Instant came = clock_.now();
    const size_t bytes = port_->wait(transfer);
    add(event, begun, came - begun);
    return bytes;
  }
  const parallel::PortCounts& counts() const override { return port_->counts(); }

 private:
  using Way = std::pair<uint32_t, parallel::Tag>;
  void add(Event event, Instant begun, Duration waited) {
    event.end = clock_.now();
    event.compute = begun - last_;
    event.waited = waited;
    event.inside = event.end - begun - waited;
    last_ = event.end;
    to_.push_back(event);
  }

  std::unique_ptr<Port> port_;
  const Clock& clock_;
  Timeline& to_;
  Instant last_;
  std::map<Way, uint32_t> sent_, received_;
  std::map<uint32_t, Event> awaited_;  // by transfer
};

}  // namespace

std::unique_ptr<parallel::Port> recording_port(std::unique_ptr<parallel::Port> port,
                                               const Clock& clock, Timeline& to) {
  return std::make_unique<RecordingPort>(std::move(port), clock, to);
}

std::vector<Timeline> replay(std::span<const Timeline> ranks, Duration delay) {
  std::vector<Timeline> played(ranks.begin(), ranks.end());
  using Message = std::array<uint32_t, 4>;  // from, to, tag, number
  std::map<Message, Instant> arrivals;
  std::vector<size_t> next(ranks.size());
  std::vector<Instant> now(ranks.size());
  // Plays what the rank can do by itself; false if that is nothing.
  const auto advance = [&](uint32_t rank) {
    const size_t first = next[rank];
    for (; next[rank] < played[rank].size(); ++next[rank]) {
      Event& event = played[rank][next[rank]];
      Instant at = now[rank] + event.compute;
      if (event.sends) {
        at += event.inside;
        arrivals[{rank, event.peer, event.tag, event.number}] = at + delay;
      } else {
        const auto arrival = arrivals.find({event.peer, rank, event.tag, event.number});
        if (arrival == arrivals.end()) break;
        event.waited = std::max(arrival->second - at, Duration::zero());
        at += event.waited + event.inside;
        arrivals.erase(arrival);
      }
      now[rank] = event.end = at;
    }
    return next[rank] != first;
  };
  for (bool moves = true; moves;) {
    moves = false;
    for (uint32_t rank = 0; rank < ranks.size(); ++rank) moves = advance(rank) || moves;
  }
  for (uint32_t rank = 0; rank < ranks.size(); ++rank) {
    check(next[rank] == played[rank].size(), "a recorded wait has its message");
  }
  return played;
}

void add_steps(std::span<const Timeline> ranks, parallel::Tag exchange, size_t steps,
               StepTimes& to) {
  to.ranks_.resize(ranks.size());
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    const Timeline& timeline = ranks[rank];
    std::vector<size_t> begins;
    for (size_t i = 0; i < timeline.size(); ++i) {
      const bool header = timeline[i].tag == timeline.front().tag;
      if (header && (i == 0 || timeline[i - 1].tag != timeline[i].tag)) begins.push_back(i);
    }
    check(begins.size() > steps, "a timeline has the steps that are asked for");
    for (size_t s = begins.size() - 1 - steps; s + 1 < begins.size(); ++s) {
      auto& step = to.ranks_[rank].emplace_back();
      step.ms = to_milliseconds(timeline[begins[s + 1]].end - timeline[begins[s]].end);
      for (size_t i = begins[s]; i < begins[s + 1]; ++i) {
        if (timeline[i].sends || timeline[i].tag < exchange) continue;
        step.waited_ms += to_milliseconds(timeline[i].waited);
        ++step.messages;
      }
    }
  }
}

double StepTimes::mean_of_medians(double Step::*which) const {
  double sum = 0;
  for (const auto& steps : ranks_) {
    std::vector<double> values;
    for (const Step& step : steps) values.push_back(step.*which);
    sum += median(std::move(values));
  }
  return sum / static_cast<double>(ranks_.size());
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace baton::bench
