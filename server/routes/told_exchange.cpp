#include "server/routes/told_exchange.h"

#include "server/http/gzip.h"

namespace baton::server {

namespace {

// Smaller ones gain nothing; larger ones would hold up everybody else.
constexpr size_t kGzipBytesMin = 1024, kGzipBytesMax = 1024 * 1024;

class ToldExchange final : public http::Exchange {
 public:
  ToldExchange(std::unique_ptr<http::Exchange> inner, Told told)
      : inner_(std::move(inner)), told_(std::move(told)) {}

  void on_gone(std::function<void()> gone) override { inner_->on_gone(std::move(gone)); }
  void respond(http::Response response) override {
    add(response);
    if (response.body.size() >= kGzipBytesMin && response.body.size() <= kGzipBytesMax) {
      response.fields.push_back({"Vary", "Accept-Encoding"});
      if (http::accepts_gzip(told_.gzip)) {
        response.body = http::gzip(response.body);
        response.fields.push_back({"Content-Encoding", "gzip"});
      }
    }
    inner_->respond(std::move(response));
  }
  void begin(http::Response head, std::string_view comment) override {
    add(head);
    inner_->begin(std::move(head), comment);
  }
  void write(std::string_view data) override { inner_->write(data); }
  void end() override { inner_->end(); }

 private:
  void add(http::Response& response) {
    response.fields.insert(response.fields.end(), told_.fields.begin(), told_.fields.end());
    told_.answered(response.status);
  }

  std::unique_ptr<http::Exchange> inner_;
  Told told_;
};

}  // namespace

std::unique_ptr<http::Exchange> told_exchange(std::unique_ptr<http::Exchange> inner, Told told) {
  return std::make_unique<ToldExchange>(std::move(inner), std::move(told));
}

}  // namespace baton::server
