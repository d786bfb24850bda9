// The sender with a real server, and with peers that don't listen, don't answer or don't read.
#include "tests/kvcache/transport/world.h"

namespace baton::kvcache {
namespace {

class SocketSenderTest : public World {
 protected:
  // Both ends anew, and the id of their job.
  JobId make_both(bool shared) {
    make_source(shared);
    make_server();
    make_sender();
    return JobId{shared ? 1u : 2u};
  }
};

TEST_F(SocketSenderTest, BringsEveryByteByEitherWay) {
  for (const bool shared : {true, false}) {
    const JobId id = make_both(shared);
    auto job = open(id, 150, server->address());
    ASSERT_TRUE(sender->post(server->address(), all_frames(job, 150)));
    EXPECT_EQ(sender->waiting(job.session()), 9u);
    until([&] { return receiver.complete(id); });
    until([&] { return !written.empty() && written.back() == job.session(); });
    expect_arrived(id, job, 150);
    EXPECT_EQ(sender->counts().frames, 9u);
    EXPECT_EQ(sender->counts().bytes, 3u * 150 * 32);
    EXPECT_EQ(sender->counts().shared, shared ? 9u : 0u);
    EXPECT_EQ(server->counts().shared, shared ? 1u : 0u);
    EXPECT_EQ(server->counts().bytes, 3u * 150 * 32);
    EXPECT_EQ(sender->waiting(job.session()), 0u);
  }
  EXPECT_TRUE(down.empty());
}

// Both ends have the digests of whole pages once all is quiet, and have them right.
TEST_F(SocketSenderTest, TakesDigestsOnTheWay) {
  for (const bool shared : {true, false}) {
    const JobId id = make_both(shared);
    auto job = open(id, 150, server->address());
    const auto reserved = *receiver.pages(id);
    sender->post(server->address(), all_frames(job, 150));
    until([&] { return receiver.complete(id) && sender->waiting(job.session()) == 0; });
    until([&] { return server->counts().digested == 9; });
    for (uint32_t i = 0; i < reserved.size(); ++i) {
      const uint32_t tokens = tokens_in_page(150, i);
      const Digest whole = page_digest(*source, PageId{i}, tokens);
      auto sent = sent_digests.take(id, PageId{i});
      auto landed = landed_digests.take(id, reserved[i].page);
      ASSERT_TRUE(sent && landed);
      EXPECT_EQ(sent->layers, kFormat.layers);
      EXPECT_EQ(landed->layers, kFormat.layers);
      EXPECT_EQ(sent->stream.finish(), whole);
      EXPECT_EQ(landed->stream.finish(), whole);
    }
    receiver.abort(id, clock.now());
  }
}

TEST_F(SocketSenderTest, EitherSideMayInsistOnPayloadsThatFollow) {
  make_source(true);
  for (const bool at_sender : {true, false}) {
    FrameServerOptions server_options;
    FrameSenderOptions sender_options;
    (at_sender ? sender_options.shared_memory : server_options.shared_memory) = false;
    make_server(server_options);
    make_sender(sender_options);
    const JobId id{at_sender ? 1u : 2u};
    auto job = open(id, 70, server->address());
    sender->post(server->address(), all_frames(job, 70));
    until([&] { return receiver.complete(id); });
    EXPECT_EQ(server->counts().shared, 0u);
    expect_arrived(id, job, 70);
  }
}

TEST_F(SocketSenderTest, SendsAgainWhatTheReceiverMisses) {
  make_source(true);
  make_server();
  make_sender();
  auto job = open(JobId{1}, 100, server->address());
  const auto frames = all_frames(job, 100);
  sender->post(server->address(), std::vector(frames.begin(), frames.begin() + 4));
  until([&] { return landings.size() == 4; });
  sender->post(server->address(), job.resend(receiver.missing(JobId{1}, 99)));
  until([&] { return receiver.complete(JobId{1}); });
  EXPECT_EQ(sender->counts().connections, 1u);
  EXPECT_EQ(counted(FrameVerdict::duplicate), 0u);
}

TEST_F(SocketSenderTest, SaysWhichSessionsLostFramesWhenNobodyListens) {
  make_source(false);
  make_server();
  make_sender();
  auto job = open(JobId{1}, 5, server->address());
  const std::string gone = server->address();
  server.reset();
  ASSERT_TRUE(sender->post(gone, all_frames(job, 5)));
  EXPECT_TRUE(down.empty()) << "never from inside post()";
  until([&] { return !down.empty(); });
  EXPECT_NE(down[0].find("can't connect to " + gone), std::string::npos) << down[0];
  EXPECT_EQ(lost, std::vector<SessionId>{job.session()});
  EXPECT_EQ(sender->waiting(job.session()), 0u);
  EXPECT_EQ(sender->counts().dropped, 3u);
  ASSERT_TRUE(sender->post("nonsense", job.resend(std::vector<FrameName>{{0, 0}})));
  until([&] { return down.size() == 2; });
  EXPECT_NE(down[1].find("not an address"), std::string::npos);
}

TEST_F(SocketSenderTest, TellsTheReasonOfARefusal) {
  make_source(false);
  auto other = PoolMemory::create_private({3, 64}, 2);
  PagePool other_pool(2);
  HandoffReceiver other_receiver(other_pool, {3, 64}, {});
  auto wrong = FrameServer::listen(io.get_executor(), {}, other_receiver, *other, clock,
                                   [](const Landing&) {});
  make_sender();
  auto job = open(JobId{1}, 5, (*wrong)->address());
  sender->post((*wrong)->address(), all_frames(job, 5));
  until([&] { return !down.empty(); });
  EXPECT_NE(down[0].find("64 bytes a token"), std::string::npos) << down[0];
}

TEST_F(SocketSenderTest, TakesAllOfAPostOrNothing) {
  make_source(false);
  make_server();
  FrameSenderOptions options;
  options.waiting_max = 10;
  options.peers_max = 1;
  make_sender(options);
  auto job = open(JobId{1}, 300, server->address());
  const auto frames = all_frames(job, 300);
  EXPECT_FALSE(sender->post(server->address(), frames));
  EXPECT_EQ(sender->waiting(job.session()), 0u);
  EXPECT_TRUE(sender->post(server->address(), std::span(frames).first(10)));
  EXPECT_FALSE(sender->post(server->address(), std::span(frames).first(1)));
  until([&] { return landings.size() == 10 && sender->waiting(job.session()) == 0; });
  EXPECT_FALSE(sender->post("127.0.0.1:1", std::span(frames).first(1))) << "one peer too many";
  EXPECT_TRUE(sender->post(server->address(), std::span(frames).subspan(10)));
  until([&] { return receiver.complete(JobId{1}); });
}

TEST_F(SocketSenderTest, ClosesAnIdleConnectionAndMakesANewOneWhenNeeded) {
  make_source(true);
  make_server();
  make_sender();
  auto job = open(JobId{1}, 5, server->address());
  const auto frames = all_frames(job, 5);
  sender->post(server->address(), std::span(frames).first(1));
  until([&] { return landings.size() == 1; });
  clock.advance(31s);
  until([&] { return server->connections() == 0; });
  EXPECT_EQ(server->counts().timeouts, 0u);
  sender->post(server->address(), std::span(frames).subspan(1));
  until([&] { return receiver.complete(JobId{1}); });
  EXPECT_TRUE(down.empty());
}

TEST_F(SocketSenderTest, ForgottenFramesAreNotSent) {
  make_source(true);
  make_server();
  make_sender();
  auto kept = open(JobId{1}, 5, server->address());
  auto gone = open(JobId{2}, 5, server->address());
  sender->post(server->address(), all_frames(gone, 5));
  sender->post(server->address(), all_frames(kept, 5));
  sender->forget(gone.session());
  sender->forget(gone.session());
  EXPECT_EQ(sender->waiting(gone.session()), 0u);
  until([&] { return receiver.complete(JobId{1}); });
  EXPECT_EQ(landings.size(), 3u);
  EXPECT_EQ(written, std::vector<SessionId>{kept.session()});
}

// A peer that answers the hello and reads nothing more, with small buffers: writes get stuck.
class StuckPeer : public World {
 protected:
  static constexpr PageFormat kLarge{2, 4096};
  static constexpr uint32_t kLargePages = 64;  // 32 MiB

  StuckPeer() {
    source =
        std::make_unique<PoolMemory>(std::move(*PoolMemory::create_private(kLarge, kLargePages)));
    acceptor.open(tcp::v4());
    acceptor.set_option(asio::socket_base::receive_buffer_size(64 << 10));
    acceptor.bind({asio::ip::address_v4::loopback(), 0});
    acceptor.listen();
    acceptor.non_blocking(true);
    address = "127.0.0.1:" + std::to_string(acceptor.local_endpoint().port());
    make_sender();
  }

  std::vector<OutgoingFrame> frames(SessionId session, uint32_t first, uint32_t count) {
    std::vector<OutgoingFrame> out;
    for (uint32_t page = first; page < first + count; ++page) {
      for (uint32_t layer = 0; layer < 2; ++layer) {
        const auto length = static_cast<uint32_t>(kLarge.block_bytes());
        out.push_back({{session, Epoch{1}, layer, page, length, 0}, PageId{page}});
      }
    }
    return out;
  }

  tcp::socket accept(bool answer) {
    tcp::socket peer(io);
    boost::system::error_code error;
    until([&] {
      acceptor.accept(peer, error);
      return !error;
    });
    std::array<std::byte, Hello::kBytes> hello{};
    until([&] { return peer.available() >= hello.size(); });
    asio::read(peer, asio::buffer(hello));
    if (answer) {
      asio::write(peer,
                  asio::buffer(encode(HelloAnswer{HelloAnswer::Verdict::payload_follows, {}})));
    }
    return peer;
  }

  // Until the sender can write no more.
  void jam() {
    uint64_t before = 0;
    int same = 0;
    until([&] {
      same = sender->counts().frames == before && before > 0 ? same + 1 : 0;
      before = sender->counts().frames;
      return same > 20;
    });
  }

  // Reads frames to the end of the connection or to `want` frames; returns their sessions.
  std::vector<SessionId> read_frames(tcp::socket& peer, size_t want) {
    std::vector<SessionId> out;
    std::vector<std::byte> bytes;
    peer.non_blocking(true);
    boost::system::error_code error;
    until([&] {
      std::vector<std::byte> chunk(1 << 20);
      const size_t n = peer.read_some(asio::buffer(chunk), error);
      bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(n));
      return (error && error != asio::error::would_block) ||
             bytes.size() >= want * (WireFrame::kBytes + kLarge.block_bytes());
    });
    const FrameRules rules{kLarge, false, source->bytes().size()};
    for (size_t at = 0; at + WireFrame::kBytes <= bytes.size() && out.size() < want;) {
      const auto frame = decode_frame(
          std::span<const std::byte, WireFrame::kBytes>(bytes.data() + at, WireFrame::kBytes),
          rules);
      EXPECT_TRUE(frame) << frame.error().message;
      if (!frame) break;
      at += WireFrame::kBytes + frame->header.length;
      if (at > bytes.size()) break;  // torn
      const std::span payload(bytes.data() + at - frame->header.length, frame->header.length);
      EXPECT_EQ(crc32c(payload), frame->header.crc32c);
      out.push_back(frame->header.session);
    }
    return out;
  }

  tcp::acceptor acceptor{io};
  std::string address;
  const SessionId first{1, 1};
  const SessionId second{2, 2};
};

TEST_F(StuckPeer, ForgettingASessionInTheMiddleOfAWriteLosesNoOtherSessionsFrames) {
  sender->post(address, frames(first, 0, 50));
  sender->post(address, frames(second, 50, 4));
  auto peer = accept(true);
  jam();
  ASSERT_GT(sender->waiting(first), 0u);
  sender->forget(first);
  EXPECT_EQ(sender->waiting(first), 0u);
  // From here on the pages of `first` may hold anything.
  for (uint32_t page = 0; page < 50; ++page) *source->entry(PageId{page}, 0, 0) = std::byte{99};
  auto again = accept(true);
  EXPECT_EQ(read_frames(again, 8), std::vector<SessionId>(8, second));
  for (const SessionId session : read_frames(peer, 999)) EXPECT_EQ(session, first);
  until([&] { return !written.empty(); });
  EXPECT_EQ(written, std::vector<SessionId>{second});
  EXPECT_TRUE(down.empty());
}

TEST_F(StuckPeer, AWriteWithoutProgressIsGivenUp) {
  sender->post(address, frames(first, 0, 60));
  auto peer = accept(true);
  jam();
  clock.advance(11s);
  until([&] { return !down.empty(); });
  EXPECT_EQ(lost, std::vector<SessionId>{first});
  EXPECT_NE(down[0].find("did not take frames in time"), std::string::npos);
}

TEST_F(StuckPeer, APeerThatNeverAnswersTheHelloIsGivenUp) {
  sender->post(address, frames(first, 0, 1));
  auto peer = accept(false);
  clock.advance(4s);
  until([&] { return !down.empty(); });
  EXPECT_EQ(sender->counts().connections, 0u);
}

TEST_F(StuckPeer, DoesNotDelayAnotherPeer) {
  sender->post(address, frames(first, 0, 60));
  auto peer = accept(true);
  jam();
  tcp::acceptor other(io, {asio::ip::address_v4::loopback(), 0});
  other.non_blocking(true);
  sender->post("127.0.0.1:" + std::to_string(other.local_endpoint().port()), frames(second, 0, 1));
  std::swap(acceptor, other);
  auto quick = accept(true);
  EXPECT_EQ(read_frames(quick, 2), std::vector<SessionId>(2, second));
  EXPECT_GT(sender->waiting(first), 0u);
}

TEST_F(StuckPeer, APeerThatSpeaksAfterItsAnswerOrVanishesIsDown) {
  sender->post(address, frames(first, 0, 60));
  auto peer = accept(true);
  jam();
  asio::write(peer, asio::buffer("?", 1));
  until([&] { return down.size() == 1; });
  sender->post(address, frames(second, 0, 60));
  auto next = accept(true);
  jam();
  next.close();
  until([&] { return down.size() == 2; });
  EXPECT_EQ(lost, (std::vector<SessionId>{first, second}));
}

TEST_F(StuckPeer, ASenderMayBeDestroyedWhileItWrites) {
  sender->post(address, frames(first, 0, 60));
  auto peer = accept(true);
  jam();
  sender.reset();
  read_frames(peer, 999);
  EXPECT_TRUE(down.empty());
}

}  // namespace
}  // namespace baton::kvcache
