#include "parallel/exchange/dispatch.h"

#include <gtest/gtest.h>

#include "base/hash/counter_rng.h"
#include "tests/parallel/exchange/dispatch_contract.h"
#include "tests/parallel/exchange/ranks.h"

namespace baton::parallel {
namespace {

using testing::Case;

class DispatchTest : public ::testing::TestWithParam<Case> {};

TEST_P(DispatchTest, EveryPairComesBackWithItsExpertsResult) {
  const Case c = GetParam();
  testing::on_ranks(c.ranks, [&](Port& port) { EXPECT_EQ(broken_dispatch(port, c), ""); });
}

INSTANTIATE_TEST_SUITE_P(Shapes, DispatchTest,
                         ::testing::Values(Case{1, 0, 4, 2, 5}, Case{2, 0, 3, 2, 7},
                                           Case{8, 0, 1, 4, 3}, Case{8, 1, 2, 4, 6},
                                           Case{8, 2, 2, 4, 6}, Case{8, 4, 3, 6, 6},
                                           Case{12, 4, 2, 8, 9}, Case{8, 8, 2, 4, 6}),
                         [](const auto& info) {
                           const Case& c = info.param;
                           return std::to_string(c.ranks) + "_ranks_" +
                                  std::to_string(c.ranks_per_host) + "_a_host_" +
                                  std::to_string(c.slots_per_rank) + "_slots";
                         });

// A row for four experts on four ranks of one other host crosses to it once.
TEST(DispatchBytes, AHostGetsARowOnce) {
  for (const uint32_t per_host : {0u, 4u}) {
    constexpr size_t kRowBytes = 4096;
    std::vector<uint64_t> bytes(8);
    testing::on_ranks(8, [&](Port& port) {
      Dispatch dispatch(port, {.ranks_per_host = per_host,
                               .slots_per_rank = 1,
                               .pairs_per_row = 4,
                               .row_bytes = kRowBytes,
                               .result_bytes = 4});
      const std::vector<uint32_t> sources{1, 0, 0, 0, 0, 0, 0, 0};
      const std::vector<std::byte> row(port.rank() == 0 ? kRowBytes : 0);
      std::vector<Pair> pairs;
      if (port.rank() == 0) pairs = {{0, 4}, {0, 5}, {0, 6}, {0, 7}};
      dispatch.start(sources, row.data(), pairs);
      dispatch.finish();
      EXPECT_EQ(dispatch.arrived().size(), port.rank() < 4 ? 0u : 1u);
      bytes[port.rank()] = port.counts().bytes;
    });
    const uint64_t rows_from_source = bytes[0] / kRowBytes;
    EXPECT_EQ(rows_from_source, per_host == 0 ? 4u : 1u);
  }
}

// Counts how often it is asked about what is on its way.
class AskedPort final : public Port {
 public:
  explicit AskedPort(std::unique_ptr<Port> port) : port_(std::move(port)) {}
  uint32_t rank() const override { return port_->rank(); }
  uint32_t size() const override { return port_->size(); }
  Transfer send(uint32_t to, Tag tag, std::span<const std::byte> bytes) override {
    return port_->send(to, tag, bytes);
  }
  Transfer receive(uint32_t from, Tag tag, std::span<std::byte> buffer) override {
    return port_->receive(from, tag, buffer);
  }
  bool done(Transfer transfer) override {
    const bool done = port_->done(transfer);
    if (!done) ++asked;
    return done;
  }
  size_t wait(Transfer transfer) override { return port_->wait(transfer); }
  const PortCounts& counts() const override { return port_->counts(); }

  int asked = 0;  // in vain

 private:
  std::unique_ptr<Port> port_;
};

// MPI moves long messages only while it is asked about some message.
TEST(DispatchProgress, AsksAboutRowsThenAboutResults) {
  LocalHub hub(2);
  AskedPort ours(hub.port(0)), theirs(hub.port(1));
  const DispatchShape shape{.row_bytes = 4, .result_bytes = 4};
  Dispatch here(ours, shape), there(theirs, shape);
  const std::vector<uint32_t> sources{1, 1};
  const float row = 5;
  const std::vector<Pair> to_there{{0, 1}}, to_here{{0, 0}};
  here.progress();
  EXPECT_EQ(ours.asked, 0) << "nothing is on its way";
  here.start(sources, reinterpret_cast<const std::byte*>(&row), to_there);
  here.progress();
  EXPECT_EQ(ours.asked, 1) << "their row";
  there.start(sources, reinterpret_cast<const std::byte*>(&row), to_here);
  here.finish();
  here.progress();
  EXPECT_EQ(ours.asked, 2) << "their result";
  there.finish();
  here.put(0, reinterpret_cast<const std::byte*>(&row));
  there.put(0, reinterpret_cast<const std::byte*>(&row));
  here.start_combine();
  there.start_combine();
  here.progress();
  EXPECT_EQ(ours.asked, 2) << "it is here";
  here.finish_combine();
  there.finish_combine();
  here.progress();
  EXPECT_EQ(ours.asked, 2);
}

}  // namespace
}  // namespace baton::parallel
