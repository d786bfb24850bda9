// The server, spoken to byte by byte.
#include "kvcache/store/store_server.h"

#include "tests/kvcache/store/store_world.h"

namespace baton::kvcache {
namespace {

class StoreServerTest : public StoreWorld {
 protected:
  void connect() {
    const auto endpoint = parse_endpoint(address);
    socket.emplace(io);
    socket->connect(tcp::endpoint(asio::ip::make_address(endpoint->host),
                                  static_cast<uint16_t>(std::stoi(endpoint->port))));
  }
  template <class Bytes>
  void say(const Bytes& bytes) {
    bool said = false;
    asio::async_write(*socket, asio::buffer(bytes.data(), bytes.size()),
                      [&](const auto&, size_t) { said = true; });
    until([&] { return said; });
  }
  // Nothing: the server has closed the connection.
  std::optional<std::vector<std::byte>> hear(size_t size) {
    std::vector<std::byte> bytes(size);
    std::optional<bool> heard;
    asio::async_read(*socket, asio::buffer(bytes),
                     [&](const auto& error, size_t) { heard = !error; });
    until([&] { return heard.has_value(); });
    return *heard ? std::optional(bytes) : std::nullopt;
  }
  std::optional<StoreAnswer> answer() {
    const auto bytes = hear(StoreAnswer::kBytes);
    if (!bytes) return std::nullopt;
    return *decode_answer(std::span(*bytes).first<StoreAnswer::kBytes>());
  }
  StoreAnswer put(const StoredPage& page) {
    say(encode(
        StoreRequest{StoreRequest::Kind::put, 9, 0, static_cast<uint32_t>(page.bytes().size())}));
    say(encode(PutPlace{page.name, page.depth, page.digest}));
    say(page.bytes());
    return *answer();
  }
  void ask(StoreRequest::Kind kind, uint32_t from, uint32_t to) {
    say(encode(StoreRequest{kind, 3, to - from, 0}));
    say(encode_names(names(from, to)));
  }

  std::optional<tcp::socket> socket;
};

TEST_F(StoreServerTest, TakesAndGivesPages) {
  StoreServerOptions options;
  options.batch_bytes = 1500;  // three pages at a time
  make_server(options);
  connect();
  for (uint32_t n = 0; n < 7; ++n) EXPECT_EQ(put(page_of(n)).count, 0u) << "stored";
  EXPECT_EQ(put(page_of(2)).count, 1u) << "known";
  ask(StoreRequest::Kind::look_up, 0, 9);
  EXPECT_EQ(*answer(), (StoreAnswer{StoreAnswer::Kind::held, 3, 7, 0, {}}));
  for (const uint32_t end : {7u, 9u}) {
    ask(StoreRequest::Kind::get, 1, end);
    for (uint32_t n = 1; n < 7; ++n) {
      EXPECT_EQ(*answer(), (StoreAnswer{StoreAnswer::Kind::page, 3, 0, 700, page_of(n).digest}));
      EXPECT_EQ(hear(700), bytes_of(n, 700));
    }
    EXPECT_EQ(*answer(), (StoreAnswer{StoreAnswer::Kind::end, 3, 6, 0, {}}));
  }
  const StoreStatus now = status();
  EXPECT_EQ(now.store.memory_hits, 12u);
  EXPECT_EQ(now.store.misses, 1u);
  EXPECT_EQ(now.memory_pages, 7u);
}

TEST_F(StoreServerTest, APageThatIsNotWholeIsRefusedAndTheConnectionGoesOn) {
  make_server();
  connect();
  StoredPage page = page_of(1);
  page.digest.high ^= 1;
  EXPECT_EQ(put(page).count, static_cast<uint32_t>(PutVerdict::refused));
  EXPECT_EQ(put(page_of(1)).count, static_cast<uint32_t>(PutVerdict::stored));
}

TEST_F(StoreServerTest, WhoDoesNotSpeakTheProtocolLosesTheConnection) {
  make_server();
  for (int fault = 0; fault < 3; ++fault) {
    connect();
    auto header =
        encode(StoreRequest{fault == 1 ? StoreRequest::Kind::put : StoreRequest::Kind::get, 1,
                            fault == 1 ? 0u : 2u, fault == 1 ? 700u : 0u});
    if (fault == 0) header[8] ^= std::byte{1};
    say(header);
    if (fault == 1) say(std::vector<std::byte>(PutPlace::kBytes));
    if (fault == 2) say(std::vector<std::byte>(names_bytes(2)));
    EXPECT_EQ(answer(), std::nullopt) << fault;
  }
  EXPECT_EQ(server->counts().violations, 3u);
}

TEST_F(StoreServerTest, WhoStandsStillLosesTheConnection) {
  make_server();
  connect();
  say(encode(StoreRequest{StoreRequest::Kind::put, 9, 0, 700}));
  ask(StoreRequest::Kind::look_up, 0, 1);  // taken for the place, and more is wanted
  until([&] { return server->counts().connections == 1; });
  std::optional<bool> ended;
  std::array<std::byte, 1> byte;
  asio::async_read(*socket, asio::buffer(byte), [&](const auto& e, size_t) { ended = !!e; });
  until([&] {
    clock.advance(1s);
    return ended.has_value();
  });
  EXPECT_TRUE(*ended);
}

TEST_F(StoreServerTest, BeyondTheLimitConnectionsAreClosed) {
  StoreServerOptions options;
  options.connections_max = 1;
  make_server(options);
  connect();
  ask(StoreRequest::Kind::look_up, 0, 1);
  ASSERT_TRUE(answer().has_value());
  tcp::socket first = std::move(*socket);
  connect();
  EXPECT_EQ(hear(1), std::nullopt);
  EXPECT_EQ(server->counts().refused, 1u);
}

TEST_F(StoreServerTest, AHostOrPortThatCantBeHadIsAnError) {
  make_server();
  StoreServerOptions options;
  options.port = static_cast<uint16_t>(std::stoi(parse_endpoint(address)->port));
  auto taken = StoreServer::listen(io.get_executor(), options,
                                   *PageStore::open({1 << 20, std::nullopt}), clock);
  EXPECT_EQ(taken.error().code, ErrorCode::unavailable);
}

}  // namespace
}  // namespace baton::kvcache
