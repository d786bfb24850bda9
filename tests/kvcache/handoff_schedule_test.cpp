// The hand-off under seeded schedules of faults: flipped bits, truncation, duplicates, reordering,
// loss, misplaced blocks, stale epochs, forged sessions, late writers, aborts at any point, peers
// that vanish. A naive model predicts each verdict. BATON_SEEDS sets how many are run.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/hash/counter_rng.h"
#include "base/hash/crc32c.h"
#include "kvcache/frame.h"
#include "kvcache/invariants.h"
#include "kvcache/landing.h"
#include "kvcache/sender.h"
#include "tests/support/seeds.h"

namespace baton::kvcache {
namespace {

constexpr PageFormat kFormat{3, 8};
constexpr uint32_t kReceiverPages = 10;
constexpr uint32_t kSenderPages = 24;

std::byte truth(JobId job, uint32_t layer, uint32_t token, uint32_t i) {
  return static_cast<std::byte>(job.value * 131 + layer * 57 + token * 7 + i * 3 + 1);
}

// A frame under way.
struct Flight {
  FrameHeader header;
  std::vector<std::byte> payload;
};

// The prefill's end of a job.
struct Job {
  HandoffSender sender;
  uint32_t tokens = 0;
};

// What the receiver should hold of a session, in the simplest form.
struct Model {
  JobId job;
  uint32_t first = 0;   // the receiver has the entries before it
  uint32_t tokens = 0;  // from there on
  std::vector<ReservedPage> pages;
  std::map<FrameName, bool> right;  // verified, and with the right bytes
  Instant lease_end;
};

class World {
 public:
  explicit World(uint64_t seed) : random_(seed) {}

  void run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFatalFailure(); ++step) {
      now_ += std::chrono::milliseconds(random_.below(300));
      switch (random_.below(8)) {
        case 0:
          start_job();
          break;
        case 1:
          compute();
          break;
        case 2:
          end_job();
          break;
        case 3:
          seal();
          break;
        case 4:
          expire();
          break;
        default:
          deliver();
      }
      ASSERT_EQ(broken_invariant(pool_, receiver_), std::nullopt);
    }
    finish();
  }
  const std::array<uint64_t, kFrameVerdicts>& counts() const { return receiver_.frame_counts(); }
  uint64_t committed() const { return committed_; }
  uint64_t distrusted() const { return distrusted_; }

 private:
  void start_job() {
    const auto tokens = static_cast<uint32_t>(1 + random_.below(200));
    auto own = source_pool_.allocate(pages_for(tokens), PageState::filling);
    if (!own) return;
    const JobId job{next_job_++};
    if (random_.chance(0.1)) abort(job);  // an abort that overtakes the reserve
    const bool buried = receiver_.has_tombstone(job);
    const SessionId session{random_.next(), random_.next()};
    const auto kept = random_.chance(0.3) ? static_cast<uint32_t>(random_.below(own->size())) : 0;
    const uint32_t first = kept * kPageTokens;
    const bool room = pool_.counts().free >= pages_for(tokens - first);
    const auto opened = receiver_.open(job, session, tokens - first, now_);
    ASSERT_EQ(opened.has_value(), room && !buried);
    std::vector<PageId> pages;
    for (const ReservedPage& page : *own) pages.push_back(page.page);
    if (!opened) return release(pages);
    Reserved reserved{job, session, *receiver_.pages(job), "", 10s, kept};
    models_[session] = {job, first, tokens - first, reserved.pages, {}, now_ + 10s};
    fill(job, pages, tokens);
    jobs_.emplace(job, Job{*HandoffSender::start(reserved, pages, tokens, kFormat), tokens});
  }

  void fill(JobId job, const std::vector<PageId>& pages, uint32_t tokens) {
    for (uint32_t layer = 0; layer < kFormat.layers; ++layer) {
      for (uint32_t token = 0; token < tokens; ++token) {
        std::byte* entry = source_.entry(pages[token / kPageTokens], layer, token % kPageTokens);
        for (uint32_t i = 0; i < kFormat.entry_bytes; ++i) entry[i] = truth(job, layer, token, i);
      }
    }
  }

  Job* pick_job() {
    if (jobs_.empty()) return nullptr;
    return &std::next(jobs_.begin(), static_cast<int64_t>(random_.below(jobs_.size())))->second;
  }

  void compute() {
    Job* job = pick_job();
    if (job == nullptr) return;
    const bool all = random_.chance(0.7);
    for (uint32_t layer = 0; layer < kFormat.layers; ++layer) {
      const auto done = all ? job->tokens : static_cast<uint32_t>(random_.below(job->tokens + 1));
      post(job->sender.layer_finished(layer, done));
    }
  }

  void post(const std::vector<OutgoingFrame>& frames) {
    for (const OutgoingFrame& frame : frames) {
      const auto block = source_.block(frame.page, frame.header.layer).first(frame.header.length);
      Flight flight{frame.header, {block.begin(), block.end()}};
      flight.header.crc32c = crc32c(flight.payload);
      network_.push_back(std::move(flight));
    }
  }

  // Delivers any frame of those under way, perhaps with a fault.
  void deliver() {
    for (uint64_t burst = random_.below(12); burst > 0 && !network_.empty(); --burst) {
      const size_t at = random_.below(network_.size());
      Flight flight = network_[at];
      if (!random_.chance(0.1)) {  // else it will come again: a duplicate
        network_[at] = std::move(network_.back());
        network_.pop_back();
      }
      FrameHeader& h = flight.header;
      switch (random_.below(30)) {
        case 0:
          flight.payload[random_.below(flight.payload.size())] ^= std::byte{4};
          break;
        case 1:
          h.length -= kFormat.entry_bytes;
          flight.payload.resize(h.length);
          break;
        case 2:
          h.epoch.value -= 1;
          break;
        case 3:
          h.session.low ^= 1;
          break;
        case 4:
          h.page += 1 + static_cast<uint32_t>(random_.below(3));
          break;
        case 5:  // a sender that lies or errs: the checksum is right, the place is wrong
          h.layer = (h.layer + 1) % kFormat.layers;
          break;
        case 6:
          continue;  // lost
        default:
          break;
      }
      arrive(flight);
    }
  }

  void arrive(const Flight& flight) {
    auto wire = encode(WireFrame{flight.header});
    const bool torn = random_.chance(0.02);
    if (torn) wire[random_.below(wire.size())] ^= static_cast<std::byte>(1 + random_.below(255));
    const auto frame = decode_frame(wire, {kFormat, false, kFormat.page_bytes()});
    ASSERT_TRUE(!torn || !frame) << "a header with a flipped bit was read";
    if (!frame) return;
    const FrameVerdict expected = predict(flight);
    const Landing landing = land(receiver_, memory_, frame->header, flight.payload, now_);
    ASSERT_EQ(landing.verdict, expected);
    ++expected_counts_[static_cast<size_t>(expected)];
    if (expected != FrameVerdict::admitted) return;
    Model& model = models_.at(flight.header.session);
    model.lease_end = std::max(model.lease_end, now_ + 10s);
    model.right[landing.frame] = is_right(model, flight);
    ASSERT_EQ(landing.complete, model.right.size() == model.pages.size() * kFormat.layers);
  }

  FrameVerdict predict(const Flight& flight) const {
    const FrameHeader& h = flight.header;
    const auto found = models_.find(h.session);
    if (found == models_.end()) return FrameVerdict::unknown_session;
    const Model& model = found->second;
    if (h.page >= model.pages.size()) return FrameVerdict::out_of_range;
    if (h.epoch != model.pages[h.page].epoch) return FrameVerdict::stale_epoch;
    if (h.length != tokens_in_page(model.tokens, h.page) * kFormat.entry_bytes) {
      return FrameVerdict::out_of_range;
    }
    if (model.right.contains({h.layer, h.page})) return FrameVerdict::duplicate;
    return crc32c(flight.payload) == h.crc32c ? FrameVerdict::admitted : FrameVerdict::corrupt;
  }

  static bool is_right(const Model& model, const Flight& flight) {
    for (uint32_t i = 0; i < flight.payload.size(); ++i) {
      const uint32_t token =
          model.first + flight.header.page * kPageTokens + i / kFormat.entry_bytes;
      if (flight.payload[i] !=
          truth(model.job, flight.header.layer, token, i % kFormat.entry_bytes)) {
        return false;
      }
    }
    return true;
  }

  // The prefill says that it has sent all; the receiver asks again, distrusts, or commits.
  void seal() {
    Job* job = pick_job();
    if (job == nullptr || !job->sender.all_posted()) return;
    const JobId id = job->sender.job();
    const auto model = models_.find(job->sender.session());
    if (model == models_.end()) return;  // its lease has ended; the prefill is told
    const auto missing = receiver_.missing(id, 1 + random_.below(20));
    if (!missing.empty()) return post(job->sender.resend(missing));
    ASSERT_TRUE(receiver_.complete(id));
    const uint32_t sent = job->sender.sent_tokens();
    const auto digests = page_digests(source_, job->sender.sent(), sent);
    const auto& pages = *receiver_.pages(id);
    bool equal = true;
    for (uint32_t page = 0; page < pages.size(); ++page) {
      const uint32_t tokens = tokens_in_page(sent, page);
      if (page_digest(memory_, pages[page].page, tokens) == digests[page]) continue;
      equal = false;
      ++distrusted_;
      receiver_.distrust(id, page);
      for (uint32_t layer = 0; layer < kFormat.layers; ++layer) {
        model->second.right.erase({layer, page});
      }
    }
    bool all_right = true;
    for (const auto& [name, right] : model->second.right) all_right &= right;
    ASSERT_TRUE(all_right) << "a wrong block passed both checksum and digest";
    if (!equal) return;
    commit(model);
  }

  void commit(std::map<SessionId, Model>::iterator model) {
    const Model done = model->second;
    models_.erase(model);
    const auto pages = receiver_.commit(done.job, now_);
    for (uint32_t token = 0; token < done.tokens; ++token) {
      const PageId page = pages[token / kPageTokens];
      ASSERT_EQ(pool_.state(page), PageState::in_use);
      for (uint32_t layer = 0; layer < kFormat.layers; ++layer) {
        const std::byte* entry = memory_.entry(page, layer, token % kPageTokens);
        for (uint32_t i = 0; i < kFormat.entry_bytes; ++i) {
          ASSERT_EQ(entry[i], truth(done.job, layer, done.first + token, i))
              << "a wrong byte was committed";
        }
      }
    }
    ++committed_;
    for (const PageId page : pages) pool_.release(page);
    forget(done.job);
  }

  // Aborted by either side, or the prefill is gone without a word and its lease must end.
  void end_job() {
    Job* job = pick_job();
    if (job == nullptr || !random_.chance(0.3)) return;
    const JobId id = job->sender.job();
    if (random_.chance(0.6)) abort(id);
    forget(id);  // its frames stay in the network: late writers
  }

  void abort(JobId job) {
    receiver_.abort(job, now_);
    ASSERT_TRUE(receiver_.has_tombstone(job));
    std::erase_if(models_, [&](const auto& entry) { return entry.second.job == job; });
  }

  void expire() {
    if (random_.chance(0.1)) now_ += 5s;
    std::set<JobId> expected;
    for (const auto& [session, model] : models_) {
      if (model.lease_end <= now_) expected.insert(model.job);
    }
    const auto over = receiver_.expire(now_);
    ASSERT_EQ(std::set<JobId>(over.begin(), over.end()), expected);
    std::erase_if(models_, [&](const auto& e) { return expected.contains(e.second.job); });
    for (const JobId job : over) forget(job);
  }

  void forget(JobId job) {
    const auto found = jobs_.find(job);
    if (found == jobs_.end()) return;
    release(found->second.sender.pages());
    jobs_.erase(found);
  }

  void release(const std::vector<PageId>& pages) {
    for (const PageId page : pages) source_pool_.release(page);
  }

  void finish() {
    for (int i = 0; i < 2; ++i) {  // leases end, then the tombstones that they left
      now_ += 1h;
      expire();
    }
    ASSERT_EQ(receiver_.open_sessions(), 0u);
    ASSERT_EQ(receiver_.tombstones(), 0u);
    while (!jobs_.empty()) forget(jobs_.begin()->first);
    for (const Flight& late : network_) arrive(late);
    ASSERT_EQ(pool_.counts().free, kReceiverPages) << "a page leaked";
    ASSERT_EQ(source_pool_.counts().free, kSenderPages);
    ASSERT_EQ(receiver_.frame_counts(), expected_counts_) << "a frame was not counted";
  }

  SeededRandom random_;
  Instant now_{};
  PagePool pool_{kReceiverPages};
  PoolMemory memory_ = std::move(*PoolMemory::create_private(kFormat, kReceiverPages));
  HandoffReceiver receiver_{pool_, kFormat, {10s, 60s, 64}};
  PagePool source_pool_{kSenderPages};
  PoolMemory source_ = std::move(*PoolMemory::create_private(kFormat, kSenderPages));
  std::map<JobId, Job> jobs_;
  std::map<SessionId, Model> models_;
  std::vector<Flight> network_;
  std::array<uint64_t, kFrameVerdicts> expected_counts_{};
  uint64_t next_job_ = 1;
  uint64_t committed_ = 0;
  uint64_t distrusted_ = 0;
};

TEST(HandoffSchedules, NoWrongByteIsCommittedNoPageLeaksAndEveryFaultIsCounted) {
  const uint64_t schedules = baton::testing::seeds(3000);
  std::array<uint64_t, kFrameVerdicts> counts{};
  uint64_t committed = 0;
  uint64_t distrusted = 0;
  for (uint64_t seed = 0; seed < schedules; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed);
    world.run(160);
    if (HasFatalFailure()) return;
    for (size_t i = 0; i < kFrameVerdicts; ++i) counts[i] += world.counts()[i];
    committed += world.committed();
    distrusted += world.distrusted();
  }
  // The schedules did what they are for.
  EXPECT_GT(committed, schedules / 2);
  EXPECT_GT(distrusted, schedules / 20);
  for (const uint64_t count : counts) EXPECT_GT(count, schedules / 20);
}

}  // namespace
}  // namespace baton::kvcache
