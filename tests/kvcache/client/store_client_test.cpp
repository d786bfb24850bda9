// The client with a real server, and with one that is gone, started again, mute or lying.
#include "kvcache/client/store_client.h"

#include "tests/kvcache/store/store_world.h"

namespace baton::kvcache {
namespace {

class StoreClientTest : public StoreWorld {
 protected:
  void make_client(StoreClientOptions options = {}) {
    options.address = address;
    options.check_interval = 1ms;
    StoreClientEvents events;
    events.on_held = [this](StoreOrder order, std::optional<uint32_t> pages) {
      held[order.serial] = pages;
    };
    events.on_begin = [this](StoreOrder order) { begun.push_back(order.serial); };
    events.on_page = [this](StoreOrder order) {
      ++pages[order.serial];
      if (after_page) after_page(order);
    };
    events.on_end = [this](StoreOrder order) { ++ends[order.serial]; };
    events.on_kept = [this](uint32_t stored) { kept.push_back(stored); };
    client = std::make_unique<StoreClient>(io.get_executor(), options, pool, clock, Log(),
                                           std::move(events));
  }

  // Page n of the pool holds what page n's name says.
  void fill(uint32_t n) {
    const auto bytes = bytes_of(n, kFormat.page_bytes());
    for (uint32_t layer = 0; layer < kFormat.layers; ++layer)
      std::ranges::copy(
          std::span(bytes).subspan(layer * kFormat.block_bytes(), kFormat.block_bytes()),
          pool.block(PageId{n}, layer).begin());
  }
  bool holds(uint32_t page, uint32_t n) {
    const auto bytes = bytes_of(n, kFormat.page_bytes());
    const auto there = pool.bytes().subspan(pool.offset_of(PageId{page}, 0), bytes.size());
    return std::ranges::equal(there, bytes);
  }
  void keep(uint32_t from, uint32_t to) {
    std::vector<KeptPage> list;
    for (uint32_t n = from; n < to; ++n) {
      fill(n);
      list.push_back({name_of(n), PageId{n}, n});
    }
    client->keep(list);
  }
  static std::vector<PageId> places(uint32_t from, uint32_t to) {
    std::vector<PageId> out;
    for (uint32_t page = from; page < to; ++page) out.push_back(PageId{page});
    return out;
  }
  static StoreOrder order(uint64_t serial) { return {JobId{serial}, serial}; }
  std::optional<uint32_t> look_up(uint64_t serial, uint32_t from, uint32_t to) {
    client->look_up(order(serial), names(from, to));
    EXPECT_FALSE(held.contains(serial)) << "never from inside the call";
    until([&] { return held.contains(serial); });
    return held[serial];
  }

  PoolMemory pool = std::move(*PoolMemory::create_private(kFormat, kPages));
  std::map<uint64_t, std::optional<uint32_t>> held;
  std::map<uint64_t, uint32_t> pages, ends;
  std::vector<uint32_t> kept;
  std::vector<uint64_t> begun;
  std::function<void(StoreOrder)> after_page;
  std::unique_ptr<StoreClient> client;  // last: its events touch all of these
};

TEST_F(StoreClientTest, KeepsLooksUpAndReadsPages) {
  make_server();
  StoreClientOptions options;
  options.batch_bytes = 2000;  // two pages at a time
  make_client(options);
  keep(0, 5);
  until([&] { return !kept.empty(); });
  EXPECT_EQ(kept, std::vector<uint32_t>{5});
  EXPECT_EQ(look_up(1, 0, 9), 5u);
  client->read(order(2), names(0, 5), places(10, 15));
  until([&] { return ends[2] == 1; });
  EXPECT_EQ(pages[2], 5u);
  for (uint32_t n = 0; n < 5; ++n) EXPECT_TRUE(holds(10 + n, n));
  EXPECT_EQ(client->counts().pages_read, 5u);
  EXPECT_EQ(client->counts().pages_written, 5u);
  EXPECT_EQ(client->counts().connections, 2u);
}

TEST_F(StoreClientTest, ReadingEndsAtThePageThatIsMissing) {
  make_server();
  make_client();
  keep(0, 3);
  until([&] { return !kept.empty(); });
  client->read(order(1), names(0, 6), places(10, 16));
  until([&] { return ends[1] == 1; });
  EXPECT_EQ(pages[1], 3u);
}

TEST_F(StoreClientTest, ALookupPassesALongReadBetweenTwoBatches) {
  make_server();
  StoreClientOptions options;
  options.batch_bytes = 1;
  make_client(options);
  keep(0, 8);
  until([&] { return !kept.empty(); });
  client->read(order(1), names(0, 8), places(10, 18));
  client->look_up(order(2), names(0, 8));
  until([&] { return held.contains(2); });
  EXPECT_LT(pages[1], 4u);
  until([&] { return ends[1] == 1; });
  EXPECT_EQ(pages[1], 8u);
}

TEST_F(StoreClientTest, AReadBeginsWhenItIsItsTurn) {
  make_server();
  StoreClientOptions options;
  options.batch_bytes = 1;
  make_client(options);
  keep(0, 4);
  until([&] { return !kept.empty(); });
  client->read(order(1), names(0, 4), places(10, 14));
  client->read(order(2), names(0, 4), places(14, 18));
  client->read(order(3), names(0, 4), places(18, 22));
  client->forget(order(2), true);
  until([&] { return pages[1] == 2; });
  EXPECT_EQ(begun, std::vector<uint64_t>{1});
  until([&] { return ends[3] == 1; });
  EXPECT_EQ(begun, (std::vector<uint64_t>{1, 3})) << "once each";
}

TEST_F(StoreClientTest, AForgottenReadWritesIntoNoPage) {
  make_server();
  StoreClientOptions options;
  options.batch_bytes = 1;
  make_client(options);
  keep(0, 4);
  until([&] { return !kept.empty(); });
  after_page = [&](StoreOrder first) {
    client->forget(first, false);
    after_page = nullptr;
  };
  client->read(order(1), names(0, 4), places(10, 14));
  EXPECT_EQ(look_up(2, 0, 4), 4u);
  until([&] { return status().store.memory_hits >= 1; });
  EXPECT_EQ(look_up(3, 0, 4), 4u) << "the connection goes on";
  EXPECT_EQ(pages[1], 1u);
  EXPECT_EQ(ends[1], 0u);
  EXPECT_FALSE(holds(11, 1));
  EXPECT_EQ(client->counts().failures, 0u);
}

TEST_F(StoreClientTest, WithoutAStoreEveryOrderFailsAtOnceAndItIsTriedAgainAfterAPause) {
  make_server();
  server.reset();
  make_client();
  EXPECT_EQ(look_up(1, 0, 2), std::nullopt);
  EXPECT_EQ(client->counts().failures, 1u);
  client->read(order(2), names(0, 1), places(10, 11));
  keep(0, 1);
  until([&] { return ends[2] == 1 && kept.size() == 1; });
  EXPECT_EQ(kept[0], 0u);
  EXPECT_EQ(client->counts().failures, 2u) << "one of each way; no further try";
  EXPECT_EQ(look_up(3, 0, 2), std::nullopt);
  EXPECT_EQ(client->counts().failures, 2u);
  clock.advance(10s);
  EXPECT_EQ(look_up(4, 0, 2), std::nullopt);
  EXPECT_EQ(client->counts().failures, 3u);
}

TEST_F(StoreClientTest, AStoreThatWasStartedAgainIsFoundByTheNextOrder) {
  make_server();
  make_client();
  EXPECT_EQ(look_up(1, 0, 2), 0u);
  StoreServerOptions options;
  options.port = static_cast<uint16_t>(std::stoi(parse_endpoint(address)->port));
  server.reset();
  make_server(options);
  EXPECT_EQ(look_up(2, 0, 2), 0u);
  EXPECT_EQ(client->counts().failures, 0u);
  EXPECT_EQ(client->counts().connections, 2u);
}

class MuteStore : public StoreClientTest {
 protected:
  // Accepts, and says what `answer` holds to each request of `asked` bytes.
  void make_mute(size_t asked = 0, std::vector<std::byte> answer = {}) {
    address = to_string(Endpoint{"127.0.0.1", std::to_string(acceptor.local_endpoint().port())});
    acceptor.async_accept([this, asked, answer = std::move(answer)](const auto& error, auto peer) {
      if (error) return;
      peers.push_back(std::make_unique<tcp::socket>(std::move(peer)));
      tcp::socket& socket = *peers.back();
      asio::async_read(socket, asio::buffer(request, asked),
                       [&socket, answer](const auto&, size_t) {
                         boost::system::error_code ignored;
                         asio::write(socket, asio::buffer(answer), ignored);
                       });
    });
  }

  tcp::acceptor acceptor{io, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)};
  std::vector<std::unique_ptr<tcp::socket>> peers;
  std::array<std::byte, 4096> request;
};

TEST_F(MuteStore, AnOrderThatIsLateCutsTheConnectionAndTheNextOneIsAskedOnAnother) {
  make_mute(sizeof request);
  make_client();
  client->look_up(order(1), names(0, 2));
  until([&] { return peers.size() == 1; });
  const auto header = encode(StoreAnswer{StoreAnswer::Kind::held, 2, 2, 0, {}});
  make_mute(StoreRequest::kBytes + names_bytes(2),
            std::vector<std::byte>(header.begin(), header.end()));
  client->look_up(order(2), names(0, 2));
  client->forget(order(1), true);
  until([&] { return held.contains(2); });
  EXPECT_EQ(held[2], 2u);
  EXPECT_FALSE(held.contains(1));
  EXPECT_EQ(client->counts().failures, 0u);
  EXPECT_EQ(client->counts().connections, 2u);
}

TEST_F(MuteStore, AfterTwoLateOrdersInARowTheNextOnesFailAtOnce) {
  make_mute(sizeof request);
  make_client();
  client->look_up(order(1), names(0, 2));
  until([&] { return peers.size() == 1; });
  make_mute(sizeof request);
  client->look_up(order(2), names(0, 2));
  client->forget(order(1), true);
  until([&] { return peers.size() == 2; });
  client->look_up(order(3), names(0, 2));
  client->forget(order(2), true);
  until([&] { return held.contains(3); });
  EXPECT_EQ(held[3], std::nullopt);
  EXPECT_FALSE(held.contains(2));
  EXPECT_EQ(client->counts().failures, 1u);
}

TEST_F(MuteStore, AWriteThatStandsStillIsGivenUp) {
  make_mute(sizeof request);
  make_client();
  keep(0, 2);
  until([&] { return peers.size() == 1; });
  until([&] {
    clock.advance(100ms);
    return !kept.empty();
  });
  EXPECT_EQ(kept[0], 0u);
}

TEST_F(MuteStore, APageWhoseDigestDoesNotHoldIsNeverWritten) {
  auto bytes = bytes_of(0, kFormat.page_bytes());
  const Digest right = stored_digest(name_of(0), bytes);
  bytes[100] ^= std::byte{4};
  const auto header = encode(
      StoreAnswer{StoreAnswer::Kind::page, 1, 0, static_cast<uint32_t>(bytes.size()), right});
  std::vector<std::byte> answer(header.begin(), header.end());
  answer.insert(answer.end(), bytes.begin(), bytes.end());
  make_mute(StoreRequest::kBytes + names_bytes(1), answer);
  make_client();
  client->read(order(1), names(0, 1), places(10, 11));
  until([&] { return ends[1] == 1; });
  EXPECT_EQ(pages[1], 0u);
  EXPECT_EQ(client->counts().damaged, 1u);
  EXPECT_FALSE(holds(10, 0));
}

TEST_F(MuteStore, AnotherPageThanTheOneAskedForIsNotTaken) {
  const auto bytes = bytes_of(7, kFormat.page_bytes());
  const auto header =
      encode(StoreAnswer{StoreAnswer::Kind::page, 1, 0, static_cast<uint32_t>(bytes.size()),
                         stored_digest(name_of(7), bytes)});
  std::vector<std::byte> answer(header.begin(), header.end());
  answer.insert(answer.end(), bytes.begin(), bytes.end());
  make_mute(StoreRequest::kBytes + names_bytes(1), answer);
  make_client();
  client->read(order(1), names(0, 1), places(10, 11));
  until([&] { return ends[1] == 1; });
  EXPECT_EQ(pages[1], 0u);
}

TEST_F(MuteStore, AnAnswerThatWasNotAskedForEndsTheConnection) {
  const auto header = encode(StoreAnswer{StoreAnswer::Kind::kept, 1, 0, 0, {}});
  make_mute(StoreRequest::kBytes + names_bytes(2),
            std::vector<std::byte>(header.begin(), header.end()));
  make_client();
  EXPECT_EQ(look_up(1, 0, 2), std::nullopt);
  EXPECT_EQ(client->counts().failures, 1u);
}

}  // namespace
}  // namespace baton::kvcache
