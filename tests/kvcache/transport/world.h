// A receiver with its frame server and a sender with its pool, in one process, on one io_context
// that is driven until something is true. Waiting has a guard; nothing sleeps.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "base/hash/crc32c.h"
#include "kvcache/frame.h"
#include "kvcache/invariants.h"
#include "kvcache/transport/frame_sender.h"
#include "kvcache/transport/frame_server.h"
#include "kvcache/transport/host.h"

namespace baton::kvcache {

namespace asio = boost::asio;
using asio::ip::tcp;

inline constexpr PageFormat kFormat{3, 32};

class World : public ::testing::Test {
 protected:
  static constexpr uint32_t kPages = 16;

  void make_source(bool shared) {
    auto made = shared ? PoolMemory::create_shared(kFormat, kPages, "baton-test-source")
                       : PoolMemory::create_private(kFormat, kPages);
    ASSERT_TRUE(made) << made.error().message;
    source = std::make_unique<PoolMemory>(std::move(*made));
    for (uint32_t page = 0; page < kPages; ++page) {
      for (uint32_t layer = 0; layer < kFormat.layers; ++layer) {
        const auto block = source->block(PageId{page}, layer);
        for (size_t i = 0; i < block.size(); ++i) {
          block[i] = static_cast<std::byte>(i * 7 + page * 31 + layer * 101);
        }
      }
    }
  }

  void make_server(FrameServerOptions options = {}) {
    options.check_interval = 1ms;
    if (in_place) options.in_place_from = 0;
    auto made = FrameServer::listen(
        io.get_executor(), options, receiver, memory, clock,
        [this](const Landing& landing) {
          landings.push_back(landing);
          if (on_landing) on_landing(landing);
        },
        &landed_digests);
    ASSERT_TRUE(made) << made.error().message;
    server = std::move(*made);
  }

  void make_sender(FrameSenderOptions options = {}) {
    options.check_interval = 1ms;
    FrameSenderEvents events;
    events.on_written = [this](SessionId session) { written.push_back(session); };
    events.on_down = [this](const std::string&, const std::vector<SessionId>& sessions,
                            const Error& why) {
      down.push_back(why.message);
      lost.insert(lost.end(), sessions.begin(), sessions.end());
    };
    sender = make_socket_sender(io.get_executor(), options, *source, clock, events, &sent_digests);
  }

  // Opens a session at the receiver and the sender's side of it, from the source's first pages.
  HandoffSender open(JobId job, uint32_t tokens, const std::string& address) {
    const SessionId session{job.value, 77};
    EXPECT_TRUE(receiver.open(job, session, tokens, clock.now()));
    std::vector<PageId> pages;
    for (uint32_t i = 0; i < pages_for(tokens); ++i) pages.push_back(PageId{i});
    return *HandoffSender::start({job, session, *receiver.pages(job), address, 10s}, pages, tokens,
                                 kFormat);
  }

  static std::vector<OutgoingFrame> all_frames(HandoffSender& job, uint32_t tokens) {
    std::vector<OutgoingFrame> out;
    for (uint32_t layer = 0; layer < kFormat.layers; ++layer) {
      for (const auto& frame : job.layer_finished(layer, tokens)) out.push_back(frame);
    }
    return out;
  }

  void expect_arrived(JobId job, HandoffSender& from, uint32_t tokens) {
    ASSERT_TRUE(receiver.complete(job));
    const auto digests = page_digests(*source, from.pages(), tokens);
    const auto pages = receiver.commit(job, clock.now());
    for (uint32_t i = 0; i < pages.size(); ++i) {
      EXPECT_EQ(page_digest(memory, pages[i], tokens_in_page(tokens, i)), digests[i]);
    }
  }

  // Runs the loop until `done`; fails after a minute of real time.
  template <class Done>
  void until(Done done) {
    const SystemClock real;
    const Instant guard = real.now() + 60s;
    while (!done()) {
      ASSERT_LT(real.now(), guard) << "waited in vain";
      io.restart();
      io.run_one_for(1ms);
    }
  }

  uint64_t counted(FrameVerdict verdict) const {
    return receiver.frame_counts()[static_cast<size_t>(verdict)];
  }

  bool in_place = false;  // payloads are received there, though blocks are small
  asio::io_context io;
  ManualClock clock;
  PagePool pool{kPages};
  PoolMemory memory = std::move(*PoolMemory::create_private(kFormat, kPages));
  HandoffReceiver receiver{pool, kFormat, {}};
  std::unique_ptr<PoolMemory> source;
  RunningDigests sent_digests, landed_digests;
  std::unique_ptr<FrameServer> server;
  std::unique_ptr<FrameSender> sender;
  std::vector<Landing> landings;
  std::function<void(const Landing&)> on_landing;
  std::vector<SessionId> written;
  std::vector<SessionId> lost;
  std::vector<std::string> down;
};

}  // namespace baton::kvcache
