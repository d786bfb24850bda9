#include "bench/engine/measurements.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>

#include "base/hash/counter_rng.h"

namespace baton::bench {
namespace {

using Seconds = std::chrono::duration<double>;

double middle(std::vector<double>& values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

std::vector<Stream*> pointers(std::vector<Stream>& streams) {
  std::vector<Stream*> all;
  for (Stream& stream : streams) all.push_back(&stream);
  return all;
}

// A process that keeps a processor busy for as long as this lives.
class BusyProcess {
 public:
  BusyProcess() : pid_(::fork()) {
    if (pid_ != 0) return;
    for (volatile uint64_t turns = 0;; turns = turns + 1) {
    }
  }
  ~BusyProcess() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  BusyProcess(const BusyProcess&) = delete;
  BusyProcess& operator=(const BusyProcess&) = delete;
  bool running() const { return pid_ > 0; }

 private:
  pid_t pid_;
};

}  // namespace

template <class... Args>
void Measurements::say(fmt::format_string<Args...> text, Args&&... args) const {
  if (o_.quiet) return;
  fmt::print(text, std::forward<Args>(args)...);
  std::fflush(stdout);
}

template <class Body>
double Measurements::time(Body&& body) const {
  const Instant began = clock_.now();
  body();
  return Seconds(clock_.now() - began).count();
}

// Medians of the time and of the share that it is of the limit by the peaks around each try.
template <class Body, class Limit>
Measurements::Figure Measurements::median(Body&& body, Limit&& limit) {
  std::vector<double> seconds, shares;
  Peaks before = meter_.present(kernels_);
  for (size_t t = 0; t < o_.tries; ++t) {
    seconds.push_back(body());
    const Peaks after = meter_.present(kernels_);
    shares.push_back((limit(before) + limit(after)) / 2 / seconds.back());
    before = after;
  }
  return {middle(seconds), middle(shares)};
}

std::vector<Stream> Measurements::open(size_t batch, size_t context, size_t answer) {
  std::vector<Stream> streams;
  for (size_t i = 0; i < batch; ++i) {
    streams.push_back(driver_.open_random(i, context, answer));
    driver_.pretend_prefill(streams.back(), i);
  }
  return streams;
}

void Measurements::close(std::vector<Stream>& streams) {
  for (Stream& stream : streams) driver_.close(stream);
}

// The median of some steps, each with one more token.
double Measurements::step_seconds(std::span<Stream* const> streams, size_t steps) {
  std::vector<double> took;
  for (size_t s = 0; s < steps; ++s) took.push_back(time([&] { driver_.decode(streams); }));
  return middle(took);
}

void Measurements::prefill(const std::vector<size_t>& lengths) {
  if (lengths.empty()) return;
  say("\nprefill, chunks of {} tokens\n  tokens    tok/s    limit    share\n", o_.chunk);
  for (const size_t tokens : lengths) {
    if (tokens > o_.tokens_max) continue;
    const Cost cost = prefill_cost(driver_.config(), mode_, tokens, o_.chunk);
    const Figure figure = median(
        [&] {
          Stream stream = driver_.open_random(tokens, tokens + 1, 0);
          const double seconds = time([&] { driver_.prefill(stream); });
          driver_.close(stream);
          return seconds;
        },
        [&](const Peaks& peaks) { return prefill_seconds(cost, peaks); });
    const double rate = static_cast<double>(tokens) / figure.seconds;
    say("{:8} {:8.1f} {:8.1f} {:7.0f} %\n", tokens, rate, rate / figure.share, 100 * figure.share);
    json_["prefill"].push_back({{"tokens", tokens},
                                {"tok_s", rate},
                                {"limit", rate / figure.share},
                                {"share", figure.share}});
  }
}

Measurements::Figure Measurements::decode_step(size_t batch, size_t context) {
  std::vector<Stream> streams = open(batch, context, o_.tries * o_.steps + 8);
  const auto step = pointers(streams);
  for (int warm = 0; warm < 2; ++warm) driver_.decode(step);
  const Cost cost = decode_cost(driver_.config(), mode_, batch, context);
  const Figure figure = median([&] { return step_seconds(step, o_.steps); },
                               [&](const Peaks& peaks) { return decode_seconds(cost, peaks); });
  close(streams);
  return figure;
}

void Measurements::decode(const std::vector<size_t>& batches, const std::vector<size_t>& contexts) {
  if (batches.empty() || contexts.empty()) return;
  say("\ndecode\n   batch  context    tok/s    limit    share    GB/s\n");
  for (const size_t context : contexts) {
    for (const size_t batch : batches) {
      if (batch * (context + o_.tries * o_.steps + 8) > o_.tokens_max) continue;
      const Figure figure = decode_step(batch, context);
      const double bytes = decode_cost(driver_.config(), mode_, batch, context).bytes;
      const double rate = static_cast<double>(batch) / figure.seconds;
      const double read = bytes / figure.seconds * 1e-9;
      say("{:8} {:8} {:8.1f} {:8.1f} {:7.0f} % {:7.1f}\n", batch, context, rate,
          rate / figure.share, 100 * figure.share, read);
      json_["decode"].push_back({{"batch", batch},
                                 {"context", context},
                                 {"tok_s", rate},
                                 {"limit", rate / figure.share},
                                 {"share", figure.share},
                                 {"gb_s", read}});
    }
  }
}

Measurements::Figure Measurements::prefill_chunk(size_t depth) {
  const Cost before = prefill_cost(driver_.config(), mode_, depth, o_.chunk);
  Cost cost = prefill_cost(driver_.config(), mode_, depth + o_.chunk, o_.chunk);
  cost.int8_ops -= before.int8_ops;
  cost.product_flops -= before.product_flops;
  cost.fp32_flops -= before.fp32_flops;
  Stream stream = driver_.open_random(depth, depth + o_.chunk + 1, 0);
  driver_.pretend_prefill(stream, depth);
  const Figure figure = median(
      [&] {
        stream.filled = static_cast<Position>(depth);
        return time([&] { driver_.prefill(stream); });
      },
      [&](const Peaks& peaks) { return prefill_seconds(cost, peaks); });
  driver_.close(stream);
  return figure;
}

void Measurements::depth(const std::vector<size_t>& depths) {
  if (depths.empty()) return;
  say("\na chunk of {} tokens and a step of one row, that deep in a sequence\n", o_.chunk);
  say("   depth  chunk ms    share  step ms    share\n");
  for (const size_t asked : depths) {
    const size_t depth = asked / o_.chunk * o_.chunk;
    if (depth + o_.chunk + o_.tries * o_.steps + 9 > o_.tokens_max) continue;
    const Figure chunk = prefill_chunk(depth);
    const Figure step = decode_step(1, std::max<size_t>(depth, 2));
    say("{:8} {:9.1f} {:7.0f} % {:8.2f} {:7.0f} %\n", depth, 1e3 * chunk.seconds, 100 * chunk.share,
        1e3 * step.seconds, 100 * step.share);
    json_["depth"].push_back({{"depth", depth},
                              {"chunk_ms", 1e3 * chunk.seconds},
                              {"chunk_share", chunk.share},
                              {"step_ms", 1e3 * step.seconds},
                              {"step_share", step.share}});
  }
}

// Until the first stream has all of its tokens.
Measurements::Drafted Measurements::with_drafts(std::vector<Stream>& streams, double accepted,
                                                const std::vector<std::vector<TokenId>>& right) {
  const auto step = pointers(streams);
  const auto vocabulary = static_cast<TokenId>(driver_.config().vocab_size);
  SeededRandom random(7);
  std::vector<double> took;
  size_t tokens = 0;
  const auto goes_on = [&](size_t i) { return streams[i].output().size() + 2 <= right[i].size(); };
  const auto all = [&] {
    for (size_t i = 0; i < streams.size(); ++i) {
      if (!goes_on(i)) return false;
    }
    return true;
  };
  for (Stream& stream : streams) stream.verify_drafts = true;
  while (all()) {
    for (size_t i = 0; i < streams.size(); ++i) {
      const TokenId next = right[i][streams[i].output().size()];
      const bool takes = static_cast<double>(random.below(1 << 20)) < accepted * (1 << 20);
      if (!streams[i].drafts.empty()) {
        streams[i].drafts.assign(1, takes ? next : (next + 1) % vocabulary);
      }
    }
    const size_t before = streams.front().output().size();
    took.push_back(time([&] { driver_.decode(step); }));
    tokens += streams.front().output().size() - before;
  }
  return {middle(took), static_cast<double>(tokens) / static_cast<double>(took.size())};
}

void Measurements::drafts(const std::vector<size_t>& batches, size_t context, double accepted) {
  if (batches.empty()) return;
  say("\ndecode with drafts of the MTP layer, {:.0f} % of them right, context {}\n", 100 * accepted,
      context);
  say("   batch    tok/s  without  speed-up  tokens/step    bound    share\n");
  const size_t answer = 2 * (o_.tries * o_.steps + 8);
  for (const size_t batch : batches) {
    std::vector<Stream> plain = open(batch, context, answer);
    const double without = step_seconds(pointers(plain), answer - 2);
    std::vector<std::vector<TokenId>> right;
    for (Stream& stream : plain) right.emplace_back(stream.output().begin(), stream.output().end());
    close(plain);
    std::vector<Stream> drafting = open(batch, context, answer);
    const Drafted drafted = with_drafts(drafting, accepted, right);
    close(drafting);
    const Peaks peaks = meter_.present(kernels_);
    const double one = decode_seconds(decode_cost(driver_.config(), mode_, batch, context), peaks);
    const double two =
        decode_seconds(decode_cost(driver_.config(), mode_, batch, context, 2), peaks) +
        decode_seconds(draft_cost(driver_.config(), mode_, batch, context), peaks);
    const double rows = static_cast<double>(batch);
    const double speed_up = drafted.tokens_a_step * without / drafted.step_seconds;
    const double bound = drafted.tokens_a_step * one / two;
    say("{:8} {:8.1f} {:8.1f} {:9.2f} {:12.2f} {:8.2f} {:7.0f} %\n", batch,
        rows * drafted.tokens_a_step / drafted.step_seconds, rows / without, speed_up,
        drafted.tokens_a_step, bound, 100 * speed_up / bound);
    json_["drafts"].push_back({{"batch", batch},
                               {"accepted", accepted},
                               {"tok_s", rows * drafted.tokens_a_step / drafted.step_seconds},
                               {"without", rows / without},
                               {"speed_up", speed_up},
                               {"tokens_a_step", drafted.tokens_a_step},
                               {"bound", bound}});
  }
}

void Measurements::beside_a_busy_process(size_t context) {
  const auto steps_a_second = [&] {
    std::vector<Stream> streams = open(1, context, o_.tries * o_.steps + 8);
    const auto step = pointers(streams);
    driver_.decode(step);
    // All of the time counts: steps that wait for a processor are what is asked for.
    const size_t steps = o_.tries * o_.steps;
    const double seconds = time([&] {
      for (size_t s = 0; s < steps; ++s) driver_.decode(step);
    });
    close(streams);
    return static_cast<double>(steps) / seconds;
  };
  const double before = steps_a_second();
  double beside = 0;
  {
    const BusyProcess busy;
    if (!busy.running()) return say("\na busy process can't be started\n");
    beside = steps_a_second();
  }
  const double alone = (before + steps_a_second()) / 2;
  say("\ndecode, batch 1, context {}: {:.1f} tok/s alone, {:.1f} beside a busy process: {:.2f}\n",
      context, alone, beside, beside / alone);
  json_["busy"] = {{"context", context}, {"alone", alone}, {"beside", beside}};
}

}  // namespace baton::bench
