#include "bench/kv/hand_off.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstring>
#include <deque>
#include <functional>
#include <future>
#include <thread>

#include "kvcache/digest_thread.h"
#include "kvcache/transport/frame_sender.h"
#include "kvcache/transport/frame_server.h"

namespace baton::bench {

namespace asio = boost::asio;
using namespace kvcache;

namespace {

constexpr Duration kPatience = 120s;   // of one hand-off, on a machine that may be busy
constexpr size_t kFoundFrames = 4096;  // posted at a time if all are there, as prefill does
constexpr Duration kTick = 200us;      // between looks at what is finished, if layers take time

struct Committed {
  std::vector<PageId> pages;
  Instant landed;
  Instant at;
};

// A loop with its thread, which ends with it.
class Loop {
 public:
  ~Loop() { stop(); }
  void stop() {
    io.stop();
    if (thread_.joinable()) thread_.join();
  }
  asio::io_context io{1};

 private:
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io);
  std::thread thread_{[this] { io.run(); }};
};

}  // namespace

// The decode side: reserves, lands, compares, commits.
class HandOffs::Receiving {
 public:
  Receiving(PoolMemory& memory, bool shared_memory, const Clock& clock)
      : memory_(memory), clock_(clock), pool_(memory.pages()) {
    FrameServerOptions options;
    options.shared_memory = shared_memory;
    server_ = FrameServer::listen(
                  loop_.io.get_executor(), options, receiver_, memory_, clock_,
                  [this](const Landing& landing) { landed(landing); }, &running_)
                  .value();
  }
  // Nothing of its loop runs any more when its parts go.
  void stop() { loop_.stop(); }

  void open(JobId job, uint32_t tokens, std::function<void(Reserved)> reserved,
            std::function<void(Result<Committed>)> done) {
    asio::post(loop_.io, [=, this] {
      for (const PageId page : committed_.pages) pool_.release(page);
      committed_ = {};
      done_ = done;
      digests_expected_.reset();
      complete_ = false;
      const SessionId session{job.value, ~job.value};
      if (!receiver_.open(job, session, tokens, clock_.now()))
        return done(fail(ErrorCode::unavailable, "no pages for a hand-off"));
      reserved({job, session, *receiver_.pages(job), server_->address(), SessionLimits().lease});
    });
  }

  void seal(JobId job, std::vector<Digest> digests) {
    asio::post(loop_.io, [this, job, digests = std::move(digests)]() mutable {
      digests_expected_ = std::move(digests);
      if (complete_) compare(job);
    });
  }

 private:
  void landed(const Landing& landing) {
    if (landing.verdict != FrameVerdict::admitted)
      return done_(fail(ErrorCode::unavailable, "a frame was {}", to_string(landing.verdict)));
    if (!landing.complete) return;
    complete_ = true;
    committed_.landed = clock_.now();
    if (digests_expected_) compare(*landing.job);
  }

  void compare(JobId job) {
    std::vector<PageId> pages;
    for (const ReservedPage& page : *receiver_.pages(job)) pages.push_back(page.page);
    digests_.digest(job, std::move(pages), receiver_.tokens(job));
  }

  void digested(JobId job, const std::vector<Digest>& digests) {
    if (digests != *digests_expected_)
      return done_(fail(ErrorCode::unavailable, "the digests of pages differ"));
    committed_.pages = receiver_.commit(job, clock_.now());
    committed_.at = clock_.now();
    done_(committed_);
  }

  PoolMemory& memory_;
  const Clock& clock_;
  PagePool pool_;
  HandoffReceiver receiver_{pool_, memory_.format(), {}};
  RunningDigests running_;
  Loop loop_;
  std::unique_ptr<FrameServer> server_;
  DigestThread digests_{loop_.io.get_executor(), memory_,
                        [this](JobId job, const auto& pages) { digested(job, pages); }, &running_};
  std::function<void(Result<Committed>)> done_;
  std::optional<std::vector<Digest>> digests_expected_;
  Committed committed_;
  bool complete_ = false;
};

// The prefill side: finishes layers in time, posts their frames, seals.
class HandOffs::Sending {
 public:
  Sending(const PoolMemory& memory, bool shared_memory, const Clock& clock, Receiving& peer)
      : memory_(memory), clock_(clock), peer_(peer) {
    FrameSenderOptions options;
    options.shared_memory = shared_memory;
    FrameSenderEvents events;
    events.on_written = [this](SessionId) {
      if (production_.tokens_per_second == 0) go_on();
      seal_if_ready();
    };
    events.on_down = [this](const std::string&, const auto&, const Error& why) { failed_(why); };
    sender_ =
        make_socket_sender(loop_.io.get_executor(), options, memory_, clock_, events, &running_);
  }
  void stop() { loop_.stop(); }

  struct Ended {
    Instant begun;
    Instant last_layer;
  };

  void start(const Reserved& reserved, uint32_t tokens, const Production& production,
             std::function<void(Error)> failed, std::shared_ptr<Ended> times) {
    asio::post(loop_.io, [=, this] {
      std::vector<PageId> pages;
      for (uint32_t i = 0; i < reserved.pages.size(); ++i) pages.push_back(PageId{i});
      job_.emplace(HandoffSender::start(reserved, pages, tokens, memory_.format()).value());
      production_ = production;
      tokens_ = tokens;
      failed_ = failed;
      times_ = times;
      times_->begun = last_look_ = clock_.now();
      next_layer_ = next_chunk_ = 0;
      credit_ = 0;
      digests_.reset();
      go_on();
    });
  }

 private:
  void go_on() {
    finish_layers();
    post_frames();
    if (all_given() || production_.tokens_per_second == 0) return;
    timer_.expires_after(kTick);
    timer_.async_wait([this](const auto& error) {
      if (!error) go_on();
    });
  }

  bool all_given() const { return job_->all_posted() && ready_.empty(); }
  uint32_t chunk() const {
    return production_.tokens_per_second > 0 ? production_.chunk_tokens : tokens_;
  }

  // All layers whose time has come, in the order of a prefill: chunk by chunk, layer by layer.
  void finish_layers() {
    const uint32_t layers = memory_.format().layers;
    while (!job_->all_posted()) {
      const uint32_t first = next_chunk_ * chunk();
      const uint32_t end = std::min(tokens_, first + chunk());
      if (production_.tokens_per_second > 0) {
        const double rows = first + (end - first) * (next_layer_ + 1.0) / layers;
        const auto due = times_->begun +
                         std::chrono::duration_cast<Duration>(
                             std::chrono::duration<double>(rows / production_.tokens_per_second));
        if (clock_.now() < due) return;
        times_->last_layer = due;
      } else {
        times_->last_layer = times_->begun;
      }
      for (const OutgoingFrame& frame : job_->layer_finished(next_layer_, end))
        ready_.push_back(frame);
      if (++next_layer_ == layers) {
        next_layer_ = 0;
        ++next_chunk_;
      }
    }
  }

  // What the link would have carried meanwhile.
  void post_frames() {
    const Instant now = clock_.now();
    const double rate = production_.link_bytes_per_second;
    credit_ = std::min(credit_ + to_seconds(now - last_look_) * rate, 0.02 * rate);
    last_look_ = now;
    std::vector<OutgoingFrame> frames;
    const bool found = production_.tokens_per_second == 0;
    while (!ready_.empty() && (rate == 0 || credit_ > 0) &&
           !(found && frames.size() == kFoundFrames)) {
      credit_ -= ready_.front().header.length;
      frames.push_back(ready_.front());
      ready_.pop_front();
    }
    if (!frames.empty() && !sender_->post(job_->frame_address(), frames))
      return failed_(fail(ErrorCode::unavailable, "the sender takes no more frames"));
    if (!frames.empty() && all_given()) digest_thread_.digest(job_->job(), job_->pages(), tokens_);
  }

  void seal_if_ready() {
    if (!all_given() || !digests_ || sender_->waiting(job_->session()) > 0) return;
    peer_.seal(job_->job(), *std::exchange(digests_, std::nullopt));
  }

  const PoolMemory& memory_;
  const Clock& clock_;
  Receiving& peer_;
  RunningDigests running_;
  Loop loop_;
  asio::steady_timer timer_{loop_.io};
  std::unique_ptr<FrameSender> sender_;
  DigestThread digest_thread_{loop_.io.get_executor(), memory_,
                              [this](JobId, std::vector<Digest> pages) {
                                digests_ = std::move(pages);
                                seal_if_ready();
                              },
                              &running_};
  std::optional<HandoffSender> job_;
  Production production_;
  uint32_t tokens_ = 0;
  std::function<void(Error)> failed_;
  std::shared_ptr<Ended> times_;
  Instant last_look_;
  double credit_ = 0;  // bytes the link could have carried
  uint32_t next_layer_ = 0;
  uint32_t next_chunk_ = 0;
  std::deque<OutgoingFrame> ready_;
  std::optional<std::vector<Digest>> digests_;
};

HandOffs::HandOffs(PoolMemory& source, PoolMemory& target, bool shared_memory, const Clock& clock)
    : source_(source),
      target_(target),
      receiving_(std::make_unique<Receiving>(target, shared_memory, clock)),
      sending_(std::make_unique<Sending>(source, shared_memory, clock, *receiving_)),
      clock_(clock) {}

HandOffs::~HandOffs() {
  sending_->stop();
  receiving_->stop();
}

Result<HandOffTimes> HandOffs::run(uint32_t tokens, const Production& production) {
  struct Outcome {
    std::promise<Result<Committed>> promise;
    std::atomic<bool> told = false;
    void tell(Result<Committed> result) {
      if (!told.exchange(true)) promise.set_value(std::move(result));
    }
  };
  const JobId job{++jobs_};
  const auto times = std::make_shared<Sending::Ended>();
  const auto outcome = std::make_shared<Outcome>();
  auto ended = outcome->promise.get_future();
  const Instant begun = clock_.now();
  receiving_->open(
      job, tokens,
      [=, this](const Reserved& reserved) {
        const auto failed = [outcome](const Error& why) { outcome->tell(why); };
        sending_->start(reserved, tokens, production, failed, times);
      },
      [outcome](Result<Committed> result) { outcome->tell(std::move(result)); });
  if (ended.wait_for(kPatience) != std::future_status::ready)
    return fail(ErrorCode::deadline_exceeded, "a hand-off did not end in {} s",
                to_seconds(kPatience));
  BATON_TRY(committed, ended.get());
  tokens_ = tokens;
  pages_ = committed.pages;
  HandOffTimes out;
  out.to_landed = committed.landed - begun;
  out.to_commit = committed.at - begun;
  out.prefill = times->last_layer - times->begun;
  out.exposed = committed.at - times->last_layer;
  return out;
}

bool HandOffs::equal() const {
  for (uint32_t page = 0; page < pages_.size(); ++page) {
    const size_t bytes = size_t{tokens_in_page(tokens_, page)} * source_.format().entry_bytes;
    for (uint32_t layer = 0; layer < source_.format().layers; ++layer) {
      if (std::memcmp(source_.block(PageId{page}, layer).data(),
                      target_.block(pages_[page], layer).data(), bytes) != 0)
        return false;
    }
  }
  return !pages_.empty();
}

}  // namespace baton::bench
