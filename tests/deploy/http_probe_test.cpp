#include "deploy/http_probe.h"

#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <future>

namespace baton::deploy {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// Listens on loopback and gives one answer to the first request.
struct OneAnswer {
  OneAnswer() : acceptor(io, {asio::ip::address_v4::loopback(), 0}) {}
  std::string address() const {
    return "127.0.0.1:" + std::to_string(acceptor.local_endpoint().port());
  }
  // The request's first line.
  std::future<std::string> answer(std::string text) {
    return std::async(std::launch::async, [this, text = std::move(text)] {
      tcp::socket socket = acceptor.accept();
      std::string request;
      asio::read_until(socket, asio::dynamic_buffer(request), "\r\n\r\n");
      asio::write(socket, asio::buffer(text));
      return request.substr(0, request.find("\r\n"));
    });
  }
  asio::io_context io;
  tcp::acceptor acceptor;
};

TEST(HttpProbe, is_true_for_200_only) {
  for (const auto& [status, yes] :
       {std::pair("200 OK", true), std::pair("503 Service Unavailable", false),
        std::pair("204 No Content", false)}) {
    OneAnswer server;
    auto request =
        server.answer("HTTP/1.1 " + std::string(status) + "\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(answers_200(server.address(), "/readyz"), yes) << status;
    EXPECT_EQ(request.get(), "GET /readyz HTTP/1.1");
  }
}

TEST(HttpProbe, is_false_where_nobody_answers_as_it_should) {
  EXPECT_FALSE(answers_200("nonsense", "/"));
  std::string closed;
  {
    const OneAnswer server;
    closed = server.address();
  }
  EXPECT_FALSE(answers_200(closed, "/"));
  OneAnswer server;
  auto request = server.answer("HTTP");
  EXPECT_FALSE(answers_200(server.address(), "/"));
  request.get();
}

// The launcher watches its daemons on the thread that asks: it must not hang with one of them.
TEST(HttpProbe, does_not_wait_for_ever) {
  const OneAnswer silent;  // the kernel accepts, nobody reads
  EXPECT_FALSE(answers_200(silent.address(), "/"));
}

}  // namespace
}  // namespace baton::deploy
